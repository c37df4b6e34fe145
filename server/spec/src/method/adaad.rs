//! Adaptive adversarial distillation (Huang et al. 2023; methods.md §4).

use serde::{Deserialize, Serialize};

use super::{
    Described, Names, Parameters, Record, Reduction, has_inner_attack,
    parameter::{ATTACK, Parameter, REDUCTIONS, parameter},
    preset::Preset,
};
use crate::{InnerAttack, Problem, Schedule, problem::expect};

/// The attack looks for where student and teacher disagree most, through both networks; there the student matches the teacher's
/// answers to the same images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adaad {
    /// The inner maximisation, on the divergence of the student's answers from the teacher's to the same images.
    pub attack: InnerAttack,
    /// Weight α of the attacked images; the natural ones weigh 1 − α.
    pub alpha: f64,
    /// How the KL is averaged; the authors' code averages over classes too for CIFAR-10.
    pub reduction: Reduction,
}

pub(super) const PARAMETERS: [Parameter; 2] = [
    parameter(
        "method.alpha",
        "attacked images α",
        "0 to 1",
        "The authors' 1: natural images pass for the statistics alone.",
    ),
    parameter(
        "method.reduction",
        "KL reduction",
        REDUCTIONS,
        "As the authors' code averages CIFAR-10: over batch and classes.",
    ),
];

/// The authors' code for CIFAR-100.
pub(super) const HUNDRED_CLASSES: Preset = Preset {
    name: "cifar100",
    summary: "The authors' average for 100 classes: over the batch alone.",
    settings: &[("method.reduction", "batch_mean")],
};

/// The authors' schedule.
pub(super) fn schedule() -> Schedule {
    Schedule { milestones: vec![100, 150], ..Schedule::new(200, 128, 0.1, 5e-4, &[]) }
}

impl Default for Adaad {
    fn default() -> Self {
        Self { attack: InnerAttack::default(), alpha: 1.0, reduction: Reduction::ElementMean }
    }
}

impl Described for Adaad {
    const RECORD: Record = Record {
        names: Names {
            id: "adaad",
            title: "AdaAD",
            summary: "Where student and teacher disagree most, the student matches the teacher's answer to the same image.",
        },
        source: "Huang et al. 2023, CVPR",
        fine_tuned: Some(Names {
            id: "adaad+aft",
            title: "AdaAD+AFT",
            summary: "AdaAD, then the whole network is fine-tuned adversarially.",
        }),
        schedule: |_| schedule(),
        parameters: &[&PARAMETERS, &ATTACK],
        presets: &[HUNDRED_CLASSES],
    };
}

impl Parameters for Adaad {
    fn check(&self, problems: &mut Vec<Problem>) {
        expect((0.0..=1.0).contains(&self.alpha), "method.alpha", "must be from 0 to 1", problems);
    }

    has_inner_attack!();

    fn student_passes(&self) -> usize {
        2
    }

    /// It is attacked together with the student, and answers both kinds of images.
    fn teacher_passes(&self) -> usize {
        2 * self.attack.steps + 2
    }
}
