//! Uniform draws from the ball.

use candle_core::{Result, Tensor};
use retort_spec::Noise;

use super::{EvaluationAttack, Target};

impl EvaluationAttack for Noise {
    fn tries(&self) -> usize {
        self.draws
    }

    fn images(&self, target: &mut Target<'_>, attempt: u64) -> Result<Tensor> {
        target.start(self.eps, attempt)
    }
}
