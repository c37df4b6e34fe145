//! What the checks need beside accuracies: gradients against finite differences, confidence, and the course of the loss.

use candle_core::{Result, Tensor};
use candle_nn::ops::softmax;
use retort_spec::{MaskingSpec, Pgd};

use crate::{
    attacks::{Iterative, StartRange, uniform_start},
    data::Split,
    loader::images,
    loss::{cross_entropy, cross_entropy_gradient, margin_gradient},
    nn::{Network, Statistics, Want},
    rng::{Purpose, Stream},
};

/// Images in one pass.
const BATCH: usize = 100;
/// Images, and pixels of each, whose gradient is compared with finite differences.
const CHECKED_IMAGES: usize = 10;
const CHECKED_PIXELS: usize = 10;
/// Half the distance of the two images of a finite difference: small enough that few units change sides, large enough that
/// the difference of two margins is not lost in single precision.
const HALF_DIFFERENCE: f32 = 1e-3;

/// The measures of one model.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Measures {
    /// Naturally correct images, in percent, on which the gradient of the cross-entropy is exactly zero.
    pub zero_gradients: f64,
    /// Naturally correct images on which that gradient is not finite, so that no attack can follow it.
    pub broken_gradients: usize,
    /// The distance between the gradient and finite differences of the margin, relative to the latter's length (ℓ₂).
    pub gradient_error: f64,
    /// The mean probability of the predicted class on naturally correct images, in percent.
    pub confidence: f64,
    /// The mean cross-entropy (nats) of images that PGD-20 left, before each step of PGD-100; empty if it left none.
    pub loss: Vec<f64>,
}

impl Measures {
    /// Measures on the naturally `correct` images of a split, and those that are `robust` under PGD-20, given by their
    /// places.
    pub(super) fn of(
        network: &mut Network,
        split: &Split,
        correct: &[usize],
        robust: &[usize],
        spec: &MaskingSpec,
    ) -> Result<Self> {
        let device = network.device().clone();
        let labels = |places: &[usize]| places.iter().map(|i| split.labels[*i]).collect::<Vec<u8>>();
        let tensor = |places: &[usize]| images(split, places, &device).map_err(candle_core::Error::wrap);
        let mut measures = Self::default();
        let (mut zero, mut confidence) = (0, 0.0);
        for places in correct.chunks(BATCH) {
            let pass = network.forward(&tensor(places)?, Statistics::Running, Want::Input)?;
            confidence += f64::from(softmax(&pass.logits, 1)?.max(1)?.sum_all()?.to_scalar::<f32>()?);
            let slope = cross_entropy_gradient(&pass.logits, &labels(places))?;
            let largest = pass.input_gradient(Some(slope), None)?.abs()?.flatten_from(1)?.max(1)?;
            let largest = largest.to_vec1::<f32>()?;
            zero += largest.iter().filter(|v| **v == 0.0).count();
            measures.broken_gradients += largest.iter().filter(|v| !v.is_finite()).count();
        }
        let n = correct.len().max(1) as f64;
        (measures.zero_gradients, measures.confidence) = (100.0 * zero as f64 / n, 100.0 * confidence / n);
        let checked = &correct[..correct.len().min(CHECKED_IMAGES)];
        if !checked.is_empty() {
            measures.gradient_error = gradient_error(network, &tensor(checked)?, &labels(checked))?;
        }
        let followed = &robust[..robust.len().min(BATCH)];
        if !followed.is_empty() {
            let Pgd { eps, step_size, steps, .. } = spec.converged_pgd();
            let by = Iterative::new(eps, step_size, steps);
            measures.loss = loss_curve(network, &tensor(followed)?, &labels(followed), by, spec.seed)?;
        }
        Ok(measures)
    }
}

