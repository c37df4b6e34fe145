//! `retort read-weights`: the process in which weights and bundles of unknown origin are read.

use anyhow::{Context, Result};
use retort_engine::import;

use super::memory;
use crate::{bundle, reader::Task};

/// Reads a [`Task`] from standard input, and writes its outcome to standard output.
///
/// # Errors
/// When memory cannot be limited, or there is no task. What is wrong with a file is an outcome.
pub fn read_weights() -> Result<()> {
    memory::limit()?;
    let task: Task = serde_json::from_reader(std::io::stdin()).context("reading the task")?;
    let answer = match task {
        Task::Import { file, wanted, out } => outcome(import::import(&file, &wanted, &out)),
        Task::Describe { file } => outcome(import::describe(&file)),
        Task::OpenBundle { file, into } => outcome(bundle::open(&file, &into).and_then(|opened| opened.check_models())),
    };
    say!("{}", answer.context("writing the answer")?);
    Ok(())
}

fn outcome<T: serde::Serialize, E: Into<anyhow::Error>>(result: Result<T, E>) -> serde_json::Result<String> {
    serde_json::to_string(&result.map_err(|fault| format!("{:#}", fault.into())))
}
