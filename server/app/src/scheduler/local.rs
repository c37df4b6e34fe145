//! Workers as processes of this machine, one at a time on each device.

use std::{
    collections::HashMap,
    io,
    os::unix::process::{CommandExt, ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, ExitStatus},
    time::{Duration, Instant},
};

use retort_engine::RunFolder;
use retort_spec::DeviceName;

use super::{Executor, Job, Worker, printed};
use crate::program::{self, this_program};

/// The exit code of a worker that left off because of a fault of the machine that may pass: `EX_TEMPFAIL` of sysexits.h.
pub const LEFT_OFF: u8 = 75;

/// How long the lock of a worker that an earlier server started may be unreadable, before that worker counts as gone.
const PATIENCE: Duration = Duration::from_mins(1);

/// How long a worker that an earlier server started may take until it holds its folder's lock.
const START_UP: Duration = Duration::from_secs(5);

/// Starts `retort worker` for each run.
#[derive(Debug)]
pub struct LocalExecutor {
    program: PathBuf,
    datasets: PathBuf,
    workers: HashMap<i64, Entry>,
}

#[derive(Debug)]
struct Entry {
    device: DeviceName,
    folder: RunFolder,
    handle: Handle,
}

#[derive(Debug)]
enum Handle {
    /// A process that this server started.
    Child(Child),
    /// A process that an earlier server started; believed to be starting until then. Its lock is unreadable since.
    Adopted { starting_until: Instant, unreadable_since: Option<Instant> },
    /// No process any more, and how it ended.
    Gone(Worker),
}

impl LocalExecutor {
    /// Workers of this program, which find their datasets in that folder.
    ///
    /// # Errors
    /// When the system does not tell where this program is.
    pub fn new(datasets: &Path) -> io::Result<Self> {
        Ok(Self { program: this_program()?, datasets: datasets.to_owned(), workers: HashMap::new() })
    }
}

impl Entry {
    /// Looks whether the process has ended since it was last asked.
    fn refresh(&mut self) {
        let ending = match &mut self.handle {
            Handle::Gone(_) => return,
            // A child's own end is certain. Its lock is not looked at, so that a look never keeps it from taking it.
            Handle::Child(child) => match child.try_wait() {
                Ok(None) => return,
                Ok(Some(status)) if status.code() == Some(LEFT_OFF.into()) => Worker::LeftOff,
                Ok(Some(status)) => Worker::Gone(Some(how_it_ended(status))),
                Err(e) => Worker::Gone(Some(format!("the system does not tell about it: {e}"))),
            },
            Handle::Adopted { starting_until, unreadable_since } => match self.folder.worker() {
                Ok(None) if Instant::now() >= *starting_until => Worker::Gone(None),
                Ok(_) => {
                    *unreadable_since = None;
                    return;
                }
                // An unreadable lock is no proof of an end, but no worker can be waited for without an end.
                Err(e) if unreadable_since.get_or_insert_with(Instant::now).elapsed() >= PATIENCE => {
                    Worker::Gone(Some(format!("its lock cannot be read: {e}")))
                }
                Err(_) => return,
            },
        };
        self.handle = Handle::Gone(ending);
    }
}

impl Executor for LocalExecutor {
    fn has_room(&mut self, device: DeviceName) -> bool {
        self.workers.values_mut().filter(|entry| entry.device == device).all(|entry| {
            entry.refresh();
            matches!(entry.handle, Handle::Gone(_))
        })
    }

    fn start(&mut self, job: &Job) -> io::Result<()> {
        let log = printed::create(&job.folder.worker_log())?;
        // The child inherits the lock: whatever becomes of this server, no other worker starts beside it, however long it takes
        // to begin.
        let lock = job.folder.lock_for_worker().map_err(io::Error::other)?;
        let child = program::command(&self.program)
            .arg("worker")
            .arg(job.folder.dir())
            .args(["--attempt", &job.attempt.to_string()])
            .arg("--held")
            .arg("--datasets")
            .arg(&self.datasets)
            .stdin(lock)
            .stdout(log.try_clone()?)
            .stderr(log)
            // A group of its own: Ctrl-C at the server's terminal ends the server, and the work goes on.
            .process_group(0)
            .spawn()?;
        let (device, folder) = (job.device, job.folder.clone());
        self.workers.insert(job.run, Entry { device, folder, handle: Handle::Child(child) });
        Ok(())
    }

    fn adopt(&mut self, job: &Job, young: bool) {
        let grace = if young { START_UP } else { Duration::ZERO };
        let handle = Handle::Adopted { starting_until: Instant::now() + grace, unreadable_since: None };
        self.workers.insert(job.run, Entry { device: job.device, folder: job.folder.clone(), handle });
    }

    fn worker(&mut self, run: i64) -> Worker {
        let Some(entry) = self.workers.get_mut(&run) else { return Worker::Gone(None) };
        entry.refresh();
        match &entry.handle {
            // It stays known: where its end cannot be noted, as the disk is full, it is asked for again.
            Handle::Gone(ending) => ending.clone(),
            _ => Worker::Alive,
        }
    }

    fn reap(&mut self) {
        self.workers.values_mut().for_each(Entry::refresh);
    }

