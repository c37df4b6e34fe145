//! PGD on the difference-of-logits ratio, which no scaling of the logits changes (Croce & Hein 2020).

use candle_core::{Result, Tensor};
use retort_spec::Dlr;

use super::{EvaluationAttack, Iterative, Target};
use crate::loss::dlr_gradient;

impl EvaluationAttack for Dlr {
    fn images(&self, target: &mut Target<'_>, attempt: u64) -> Result<Tensor> {
        let start = target.start(self.eps, attempt)?;
        target.climb(Iterative::new(self.eps, self.step_size, self.steps), start, dlr_gradient)
    }
}
