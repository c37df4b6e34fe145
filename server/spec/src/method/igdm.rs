//! Indirect gradient distillation (Lee et al. 2023; methods.md §4), on top of AdaAD.

use serde::{Deserialize, Serialize};

use super::{
    Described, Names, Parameters, Record, Reduction,
    adaad::{self, Adaad},
    has_inner_attack,
    parameter::{ATTACK, Parameter, WEIGHT, WEIGHT_RANGE, parameter},
};
use crate::{InnerAttack, Problem, problem::expect};

/// AdaAD, and beside it the student matches how the teacher's answer changes along the attack: the teacher's gradient, without
/// computing one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Igdm {
    /// The inner maximisation of AdaAD.
    pub attack: InnerAttack,
    /// AdaAD's weight α of the attacked images; the natural ones weigh 1 − α.
    pub alpha: f64,
    /// How AdaAD's KL is averaged.
    pub reduction: Reduction,
    /// Weight of the matched change at the end of training; it grows with the epochs from 0.
    pub weight: f64,
    /// How far along the attack the change ends, as a share of it.
    pub ahead: f64,
    /// How far against the attack the change begins, as a share of it.
    pub behind: f64,
}

const PARAMETERS: [Parameter; 3] = [
    parameter(
        "method.weight",
        "gradient weight",
        WEIGHT,
        "Grows from 0 to this over the epochs. 20 is what a published configuration for CIFAR has; the authors choose it by dataset.",
    ),
    parameter("method.ahead", "ahead β", "0 to 1", "The authors' 1: the attacked image itself."),
    parameter(
        "method.behind",
        "behind γ",
        "0 to 1",
        "The authors' 1: as far on the other side; 0 begins at the natural image.",
    ),
];

impl Default for Igdm {
    fn default() -> Self {
        let Adaad { attack, alpha, reduction } = Adaad::default();
        Self { attack, alpha, reduction, weight: 20.0, ahead: 1.0, behind: 1.0 }
    }
}

impl Described for Igdm {
    const RECORD: Record = Record {
        names: Names {
            id: "igdm",
            title: "IGDM",
            summary: "AdaAD, and the student also matches how the teacher's answer changes along the attack.",
        },
        source: "Lee et al. 2023, arXiv:2312.03286",
        fine_tuned: Some(Names {
            id: "igdm+aft",
            title: "IGDM+AFT",
            summary: "IGDM, then the whole network is fine-tuned adversarially.",
        }),
        schedule: |_| adaad::schedule(),
        parameters: &[&PARAMETERS, &adaad::PARAMETERS, &ATTACK],
        presets: &[adaad::HUNDRED_CLASSES],
    };
}

impl Parameters for Igdm {
    fn check(&self, problems: &mut Vec<Problem>) {
        expect((0.0..=1.0).contains(&self.alpha), "method.alpha", "must be from 0 to 1", problems);
        expect((0.0..=1e6).contains(&self.weight), "method.weight", WEIGHT_RANGE, problems);
        for (share, field) in [(self.ahead, "method.ahead"), (self.behind, "method.behind")] {
            expect((0.0..=1.0).contains(&share), field, "must be from 0 to 1", problems);
        }
        let moves = self.ahead + self.behind > 0.0;
        expect(moves, "method.ahead", "must be above 0, or method.behind: there is no change without a way", problems);
    }

    has_inner_attack!();

    fn student_passes(&self) -> usize {
        4
    }

    fn teacher_passes(&self) -> usize {
        2 * self.attack.steps + 4
    }
}
