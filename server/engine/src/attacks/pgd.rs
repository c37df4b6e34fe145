//! PGD on the cross-entropy, with restarts (Madry et al. 2018).

use candle_core::{Result, Tensor};
use retort_spec::Pgd;

use super::{EvaluationAttack, Iterative, Target};
use crate::loss::cross_entropy_gradient;

impl EvaluationAttack for Pgd {
    fn tries(&self) -> usize {
        self.restarts
    }

    fn images(&self, target: &mut Target<'_>, attempt: u64) -> Result<Tensor> {
        let start = target.start(self.eps, attempt)?;
        let by = Iterative::new(self.eps, self.step_size, self.steps);
        target.climb(by, start, |logits, labels| cross_entropy_gradient(&(logits * self.logit_scale)?, labels))
    }
}
