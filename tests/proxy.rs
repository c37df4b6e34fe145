//! A proxy in front of the server: Debian's nginx, which keeps the name of the host or rewrites it, and keeps the path or takes
//! it off.
//!
//! Without nginx these tests are reported as ignored (that of the browser without Debian's `chromium` and `chromium-driver` too),
//! unless `RETORT_REQUIRE_NGINX` is set: then they fail.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by it")]

mod support;

use std::{
    env, fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, Stdio},
    time::Duration,
};

use libtest_mimic::{Arguments, Failed, Trial};
use support::{
    Server, TINY,
    browser::{self, Browser},
    wait_for,
};

const LIMIT: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    let is_required = env::var_os("RETORT_REQUIRE_NGINX").is_some();
    let trial = |name: &str, proxy: Proxy, told: Option<&'static str>, test: fn(&Setup)| {
        Trial::test(name, move || {
            nginx().ok_or_else(|| Failed::from("nginx is missing: apt-get install nginx-light"))?;
            test(&Setup::start(proxy, told));
            Ok(())
        })
        .with_ignored_flag(!is_required && nginx().is_none())
    };
    let (root, kept, taken) = (
        |host| Proxy { host, path: "/", passes: "" },
        |host| Proxy { host, path: "/retort/", passes: "" },
        |host| Proxy { host, path: "/retort/", passes: "/" },
    );
    let watched = trial("a_browser_launches_and_watches_through_a_proxy", taken(REWRITTEN), Some("/retort"), watch);
    let is_browser_missing = !is_required && !browser::is_here();
    let watched = if is_browser_missing { watched.with_ignored_flag(true) } else { watched };
    let trials = vec![
        trial("a_proxy_that_keeps_the_host", root(KEPT), Some(""), everything),
        trial("a_proxy_that_rewrites_the_host", root(REWRITTEN), Some(""), everything),
        trial("a_proxy_that_keeps_the_host_and_the_path", kept(KEPT), Some("/retort"), everything),
        trial("a_proxy_that_keeps_the_host_and_takes_the_path_off", taken(KEPT), Some("/retort"), everything),
        trial("a_proxy_that_rewrites_the_host_and_keeps_the_path", kept(REWRITTEN), Some("/retort"), everything),
        trial("a_proxy_that_rewrites_the_host_and_takes_the_path_off", taken(REWRITTEN), Some("/retort"), everything),
        trial("a_proxy_that_nobody_told_of_is_told_what_to_set_for_its_host", root(KEPT), None, unknown_host),
        trial("a_proxy_that_nobody_told_of_is_told_what_to_set_for_its_forms", root(REWRITTEN), None, unknown_origin),
        trial("a_proxy_that_nobody_told_of_is_told_what_to_set_for_its_path", kept(REWRITTEN), None, unknown_path),
        watched,
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// Where nginx lies; a person's `PATH` mostly lacks its folder.
fn nginx() -> Option<PathBuf> {
    let folders = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&folders).chain(["/usr/sbin".into()]);
    folders.map(|folder| folder.join("nginx")).find(|file| file.is_file())
}

/// The lines of nginx by which it hands on the name that the browser asked for, or leaves its own in place.
const KEPT: &str = "proxy_set_header Host $http_host;";
const REWRITTEN: &str = "";

/// A way to stand in front of the server.
#[derive(Clone, Copy)]
struct Proxy {
    host: &'static str,
    path: &'static str,
    /// What follows the server's address in `proxy_pass`: a slash takes the path off.
    passes: &'static str,
}

/// A server with nginx in front of it, which is killed when the value is dropped.
struct Setup {
    nginx: Child,
    _server: Server,
    port: u16,
    /// The path in front of every address: `/retort`, or empty.
    base: &'static str,
    _dir: tempfile::TempDir,
}

impl Drop for Setup {
    fn drop(&mut self) {
        // It may have ended before.
        let _ = self.nginx.kill();
        let _ = self.nginx.wait();
    }
}

/// The name of the host in front; nobody resolves it, as requests go to this machine.
const HOST: &str = "lab.example";

impl Setup {
    /// Starts both. The server is told of the proxy where `told` has the path that it is to know.
    fn start(proxy: Proxy, told: Option<&'static str>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let public = told.map(|base| format!("http://{HOST}:{port}{base}"));
        let arguments: Vec<&str> = public.iter().flat_map(|url| ["--public-url", url.as_str()]).collect();
        let server = Server::start_with(&dir.path().join("data"), &arguments);
        let config = dir.path().join("nginx.conf");
        fs::write(&config, proxy.config(port, &server.link, dir.path())).unwrap();
        let nginx =
            Command::new(nginx().unwrap()).arg("-e").arg("stderr").arg("-c").arg(&config).stdin(Stdio::null()).spawn();
        let setup = Self { nginx: nginx.unwrap(), _server: server, port, base: told.unwrap_or_default(), _dir: dir };
        wait_for("nginx", LIMIT, || TcpStream::connect(("127.0.0.1", port)).ok());
        setup
    }

    /// Sends a request as a browser would by plain HTTP, where it names its page's origin and no more.
    fn send(&self, method: &str, address: &str, host: &str, body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let origin = if method == "POST" { format!("Origin: http://{host}\r\n") } else { String::new() };
        let request = format!(
            "{method} {address} HTTP/1.0\r\nHost: {host}\r\n{origin}Content-Length: {}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        stream
    }

    /// The status line and the headers, in lower case, and the body of an answer.
    fn ask(&self, method: &str, address: &str, body: &str) -> (String, String) {
        let mut answer = Vec::new();
        self.send(method, address, &format!("{HOST}:{}", self.port), body).read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_lowercase(), body.to_owned())
    }

