//! The signs of life of a worker.

use std::{
    fs::{File, FileTimes},
    path::{Path, PathBuf},
    sync::mpsc::{RecvTimeoutError, Sender, channel},
    thread::{self, JoinHandle},
    time::{Duration, SystemTime},
};

/// The time between two signs of life.
pub(crate) const BEAT: Duration = Duration::from_secs(5);

/// Touches a file every few seconds, until it is dropped. It does so in a thread of its own, whatever the work does: a process
/// that was stopped, or whose disk hangs, does not.
pub(crate) struct Heartbeat {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Heartbeat {
    /// Begins with the first sign.
    pub fn start(file: PathBuf, every: Duration) -> Self {
        let (stop, stopped) = channel();
        beat(&file);
        let thread = thread::spawn(move || {
            while stopped.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                beat(&file);
            }
        });
        Self { stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It ends with its channel, and cannot panic.
            let _ = thread.join();
        }
    }
}

/// Where this fails, silence is what it is: a sign of trouble with the disk.
fn beat(file: &Path) {
    if let Ok(file) = File::options().create(true).truncate(false).write(true).open(file) {
        let _ = file.set_times(FileTimes::new().set_modified(SystemTime::now()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_of_life_comes_at_once_and_again_until_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("heartbeat");
        let last = || file.metadata().unwrap().modified().unwrap();
        let heartbeat = Heartbeat::start(file.clone(), Duration::from_millis(5));
        let first = last();
        while last() == first {
            thread::sleep(Duration::from_millis(1));
        }
        drop(heartbeat);
        let end = last();
        thread::sleep(Duration::from_millis(30));
        assert_eq!(last(), end);
    }
}
