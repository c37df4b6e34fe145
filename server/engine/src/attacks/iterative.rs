//! Climbing by steps inside the ball, which most attacks do.

use candle_core::{Result, Tensor};
use retort_spec::{BatchNormMode, InnerAttack, PixelDistance};

use crate::{
    loss::cross_entropy_gradient,
    nn::{Network, Statistics, Want},
    ops::pgd_step,
};

/// The numbers of an attack that climbs by steps, in pixel units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Iterative {
    /// Radius of the ball.
    pub eps: f32,
    /// Size of a step.
    pub step_size: f32,
    /// Steps.
    pub steps: usize,
    /// Which statistics batch norm uses under way.
    pub statistics: Statistics,
}

impl From<&InnerAttack> for Iterative {
    fn from(attack: &InnerAttack) -> Self {
        let statistics = match attack.batch_norm {
            BatchNormMode::Eval => Statistics::Running,
            BatchNormMode::Train => Statistics::Batch,
        };
        Self { statistics, ..Self::new(attack.eps, attack.step_size, attack.steps) }
    }
}

impl Iterative {
    /// So many steps of a size inside of a ball, by running statistics.
    pub const fn new(eps: PixelDistance, step_size: PixelDistance, steps: usize) -> Self {
        let (eps, step_size) = (eps.value() as f32, step_size.value() as f32);
        Self { eps, step_size, steps, statistics: Statistics::Running }
    }

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
        mut slope: impl FnMut(&Tensor) -> Result<Tensor>,
    ) -> Result<Tensor> {
        self.climb(natural, start, |images| {
            let pass = network.forward(images, self.statistics, Want::Input)?;
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
    by: Iterative,
    start: Tensor,
) -> Result<Tensor> {
    by.climb_logits(network, natural, start, |logits| cross_entropy_gradient(logits, labels))
}

/// PGD that lowers the cross-entropy of `targets` instead: it makes the network see those classes.
///
/// # Errors
/// When the shapes do not fit.
pub fn targeted_pgd(
    network: &mut Network,
    natural: &Tensor,
    targets: &[u8],
    by: Iterative,
    start: Tensor,
) -> Result<Tensor> {
    by.climb_logits(network, natural, start, |logits| cross_entropy_gradient(logits, targets)?.neg())
}

#[cfg(test)]
mod tests {
    use candle_core::Device;
    use retort_spec::Architecture;

    use super::*;
    use crate::{
        attacks::{StartRange, mim::momentum_pgd, uniform_start},
        loss::cross_entropy,
        ops::testing,
        rng::{Purpose, Stream},
    };

    #[test]
    fn pgd_raises_the_loss_and_stays_in_the_ball_and_the_image_range() {
        let mut network = Network::new(Architecture::ResNet8, 10, 1, &Device::Cpu).unwrap();
        let natural = testing::tensor(2, (4, 3, 32, 32)).abs().unwrap();
        let labels = [1, 2, 3, 4];
        let pgd = Iterative::new(PixelDistance::levels(8.0), PixelDistance::levels(2.0), 5);
        let mut stream = Stream::new(1, Purpose::Test, 0, 0);
        let start = uniform_start(&natural, pgd.eps, &mut stream, StartRange::Image).unwrap();
        let found = cross_entropy_pgd(&mut network, &natural, &labels, pgd, start.clone()).unwrap();
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
        let pgd = Iterative::new(PixelDistance::levels(8.0), PixelDistance::levels(2.0), 5);
        let nearer = targeted_pgd(&mut network, &natural, &targets, pgd, natural.clone()).unwrap();
        let further = momentum_pgd(&mut network, &natural, &targets, pgd, 1.0).unwrap();
        let mut loss = |images: &Tensor| {
            let (logits, _) = network.infer(images).unwrap();
            cross_entropy(&logits, &targets).unwrap().to_scalar::<f32>().unwrap()
        };
        assert!(loss(&nearer) < loss(&natural) && loss(&natural) < loss(&further));
    }
}
