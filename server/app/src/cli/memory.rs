//! A bound on the memory of processes that read files of unknown origin.

use anyhow::{Context, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Bytes of address space. The largest network takes a tenth of it, the largest official dataset a fifth; much of the
/// rest is reserved and not used.
const MEMORY: u64 = 4 << 30;

/// Bounds the address space of this process.
///
/// # Errors
/// When the system refuses.
pub fn limit() -> Result<()> {
    let maximum = getrlimit(Resource::As).maximum;
    let current = Some(maximum.map_or(MEMORY, |maximum| maximum.min(MEMORY)));
    setrlimit(Resource::As, Rlimit { current, maximum: current }).context("limiting the memory of this process")
}
