//! Projected gradient descent (Madry et al. 2018) and its single step, FGSM (Goodfellow et al. 2015).

use candle_core::{Result, Tensor};
use retort_spec::InnerAttack;

use crate::{
    loss::{cross_entropy_gradient, dlr_gradient, margin_gradient},
    nn::{Network, Statistics, Want},
    ops::pgd_step,
    rng::Stream,
};

/// The numbers of a PGD attack, in pixel units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pgd {
    /// Radius of the ball.
    pub eps: f32,
    /// Size of a step.
    pub step_size: f32,
    /// Steps.
    pub steps: usize,
}

impl From<&InnerAttack> for Pgd {
    fn from(attack: &InnerAttack) -> Self {
        Self { eps: attack.eps.value() as f32, step_size: attack.step_size.value() as f32, steps: attack.steps }
    }
}

impl Pgd {
    /// Climbs from `start` along the sign of `gradient`, staying in the ball around `natural` and in [0, 1].
    ///
    /// # Errors
    /// When the gradient cannot be computed.
    pub fn climb(
        self,
        natural: &Tensor,
        start: Tensor,
        mut gradient: impl FnMut(&Tensor) -> Result<Tensor>,
    ) -> Result<Tensor> {
        let mut images = start;
        for _ in 0..self.steps {
            let slope = gradient(&images)?;
            images = pgd_step(&images, &slope, natural, self.step_size, self.eps)?;
        }
        Ok(images)
    }

    /// Climbs along the gradient that `slope` gives with respect to a network's logits.
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub fn climb_logits(
        self,
        network: &mut Network,
        natural: &Tensor,
        start: Tensor,
        statistics: Statistics,
        mut slope: impl FnMut(&Tensor) -> Result<Tensor>,
    ) -> Result<Tensor> {
        self.climb(natural, start, |images| {
            let pass = network.forward(images, statistics, Want::Input)?;
            let slope = slope(&pass.logits)?;
            pass.input_gradient(Some(slope), None)
        })
    }
}

/// PGD on the network's cross-entropy.
///
/// # Errors
/// When the shapes do not fit.
pub fn cross_entropy_pgd(
    network: &mut Network,
    natural: &Tensor,
    labels: &[u8],
    pgd: Pgd,
    start: Tensor,
    statistics: Statistics,
) -> Result<Tensor> {
    pgd.climb_logits(network, natural, start, statistics, |logits| cross_entropy_gradient(logits, labels))
}

/// PGD that lowers the cross-entropy of `targets` instead: it makes the network see those classes.
///
/// # Errors
/// When the shapes do not fit.
pub fn targeted_pgd(
    network: &mut Network,
    natural: &Tensor,
    targets: &[u8],
    pgd: Pgd,
    start: Tensor,
) -> Result<Tensor> {
    pgd.climb_logits(network, natural, start, Statistics::Running, |logits| {
        cross_entropy_gradient(logits, targets)?.neg()
    })
}

/// PGD on the margin of Carlini and Wagner (2017), pushed until another class leads by `confidence` (methods.md §5.1).
///
/// # Errors
/// When the shapes do not fit.
pub fn margin_pgd(
    network: &mut Network,
    natural: &Tensor,
    labels: &[u8],
    pgd: Pgd,
    confidence: f32,
    start: Tensor,
) -> Result<Tensor> {
    pgd.climb_logits(network, natural, start, Statistics::Running, |logits| margin_gradient(logits, labels, confidence))
}

/// PGD on the difference-of-logits ratio, which no scaling of the logits changes (Croce & Hein 2020).
///
/// # Errors
/// When there are fewer than three classes, or the shapes do not fit.
pub fn dlr_pgd(network: &mut Network, natural: &Tensor, labels: &[u8], pgd: Pgd, start: Tensor) -> Result<Tensor> {
    pgd.climb_logits(network, natural, start, Statistics::Running, |logits| dlr_gradient(logits, labels))
}

