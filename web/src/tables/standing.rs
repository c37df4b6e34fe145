//! How far an experiment is.

use std::fmt::Write;

use retort_spec::RunState;

use crate::{RunRow, format};

/// How many of an experiment's runs stand where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// All of them.
    pub total: usize,
    /// Finished ones.
    pub finished: usize,
    /// Those that have a worker.
    pub active: usize,
    /// Those that wait.
    pub waiting: usize,
    /// Failed, diverged and lost ones.
    pub failed: usize,
    /// Cancelled ones.
    pub cancelled: usize,
}

impl Standing {
    /// Counts `runs`.
    pub fn of(runs: &[RunRow]) -> Self {
        let count = |states: &[RunState]| runs.iter().filter(|r| states.contains(&r.state)).count();
        Self {
            total: runs.len(),
            finished: count(&[RunState::Finished]),
            active: count(&[RunState::Running, RunState::Starting]),
            waiting: count(&[RunState::Queued]),
            failed: count(&[RunState::Failed, RunState::Diverged, RunState::Lost]),
            cancelled: count(&[RunState::Cancelled]),
        }
    }

    /// Whether something still runs or waits, so that there is something to cancel.
    pub const fn is_open(self) -> bool {
        self.active + self.waiting > 0
    }

    /// A strip whose parts are as long as the shares of the runs in each state.
    pub fn strip(self) -> String {
        let mut svg =
            String::from(r#"<svg class="strip" viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true">"#);
        let parts = [
            (self.finished, "finished"),
            (self.active, "running"),
            (self.failed, "failed"),
            (self.cancelled, "cancelled"),
            (self.waiting, "queued"),
        ];
        let mut x = 0.0;
        for (count, class) in parts {
            let width = 100.0 * count as f64 / self.total.max(1) as f64;
            if count > 0 {
                let _ = write!(svg, r#"<rect class="{class}" x="{x:.2}" width="{width:.2}" height="1"/>"#);
            }
            x += width;
        }
        svg.push_str("</svg>");
        svg
    }

    /// The runs by state: `12 finished, 2 running, 40 waiting`.
    pub fn by_state(self) -> String {
        let parts = [
            (self.finished, "finished"),
            (self.active, "running"),
            (self.waiting, "waiting"),
            (self.failed, "failed"),
            (self.cancelled, "cancelled"),
        ];
        let words = parts.iter().filter(|(count, _)| *count > 0);
        words.map(|(count, state)| format!("{} {state}", format::count(*count))).collect::<Vec<_>>().join(", ")
    }

    /// In a few words: `5 of 8 runs`, `finished`, `1 failed`.
    pub fn words(self) -> String {
        let of = format!("{} of {}", format::count(self.finished), format::plural(self.total, "run", "runs"));
        match self {
            _ if self.finished == self.total => "finished".into(),
            _ if self.failed > 0 && self.is_open() => format!("{of}, {} failed", self.failed),
            _ if self.is_open() => of,
            _ if self.failed > 0 => format!("{of}, {} failed", self.failed),
            _ => format!("{of}, {} cancelled", self.cancelled),
        }
    }

    /// The class of its badge: the id of the state that matters most.
    pub const fn class(self) -> &'static str {
        match self {
            _ if self.failed > 0 => "failed",
            _ if self.active > 0 => "running",
            _ if self.waiting > 0 => "queued",
            _ if self.cancelled > 0 => "cancelled",
            _ => "finished",
        }
    }
}