/// The distance between a network's gradient and finite differences, relative to the latter's length, over the steepest
/// pixels of each image. It is the margin's gradient, since the cross-entropy of a confident answer is lost in rounding.
fn gradient_error(network: &mut Network, natural: &Tensor, labels: &[u8]) -> Result<f64> {
    let pass = network.forward(natural, Statistics::Running, Want::Input)?;
    let slope = margin_gradient(&pass.logits, labels, f32::INFINITY)?;
    let gradient = pass.input_gradient(Some(slope.clone()), None)?.flatten_from(1)?.to_vec2::<f32>()?;
    let (mut distance, mut length) = (0.0, 0.0);
    for (place, gradient) in gradient.iter().enumerate() {
        let mut steepest: Vec<usize> = (0..gradient.len()).collect();
        steepest.sort_by(|a, b| gradient[*b].abs().total_cmp(&gradient[*a].abs()));
        let pixels = &steepest[..CHECKED_PIXELS.min(steepest.len())];
        let image = natural.narrow(0, place, 1)?;
        let own = image.flatten_all()?.to_vec1::<f32>()?;
        // Two images for each pixel: above and below.
        let mut moved = Vec::with_capacity(2 * pixels.len() * own.len());
        for pixel in pixels {
            for side in [HALF_DIFFERENCE, -HALF_DIFFERENCE] {
                let from = moved.len();
                moved.extend_from_slice(&own);
                moved[from + pixel] += side;
            }
        }
        let mut shape = image.dims().to_vec();
        shape[0] = 2 * pixels.len();
        let (logits, _) = network.infer(&Tensor::from_vec(moved, shape, natural.device())?)?;
        let margins = logits.broadcast_mul(&slope.narrow(0, place, 1)?)?.sum(1)?.to_vec1::<f32>()?;
        for (pair, pixel) in margins.chunks_exact(2).zip(pixels) {
            let slope = f64::from(pair[0] - pair[1]) / f64::from(2.0 * HALF_DIFFERENCE);
            distance += (slope - f64::from(gradient[*pixel])).powi(2);
            length += slope.powi(2);
        }
    }
    Ok((distance / length.max(f64::MIN_POSITIVE)).sqrt())
}

/// The mean cross-entropy before each step of PGD.
fn loss_curve(network: &mut Network, natural: &Tensor, labels: &[u8], pgd: Iterative, seed: u64) -> Result<Vec<f64>> {
    let start = uniform_start(natural, pgd.eps, &mut Stream::new(seed, Purpose::LossCurve, 0, 0), StartRange::Image)?;
    let mut curve = Vec::with_capacity(pgd.steps);
    pgd.climb_logits(network, natural, start, |logits| {
        curve.push(f64::from(cross_entropy(logits, labels)?.to_scalar::<f32>()?));
        cross_entropy_gradient(logits, labels)
    })?;
    Ok(curve)
}

#[cfg(test)]
mod tests {
    use candle_core::Device;
    use retort_spec::{Architecture, PixelDistance};

    use super::*;
    use crate::{answers::answers, ops::testing};

    fn setting() -> (Network, Tensor, Vec<u8>) {
        let mut network = Network::new(Architecture::ResNet8, 10, 1, &Device::Cpu).unwrap();
        let natural = testing::tensor(2, (6, 3, 32, 32)).abs().unwrap();
        let labels = answers(&network.infer(&natural).unwrap().0).unwrap().into_iter().map(Option::unwrap).collect();
        (network, natural, labels)
    }

    #[test]
    fn the_gradient_of_a_network_agrees_with_finite_differences() {
        let (mut network, natural, labels) = setting();
        let error = gradient_error(&mut network, &natural, &labels).unwrap();
        assert!(error < 0.05, "{error}");
    }

    #[test]
    fn the_loss_rises_along_the_steps() {
        let (mut network, natural, labels) = setting();
        let pgd = Iterative::new(PixelDistance::levels(8.0), PixelDistance::levels(2.0), 12);
        let curve = loss_curve(&mut network, &natural, &labels, pgd, 1).unwrap();
        assert!(curve.len() == 12 && curve[11] > curve[0], "{curve:?}");
    }
}
