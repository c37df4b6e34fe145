//! Where workers run.

use std::io;

use retort_engine::RunFolder;
use retort_spec::DeviceName;

/// One attempt at a run, as an executor sees it.
#[derive(Clone, Debug)]
pub struct Job {
    /// The run.
    pub run: i64,
    /// The number of the attempt.
    pub attempt: u32,
    /// The device that it computes on.
    pub device: DeviceName,
    /// Its folder, with the spec in it.
    pub folder: RunFolder,
}

/// Whether a worker lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Worker {
    /// It does, as far as can be known.
    Alive,
    /// It does not; how it ended, where that is known, such as `killed by signal 9`.
    Gone(Option<String>),
    /// It left off because of a fault of the machine that may pass.
    LeftOff,
}

/// Starts workers, tells whether they live, and ends them. What they compute is in their folders.
pub trait Executor: Send + Sync {
    /// Whether another worker may start on this device.
    fn has_room(&mut self, device: DeviceName) -> bool;

    /// Starts a worker.
    ///
    /// # Errors
    /// When the operating system refuses.
    fn start(&mut self, job: &Job) -> io::Result<()>;

    /// Takes over a worker that an earlier server started. `young` says that it may still be starting.
    fn adopt(&mut self, job: &Job, young: bool);

    /// Whether the worker of this run lives. A worker that was once gone stays so until it is started again.
    fn worker(&mut self, run: i64) -> Worker;

    /// Takes note of workers that ended; called in every round.
    fn reap(&mut self) {}

    /// Ends the worker of this run at once.
    ///
    /// # Errors
    /// When the operating system refuses.
    fn kill(&mut self, run: i64) -> io::Result<()>;
}
