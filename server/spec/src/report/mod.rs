//! What a run reports: the lines of its journal, the figures in them, and what those say.

mod accuracy;
mod confirmation;
mod event;
mod masking_check;
mod metric;
mod over_seeds;
mod paired;
mod settling;
mod variety;
mod verdict;

pub use self::{
    accuracy::Accuracy,
    confirmation::{Agreement, Confirmation},
    event::{AttackProgress, CheckResult, Event, LogLevel, Record, Stage},
    masking_check::MaskingCheck,
    metric::Metric,
    over_seeds::OverSeeds,
    paired::{LEVEL, Paired, RightCounts, holm},
    settling::{POWER, images_to_settle, seeds_to_settle},
    variety::Variety,
    verdict::Verdict,
};
