//! Batch normalisation, with the residual add and the ReLU that follow it in one pass.
//!
//! `y = relu(γ·(x − mean)/√(variance + 1e-5) + β + residual)`, where residual and relu are optional. Per-channel constants
//! are computed first and applied in one pass over the images; the backward pass mirrors that.

use candle_core::{Result, Tensor, bail};
use rayon::prelude::*;

use super::{
    data::{Data, sum_by, tensor},
    relu::relu_gradient,
};

/// Added to the variance, as in PyTorch.
const EPS: f64 = 1e-5;

/// The output of a forward pass with what its backward pass needs.
pub struct BatchNormForward {
    /// The output, `[N, C, H, W]`.
    pub y: Tensor,
    /// The means that were subtracted, `[C]`.
    pub mean: Tensor,
    /// The biased variances that were divided by, `[C]`.
    pub variance: Tensor,
}

/// Normalises by the batch's own mean and variance. For the running statistics, PyTorch takes the variance times
/// `n / (n − 1)`, n = N·H·W.
///
/// # Errors
/// When the shapes do not fit.
pub fn batch_norm_train(
    x: &Tensor,
    gamma: &Tensor,
    beta: &Tensor,
    residual: Option<&Tensor>,
    relu: bool,
) -> Result<BatchNormForward> {
    let (mean, variance) = if x.device().is_cpu() { moments(x)? } else { plain::moments(x)? };
    let y = batch_norm_eval(x, gamma, beta, (&mean, &variance), residual, relu)?;
    Ok(BatchNormForward { y, mean, variance })
}

/// Normalises by given means and variances, `[C]` each.
///
/// # Errors
/// When the shapes do not fit.
pub fn batch_norm_eval(
    x: &Tensor,
    gamma: &Tensor,
    beta: &Tensor,
    (mean, variance): (&Tensor, &Tensor),
    residual: Option<&Tensor>,
    relu: bool,
) -> Result<Tensor> {
    if !x.device().is_cpu() {
        return plain::apply(x, gamma, beta, (mean, variance), residual, relu);
    }
    let (_, c, h, w) = x.dims4()?;
    if residual.is_some_and(|r| r.dims() != x.dims()) {
        bail!("the residual's shape differs from {:?}", x.dims());
    }
    let inverse = inverse_deviations(variance)?;
    let scale: Vec<f32> = Data::of(gamma)?.iter().zip(&inverse).map(|(g, i)| g * i).collect();
    let shift: Vec<f32> =
        Data::of(beta)?.iter().zip(Data::of(mean)?.iter()).zip(&scale).map(|((b, m), s)| b - m * s).collect();
    let input = Data::of(x)?;
    let residual = residual.map(Data::of).transpose()?;
    let (area, image) = (h * w, c * h * w);
    let mut y = vec![0f32; input.len()];
    y.par_chunks_mut(image).enumerate().for_each(|(n, y)| {
        let x = &input[n * image..][..image];
        let residual = residual.as_ref().map(|r| &r[n * image..][..image]);
        pulp::Arch::new().dispatch(|| {
            for channel in 0..c {
                let (scale, shift, at) = (scale[channel], shift[channel], channel * area);
                let (x, y) = (&x[at..][..area], &mut y[at..][..area]);
                match residual.map(|r| &r[at..][..area]) {
                    Some(r) => {
                        for ((y, x), r) in y.iter_mut().zip(x).zip(r) {
                            *y = x * scale + shift + r;
                        }
                    }
                    None => {
                        for (y, x) in y.iter_mut().zip(x) {
                            *y = x * scale + shift;
                        }
                    }
                }
                if relu {
                    for y in y.iter_mut() {
                        *y = y.max(0.0);
                    }
                }
            }
        });
    });
    tensor(y, x.shape())
}

/// The gradients of a batch normalisation.
pub struct BatchNormGradients {
    /// With respect to x.
    pub x: Tensor,
    /// With respect to the residual, if there was a ReLU to mask it; without one it is `dy` itself.
    pub residual: Option<Tensor>,
    /// With respect to γ and β, if asked for.
    pub affine: Option<(Tensor, Tensor)>,
}

