//! This very program, started once more.

use std::{
    fs, io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
};

const NAME: &str = "retort";

/// Where this process's program is found as long as the process lives. On Linux that holds even when an upgrade has put
/// another program in its place: a server and the workers that it starts are always of one version.
///
/// # Errors
/// When the system does not tell where this program is.
pub fn this_program() -> io::Result<PathBuf> {
    let kept = PathBuf::from(format!("/proc/{}/exe", std::process::id()));
    if kept.exists() { Ok(kept) } else { std::env::current_exe() }
}

/// A command that starts the program at `path` under its usual name.
pub fn command(path: &Path) -> Command {
    let mut command = Command::new(path);
    command.arg0(NAME);
    command
}

/// Takes the usual name, by which `top` and `pgrep` show this process: one that was started from `/proc` is called `exe`.
pub fn take_name() {
    if cfg!(target_os = "linux") {
        // Whoever looks at processes finds it under the other name then.
        let _ = fs::write("/proc/self/comm", NAME);
    }
}
