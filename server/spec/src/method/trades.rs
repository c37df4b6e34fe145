//! TRADES (Zhang et al. 2019; methods.md §3.2).

use serde::{Deserialize, Serialize};

use super::{
    Described, Names, Parameters, Record, has_inner_attack,
    parameter::{ATTACK, LABEL_SMOOTHING, Parameter, WEIGHT, WEIGHT_RANGE, check_smoothing, parameter},
};
use crate::{InnerAttack, PixelDistance, Problem, Schedule, problem::expect};

/// The published weight of TRADES' KL.
pub const TRADES_BETA: f64 = 6.0;

/// Cross-entropy on natural images and β·KL between the answers to natural and attacked ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trades {
    /// The inner maximisation, on that KL.
    pub attack: InnerAttack,
    /// Weight of the KL.
    pub beta: f64,
    /// How much of a label is spread over all classes in the cross-entropy.
    #[serde(default)]
    pub label_smoothing: f64,
}

const PARAMETERS: [Parameter; 1] =
    [parameter("method.beta", "β", WEIGHT, "Weight of the KL between answers: more is more robust and less accurate.")];

impl Default for Trades {
    fn default() -> Self {
        let (eps, step_size) = (PixelDistance::new(0.031), PixelDistance::new(0.007));
        Self {
            attack: InnerAttack { eps, step_size, ..InnerAttack::default() },
            beta: TRADES_BETA,
            label_smoothing: 0.0,
        }
    }
}

impl Described for Trades {
    const RECORD: Record = Record {
        names: Names {
            id: "trades",
            title: "TRADES",
            summary: "Cross-entropy on natural images, and stable answers around them; no teacher.",
        },
        source: "Zhang et al. 2019, arXiv:1901.08573",
        fine_tuned: None,
        schedule: |_| Schedule { milestones: vec![75], ..Schedule::new(76, 128, 0.1, 2e-4, &[]) },
        parameters: &[&PARAMETERS, &LABEL_SMOOTHING, &ATTACK],
        presets: &[],
    };
}

impl Parameters for Trades {
    fn check(&self, problems: &mut Vec<Problem>) {
        expect((0.0..=1e6).contains(&self.beta), "method.beta", WEIGHT_RANGE, problems);
        check_smoothing(self.label_smoothing, "method.label_smoothing", problems);
    }

    has_inner_attack!();

    fn student_passes(&self) -> usize {
        2
    }
}
