//! The spec of an evaluation.

use serde::{Deserialize, Serialize};

use crate::{Attack, DatasetChoice, DeviceName, ModelRef, Problem};

/// The evaluation of one model: its natural accuracy, and its accuracy under each attack.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluateSpec {
    /// The model.
    pub model: ModelRef,
    /// The dataset, whose test images are used.
    pub dataset: DatasetChoice,
    /// The attacks, each on every test image.
    pub attacks: Vec<Attack>,
    /// Images a batch; it changes the speed, not the numbers.
    pub batch_size: usize,
    /// The seed of the random starts.
    pub seed: u64,
    /// Where it computes.
    pub device: DeviceName,
}

impl EvaluateSpec {
    pub(crate) fn check(&self, problems: &mut Vec<Problem>) {
        for (i, attack) in self.attacks.iter().enumerate() {
            attack.check(&format!("attacks[{i}]"), problems);
        }
        if !(1..=4_096).contains(&self.batch_size) {
            problems.push(Problem::new("batch_size", "must be from 1 to 4,096"));
        }
    }
}
