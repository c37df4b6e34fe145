//! Adversarially robust distillation (Goldblum et al. 2020; methods.md §1.2).

use serde::{Deserialize, Serialize};

use super::{
    Described, Names, Parameters, Record, Reduction, SampleWeighting, has_inner_attack, one,
    parameter::{ATTACK, Parameter, REDUCTIONS, TEMPERATURE, TEMPERATURE_RANGE, parameter, temperature_holds},
    preset::Preset,
};
use crate::{Architecture, BatchNormMode, InnerAttack, Problem, Schedule, problem::expect};

/// The teacher sees natural images, the student PGD images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ard {
    /// The inner maximisation, on the student's cross-entropy.
    pub attack: InnerAttack,
    /// T.
    pub temperature: f64,
    /// Weight α of the teacher's soft labels; the cross-entropy on natural images weighs 1 − α.
    #[serde(default = "one")]
    pub alpha: f64,
    /// How the KL is averaged; the authors' code averages over classes too.
    pub reduction: Reduction,
    /// Whether images count by the teacher's confidence in them: the paper's ablation “ARD + `w_t`”.
    #[serde(default = "SampleWeighting::none")]
    pub sample_weighting: SampleWeighting,
}

const PARAMETERS: [Parameter; 4] = [
    parameter("method.temperature", "temperature T", TEMPERATURE, "The authors' value for CIFAR-10."),
    parameter("method.alpha", "soft labels α", "0 to 1", "The cross-entropy on natural images weighs 1 − α."),
    parameter(
        "method.reduction",
        "KL reduction",
        REDUCTIONS,
        "As the authors' code averages: over batch and classes. batch_mean is the mathematical divergence and weighs as many \
         times more as there are classes, so that short budgets learn more: after 12 epochs on 5,000 images of CIFAR-10, \
         natural / PGD-20, 35.7 / 22.4 % against 29.8 / 12.5 %.",
    ),
    parameter(
        "method.sample_weighting",
        "sample weighting",
        "none, teacher or teacher_normalised",
        "teacher weighs each image by w_t, the paper's ablation of ARD.",
    ),
];

/// What ARD's published code does where its paper says otherwise (methods.md §1.2).
const GOLDBLUM: Preset = Preset {
    name: "goldblum-code",
    summary: "The authors' code to the letter: batch norm in training mode inside the attack, one fall of the learning rate.",
    settings: &[("method.attack.batch_norm", "train"), ("schedule.milestones", "[100]")],
};

impl Default for Ard {
    fn default() -> Self {
        Self {
            attack: InnerAttack::default(),
            temperature: 30.0,
            alpha: 1.0,
            reduction: Reduction::ElementMean,
            sample_weighting: SampleWeighting::None,
        }
    }
}

impl Described for Ard {
    const RECORD: Record = Record {
        names: Names {
            id: "ard",
            title: "ARD",
            summary: "On PGD images the student matches the teacher's soft labels of the natural ones.",
        },
        source: "Goldblum et al. 2020, arXiv:1905.09747",
        fine_tuned: Some(Names {
            id: "ard+aft",
            title: "ARD+AFT",
            summary: "ARD, then the whole network is fine-tuned adversarially: GACD+AFT's control.",
        }),
        schedule,
        parameters: &[&PARAMETERS, &ATTACK],
        presets: &[GOLDBLUM],
    };
}

impl Parameters for Ard {
    fn check(&self, problems: &mut Vec<Problem>) {
        expect(temperature_holds(self.temperature), "method.temperature", TEMPERATURE_RANGE, problems);
        expect((0.0..=1.0).contains(&self.alpha), "method.alpha", "must be from 0 to 1", problems);
    }

    has_inner_attack!();

    fn student_passes(&self) -> usize {
        1 + usize::from(self.passes_natural())
    }
}

impl Ard {
    /// Whether the student sees the natural images too: for the cross-entropy, or for the running statistics alone.
    pub fn passes_natural(&self) -> bool {
        self.alpha < 1.0 || self.attack.batch_norm == BatchNormMode::Train
    }
}

/// 200 epochs, as published for ARD; KD has the same, so that the two compare.
pub(super) fn schedule(_: Architecture) -> Schedule {
    Schedule::new(200, 128, 0.1, 2e-4, &[0.5, 0.75])
}
