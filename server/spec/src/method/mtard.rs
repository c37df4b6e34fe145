//! Multi-teacher adversarial robustness distillation (Zhao et al. 2022; methods.md §4).

use serde::{Deserialize, Serialize};

use super::{
    Described, Names, Parameters, Record, Reduction, has_inner_attack,
    parameter::{ATTACK, Parameter, REDUCTIONS, WEIGHT, WEIGHT_RANGE, parameter},
    preset::Preset,
};
use crate::{InnerAttack, Problem, Schedule, problem::expect};

/// Two teachers: a robust one for attacked images, and a naturally trained one for the images as they are. Their weights follow
/// how much of its first loss each still has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mtard {
    /// The inner maximisation, on the student's cross-entropy.
    pub attack: InnerAttack,
    /// How far the weights go in a step towards what balances the losses; it falls with the learning rate.
    pub balance_rate: f64,
    /// The power of a relative loss by which the weights are balanced.
    pub balance_power: f64,
    /// Weight of the whole loss.
    pub loss_weight: f64,
    /// How the KL is averaged; the authors' code averages over classes too.
    pub reduction: Reduction,
}

const PARAMETERS: [Parameter; 4] = [
    parameter(
        "method.balance_rate",
        "balance rate",
        "0 to 1",
        "The authors' 0.025. At 0 both teachers weigh the same throughout.",
    ),
    parameter(
        "method.balance_power",
        "balance power",
        WEIGHT,
        "1. Higher ones give more weight to the teacher whose loss has fallen less.",
    ),
    parameter(
        "method.loss_weight",
        "loss weight",
        WEIGHT,
        "1; for 100 classes the authors take 10, so that the mean over classes weighs as it does for 10.",
    ),
    parameter("method.reduction", "KL reduction", REDUCTIONS, "As the authors' code averages: over batch and classes."),
];

/// The authors' code for CIFAR-100.
const HUNDRED_CLASSES: Preset = Preset {
    name: "cifar100",
    summary: "The authors' weight for 100 classes: the loss counts ten times.",
    settings: &[("method.loss_weight", "10")],
};

impl Default for Mtard {
    fn default() -> Self {
        Self {
            attack: InnerAttack::default(),
            balance_rate: 0.025,
            balance_power: 1.0,
            loss_weight: 1.0,
            reduction: Reduction::ElementMean,
        }
    }
}

impl Described for Mtard {
    const RECORD: Record = Record {
        names: Names {
            id: "mtard",
            title: "MTARD",
            summary: "Two teachers: a robust one for attacked images and a natural one for natural images, kept in balance.",
        },
        source: "Zhao et al. 2022, ECCV",
        fine_tuned: Some(Names {
            id: "mtard+aft",
            title: "MTARD+AFT",
            summary: "MTARD, then the whole network is fine-tuned adversarially.",
        }),
        schedule: |_| Schedule { milestones: vec![215, 260, 285], ..Schedule::new(300, 128, 0.1, 2e-4, &[]) },
        parameters: &[&PARAMETERS, &ATTACK],
        presets: &[HUNDRED_CLASSES],
    };
}

impl Parameters for Mtard {
    fn check(&self, problems: &mut Vec<Problem>) {
        expect((0.0..=1.0).contains(&self.balance_rate), "method.balance_rate", "must be from 0 to 1", problems);
        expect((0.0..=100.0).contains(&self.balance_power), "method.balance_power", "must be from 0 to 100", problems);
        expect((0.0..=1e6).contains(&self.loss_weight), "method.loss_weight", WEIGHT_RANGE, problems);
    }

    has_inner_attack!();

    fn student_passes(&self) -> usize {
        2
    }

    fn teacher_passes(&self) -> usize {
        // One of each, which are about as large.
        2
    }

    fn needs_natural_teacher(&self) -> bool {
        true
    }
}
