//! What Retort keeps: `SQLite` through sqlx, one file here for each thing that is kept.
//!
//! The database is the index over all runs; the truth about one run is its folder. There is one writer connection and a
//! pool of read-only readers, so that a page never waits for a write and two writes never fail each other.

#![forbid(unsafe_code)]

mod db;
mod experiment_list;
mod experiments;
mod models;
mod reindex;
mod runs;
mod shares;

#[cfg(test)]
mod testing;

pub use db::{Cursor, Result, Store, StoreError};
pub use experiment_list::ListedExperiment;
pub use experiments::{Experiment, MOST_QUEUED, StateCounts};
pub use models::{Model, NewModel, PendingModels};
pub use reindex::Reindexed;
pub use runs::{
    Attempt, CancelOutcome, DoomedRun, EndedRuns, Evaluation, FinishedWork, LogLine, MetricValue, Point, Progress, Run,
    RunFilter, RunKey, RunOrder, Series, StateChange,
};
pub use shares::Share;

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