/// The gradients, given that with respect to y; `batch_statistics` says that mean and variance are those of x, so that
/// they have gradients too. The parts of γ and β are computed if `affine`.
///
/// # Errors
/// When the shapes do not fit.
#[expect(clippy::too_many_arguments, reason = "they are the operation's inputs, each once")]
pub fn batch_norm_backward(
    x: &Tensor,
    y: &Tensor,
    gamma: &Tensor,
    (mean, variance): (&Tensor, &Tensor),
    dy: &Tensor,
    relu: bool,
    batch_statistics: bool,
    affine: bool,
) -> Result<BatchNormGradients> {
    let masked = if relu { relu_gradient(dy, y)? } else { dy.clone() };
    let residual = relu.then(|| masked.clone());
    if !x.device().is_cpu() {
        let (x, affine_gradients) = plain::backward(x, gamma, (mean, variance), &masked, batch_statistics)?;
        return Ok(BatchNormGradients { x, residual, affine: affine.then_some(affine_gradients) });
    }
    let (n, c, h, w) = x.dims4()?;
    let (area, image) = (h * w, c * h * w);
    let inverse = inverse_deviations(variance)?;
    let (input, gradient, gamma, mean) = (Data::of(x)?, Data::of(&masked)?, Data::of(gamma)?, Data::of(mean)?);
    let sums: Vec<(f64, f64)> = if batch_statistics || affine {
        (0..c)
            .into_par_iter()
            .map(|channel| {
                let centre = mean[channel];
                let (mut plain, mut weighted) = (0f64, 0f64);
                pulp::Arch::new().dispatch(|| {
                    for i in 0..n {
                        let at = i * image + channel * area;
                        let (g, x) = (&gradient[at..][..area], &input[at..][..area]);
                        plain += sum_by(area, |j| g[j]);
                        weighted += sum_by(area, |j| g[j] * (x[j] - centre));
                    }
                });
                (plain, weighted * f64::from(inverse[channel]))
            })
            .collect()
    } else {
        vec![(0.0, 0.0); c]
    };
    // dx = γ/σ·(dy − mean(dy) − x̂·mean(dy·x̂)), the last two only where the statistics are the batch's own.
    let count = if batch_statistics { (n * area) as f64 } else { f64::INFINITY };
    let constants: Vec<[f32; 3]> = (0..c)
        .map(|k| {
            let scale = f64::from(gamma[k]) * f64::from(inverse[k]);
            let slope = -scale * sums[k].1 / count * f64::from(inverse[k]);
            let offset = -scale * sums[k].0 / count - slope * f64::from(mean[k]);
            [scale as f32, slope as f32, offset as f32]
        })
        .collect();
    let mut dx = vec![0f32; input.len()];
    dx.par_chunks_mut(image).enumerate().for_each(|(i, dx)| {
        let (g, x) = (&gradient[i * image..][..image], &input[i * image..][..image]);
        pulp::Arch::new().dispatch(|| {
            for (channel, [scale, slope, offset]) in constants.iter().enumerate() {
                let range = channel * area..(channel + 1) * area;
                for ((dx, g), x) in dx[range.clone()].iter_mut().zip(&g[range.clone()]).zip(&x[range]) {
                    *dx = g * scale + x * slope + offset;
                }
            }
        });
    });
    let affine = affine.then(|| {
        let of = |f: fn(&(f64, f64)) -> f64| tensor(sums.iter().map(|s| f(s) as f32).collect(), c);
        Ok::<_, candle_core::Error>((of(|s| s.1)?, of(|s| s.0)?))
    });
    Ok(BatchNormGradients { x: tensor(dx, x.shape())?, residual, affine: affine.transpose()? })
}

fn inverse_deviations(variance: &Tensor) -> Result<Vec<f32>> {
    Ok(Data::of(variance)?.iter().map(|v| (1.0 / (f64::from(*v) + EPS).sqrt()) as f32).collect())
}

fn moments(x: &Tensor) -> Result<(Tensor, Tensor)> {
    let (n, c, h, w) = x.dims4()?;
    let (area, image) = (h * w, c * h * w);
    let input = Data::of(x)?;
    let moments: Vec<(f64, f64)> = (0..c)
        .into_par_iter()
        .map(|channel| {
            let map = |i: usize| &input[i * image + channel * area..][..area];
            let count = (n * area) as f64;
            pulp::Arch::new().dispatch(|| {
                let mean = (0..n).map(map).map(|m| sum_by(area, |j| m[j])).sum::<f64>() / count;
                let centre = mean as f32;
                let squares = |m: &[f32]| sum_by(area, |j| (m[j] - centre) * (m[j] - centre));
                (mean, (0..n).map(|i| squares(map(i))).sum::<f64>() / count)
            })
        })
        .collect();
    let of = |f: fn(&(f64, f64)) -> f64| tensor(moments.iter().map(|m| f(m) as f32).collect(), c);
    Ok((of(|m| m.0)?, of(|m| m.1)?))
}

/// The same in Candle's own operations.
mod plain {
    use super::{EPS, Result, Tensor};

    fn per_channel(values: &Tensor) -> Result<Tensor> {
        values.reshape((1, values.elem_count(), 1, 1))
    }

    fn mean_over_images(x: &Tensor) -> Result<Tensor> {
        x.mean((0, 2, 3))
    }

    pub(super) fn moments(x: &Tensor) -> Result<(Tensor, Tensor)> {
        let mean = mean_over_images(x)?;
        let variance = mean_over_images(&x.broadcast_sub(&per_channel(&mean)?)?.sqr()?)?;
        Ok((mean, variance))
    }

    pub(super) fn apply(
        x: &Tensor,
        gamma: &Tensor,
        beta: &Tensor,
        (mean, variance): (&Tensor, &Tensor),
        residual: Option<&Tensor>,
        relu: bool,
    ) -> Result<Tensor> {
        let normal = normalised(x, (mean, variance))?;
        let mut y = normal.broadcast_mul(&per_channel(gamma)?)?.broadcast_add(&per_channel(beta)?)?;
        if let Some(residual) = residual {
            y = (y + residual)?;
        }
        if relu { y.relu() } else { Ok(y) }
    }

