//! Adversarial training (Madry et al. 2018; methods.md §3.1).

use serde::{Deserialize, Serialize};

use super::{
    Described, Names, Parameters, Record, has_inner_attack,
    parameter::{ATTACK, LABEL_SMOOTHING, check_smoothing},
};
use crate::{Architecture, InnerAttack, Problem, Schedule};

/// Cross-entropy on PGD images.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PgdAt {
    /// The inner maximisation.
    pub attack: InnerAttack,
    /// How much of a label is spread over all classes in the loss; the attack keeps the true label.
    #[serde(default)]
    pub label_smoothing: f64,
}

impl Described for PgdAt {
    const RECORD: Record = Record {
        names: Names {
            id: "pgd-at",
            title: "PGD-AT",
            summary: "Adversarial training: cross-entropy on PGD images; no teacher.",
        },
        source: "Madry et al. 2018, arXiv:1706.06083",
        fine_tuned: None,
        schedule,
        parameters: &[&LABEL_SMOOTHING, &ATTACK],
        presets: &[],
    };
}

impl Parameters for PgdAt {
    fn check(&self, problems: &mut Vec<Problem>) {
        check_smoothing(self.label_smoothing, "method.label_smoothing", problems);
    }

    has_inner_attack!();
}

/// 200 epochs; wide networks decay less.
pub(super) fn schedule(architecture: Architecture) -> Schedule {
    let weight_decay = if architecture.is_wide() { 2e-4 } else { 5e-4 };
    Schedule::new(200, 128, 0.1, weight_decay, &[0.5, 0.75])
}
