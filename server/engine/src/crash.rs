//! Points at which a test ends a process as a power cut would. Only builds with the feature `crash-points` have them.

/// All points by their names, as they follow each other in the life of a run.
pub const CRASH_POINTS: [&str; 14] = [
    "launch.kept",
    "start.prepared",
    "start.noted",
    "start.spawned",
    "worker.begun",
    "journal.appended",
    "checkpoint.beside",
    "checkpoint.between",
    "checkpoint.written",
    "model.written",
    "finish.noted",
    "journal.read",
    "journal.recorded",
    "loss.noted",
];

/// Ends this process at once, where somebody has armed this point: by a file of its name in the folder that the environment
/// variable `RETORT_CRASH_POINTS` names. The file is removed first, so that the next process gets by.
#[cfg(feature = "crash-points")]
pub fn crash_point(name: &str) {
    debug_assert!(CRASH_POINTS.contains(&name), "{name} is not in the list");
    if let Some(folder) = std::env::var_os("RETORT_CRASH_POINTS")
        && std::fs::remove_file(std::path::Path::new(&folder).join(name)).is_ok()
    {
        std::process::abort();
    }
}

/// What the environment variable of this name says, where a test set it.
#[cfg(feature = "crash-points")]
pub fn test_setting(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Nothing: this build is for no tests.
#[cfg(not(feature = "crash-points"))]
pub const fn test_setting(_name: &str) -> Option<String> {
    None
}

/// Does nothing: this build has no crash points.
#[cfg(not(feature = "crash-points"))]
pub const fn crash_point(_name: &str) {}
