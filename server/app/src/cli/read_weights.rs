//! `retort read-weights`: the process in which weights files of unknown origin are read.

use anyhow::{Context, Result};
use retort_engine::import;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::reader::Task;

/// Bytes of address space. The largest network takes a tenth of it; the rest is reserved and not used.
const MEMORY: u64 = 4 << 30;

/// Reads a [`Task`] from standard input, and writes its outcome to standard output.
///
/// # Errors
/// When memory cannot be limited, or there is no task. What is wrong with a file is an outcome.
pub fn read_weights() -> Result<()> {
    let maximum = getrlimit(Resource::As).maximum;
    let current = Some(maximum.map_or(MEMORY, |maximum| maximum.min(MEMORY)));
    setrlimit(Resource::As, Rlimit { current, maximum: current }).context("limiting the memory of this process")?;
    let task: Task = serde_json::from_reader(std::io::stdin()).context("reading the task")?;
    let answer = match task {
        Task::Import { file, wanted, out } => outcome(import::import(&file, &wanted, &out)),
        Task::Describe { file } => outcome(import::describe(&file)),
    };
    println!("{}", answer.context("writing the answer")?);
    Ok(())
}

fn outcome<T: serde::Serialize>(result: retort_engine::Result<T>) -> serde_json::Result<String> {
    serde_json::to_string(&result.map_err(|e| e.to_string()))
}