    #[track_caller]
    fn get(&self, address: &str) -> String {
        let (head, body) = self.ask("GET", address, "");
        assert!(head.starts_with("http/1.1 200"), "{address}: {head}\n{body}");
        body
    }

    /// Launches a comparison; returns the head of the answer.
    fn launch(&self) -> (String, String) {
        let fields = TINY.iter().chain(&[("methods", "natural"), ("epochs", "1"), ("budget", "smoke")]);
        let form: Vec<String> = fields.map(|(name, value)| format!("{name}={}", value.replace('/', "%2F"))).collect();
        self.ask("POST", &format!("{}/experiments", self.base), &form.join("&"))
    }
}

impl Proxy {
    /// The configuration of an nginx without privileges that keeps to a folder.
    fn config(self, port: u16, server: &str, dir: &Path) -> String {
        let Self { host, path, passes } = self;
        let dir = dir.display();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {dir}/{kind};\n"))
            .concat();
        format!(
            "daemon off;\nmaster_process off;\npid {dir}/nginx.pid;\nevents {{}}\nhttp {{\naccess_log off;\n{temporary}\
             server {{\nlisten 127.0.0.1:{port};\nlocation {path} {{\nproxy_pass {server}{passes};\n{host}\n}}\n}}\n}}\n"
        )
    }
}

/// A page with its style and script, news, a form, a redirect and a share.
fn everything(setup: &Setup) {
    let base = setup.base;
    let page = setup.get(&format!("{base}/"));
    for part in ["static/style.css", "static/live.js", "experiments/new"] {
        assert!(page.contains(&format!("=\"{base}/{part}")), "{page}");
        setup.get(&format!("{base}/{part}"));
    }
    let mut news = setup.send("GET", &format!("{base}/live"), HOST, "");
    let (head, body) = setup.launch();
    assert!(head.starts_with("http/1.1 303"), "{head}\n{body}");
    let location = head.lines().find_map(|line| line.strip_prefix("location: ")).unwrap();
    // nginx makes a whole address of a path that it took off.
    let location = location.strip_prefix(&format!("http://{HOST}:{}", setup.port)).unwrap_or(location);
    assert_eq!(location, format!("{base}/experiments/1"));
    let mut heard = String::new();
    while !heard.contains("event: changed") {
        let mut part = [0; 1024];
        let length = news.read(&mut part).expect("no news came through the proxy");
        assert!(length > 0, "the news ended: {heard}");
        heard += &String::from_utf8_lossy(&part[..length]);
    }
    assert!(setup.get(location).contains(&format!("action=\"{base}/experiments/1/shares")));

    let (head, made) = setup.ask("POST", &format!("{base}/experiments/1/shares"), "title=&note=&days=");
    assert!(head.starts_with("http/1.1 303"), "{head}\n{made}");
    let made = setup.get(&format!("{base}/shares/1"));
    let link = made.split("value=\"").nth(1).unwrap().split('"').next().unwrap();
    let origin = format!("http://{HOST}:{}", setup.port);
    let path = link.strip_prefix(&origin).unwrap_or_else(|| panic!("{link} is not at {origin}"));
    assert!(path.starts_with(&format!("{base}/s/")), "{link}");
    let copy = setup.get(path);
    assert!(copy.contains(&format!("og:image\" content=\"{link}/preview.png")), "{copy}");
    assert!(copy.contains(&format!("href=\"{link}/table.csv\"")), "{copy}");
    assert!(setup.get(&format!("{path}/table.csv")).contains("student"));
}

fn unknown_host(setup: &Setup) {
    let mut answer = String::new();
    setup.send("GET", "/", HOST, "").read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("--public-url https://lab.example"), "{answer}");
}

fn unknown_origin(setup: &Setup) {
    let (head, body) = setup.launch();
    let told = format!("--public-url http://{HOST}:{}", setup.port);
    assert!(head.starts_with("http/1.1 403") && body.contains(&told), "{head}\n{body}");
    assert!(!setup.get("/experiments").contains("/experiments/1"), "it was launched all the same");
}

fn unknown_path(setup: &Setup) {
    let (head, body) = setup.ask("GET", "/retort/", "");
    assert!(head.starts_with("http/1.1 404") && body.contains("--public-url"), "{head}\n{body}");
}

/// A person at a browser that knows the proxy alone.
fn watch(setup: &Setup) {
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let browser = Browser::start().await;
        browser.tab.goto(&format!("http://localhost:{}/retort/experiments/new", setup.port)).await.unwrap();
        for (field, value) in
            [("title", "Through a proxy"), ("train_images", "100"), ("test_images", "50"), ("epochs", "1")]
        {
            browser.fill(&format!("#{field}"), value).await;
        }
        browser.until("the estimate", "return /8 runs/.test(document.querySelector('#summary').textContent)").await;
        browser.click("#launch .button.main").await;
        browser.find("#table").await;
        browser.script("window.stillTheSamePage = true").await;
        assert_eq!(browser.tab.current_url().await.unwrap().path(), "/retort/experiments/1");
        let trained = "return /[0-9]/.test(document.querySelector('#table td.n')?.textContent ?? '')";
        browser.until("the first number", trained).await;
        assert_eq!(browser.script("return window.stillTheSamePage").await, true, "the page was loaded again");
        browser.assert_console_is_quiet().await;
    });
}
