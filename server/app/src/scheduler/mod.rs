//! The one task that starts runs, follows their journals and judges their ends.

mod control;
mod executor;
mod follower;
mod hindrance;
mod local;
mod printed;
mod silence;
mod start;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod watch;

use std::{
    collections::HashMap,
    sync::PoisonError,
    time::{Duration, Instant},
};

use anyhow::Result;
use retort_spec::RunState;
use retort_store::{Run, StoreError};
use tokio::sync::watch::Receiver;

pub use control::Control;
pub use executor::{Executor, Job, Worker};
pub use follower::read_on;
pub use local::LEFT_OFF;
pub use local::{LocalExecutor, how_it_ended};

/// How long the scheduler sleeps when nobody wakes it: as late as that, a page may show what a worker wrote.
const REST: Duration = Duration::from_millis(300);

/// A round that takes longer hangs: a disk that does not answer, or a database that is held for ever.
pub const LONGEST_ROUND: Duration = Duration::from_mins(2);

/// How long a worker may take to end a run that was cancelled, before it is killed.
const CANCEL_GRACE: Duration = Duration::from_secs(15);

/// How long a journal may be unreadable, before its run fails once its worker is gone.
const JOURNAL_PATIENCE: Duration = Duration::from_mins(1);

/// The scheduler. It alone changes the states of runs, with [`Control`], which speaks for people.
pub struct Scheduler {
    control: Control,
    executor: Box<dyn Executor>,
    /// Free bytes on the disk below which nothing is started.
    disk_floor: u64,
    /// How long a worker may take to end a run that was cancelled, before it is killed.
    cancel_grace: Duration,
    /// The fault that was reported last of each thing, so that one that stays is reported once.
    last_faults: HashMap<String, String>,
    /// How long a journal may be unreadable, before its run fails once its worker is gone.
    journal_patience: Duration,
    /// Why the scheduler ended workers.
    ended: HashMap<i64, String>,
    /// Since when the journals of runs cannot be read.
    unreadable: HashMap<i64, Instant>,
}

impl Scheduler {
    /// A scheduler that starts workers through this executor.
    pub fn new(control: Control, executor: Box<dyn Executor>) -> Self {
        Self {
            control,
            executor,
            disk_floor: crate::disk::floor(),
            cancel_grace: CANCEL_GRACE,
            journal_patience: JOURNAL_PATIENCE,
            ended: HashMap::new(),
            last_faults: HashMap::new(),
            unreadable: HashMap::new(),
        }
    }

    /// Works until `stop` becomes true. Workers go on without it.
    pub async fn run(mut self, mut stop: Receiver<bool>) {
        let adopted = self.adopt().await;
        self.report("taking over the workers of an earlier server", adopted);
        while !*stop.borrow() {
            let turn = self.turn().await;
            self.report("scheduling", turn);
            *self.control.last_round.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
            let wake = self.control.wake.clone();
            tokio::select! {
                () = wake.notified() => {}
                () = tokio::time::sleep(REST) => {}
                _ = stop.changed() => {}
            }
        }
    }

    /// Takes over the workers that an earlier server left.
    async fn adopt(&mut self) -> Result<()> {
        for run in self.control.store.active_runs().await?.iter().filter(|run| run.state.is_active()) {
            let job = self.job(run, run.attempt);
            self.executor.adopt(&job, run.state == RunState::Starting);
        }
        Ok(())
    }

    /// One round: what workers wrote and how they ended, what can never start, what may start now.
    async fn turn(&mut self) -> Result<()> {
        self.executor.reap();
        for run in self.control.store.active_runs().await? {
            // The trouble of one run, such as an unreadable folder, must not hold up the others.
            let watched = self.watch(&run).await;
            self.report(&format!("run {}", run.id), watched);
        }
        self.end_doomed().await?;
        self.start_ready().await
    }

    /// Gives a run another state and says so in the log; returns the attempt.
    async fn change(&self, run: &Run, to: RunState, cause: &str) -> Result<u32, StoreError> {
        let attempt = self.control.store.change_state(run.id, to, cause).await?;
        tracing::info!(run = run.id, attempt, state = to.id(), "{cause}");
        Ok(attempt)
    }

    fn job(&self, run: &Run, attempt: u32) -> Job {
        Job { run: run.id, attempt, device: run.device, folder: self.control.folder(run.id) }
    }

    fn report(&mut self, what: &str, result: Result<()>) {
        match result {
            Ok(()) => {
                self.last_faults.remove(what);
            }
            Err(e) => {
                let fault = format!("{e:#}");
                if self.last_faults.get(what) != Some(&fault) {
                    tracing::error!("{what}: {fault}");
                    self.last_faults.insert(what.to_owned(), fault);
                }
            }
        }
    }
}