/// The momentum iterative method (Dong et al. 2018): steps along the sign of `g ← decay·g + ∇/‖∇‖₁`, from the natural
/// images.
///
/// # Errors
/// When the shapes do not fit.
pub fn momentum_pgd(network: &mut Network, natural: &Tensor, labels: &[u8], pgd: Pgd, decay: f64) -> Result<Tensor> {
    let mut momentum = natural.zeros_like()?;
    pgd.climb(natural, natural.clone(), |images| {
        let pass = network.forward(images, Statistics::Running, Want::Input)?;
        let slope = cross_entropy_gradient(&pass.logits, labels)?;
        let gradient = pass.input_gradient(Some(slope), None)?;
        // An image without a gradient keeps the direction that it had.
        let norm = (gradient.abs()?.sum_keepdim((1, 2, 3))? + f64::from(f32::MIN_POSITIVE))?;
        momentum = ((&momentum * decay)? + gradient.broadcast_div(&norm)?)?;
        Ok(momentum.clone())
    })
}

/// The natural images plus noise uniform in ±eps; `clip` keeps them in [0, 1].
///
/// # Errors
/// When the device has no memory left.
pub fn uniform_start(natural: &Tensor, eps: f32, stream: &mut Stream, clip: bool) -> Result<Tensor> {
    let noise: Vec<f32> = (0..natural.elem_count()).map(|_| stream.uniform(-eps, eps)).collect();
    let moved = (natural + Tensor::from_vec(noise, natural.shape(), natural.device())?)?;
    if clip { moved.clamp(0f32, 1f32) } else { Ok(moved) }
}

/// The natural images plus normal noise of this standard deviation.
///
/// # Errors
/// When the device has no memory left.
pub fn normal_start(natural: &Tensor, deviation: f32, stream: &mut Stream) -> Result<Tensor> {
    let noise: Vec<f32> = (0..natural.elem_count()).map(|_| deviation * stream.normal()).collect();
    natural + Tensor::from_vec(noise, natural.shape(), natural.device())?
}

#[cfg(test)]
mod tests {
    use candle_core::Device;
    use retort_spec::Architecture;

    use super::*;
    use crate::{loss::cross_entropy, ops::testing, rng::Purpose};

    #[test]
    fn pgd_raises_the_loss_and_stays_in_the_ball_and_the_image_range() {
        let mut network = Network::new(Architecture::ResNet8, 10, 1, &Device::Cpu).unwrap();
        let natural = testing::tensor(2, (4, 3, 32, 32)).abs().unwrap();
        let labels = [1, 2, 3, 4];
        let pgd = Pgd { eps: 8.0 / 255.0, step_size: 2.0 / 255.0, steps: 5 };
        let mut stream = Stream::new(1, Purpose::Test, 0, 0);
        let start = uniform_start(&natural, pgd.eps, &mut stream, true).unwrap();
        let found =
            cross_entropy_pgd(&mut network, &natural, &labels, pgd, start.clone(), Statistics::Running).unwrap();
        for (a, b) in testing::values(&found).iter().zip(testing::values(&natural)) {
            assert!((a - b).abs() <= pgd.eps + 1e-6 && (0.0..=1.0).contains(a));
        }
        let mut loss = |images: &Tensor| {
            let (logits, _) = network.infer(images).unwrap();
            cross_entropy(&logits, &labels).unwrap().to_scalar::<f32>().unwrap()
        };
        assert!(loss(&found) > loss(&start) && loss(&found) > loss(&natural));
    }

    #[test]
    fn targeted_pgd_brings_images_nearer_to_their_targets_and_momentum_climbs_too() {
        let mut network = Network::new(Architecture::ResNet8, 10, 1, &Device::Cpu).unwrap();
        let natural = testing::tensor(2, (4, 3, 32, 32)).abs().unwrap();
        let targets = [5, 6, 7, 8];
        let pgd = Pgd { eps: 8.0 / 255.0, step_size: 2.0 / 255.0, steps: 5 };
        let nearer = targeted_pgd(&mut network, &natural, &targets, pgd, natural.clone()).unwrap();
        let further = momentum_pgd(&mut network, &natural, &targets, pgd, 1.0).unwrap();
        let mut loss = |images: &Tensor| {
            let (logits, _) = network.infer(images).unwrap();
            cross_entropy(&logits, &targets).unwrap().to_scalar::<f32>().unwrap()
        };
        assert!(loss(&nearer) < loss(&natural) && loss(&natural) < loss(&further));
    }
}
