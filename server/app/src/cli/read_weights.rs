//! `retort read-weights`: the process in which weights files of unknown origin are read.

use anyhow::{Context, Result};
use retort_engine::import;

use super::memory;
use crate::reader::Task;

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
    };
    say!("{}", answer.context("writing the answer")?);
    Ok(())
}

fn outcome<T: serde::Serialize>(result: retort_engine::Result<T>) -> serde_json::Result<String> {
    serde_json::to_string(&result.map_err(|e| e.to_string()))
}
