//! PGD on another model.

use candle_core::{Result, Tensor};
use retort_spec::Transfer;

use super::{EvaluationAttack, Iterative, Target, cross_entropy_pgd};

impl EvaluationAttack for Transfer {
    fn images(&self, target: &mut Target<'_>, attempt: u64) -> Result<Tensor> {
        let start = target.start(self.eps, attempt)?;
        let by = Iterative::new(self.eps, self.step_size, self.steps);
        let Target { natural, labels, .. } = target;
        let Some(surrogate) = &mut target.surrogate else { candle_core::bail!("a transfer needs a surrogate") };
        cross_entropy_pgd(surrogate, natural, labels, by, start)
    }
}
