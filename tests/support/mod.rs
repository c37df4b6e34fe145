//! What the whole-program tests share: the real binary, a server on a free port, and the journals that runs leave.

#![allow(dead_code, reason = "each test program uses a part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by it")]

pub mod browser;

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use retort_spec::{Event, Metric, Record};

/// The program under test, without the settings of whoever runs the tests.
pub fn retort() -> Command {
    without_settings(Path::new(env!("CARGO_BIN_EXE_retort")))
}

/// A program without the settings of whoever runs the tests.
pub fn without_settings(program: &Path) -> Command {
    let mut command = Command::new(program);
    for setting in ["RETORT_DATA", "RETORT_LISTEN", "RETORT_MIRROR", "RETORT_PUBLIC_URL"] {
        command.env_remove(setting);
    }
    command
}

/// Runs a command to its end.
#[track_caller]
pub fn output(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().unwrap()
}

/// What a successful command printed.
#[track_caller]
pub fn success(command: &mut Command) -> String {
    let output = output(command);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What a command said that refused.
#[track_caller]
pub fn failure(command: &mut Command) -> String {
    let output = output(command);
    let message = String::from_utf8(output.stderr).unwrap();
    // 1: the program refused; 2: the arguments were refused. A panic ends with 101.
    assert!(matches!(output.status.code(), Some(1 | 2)), "{:?}, and it said: {message}", output.status);
    message
}

/// Waits until `look` finds something.
#[track_caller]
pub fn wait_for<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {limit:?} in vain for {what}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// A server on a free port. It is killed when the value is dropped, and so are the workers that it leaves.
pub struct Server {
    child: Child,
    /// `http://127.0.0.1:PORT`.
    pub link: String,
    data: PathBuf,
}

impl Server {
    /// Starts a server on a data folder and waits until it answers.
    #[track_caller]
    pub fn start(data: &Path) -> Self {
        Self::start_with(data, &[])
    }

    /// The same with further arguments.
    #[track_caller]
    pub fn start_with(data: &Path, arguments: &[&str]) -> Self {
        Self::start_program(Path::new(env!("CARGO_BIN_EXE_retort")), data, arguments)
    }

    /// The same of another copy of the program.
    #[track_caller]
    pub fn start_program(program: &Path, data: &Path, arguments: &[&str]) -> Self {
        let mut command = without_settings(program);
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data).args(arguments);
        Self::start_command(command, |_| data.to_owned())
    }

    /// The same by a command of its own; `data` tells where the process of this number has its data folder.
    #[track_caller]
    pub fn start_command(mut command: Command, data: impl Fn(u32) -> PathBuf) -> Self {
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let data = data(child.id());
        let mut server = Self { child, link: String::new(), data };
        let mut line = String::new();
        BufReader::new(server.child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let link = line.split_whitespace().find(|word| word.starts_with("http://"));
        server.link = link.map(str::to_owned).expect("the server did not say where it is");
        server
    }

    /// The data folder.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills the server alone, as `kill -9` does; its workers go on.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Stops the server as a service manager does, and waits for its end.
    pub fn terminate(&mut self) {
        signal("TERM", self.child.id());
        assert!(self.child.wait().unwrap().success());
    }

    /// Posts a form; returns the address that the answer sends the browser to.
    #[track_caller]
    pub fn post(&self, path: &str, form: &[(&str, &str)]) -> String {
        let agent: ureq::Agent = ureq::Agent::config_builder().max_redirects(0).build().into();
        let answer = agent.post(format!("{}{path}", self.link)).send_form(form.iter().copied()).unwrap();
        assert_eq!(answer.status(), 303);
        answer.headers()["location"].to_str().unwrap().to_owned()
    }

    /// The source of a page.
    #[track_caller]
    pub fn get(&self, path: &str) -> String {
        ureq::get(format!("{}{path}", self.link)).call().unwrap().body_mut().read_to_string().unwrap()
    }

    /// A file that a page offers, with its media type.
    #[track_caller]
    pub fn download(&self, path: &str) -> (String, Vec<u8>) {
        let mut answer = ureq::get(format!("{}{path}", self.link)).call().unwrap();
        let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
        (kind, answer.body_mut().read_to_vec().unwrap())
    }

    /// Sends a file by the form of a page: the address that the answer sends the browser to, or the page with what is wrong.
    #[track_caller]
    pub fn upload(&self, path: &str, file: &Path) -> Result<String, String> {
        let config = ureq::Agent::config_builder().max_redirects(0).http_status_as_error(false);
        let agent: ureq::Agent = config.build().into();
        let head = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.tar\"\r\n\r\n";
        let body = [head.as_bytes(), &fs::read(file).unwrap(), b"\r\n--b--\r\n"].concat();
        let request = agent.post(format!("{}{path}", self.link)).content_type("multipart/form-data; boundary=b");
        let mut answer = request.send(body.as_slice()).unwrap();
        match answer.headers().get("location") {
            Some(address) => Ok(address.to_str().unwrap().to_owned()),
            None => Err(answer.body_mut().read_to_string().unwrap()),
        }
    }

    /// Imports a dataset into the server's folder.
    #[track_caller]
    pub fn import(&self, archive: &Path, name: &str) {
        success(retort().args(["data", "import"]).arg(archive).args(["--name", name, "--data"]).arg(&self.data));
    }

    /// The folder of a run.
    pub fn run_dir(&self, id: u32) -> PathBuf {
        self.data.join("runs").join(id.to_string())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended before.
        let _ = self.child.kill();
        let _ = self.child.wait();
        for dir in fs::read_dir(self.data.join("runs")).into_iter().flatten().flatten() {
            let folder = retort_engine::RunFolder::at(dir.path());
            let worker = || folder.worker().ok().flatten();
            // One that was just started has not written its number yet.
            let deadline = Instant::now() + Duration::from_secs(5);
            while worker() == Some(0) && Instant::now() < deadline {
                thread::sleep(Duration::from_millis(10));
            }
            if let Some(worker) = worker().filter(|worker| *worker > 1) {
                signal("KILL", worker);
            }
        }
    }
}

/// Sends a signal by its name.
pub fn signal(name: &str, process: u32) {
    assert!(process > 1);
    Command::new("kill").arg(format!("-{name}")).arg(process.to_string()).status().unwrap();
}

/// The form of a comparison that trains in seconds.
pub const TINY: [(&str, &str); 10] = [
    ("title", "Tiny"),
    ("dataset", "fashion-mnist-5k"),
    ("train_images", "100"),
    ("test_images", "50"),
    ("teacher", "train:resnet8"),
    ("students", "resnet8"),
    ("seeds", "1"),
    ("attacks", "fgsm"),
    ("eps", "8/255"),
    ("device", "cpu"),
];

/// A tar archive of two classes of plain images, one of each for training and one for testing, with a text beside them.
pub fn archive_of_images() -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (place, grey) in [("train/cat", 10), ("train/dog", 90), ("test/cat", 170), ("test/dog", 250)] {
        let mut png = std::io::Cursor::new(Vec::new());
        let image = image::RgbImage::from_pixel(32, 32, image::Rgb([grey; 3]));
        image.write_to(&mut png, image::ImageFormat::Png).unwrap();
        let png = png.into_inner();
        let mut header = tar::Header::new_gnu();
        header.set_size(png.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, format!("{place}/1.png"), png.as_slice()).unwrap();
    }
    let mut header = tar::Header::new_gnu();
    header.set_size(5);
    header.set_mode(0o644);
    tar.append_data(&mut header, "train/README.txt", &b"notes"[..]).unwrap();
    tar.into_inner().unwrap()
}

/// The archive with all of CIFAR-10, where `RETORT_TEST_DATA` names a folder that has it.
pub fn cifar10() -> Option<PathBuf> {
    let folder = std::env::var_os("RETORT_TEST_DATA")?;
    Some(Path::new(&folder).join("cifar10-images.tar.gz"))
}

/// The whole lines of a run's journal.
pub fn journal(dir: &Path) -> Vec<Record> {
    let text = fs::read_to_string(dir.join("journal.jsonl")).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The lines of a journal that depend on the spec alone, as they stand there but for the time and the attempt.
pub fn figures(dir: &Path) -> Vec<String> {
    let kept = |r: &Record| matches!(r.event, Event::Metrics { .. } | Event::Evaluation { .. });
    let of_spec = |event: Event| match event {
        Event::Metrics { stage, epoch, mut values } => {
            values.remove(&Metric::Memory);
            Event::Metrics { stage, epoch, values }
        }
        event => event,
    };
    journal(dir).into_iter().filter(kept).map(|r| serde_json::to_string(&of_spec(r.event)).unwrap()).collect()
}

/// Whether the run has ended well.
pub fn is_finished(dir: &Path) -> bool {
    journal(dir).iter().any(|r| matches!(r.event, Event::Finished { .. }))
}
