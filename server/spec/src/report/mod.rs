//! What a run reports: the lines of its journal, the figures in them, and what those say.

mod accuracy;
mod event;
mod masking_check;
mod metric;
mod paired;
mod variety;
mod verdict;

pub use self::{
    accuracy::Accuracy,
    event::{AttackProgress, CheckResult, Event, LogLevel, Record, Stage},
    masking_check::MaskingCheck,
    metric::Metric,
    paired::{LEVEL, Paired, RightCounts, holm},
    variety::Variety,
    verdict::Verdict,
};
