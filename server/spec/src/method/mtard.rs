//! Multi-teacher adversarial robustness distillation (Zhao et al. 2022; methods.md §4).

use serde::{Deserialize, Serialize};

use super::{
    Described, Names, Parameters, Record, Reduction, has_inner_attack,
    parameter::{ATTACK, ELEMENT_MEAN, Parameter, WEIGHT, WEIGHT_RANGE, parameter},
    preset::HUNDRED_CLASSES,
    rslad,
};
use crate::{InnerAttack, Problem, problem::expect};

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

const PARAMETERS: [Parameter; 2] = [
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
];

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
        schedule: |_| rslad::schedule(),
        parameters: &[&PARAMETERS, &ELEMENT_MEAN, &ATTACK],
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
