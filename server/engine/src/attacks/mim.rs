//! The momentum iterative method (Dong et al. 2018).

use candle_core::{Result, Tensor};
use retort_spec::Mim;

use super::{EvaluationAttack, Iterative, Target};
use crate::{
    loss::cross_entropy_gradient,
    nn::{Network, Want},
};

impl EvaluationAttack for Mim {
    fn images(&self, target: &mut Target<'_>, _attempt: u64) -> Result<Tensor> {
        let by = Iterative::new(self.eps, self.step_size, self.steps);
        momentum_pgd(target.network, &target.natural, &target.labels, by, self.decay)
    }
}

/// The momentum iterative method (Dong et al. 2018): steps along the sign of `g ← decay·g + ∇/‖∇‖₁`, from the natural
/// images.
///
/// # Errors
/// When the shapes do not fit.
pub(super) fn momentum_pgd(
    network: &mut Network,
    natural: &Tensor,
    labels: &[u8],
    by: Iterative,
    decay: f64,
) -> Result<Tensor> {
    let mut momentum = natural.zeros_like()?;
    by.climb(natural, natural.clone(), |images| {
        let pass = network.forward(images, by.statistics, Want::Input)?;
        let slope = cross_entropy_gradient(&pass.logits, labels)?;
        let gradient = pass.input_gradient(Some(slope), None)?;
        // An image without a gradient keeps the direction that it had.
        let norm = (gradient.abs()?.sum_keepdim((1, 2, 3))? + f64::from(f32::MIN_POSITIVE))?;
        momentum = ((&momentum * decay)? + gradient.broadcast_div(&norm)?)?;
        Ok(momentum.clone())
    })
}
