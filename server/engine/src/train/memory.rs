//! The memory of this process.

use std::fs;

/// The most memory that it has had so far, in MiB; none where the system does not tell.
pub(super) fn most_memory() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some((kibibytes / 1_024.0).round())
}
