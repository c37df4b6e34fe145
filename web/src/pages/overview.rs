//! `GET /`

use askama::Template;

use retort_spec::RunState;

use crate::{
    Frame, RunRow, Section,
    format::{self, Moment},
    pages::ComparisonSummary,
};

/// The overview: what runs, what waits, what ended, the latest comparisons, free disk.
///
/// Without any comparison it offers to start the demo (`POST /demo`).
#[derive(Clone, Debug, Template)]
#[template(path = "overview.html")]
pub struct OverviewPage {
    /// The header.
    pub frame: Frame,
    /// The runs that have a worker, oldest first.
    pub running: Vec<RunRow>,
    /// The next few runs of the queue, in its order.
    pub next: Vec<RunRow>,
    /// Seconds that running and waiting runs will take together, roughly; none when nothing is known.
    pub seconds_left: Option<f64>,
    /// The experiments of which runs ended last, the latest first; ten are plenty.
    pub ended: Vec<EndedExperiment>,
    /// The devices of this machine, and what each does.
    pub devices: Vec<DeviceLine>,
    /// How busy the machine is, as far as the system tells.
    pub load: MachineLoad,
    /// The latest comparisons, newest first; ten are plenty.
    pub comparisons: Vec<ComparisonSummary>,
    /// Free bytes on the disk that holds the data folder; none when the system does not tell.
    pub disk_free: Option<u64>,
    /// Seconds that the demo takes on this machine, roughly.
    pub demo_seconds: Option<f64>,
}

/// What ended of an experiment.
#[derive(Clone, Debug, PartialEq)]
pub struct EndedExperiment {
    /// The experiment.
    pub id: i64,
    /// Its title.
    pub title: String,
    /// How many of its runs ended in which state.
    pub counts: Vec<(RunState, usize)>,
    /// How many it has in all.
    pub total: usize,
    /// When the last of them ended.
    pub last: Moment,
    /// The run that failed last, with what it is and why it failed.
    pub failure: Option<(i64, String, String)>,
}

/// A device with what it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceLine {
    /// Its name: `cpu`, `cuda:0`.
    pub name: String,
    /// What it is: `16 threads`.
    pub description: String,
    /// The runs that it computes, each with what it does.
    pub runs: Vec<(i64, String)>,
}

/// How busy a machine is; none of what the system does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MachineLoad {
    /// Threads that ran or waited for a core in the last minute, and cores.
    pub threads: Option<(f64, usize)>,
    /// Bytes of memory in use, and in all.
    pub memory: Option<(u64, u64)>,
}

impl EndedExperiment {
    /// Its states with how many runs ended so, those that need a person first.
    fn states(&self) -> Vec<(RunState, usize)> {
        const ORDER: [RunState; 5] =
            [RunState::Failed, RunState::Diverged, RunState::Lost, RunState::Cancelled, RunState::Finished];
        let count = |state| self.counts.iter().find(|(own, n)| *own == state && *n > 0).copied();
        ORDER.into_iter().filter_map(count).collect()
    }

    /// `all 8 runs`, `3 of 8 runs`.
    fn share(&self) -> String {
        let ended: usize = self.counts.iter().map(|(_, n)| n).sum();
        let all = format::plural(self.total, "run", "runs");
        if ended == self.total { format!("all {all}") } else { format!("{} of {all}", format::count(ended)) }
    }
}

impl MachineLoad {
    /// `load 1.2 on 16 cores · memory 3.1 GB of 8.2 GB`, or what of it is known.
    fn words(&self) -> String {
        let load =
            self.threads.map(|(load, cores)| format!("load {load:.1} on {}", format::plural(cores, "core", "cores")));
        let memory = self.memory.map(|(used, all)| format!("memory {} of {}", format::bytes(used), format::bytes(all)));
        load.into_iter().chain(memory).collect::<Vec<_>>().join(" · ")
    }
}

impl OverviewPage {
    const SECTION: Section = Section::Overview;

    fn demo_takes(&self) -> String {
        self.demo_seconds.map_or_else(|| "a few minutes".into(), |s| format!("{} on this machine", format::estimate(s)))
    }

    /// Whether nothing runs, waits or is kept from running.
    fn is_idle(&self) -> bool {
        self.running.is_empty() && self.frame.waiting == 0 && self.frame.pause.is_none()
    }

    fn left(&self) -> Option<String> {
        self.seconds_left.map(format::estimate)
    }

    fn free(&self) -> Option<String> {
        self.disk_free.map(format::bytes)
    }
}
