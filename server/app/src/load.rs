//! How busy the machine is, as far as the system tells: Linux does, under `/proc`.

use std::{fs, thread};

use retort_web::pages::MachineLoad;

/// How busy it is now.
pub fn now() -> MachineLoad {
    let read = |file: &str| fs::read_to_string(file).ok();
    let threads = read("/proc/loadavg").and_then(|text| threads(&text));
    let cores = thread::available_parallelism().ok().map(std::num::NonZero::get);
    MachineLoad { threads: threads.zip(cores), memory: read("/proc/meminfo").and_then(|text| memory(&text)) }
}

/// Threads that ran or waited for a core, over the last minute.
fn threads(text: &str) -> Option<f64> {
    text.split_whitespace().next()?.parse().ok()
}

/// Bytes of memory in use, and in all. What the system would give back at once is not in use.
fn memory(text: &str) -> Option<(u64, u64)> {
    let kibibytes = |name: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.split_whitespace().next()?.parse().ok()
    };
    let (all, available) = (kibibytes("MemTotal")?, kibibytes("MemAvailable")?);
    Some((all.saturating_sub(available) * 1_024, all * 1_024))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn load_and_memory_are_read_as_linux_writes_them() {
        assert_eq!(threads("1.25 0.80 0.40 2/345 6789\n"), Some(1.25));
        let text = "MemTotal:        8000 kB\nMemFree:  10 kB\nMemAvailable:    5000 kB\n";
        assert_eq!(memory(text), Some((3_000 * 1_024, 8_000 * 1_024)));
        assert_eq!((threads(""), memory("MemTotal: 1 kB")), (None, None));
    }
}
