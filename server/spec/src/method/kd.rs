//! Hinton's distillation (Hinton et al. 2015; methods.md §1.1).

use serde::{Deserialize, Serialize};

use super::{
    Described, Names, Parameters, Record, ard,
    parameter::{
        Parameter, REDUCTIONS, TEMPERATURE, TEMPERATURE_RANGE, WEIGHT, WEIGHT_RANGE, parameter, temperature_holds,
    },
    preset::Preset,
};
use crate::{Problem, problem::expect};

/// How a KL divergence is averaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reduction {
    /// The sum over classes, averaged over the batch: the mathematical KL.
    BatchMean,
    /// Averaged over batch and classes, as PyTorch's `KLDivLoss()` does by default: 1/C of the above.
    ElementMean,
}

/// γ·CE + α·T²·KL(teacher ‖ student) on natural images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kd {
    /// T.
    pub temperature: f64,
    /// Weight of the teacher's soft labels.
    pub alpha: f64,
    /// Weight of the true labels.
    pub gamma: f64,
    /// How the KL is averaged. Specs from before there was a choice meant the mean over the batch.
    #[serde(default = "batch_mean")]
    pub reduction: Reduction,
}

const fn batch_mean() -> Reduction {
    Reduction::BatchMean
}

const PARAMETERS: [Parameter; 4] = [
    parameter("method.temperature", "temperature T", TEMPERATURE, "ARD's value, so that the two compare."),
    parameter("method.alpha", "soft labels α", WEIGHT, "All of the loss is the teacher's soft labels."),
    parameter("method.gamma", "true labels γ", WEIGHT, "With true labels the student would leave its teacher behind."),
    parameter(
        "method.reduction",
        "KL reduction",
        REDUCTIONS,
        "ARD's, so that the two compare. A mean over batch and classes weighs as many times less than batch_mean as there are \
         classes, so that short budgets learn less: after 12 epochs on 5,000 images of CIFAR-10, natural / PGD-20, 32.5 / 1.3 % \
         against 35.6 / 14.6 %.",
    ),
];

/// RepDistiller's KD (methods.md §1.1).
const REPDISTILLER: Preset = Preset {
    name: "repdistiller",
    summary: "RepDistiller's KD: true labels count too, T = 4, the KL's mean over the batch, 240 epochs.",
    settings: &[
        ("method.temperature", "4"),
        ("method.alpha", "0.9"),
        ("method.gamma", "0.1"),
        ("method.reduction", "batch_mean"),
        ("schedule.epochs", "240"),
        ("schedule.batch_size", "64"),
        ("schedule.learning_rate", "0.05"),
        ("schedule.milestones", "[150,180,210]"),
        ("schedule.weight_decay", "0.0005"),
    ],
};

impl Default for Kd {
    fn default() -> Self {
        Self { temperature: 30.0, alpha: 1.0, gamma: 0.0, reduction: Reduction::ElementMean }
    }
}

impl Described for Kd {
    const RECORD: Record = Record {
        names: Names {
            id: "kd",
            title: "KD",
            summary: "The student matches the teacher's soft labels on natural images.",
        },
        source: "Hinton et al. 2015, arXiv:1503.02531",
        fine_tuned: Some(Names {
            id: "kd+aft",
            title: "KD+AFT",
            summary: "KD, then the whole network is fine-tuned adversarially.",
        }),
        schedule: ard::schedule,
        parameters: &[&PARAMETERS],
        presets: &[REPDISTILLER],
    };
}

impl Parameters for Kd {
    fn check(&self, problems: &mut Vec<Problem>) {
        let &Self { temperature, alpha, gamma, reduction: _ } = self;
        expect(temperature_holds(temperature), "method.temperature", TEMPERATURE_RANGE, problems);
        expect((0.0..=1e6).contains(&alpha), "method.alpha", WEIGHT_RANGE, problems);
        expect((0.0..=1e6).contains(&gamma), "method.gamma", WEIGHT_RANGE, problems);
        expect(alpha + gamma > 0.0, "method.alpha", "alpha and gamma must not both be 0", problems);
    }
}
