//! Training on natural images.

use candle_core::{Result, Tensor};

use super::{Batch, Objective, StudentOutput};
use crate::{loss::smoothed_cross_entropy, nn::Network};

/// Cross-entropy on natural images.
pub(super) struct NaturalObjective {
    pub label_smoothing: f64,
}

impl Objective for NaturalObjective {
    fn inputs(&mut self, _student: &mut Network, batch: &Batch) -> Result<Vec<Tensor>> {
        Ok(vec![batch.images.clone()])
    }

    fn loss(&mut self, answers: &[StudentOutput], _inputs: &[Tensor], batch: &Batch) -> Result<Tensor> {
        smoothed_cross_entropy(answers[0].logits, batch.labels, self.label_smoothing)
    }
}
