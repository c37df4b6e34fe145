//! `GET /`

use askama::Template;

use crate::{Frame, RunRow, Section, format, pages::ComparisonSummary};

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
    /// The runs that ended last, newest first; ten are plenty.
    pub ended: Vec<RunRow>,
    /// The latest comparisons, newest first; ten are plenty.
    pub comparisons: Vec<ComparisonSummary>,
    /// Free bytes on the disk that holds the data folder; none when the system does not tell.
    pub disk_free: Option<u64>,
    /// Seconds that the demo takes on this machine, roughly.
    pub demo_seconds: Option<f64>,
}

impl OverviewPage {
    const SECTION: Section = Section::Overview;

    fn demo_takes(&self) -> String {
        self.demo_seconds.map_or_else(|| "a few minutes".into(), |s| format!("{} on this machine", format::estimate(s)))
    }

    fn left(&self) -> Option<String> {
        self.seconds_left.map(format::estimate)
    }

    fn free(&self) -> Option<String> {
        self.disk_free.map(format::bytes)
    }
}
