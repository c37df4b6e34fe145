//! Training on natural images.

use serde::{Deserialize, Serialize};

use super::{
    Described, Names, Parameters, Record,
    parameter::{LABEL_SMOOTHING, check_smoothing},
    pgd_at,
};
use crate::Problem;

/// Cross-entropy on natural images.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Natural {
    /// How much of a label is spread over all classes.
    #[serde(default)]
    pub label_smoothing: f64,
}

impl Described for Natural {
    const RECORD: Record = Record {
        names: Names { id: "natural", title: "Natural", summary: "Cross-entropy on natural images; no teacher." },
        source: "the usual training",
        fine_tuned: None,
        schedule: pgd_at::schedule,
        parameters: &[&LABEL_SMOOTHING],
        presets: &[],
    };
}

impl Parameters for Natural {
    fn check(&self, problems: &mut Vec<Problem>) {
        check_smoothing(self.label_smoothing, "method.label_smoothing", problems);
    }
}
