//! Introspective adversarial distillation (Zhu et al. 2022; methods.md §4), its first form.

use serde::{Deserialize, Serialize};

use super::{
    Described, Names, Parameters, Record, Reduction, has_inner_attack,
    parameter::{
        ATTACK, Parameter, REDUCTIONS, TEMPERATURE, TEMPERATURE_RANGE, WEIGHT, WEIGHT_RANGE, parameter,
        temperature_holds,
    },
};
use crate::{BatchNormMode, InnerAttack, Problem, Schedule, problem::expect};

/// ARD whose student, from an epoch on, also trusts its own natural answer where the teacher is unsure of the attacked image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Iad {
    /// The inner maximisation, on the student's cross-entropy.
    pub attack: InnerAttack,
    /// T.
    pub temperature: f64,
    /// β: the teacher's trust in an attacked image is the probability of its class to this power.
    pub beta: f64,
    /// From which share of the epochs on the student trusts itself.
    pub begin: f64,
    /// How the KL is averaged; the authors' code averages over the batch.
    pub reduction: Reduction,
}

const PARAMETERS: [Parameter; 4] = [
    parameter("method.temperature", "temperature T", TEMPERATURE, "The authors' code has 1."),
    parameter("method.beta", "trust β", WEIGHT, "The authors' 0.1 for CIFAR-10. 0 trusts the teacher alone."),
    parameter(
        "method.begin",
        "introspection from",
        "0 to 1",
        "The authors' 60 of 200 epochs, as a share of the epochs.",
    ),
    parameter("method.reduction", "KL reduction", REDUCTIONS, "As the authors' code averages: over the batch."),
];

impl Default for Iad {
    fn default() -> Self {
        let attack = InnerAttack { batch_norm: BatchNormMode::Train, ..InnerAttack::default() };
        Self { attack, temperature: 1.0, beta: 0.1, begin: 0.3, reduction: Reduction::BatchMean }
    }
}

impl Described for Iad {
    const RECORD: Record = Record {
        names: Names {
            id: "iad",
            title: "IAD",
            summary: "ARD whose student, later, also trusts its own natural answer where the teacher is unsure.",
        },
        source: "Zhu et al. 2022, arXiv:2106.04928",
        fine_tuned: Some(Names {
            id: "iad+aft",
            title: "IAD+AFT",
            summary: "IAD, then the whole network is fine-tuned adversarially.",
        }),
        schedule: |_| Schedule { milestones: vec![100, 150], ..Schedule::new(200, 128, 0.1, 2e-4, &[]) },
        parameters: &[&PARAMETERS, &ATTACK],
        presets: &[],
    };
}

impl Parameters for Iad {
    fn check(&self, problems: &mut Vec<Problem>) {
        expect(temperature_holds(self.temperature), "method.temperature", TEMPERATURE_RANGE, problems);
        expect((0.0..=1e6).contains(&self.beta), "method.beta", WEIGHT_RANGE, problems);
        expect((0.0..=1.0).contains(&self.begin), "method.begin", "must be from 0 to 1", problems);
    }

    has_inner_attack!();

    fn student_passes(&self) -> usize {
        2
    }

    fn teacher_passes(&self) -> usize {
        2
    }
}
