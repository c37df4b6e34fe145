//! A headless Chromium, driven through its driver.

use std::{
    env,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use fantoccini::{Client, ClientBuilder, Locator, elements::Element};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};

/// Where a program lies on the PATH.
fn program(name: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|dir| dir.join(name)).find(|file| file.is_file())
}

/// Whether a program lies on the PATH.
pub fn is_program(name: &str) -> bool {
    program(name).is_some()
}

/// Whether Debian's `chromium` and `chromium-driver` are here.
pub fn is_here() -> bool {
    program("chromium").is_some() && program("chromedriver").is_some()
}

/// A process that is killed when the value is dropped.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may have ended before.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A browser with one tab. Its driver, and with it the browser, is killed when the value is dropped.
pub struct Browser {
    // Dropped in this order: the folder goes last, when nobody writes to it any more.
    _driver: Killed,
    address: String,
    pub tab: Client,
    _profile: tempfile::TempDir,
}

const PATIENCE: Duration = Duration::from_mins(2);

impl Browser {
    /// Starts a driver on a free port, and a browser.
    pub async fn start() -> Self {
        let profile = tempfile::tempdir().unwrap();
        let driver = Command::new("chromedriver")
            .arg("--port=0")
            .env("TMPDIR", profile.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut driver = Killed(driver);
        let mut lines = BufReader::new(driver.0.stdout.take().unwrap()).lines();
        let port = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.strip_suffix('.')?.rsplit_once("successfully on port ").map(|(_, p)| p.to_owned()))
            .expect("chromedriver did not say its port");
        // What it prints later is of no use, but a closed pipe would end it.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        let address = format!("http://127.0.0.1:{port}");
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--window-size=1280,1000",
            &format!("--user-data-dir={}", profile.path().join("profile").display()),
        ];
        let wanted = json!({
            "goog:chromeOptions": { "args": arguments, "binary": program("chromium") },
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(wanted.as_object().unwrap().clone());
        let tab = builder.connect(&address).await.expect("chromedriver could not start Chromium");
        Self { _driver: driver, address, tab, _profile: profile }
    }

    /// The first element that a CSS selector finds, waited for.
    pub async fn find(&self, css: &str) -> Element {
        let found = self.tab.wait().at_most(PATIENCE).for_element(Locator::Css(css)).await;
        found.unwrap_or_else(|e| panic!("no {css} on the page: {e}"))
    }

    /// Clicks it, in the middle of the window: at its end the form's bar may lie over it.
    pub async fn click(&self, css: &str) {
        self.find(css).await;
        self.script(&format!("document.querySelector({css:?}).scrollIntoView({{ block: 'center' }})")).await;
        self.find(css).await.click().await.unwrap_or_else(|e| panic!("{css} cannot be clicked: {e}"));
    }

    /// Replaces the text of a field.
    pub async fn fill(&self, css: &str, text: &str) {
        let field = self.find(css).await;
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    /// What a script returns.
    pub async fn script(&self, script: &str) -> Value {
        self.tab.execute(script, Vec::new()).await.unwrap()
    }

    /// Waits until a script returns true.
    pub async fn until(&self, what: &str, script: &str) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while self.script(script).await != Value::Bool(true) {
            assert!(tokio::time::Instant::now() < deadline, "waited in vain for {what}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// A command of the driver's own that the standard does not know.
    async fn driver(&self, path: &str, body: Value) -> Value {
        let session = self.tab.session_id().await.unwrap().unwrap();
        let url = format!("{}/session/{session}/{path}", self.address);
        let answer = tokio::task::spawn_blocking(move || {
            ureq::post(url).send(body.to_string()).unwrap().body_mut().read_to_string().unwrap()
        });
        serde_json::from_str(&answer.await.unwrap()).unwrap()
    }

    /// Makes the window's inside this wide, as a phone's is narrower than a window may be.
    pub async fn width(&self, width: u32, height: u32) {
        let params = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        let command = json!({ "cmd": "Emulation.setDeviceMetricsOverride", "params": params });
        self.driver("goog/cdp/execute", command).await;
    }

    /// Shows pages as a reader who prefers `light` or `dark` sees them.
    pub async fn scheme(&self, scheme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        let command = json!({ "cmd": "Emulation.setEmulatedMedia", "params": { "features": features } });
        self.driver("goog/cdp/execute", command).await;
    }

    /// Fails if the page's scripts, its parts or its security policy complained since the last time. A page that is
    /// itself an error is no complaint.
    pub async fn assert_console_is_quiet(&self) {
        let page = self.tab.current_url().await.unwrap();
        let log = self.driver("se/log", json!({ "type": "browser" })).await;
        let is_page = |entry: &Value| {
            let message = entry["message"].as_str().unwrap();
            // A form that was refused takes an address of its own.
            let is_refused = message.contains("/experiments - ") && message.contains("a status of 422 ");
            entry["source"] == "network" && (is_refused || message.starts_with(&format!("{page} - ")))
        };
        let is_complaint = |entry: &&Value| entry["level"] == "SEVERE" && !is_page(entry);
        let complaints: Vec<&Value> = log["value"].as_array().unwrap().iter().filter(is_complaint).collect();
        assert!(complaints.is_empty(), "{complaints:?}");
    }

    /// Fails if the page scrolls sideways on a phone.
    pub async fn assert_fits_a_phone(&self) {
        self.width(390, 800).await;
        let width = self.script("return document.documentElement.scrollWidth").await;
        assert!(width.as_u64().unwrap() <= 390, "{} is {width} pixels wide", self.tab.current_url().await.unwrap());
        self.width(1280, 1000).await;
    }

    /// Saves the page, light, dark and as on a phone, in the folder that `RETORT_SCREENSHOTS` names, if it does.
    pub async fn photograph(&self, name: &str) {
        let Some(folder) = env::var_os("RETORT_SCREENSHOTS").map(PathBuf::from) else { return };
        std::fs::create_dir_all(&folder).unwrap();
        for (look, scheme, width) in [("light", "light", 1280), ("dark", "dark", 1280), ("phone", "light", 390)] {
            self.scheme(scheme).await;
            self.width(width, 1000).await;
            let height = self.script("return document.documentElement.scrollHeight").await.as_u64().unwrap();
            self.width(width, height.min(6_000) as u32).await;
            std::fs::write(folder.join(format!("{name}-{look}.png")), self.tab.screenshot().await.unwrap()).unwrap();
        }
        self.scheme("light").await;
        self.width(1280, 1000).await;
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends its browser when it is asked to quit; a test that failed did not ask.
        let limit = Some(Duration::from_secs(10));
        let agent: ureq::Agent = ureq::Agent::config_builder().timeout_global(limit).build().into();
        let _ = agent.get(format!("{}/shutdown", self.address)).call();
    }
}
