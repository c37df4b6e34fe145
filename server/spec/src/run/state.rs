//! The states of a run.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Where a run stands. Changes are made by one function of the store, which asks [`RunState::may_become`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Waits for the runs that it needs, or for a device.
    Queued,
    /// Its worker was started and has not reported yet.
    Starting,
    /// Its worker computes.
    Running,
    /// Done, with its results.
    Finished,
    /// Ended by an error, its own or that of a run that it needs.
    Failed,
    /// Given up: its loss or its accuracies show that the training comes to nothing.
    Diverged,
    /// Ended by a person.
    Cancelled,
    /// Its worker vanished without a final record.
    Lost,
}

impl RunState {
    /// All states.
    pub const ALL: [Self; 8] = [
        Self::Queued,
        Self::Starting,
        Self::Running,
        Self::Finished,
        Self::Failed,
        Self::Diverged,
        Self::Cancelled,
        Self::Lost,
    ];

    /// The name in the database, the API and the pages.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Diverged => "diverged",
            Self::Cancelled => "cancelled",
            Self::Lost => "lost",
        }
    }

    /// Whether nothing more happens to the run by itself.
    pub const fn is_over(self) -> bool {
        self.may_be_resumed() || matches!(self, Self::Finished)
    }

    /// Whether it ended without finishing, so that a person may queue it again.
    pub const fn may_be_resumed(self) -> bool {
        matches!(self, Self::Failed | Self::Diverged | Self::Cancelled)
    }

    /// Whether it has, or may have, a worker.
    pub const fn is_active(self) -> bool {
        matches!(self, Self::Starting | Self::Running)
    }

    /// Whether a run may go from this state to `next`.
    ///
    /// A failed, diverged, cancelled or lost run may be queued again, and then goes on from its checkpoint.
    pub const fn may_become(self, next: Self) -> bool {
        match self {
            Self::Queued => matches!(next, Self::Starting | Self::Failed | Self::Cancelled),
            Self::Starting => {
                matches!(
                    next,
                    Self::Running
                        | Self::Finished
                        | Self::Failed
                        | Self::Diverged
                        | Self::Cancelled
                        | Self::Lost
                        | Self::Queued
                )
            }
            Self::Running => {
                matches!(
                    next,
                    Self::Finished | Self::Failed | Self::Diverged | Self::Cancelled | Self::Lost | Self::Queued
                )
            }
            Self::Failed | Self::Diverged | Self::Cancelled => matches!(next, Self::Queued),
            Self::Lost => matches!(next, Self::Queued | Self::Failed | Self::Cancelled),
            Self::Finished => false,
        }
    }
}

impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

impl FromStr for RunState {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|s| s.id() == text).ok_or_else(|| format!("there is no run state “{text}”"))
    }
}

#[cfg(test)]
mod tests {
    use super::RunState::{self, Cancelled, Diverged, Failed, Finished, Lost, Queued, Running, Starting};

    #[test]
    fn exactly_these_changes_are_allowed() {
        let allowed = [
            (Queued, Starting),
            (Queued, Failed),
            (Queued, Cancelled),
            (Starting, Running),
            (Starting, Finished),
            (Starting, Failed),
            (Starting, Diverged),
            (Starting, Cancelled),
            (Starting, Lost),
            (Starting, Queued),
            (Running, Finished),
            (Running, Failed),
            (Running, Diverged),
            (Running, Cancelled),
            (Running, Lost),
            (Running, Queued),
            (Failed, Queued),
            (Diverged, Queued),
            (Cancelled, Queued),
            (Lost, Queued),
            (Lost, Failed),
            (Lost, Cancelled),
        ];
        for from in RunState::ALL {
            for to in RunState::ALL {
                assert_eq!(from.may_become(to), allowed.contains(&(from, to)), "{from} → {to}");
            }
        }
    }
}