    fn kill(&mut self, run: i64) -> io::Result<()> {
        let Some(entry) = self.workers.get_mut(&run) else { return Ok(()) };
        match &mut entry.handle {
            Handle::Child(child) => child.kill(),
            Handle::Adopted { .. } => kill_holder(&entry.folder),
            Handle::Gone(_) => Ok(()),
        }
    }
}

/// Kills the process that holds the folder's lock. Its id is asked for right before, so that it is that process's.
fn kill_holder(folder: &RunFolder) -> io::Result<()> {
    let Some(id) = folder.worker().map_err(io::Error::other)? else { return Ok(()) };
    // 0 stands for an id that was not written yet, and as a process it would be the server's own group.
    let Some(process) = i32::try_from(id).ok().filter(|id| *id > 1).and_then(rustix::process::Pid::from_raw) else {
        return Ok(());
    };
    Ok(rustix::process::kill_process(process, rustix::process::Signal::KILL)?)
}

/// How a process ended.
pub fn how_it_ended(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("it ended with exit code {code}"),
        (None, Some(9)) => "it was killed by signal 9, as the system does when memory runs out".into(),
        (None, Some(signal)) => format!("it was killed by signal {signal}"),
        (None, None) => "it ended".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An executor whose worker is this shell script.
    fn scripted(dir: &Path, script: &str) -> (LocalExecutor, Job) {
        let program = dir.join("worker.sh");
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let executor = LocalExecutor { program, datasets: dir.join("datasets"), workers: HashMap::new() };
        (executor, Job { run: 1, attempt: 1, device: DeviceName::Cpu, folder: RunFolder::at(dir) })
    }

    /// Starts the script. While another test forks, its child has the just-written file open and the system refuses it.
    fn start(executor: &mut LocalExecutor, job: &Job) {
        while let Err(e) = executor.start(job) {
            assert_eq!(e.kind(), io::ErrorKind::ExecutableFileBusy, "{e}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn wait_until_gone(executor: &mut LocalExecutor) -> Option<String> {
        for _ in 0..500 {
            if let Worker::Gone(ending) = executor.worker(1) {
                return ending;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("the worker did not end");
    }

    #[test]
    fn a_worker_is_told_its_folder_and_attempt_and_what_it_prints_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let (mut executor, job) = scripted(dir.path(), "echo \"$@\"; echo oops >&2; exit 3");
        start(&mut executor, &job);
        assert_eq!(wait_until_gone(&mut executor).unwrap(), "it ended with exit code 3");
        let printed = std::fs::read_to_string(job.folder.worker_log()).unwrap();
        let folder = dir.path().display();
        assert_eq!(printed, format!("worker {folder} --attempt 1 --held --datasets {folder}/datasets\noops\n"));
    }

    #[test]
    fn a_worker_that_leaves_off_for_the_machine_s_sake_is_told_from_one_that_fails() {
        let dir = tempfile::tempdir().unwrap();
        let (mut executor, job) = scripted(dir.path(), "exit 75");
        start(&mut executor, &job);
        let ending = (0..500).find_map(|_| {
            std::thread::sleep(Duration::from_millis(10));
            Some(executor.worker(1)).filter(|worker| *worker != Worker::Alive)
        });
        assert_eq!(ending, Some(Worker::LeftOff));
    }

    #[test]
    fn a_worker_holds_its_folder_from_its_first_moment() {
        let dir = tempfile::tempdir().unwrap();
        let (mut executor, job) = scripted(dir.path(), "exec sleep 60");
        start(&mut executor, &job);
        // It has not named itself yet.
        assert_eq!(job.folder.worker().unwrap(), Some(0));
        executor.kill(1).unwrap();
        wait_until_gone(&mut executor);
        assert_eq!(job.folder.worker().unwrap(), None);
    }

    #[test]
    fn a_device_has_room_again_when_its_killed_worker_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let (mut executor, job) = scripted(dir.path(), "exec sleep 60");
        start(&mut executor, &job);
        assert!(!executor.has_room(DeviceName::Cpu));
        assert!(executor.has_room(DeviceName::Cuda(0)));
        executor.kill(1).unwrap();
        assert!(wait_until_gone(&mut executor).unwrap().contains("signal 9"));
        assert!(executor.has_room(DeviceName::Cpu));
    }

    #[test]
    fn an_adopted_worker_lives_as_long_as_its_lock_is_held() {
        let dir = tempfile::tempdir().unwrap();
        let (mut executor, job) = scripted(dir.path(), "");
        let lock = job.folder.lock().unwrap();
        executor.adopt(&job, false);
        assert_eq!(executor.worker(1), Worker::Alive);
        assert!(!executor.has_room(DeviceName::Cpu));
        drop(lock);
        assert_eq!(executor.worker(1), Worker::Gone(None));
    }

    #[test]
    fn an_adopted_worker_may_take_a_moment_to_hold_its_lock() {
        let dir = tempfile::tempdir().unwrap();
        let (mut executor, job) = scripted(dir.path(), "");
        executor.adopt(&job, true);
        assert_eq!(executor.worker(1), Worker::Alive);
    }
}