    fn normalised(x: &Tensor, (mean, variance): (&Tensor, &Tensor)) -> Result<Tensor> {
        let deviation = (variance + EPS)?.sqrt()?;
        x.broadcast_sub(&per_channel(mean)?)?.broadcast_div(&per_channel(&deviation)?)
    }

    pub(super) fn backward(
        x: &Tensor,
        gamma: &Tensor,
        (mean, variance): (&Tensor, &Tensor),
        dy: &Tensor,
        batch_statistics: bool,
    ) -> Result<(Tensor, (Tensor, Tensor))> {
        let normal = normalised(x, (mean, variance))?;
        let (of_gamma, of_beta) = ((dy * &normal)?.sum((0, 2, 3))?, dy.sum((0, 2, 3))?);
        let mut inner = dy.clone();
        if batch_statistics {
            inner = inner.broadcast_sub(&per_channel(&mean_over_images(dy)?)?)?;
            let slope = per_channel(&mean_over_images(&(dy * &normal)?)?)?;
            inner = (inner - normal.broadcast_mul(&slope)?)?;
        }
        let scale = (gamma / (variance + EPS)?.sqrt()?)?;
        Ok((inner.broadcast_mul(&per_channel(&scale)?)?, (of_gamma, of_beta)))
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing, *};

    fn inputs() -> [Tensor; 5] {
        let x = testing::tensor(1, (3, 4, 5, 7));
        let (gamma, beta) = (testing::tensor(2, 4), testing::tensor(3, 4));
        [x, gamma, beta, testing::tensor(4, (3, 4, 5, 7)), testing::tensor(5, (3, 4, 5, 7))]
    }

    #[test]
    fn outputs_and_statistics_equal_the_plain_expression() {
        let [x, gamma, beta, residual, _] = inputs();
        for (residual, relu) in [(None, false), (None, true), (Some(&residual), true)] {
            let forward = batch_norm_train(&x, &gamma, &beta, residual, relu).unwrap();
            let (mean, variance) = plain::moments(&x).unwrap();
            testing::assert_close(&forward.mean, &mean, 1e-6);
            testing::assert_close(&forward.variance, &variance, 1e-6);
            let y = plain::apply(&x, &gamma, &beta, (&mean, &variance), residual, relu).unwrap();
            testing::assert_close(&forward.y, &y, 1e-5);
        }
    }

    #[test]
    fn gradients_equal_the_plain_expression_in_both_modes() {
        let [x, gamma, beta, residual, dy] = inputs();
        let own = batch_norm_train(&x, &gamma, &beta, Some(&residual), true).unwrap();
        for batch_statistics in [true, false] {
            let statistics = (&own.mean, &own.variance);
            let found = batch_norm_backward(&x, &own.y, &gamma, statistics, &dy, true, batch_statistics, true).unwrap();
            let masked = relu_gradient(&dy, &own.y).unwrap();
            let (dx, (dg, db)) = plain::backward(&x, &gamma, statistics, &masked, batch_statistics).unwrap();
            testing::assert_close(&found.x, &dx, 1e-5);
            let (found_gamma, found_beta) = found.affine.unwrap();
            testing::assert_close(&found_gamma, &dg, 1e-5);
            testing::assert_close(&found_beta, &db, 1e-5);
            testing::assert_close(&found.residual.unwrap(), &masked, 0.0);
        }
    }

    #[test]
    fn gradients_are_the_slopes_of_the_output() {
        let [x, gamma, beta, residual, dy] = inputs();
        let loss = |x: &Tensor, gamma: &Tensor, beta: &Tensor| {
            testing::dot(&batch_norm_train(x, gamma, beta, Some(&residual), false).unwrap().y, &dy)
        };
        let own = batch_norm_train(&x, &gamma, &beta, Some(&residual), false).unwrap();
        let statistics = (&own.mean, &own.variance);
        let found = batch_norm_backward(&x, &own.y, &gamma, statistics, &dy, false, true, true).unwrap();
        testing::assert_slopes(&x, &found.x, 1e-2, |x| loss(x, &gamma, &beta));
        let (dg, db) = found.affine.unwrap();
        testing::assert_slopes(&gamma, &dg, 1e-2, |gamma| loss(&x, gamma, &beta));
        testing::assert_slopes(&beta, &db, 1e-2, |beta| loss(&x, &gamma, beta));
    }

    #[test]
    fn a_channel_without_variance_stays_finite() {
        let x = Tensor::ones((2, 1, 3, 3), candle_core::DType::F32, &candle_core::Device::Cpu).unwrap();
        let (gamma, beta) = (testing::tensor(1, 1), testing::tensor(2, 1));
        let own = batch_norm_train(&x, &gamma, &beta, None, false).unwrap();
        let dy = testing::tensor(3, (2, 1, 3, 3));
        let statistics = (&own.mean, &own.variance);
        let found = batch_norm_backward(&x, &own.y, &gamma, statistics, &dy, false, true, true).unwrap();
        assert!(testing::values(&own.y).iter().chain(&testing::values(&found.x)).all(|v| v.is_finite()));
    }
}
