//! PGD on the margin of Carlini and Wagner (2017), pushed until another class leads by κ (methods.md §5.1).

use candle_core::{Result, Tensor};
use retort_spec::Cw;

use super::{EvaluationAttack, Iterative, Target};
use crate::loss::margin_gradient;

impl EvaluationAttack for Cw {
    fn images(&self, target: &mut Target<'_>, attempt: u64) -> Result<Tensor> {
        let start = target.start(self.eps, attempt)?;
        let by = Iterative::new(self.eps, self.step_size, self.steps);
        target.climb(by, start, |logits, labels| margin_gradient(logits, labels, self.confidence as f32))
    }
}
