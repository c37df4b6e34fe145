//! A server on a data folder, and the workers that it starts.

use std::{
    collections::HashMap,
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use retort_spec::RunState;
use retort_store::{Cursor, Run, RunFilter, Store};
use rustix::process::{Pid, Signal, kill_process};

/// How long all runs may take to come to their ends once nobody disturbs them any more.
const PATIENCE: Duration = Duration::from_mins(10);
/// How often the server may crash when it is started.
const STARTS: usize = 5;
/// Most runs that a folder may have.
const MOST: u32 = 100_000;

/// A comparison whose four runs take a few seconds each.
const FORM: [(&str, &str); 11] = [
    ("title", "Disturbed"),
    ("dataset", "fashion-mnist-5k"),
    ("train_images", "160"),
    ("test_images", "100"),
    ("teacher", "train:resnet8"),
    ("students", "resnet8"),
    ("methods", "ard"),
    ("attacks", "pgd-20"),
    ("eps", "8/255"),
    ("budget", "smoke"),
    ("device", "cpu"),
];

/// The world of one data folder.
pub struct World {
    program: PathBuf,
    /// The data folder.
    pub data: PathBuf,
    /// The folder by which crash points are armed.
    points: PathBuf,
    server: Option<Server>,
    /// Comparisons that were launched.
    launched: usize,
    /// The seed of the last one that was asked for.
    seed: u32,
}

struct Server {
    child: Child,
    link: String,
}

/// A worker that lives.
pub struct Worker {
    pub process: i32,
    /// The folder that it computes in.
    pub folder: PathBuf,
}

impl World {
    pub fn new(program: &Path, root: &Path) -> Result<Self> {
        let (data, points) = (root.join("data"), root.join("points"));
        fs::create_dir_all(&data)?;
        fs::create_dir_all(&points)?;
        // Workers are known by the path that they were told.
        let data = data.canonicalize()?;
        Ok(Self { program: program.canonicalize()?, data, points, server: None, launched: 0, seed: 0 })
    }

    /// A world of the same program on another data folder.
    pub fn elsewhere(&self, data: &Path) -> Result<Self> {
        let data = data.canonicalize()?;
        let (program, points) = (self.program.clone(), self.points.clone());
        Ok(Self { program, data, points, server: None, launched: 0, seed: 0 })
    }

    /// The program, without the settings of whoever runs this.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        for setting in ["RETORT_DATA", "RETORT_LISTEN", "RETORT_MIRROR", "RETORT_PUBLIC_URL"] {
            command.env_remove(setting);
        }
        command.stdin(Stdio::null());
        command
    }

    /// Starts the server if none runs.
    pub fn keep_serving(&mut self) -> Result<()> {
        if let Some(server) = &mut self.server
            && server.child.try_wait()?.is_none()
        {
            return Ok(());
        }
        self.server = None;
        for _ in 0..STARTS {
            let mut command = self.command();
            command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(&self.data);
            command.env("RETORT_CRASH_POINTS", &self.points).stdout(Stdio::piped()).stderr(Stdio::null());
            let mut child = command.spawn().context("starting the server")?;
            let mut line = String::new();
            if let Some(out) = child.stdout.take() {
                BufReader::new(out).read_line(&mut line)?;
            }
            if let Some(link) = line.split_whitespace().find(|word| word.starts_with("http://")) {
                self.server = Some(Server { child, link: link.to_owned() });
                return Ok(());
            }
            // It came by an armed crash point.
            child.wait()?;
        }
        bail!("the server does not start on {}", self.data.display())
    }

    /// Resumes the runs that were given up, as the rule is, and with them what failed for them; returns how many. Those that a
    /// server did not hear of are found by the next look.
    pub fn resume_given_up(&self) -> Result<usize> {
        let given_up = |run: &&Run| run.state == RunState::Failed && run.cause.contains("Given up after");
        let runs: Vec<i64> = self.runs()?.iter().filter(given_up).map(|run| run.id).collect();
        Ok(runs.iter().filter(|run| self.post(&format!("/runs/{run}/resume"), &[]).is_ok()).count())
    }

    /// Launches comparisons until so many runs are open. A server that ends meanwhile is found by the next look.
    pub fn keep_busy(&mut self, open: usize) {
        while self.launched * 4 < self.finished() + open {
            if self.launch().is_err() {
                return;
            }
        }
    }

    /// Launches a comparison with another seed than all before.
    fn launch(&mut self) -> Result<()> {
        self.seed += 1;
        let seed = self.seed.to_string();
        self.post("/experiments", &[&FORM[..], &[("seeds", seed.as_str()), ("epochs", "5")]].concat())?;
        self.launched += 1;
        Ok(())
    }

    /// Runs whose journals say that they have finished.
    fn finished(&self) -> usize {
        let folders = fs::read_dir(self.data.join("runs")).into_iter().flatten().flatten();
        let journals = folders.filter_map(|folder| fs::read_to_string(folder.path().join("journal.jsonl")).ok());
        journals.filter(|journal| journal.contains("\"event\":\"finished\"")).count()
    }

    fn post(&self, path: &str, form: &[(&str, &str)]) -> Result<()> {
        let server = self.server.as_ref().context("no server")?;
        let config = ureq::Agent::config_builder().max_redirects(0).timeout_global(Some(Duration::from_secs(20)));
        let agent: ureq::Agent = config.build().into();
        agent.post(format!("{}{path}", server.link)).send_form(form.iter().copied())?;
        Ok(())
    }

    /// The workers of this folder that live.
    pub fn workers(&self) -> Vec<Worker> {
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        let workers = processes.filter_map(|entry| {
            let process: i32 = entry.file_name().to_str()?.parse().ok()?;
            let line = fs::read(entry.path().join("cmdline")).ok()?;
            let mut words = line.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned());
            let folder = words.find(|word| word == "worker").and_then(|_| words.next())?;
            // One that has ended and waits for its parent is gone.
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            let is_gone = stat.rsplit_once(')')?.1.trim_start().starts_with(['Z', 'X']);
            let folder = PathBuf::from(folder);
            (!is_gone && folder.starts_with(&self.data)).then_some(Worker { process, folder })
        });
        workers.collect()
    }

    /// How many runs two workers compute, now and a moment later.
    pub fn double_workers(&self) -> usize {
        let doubled = || {
            let mut counts: HashMap<PathBuf, usize> = HashMap::new();
            self.workers().into_iter().for_each(|worker| *counts.entry(worker.folder).or_default() += 1);
            counts.values().filter(|count| **count > 1).count()
        };
        // One that finds the folder held ends by itself.
        let mut least = doubled();
        for _ in 0..20 {
            if least == 0 {
                break;
            }
            sleep(Duration::from_millis(100));
            least = least.min(doubled());
        }
        least
    }

    /// Kills the server as `kill -9` does.
    pub fn kill_server(&mut self) -> Result<()> {
        if let Some(mut server) = self.server.take() {
            server.child.kill()?;
            server.child.wait()?;
        }
        Ok(())
    }

    /// Stops the server as a service manager does.
    pub fn terminate_server(&mut self) -> Result<()> {
        if let Some(mut server) = self.server.take() {
            send(Signal::TERM, [server.child.id().cast_signed()]);
            server.child.wait()?;
        }
        Ok(())
    }

    /// Arms a crash point and waits until somebody has come by. False when nobody has.
    pub fn crash_at(&mut self, point: &str, patience: Duration, open: usize) -> Result<bool> {
        let armed = self.points.join(point);
        fs::write(&armed, "")?;
        let until = Instant::now() + patience;
        while armed.exists() && Instant::now() < until {
            match point {
                // The answer is lost with the server, the comparison is not.
                "launch.kept" => self.launched += usize::from(self.launch().is_err()),
                // Only who loses a worker notes it.
                "loss.noted" => send(Signal::KILL, self.workers().into_iter().map(|worker| worker.process)),
                _ => {}
            }
            sleep(Duration::from_millis(50));
            self.keep_serving()?;
            self.resume_given_up()?;
            self.keep_busy(open);
        }
        Ok(fs::remove_file(armed).is_err())
    }

    /// Copies the data folder as it is in one moment.
    pub fn copy(&self, to: &Path) -> Result<PathBuf> {
        let server = self.server.iter().map(|server| server.child.id().cast_signed());
        let processes: Vec<i32> = server.chain(self.workers().into_iter().map(|worker| worker.process)).collect();
        send(Signal::STOP, processes.clone());
        sleep(Duration::from_millis(20));
        let copied = Command::new("cp").arg("-r").arg(&self.data).arg(to).status();
        send(Signal::CONT, processes);
        copied.context("copying the data folder")?;
        Ok(to.to_owned())
    }

    /// Lets all runs come to their ends undisturbed. Those that were given up, as the rule is, are resumed; returns how many.
    pub fn finish(&mut self) -> Result<usize> {
        for point in fs::read_dir(&self.points)?.flatten() {
            fs::remove_file(point.path())?;
        }
        let until = Instant::now() + PATIENCE;
        let mut given_up = 0;
        loop {
            self.keep_serving()?;
            given_up += self.resume_given_up()?;
            let runs = self.runs()?;
            if runs.iter().all(|run| run.state.is_over() && !run.cause.contains("Given up after")) {
                return Ok(given_up);
            }
            if Instant::now() > until {
                let open: Vec<_> = runs.iter().filter(|run| !run.state.is_over()).map(|run| run.id).collect();
                bail!("these runs do not come to an end: {open:?}");
            }
            sleep(Duration::from_millis(300));
        }
    }

    /// All runs as the database has them.
    #[tokio::main(flavor = "current_thread")]
    pub async fn runs(&self) -> Result<Vec<Run>> {
        let store = Store::open(&self.data.join("retort.db")).await?;
        let runs = store.runs(&RunFilter::default(), Cursor::Newest, MOST).await?.rows;
        store.close().await;
        Ok(runs)
    }

    /// Stops the server; returns how many workers are left, which are ended then.
    pub fn stop(&mut self) -> Result<usize> {
        self.terminate_server()?;
        sleep(Duration::from_millis(500));
        let left = self.workers();
        send(Signal::KILL, left.iter().map(|worker| worker.process));
        Ok(left.len())
    }
}

/// Sends signals; a process that has ended meanwhile gets none.
pub fn send(signal: Signal, processes: impl IntoIterator<Item = i32>) {
    for process in processes.into_iter().filter(|process| *process > 1).filter_map(Pid::from_raw) {
        let _ = kill_process(process, signal);
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.kill_server();
        send(Signal::KILL, self.workers().into_iter().map(|worker| worker.process));
    }
}
