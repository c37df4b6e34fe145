//! One step along the sign of the gradient (Goodfellow et al. 2015).

use candle_core::{Result, Tensor};
use retort_spec::Fgsm;

use super::{EvaluationAttack, Iterative, Target};

impl EvaluationAttack for Fgsm {
    fn images(&self, target: &mut Target<'_>, attempt: u64) -> Result<Tensor> {
        let start = if self.random_start { target.start(self.eps, attempt)? } else { target.natural.clone() };
        target.climb_cross_entropy(Iterative::new(self.eps, self.eps, 1), start)
    }
}
