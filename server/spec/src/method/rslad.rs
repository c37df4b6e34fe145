//! Robust soft-label adversarial distillation (Zi et al. 2021; methods.md §4).

use serde::{Deserialize, Serialize};

use super::{
    Described, Names, Parameters, Record, Reduction, has_inner_attack,
    parameter::{ATTACK, ELEMENT_MEAN, Parameter, WEIGHT_RANGE, parameter},
    preset::HUNDRED_CLASSES,
};
use crate::{InnerAttack, Problem, Schedule, problem::expect};

/// The teacher's soft labels of natural images take the place of true labels everywhere: in the attack and in both terms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rslad {
    /// The inner maximisation, on the divergence of the student's answers from the teacher's.
    pub attack: InnerAttack,
    /// Weight of the attacked images; the natural ones weigh the rest to 1.
    pub attacked_weight: f64,
    /// Weight of the whole loss.
    pub loss_weight: f64,
    /// How the KL is averaged; the authors' code averages over classes too.
    pub reduction: Reduction,
}

const PARAMETERS: [Parameter; 1] = [parameter(
    "method.attacked_weight",
    "attacked images",
    "0 to 1",
    "The authors' 5/6. Less of it is more accurate on natural images and less robust.",
)];

impl Default for Rslad {
    fn default() -> Self {
        Self {
            attack: InnerAttack::default(),
            attacked_weight: 5.0 / 6.0,
            loss_weight: 1.0,
            reduction: Reduction::ElementMean,
        }
    }
}

impl Described for Rslad {
    const RECORD: Record = Record {
        names: Names {
            id: "rslad",
            title: "RSLAD",
            summary: "The teacher's soft labels in place of true ones: in the attack, on natural and on attacked images.",
        },
        source: "Zi et al. 2021, arXiv:2108.07969",
        fine_tuned: Some(Names {
            id: "rslad+aft",
            title: "RSLAD+AFT",
            summary: "RSLAD, then the whole network is fine-tuned adversarially.",
        }),
        schedule: |_| schedule(),
        parameters: &[&PARAMETERS, &ELEMENT_MEAN, &ATTACK],
        presets: &[HUNDRED_CLASSES],
    };
}

impl Parameters for Rslad {
    fn check(&self, problems: &mut Vec<Problem>) {
        expect((0.0..=1.0).contains(&self.attacked_weight), "method.attacked_weight", "must be from 0 to 1", problems);
        expect((0.0..=1e6).contains(&self.loss_weight), "method.loss_weight", WEIGHT_RANGE, problems);
    }

    has_inner_attack!();

    fn student_passes(&self) -> usize {
        2
    }
}

/// 300 epochs, as the authors of RSLAD and of MTARD train.
pub(super) fn schedule() -> Schedule {
    Schedule { milestones: vec![215, 260, 285], ..Schedule::new(300, 128, 0.1, 2e-4, &[]) }
}
