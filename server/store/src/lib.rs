//! What Retort keeps: `SQLite` through sqlx, one file here for each thing that is kept.
//!
//! The database is the index over all runs; the truth about one run is its folder. There is one writer connection and a
//! pool of read-only readers, so that a page never waits for a write and two writes never fail each other.

#![forbid(unsafe_code)]

mod cancel;
mod checks;
mod error;
mod evaluations;
mod experiments;
mod history;
mod journal;
mod ledger;
mod log;
mod metrics;
mod models;
mod needs;
mod open;
mod queue;
mod reindex;
mod resume;
mod row;
mod run_list;
mod runs;
mod shares;
mod states;
mod throughput;

#[cfg(test)]
mod testing;

pub use cancel::CancelOutcome;
pub use error::{Result, StoreError};
pub use evaluations::Evaluation;
pub use experiments::{Experiment, MOST_QUEUED, StateCounts};
pub use history::{Attempt, StateChange};
pub use log::LogLine;
pub use metrics::{MetricValue, Point, Series};
pub use models::{Model, NewModel, PendingModel};
pub use open::Store;
pub use queue::DoomedRun;
pub use reindex::Reindexed;
pub use run_list::{Cursor, RunFilter};
pub use runs::{Progress, Run};
pub use shares::Share;
pub use throughput::FinishedWork;

/// A page of rows, and whether more follow.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// Whether rows follow it.
    pub more: bool,
}

impl<T> Page<T> {
    /// The page of `limit` rows out of a query that asked for one row more.
    fn cut(mut rows: Vec<T>, limit: u32) -> Self {
        let limit = limit as usize;
        let more = rows.len() > limit;
        rows.truncate(limit);
        Self { rows, more }
    }
}
