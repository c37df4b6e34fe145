//! How far an experiment is.

use retort_spec::{RunKind, RunState};

use crate::{RunRow, format};

/// How many of an experiment's runs stand where: of those that make its numbers, not of analyses that were asked for later.
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
        let own = || runs.iter().filter(|run| run.label.kind != RunKind::Analyse);
        let count = |states: &[RunState]| own().filter(|r| states.contains(&r.state)).count();
        Self {
            total: own().count(),
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
