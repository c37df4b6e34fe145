//! Batch normalisation of maps `[N, H, W, C]`: `γ·(x − mean)/√(variance + 1e-5) + β` by channel.
//!
//! A normalisation is a scale and a shift by channel ([`batch_norm_affine`]) that follow what was there before, mostly a
//! convolution: see [`Finish`]. What is left are the batch's statistics and the gradient.

use std::mem::MaybeUninit;

use candle_core::{Result, Tensor, bail};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{
    data::{Data, tensor},
    finish::{Elements, Finish, Finisher, chunk},
    simd::{dispatch, load, registers, store, written},
};

/// Added to the variance, as in PyTorch.
const EPS: f64 = 1e-5;

/// Means and biased variances of x by channel, `[C]` each. For the running statistics, PyTorch takes the variance times
/// `n / (n − 1)`, n = N·H·W.
///
/// # Errors
/// When x is no batch of maps.
pub fn batch_norm_statistics(x: &Tensor) -> Result<(Tensor, Tensor)> {
    let (n, h, w, c) = x.dims4()?;
    if !x.device().is_cpu() {
        return plain::statistics(x);
    }
    let (data, image) = (Data::of(x)?, h * w * c);
    // By image: means, and sums of squares around them.
    let parts: Vec<(Vec<f32>, Vec<f32>)> = data
        .par_chunks_exact(image.max(1))
        .map(|x| {
            let zeros = vec![0f32; c];
            let mut mean = dispatch(Sums { x, by: x, centre: &zeros, centred: false }).0;
            for mean in &mut mean {
                *mean /= (h * w) as f32;
            }
            let squares = dispatch(Sums { x, by: x, centre: &mean, centred: true }).1;
            (mean, squares)
        })
        .collect();
    let (mut mean, mut variance) = (vec![0f32; c], vec![0f32; c]);
    for channel in 0..c {
        // Chan's formula: the images' own squares, and those of their means around the common mean.
        let common = parts.iter().map(|p| f64::from(p.0[channel])).sum::<f64>() / n as f64;
        let own: f64 = parts.iter().map(|p| f64::from(p.1[channel])).sum();
        let between: f64 = parts.iter().map(|p| (f64::from(p.0[channel]) - common).powi(2)).sum();
        mean[channel] = common as f32;
        variance[channel] = ((own + between * (h * w) as f64) / (n * h * w) as f64) as f32;
    }
    Ok((tensor(mean, c)?, tensor(variance, c)?))
}

/// Scale and shift by channel, `[C]` each: what a normalisation by these statistics multiplies and adds.
///
/// # Errors
/// When the shapes differ.
pub fn batch_norm_affine(
    gamma: &Tensor,
    beta: &Tensor,
    (mean, variance): (&Tensor, &Tensor),
) -> Result<(Tensor, Tensor)> {
    if !gamma.device().is_cpu() {
        let scale = (gamma / (variance + EPS)?.sqrt()?)?;
        let shift = (beta - (mean * &scale)?)?;
        return Ok((scale, shift));
    }
    let inverse = inverse_deviations(variance)?;
    let (gamma, beta, mean) = (Data::of(gamma)?, Data::of(beta)?, Data::of(mean)?);
    if gamma.len() != inverse.len() || beta.len() != inverse.len() || mean.len() != inverse.len() {
        bail!("γ, β, mean and variance are not of as many channels");
    }
    let scale: Vec<f32> = gamma.iter().zip(&inverse).map(|(g, i)| g * i).collect();
    let shift = beta.iter().zip(mean.iter()).zip(&scale).map(|((b, m), s)| b - m * s).collect();
    let c = scale.len();
    Ok((tensor(scale, c)?, tensor(shift, c)?))
}

/// The gradients of a batch normalisation.
pub struct BatchNormGradients {
    /// With respect to x, finished.
    pub x: Tensor,
    /// With respect to γ and β, `[C]` each.
    pub affine: (Tensor, Tensor),
}

/// The gradients of a normalisation by x's own statistics, given that with respect to its output.
///
/// # Errors
/// When the shapes do not fit.
pub fn batch_norm_gradient(
    x: &Tensor,
    gamma: &Tensor,
    (mean, variance): (&Tensor, &Tensor),
    dy: &Tensor,
    finish: &Finish,
) -> Result<BatchNormGradients> {
    let (n, h, w, c) = x.dims4()?;
    if dy.dims() != x.dims() || [gamma, mean, variance].iter().any(|t| t.dims() != [c]) {
        bail!("maps {:?}, a gradient {:?} and statistics {:?} do not fit", x.dims(), dy.dims(), mean.dims());
    }
    if !x.device().is_cpu() {
        let (dx, affine) = plain::gradient(x, gamma, (mean, variance), dy)?;
        return Ok(BatchNormGradients { x: finish.plain(&dx)?, affine });
    }
    let inverse = inverse_deviations(variance)?;
    let (x_data, dy_data, gamma, centre) = (Data::of(x)?, Data::of(dy)?, Data::of(gamma)?, Data::of(mean)?);
    let image = (h * w * c).max(1);
    // By image: sums of dy, and of dy times the centred x.
    let parts: Vec<(Vec<f32>, Vec<f32>)> = x_data
        .par_chunks_exact(image)
        .zip(dy_data.par_chunks_exact(image))
        .map(|(x, dy)| dispatch(Sums { x: dy, by: x, centre: &centre, centred: false }))
        .collect();
    // dx = γ/σ·(dy − mean(dy) − x̂·mean(dy·x̂)) = scale·dy + slope·x + offset.
    let mut constants = Constants { scale: vec![0.0; c], slope: vec![0.0; c], offset: vec![0.0; c] };
    let (mut of_gamma, mut of_beta) = (vec![0f32; c], vec![0f32; c]);
    let count = (n * h * w) as f64;
    for k in 0..c {
        let plain: f64 = parts.iter().map(|p| f64::from(p.0[k])).sum();
        let weighted = parts.iter().map(|p| f64::from(p.1[k])).sum::<f64>() * f64::from(inverse[k]);
        let scale = f64::from(gamma[k]) * f64::from(inverse[k]);
        let slope = -scale * weighted / count * f64::from(inverse[k]);
        constants.scale[k] = scale as f32;
        constants.slope[k] = slope as f32;
        constants.offset[k] = (-scale * plain / count - slope * f64::from(centre[k])) as f32;
        (of_gamma[k], of_beta[k]) = (weighted as f32, plain as f32);
    }
    let (data, chunk) = (finish.data(x.dims())?, chunk(c));
    let write = |out: &mut [MaybeUninit<f32>]| {
        let parts = x_data.par_chunks(chunk).zip(dy_data.par_chunks(chunk)).zip(out.par_chunks_mut(chunk)).enumerate();
        parts.for_each(|(i, ((x, dy), out))| {
            let finish = data.finisher().part(i * chunk..i * chunk + x.len());
            dispatch(InputGradient { x, dy, constants: &constants, out, finish });
        });
    };
    // SAFETY: the chunks cover x, and each writes as many floats as it reads.
    #[expect(unsafe_code, reason = "the output need not be filled with zeros first")]
    let dx = unsafe { written(x_data.len(), write) };
    Ok(BatchNormGradients { x: tensor(dx, x.shape())?, affine: (tensor(of_gamma, c)?, tensor(of_beta, c)?) })
}

fn inverse_deviations(variance: &Tensor) -> Result<Vec<f32>> {
    Ok(Data::of(variance)?.iter().map(|v| (1.0 / (f64::from(*v) + EPS).sqrt()) as f32).collect())
}

/// By channel, over the pixels of one image: Σ x, and Σ x·(by − centre), or Σ (x − centre)·(by − centre) if `centred`.
struct Sums<'a> {
    x: &'a [f32],
    by: &'a [f32],
    /// By channel.
    centre: &'a [f32],
    centred: bool,
}

/// Sums that a register is spread over, so that one addition need not wait for another.
const STRANDS: usize = 4;

impl WithSimd for Sums<'_> {
    type Output = (Vec<f32>, Vec<f32>);

    #[inline(always)]
    #[expect(unsafe_code, reason = "bounds are checked once for the whole image")]
    fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
        let (n, c) = (self.x.len(), self.centre.len());
        assert!(n.is_multiple_of(c) && self.by.len() == n);
        let (mut plain, mut weighted) = (vec![0f32; c], vec![0f32; c]);
        registers(
            simd,
            c,
            #[inline(always)]
            |channel, width| {
                let zero = simd.splat_f32s(0.0);
                let (mut sums, mut products) = ([zero; STRANDS], [zero; STRANDS]);
                // SAFETY: whole pixels of c channels lie inside both slices, and c numbers in the others.
                unsafe {
                    let centre = load(simd, self.centre.as_ptr().add(channel), width);
                    let mut pixel = channel;
                    while pixel < n {
                        for strand in 0..STRANDS {
                            if pixel < n {
                                let x = load(simd, self.x.as_ptr().add(pixel), width);
                                let other = simd.sub_f32s(load(simd, self.by.as_ptr().add(pixel), width), centre);
                                let factor = if self.centred { simd.sub_f32s(x, centre) } else { x };
                                sums[strand] = simd.add_f32s(sums[strand], x);
                                products[strand] = simd.mul_add_f32s(factor, other, products[strand]);
                            }
                            pixel += c;
                        }
                    }
                    let sum = simd.add_f32s(simd.add_f32s(sums[0], sums[1]), simd.add_f32s(sums[2], sums[3]));
                    let [p, q, r, s] = products;
                    let product = simd.add_f32s(simd.add_f32s(p, q), simd.add_f32s(r, s));
                    store(simd, plain.as_mut_ptr().add(channel), width, sum);
                    store(simd, weighted.as_mut_ptr().add(channel), width, product);
                }
            },
        );
        (plain, weighted)
    }
}

struct Constants {
    scale: Vec<f32>,
    slope: Vec<f32>,
    offset: Vec<f32>,
}

struct InputGradient<'a> {
    x: &'a [f32],
    dy: &'a [f32],
    constants: &'a Constants,
    out: &'a mut [MaybeUninit<f32>],
    finish: Finisher<'a>,
}

impl WithSimd for InputGradient<'_> {
    type Output = ();

    #[inline(always)]
    #[expect(unsafe_code, reason = "bounds are checked once for all pixels")]
    fn with_simd<S: Simd>(self, simd: S) {
        let Constants { scale, slope, offset } = self.constants;
        let (n, c) = (self.x.len(), scale.len());
        assert!(n.is_multiple_of(c) && self.dy.len() == n && self.out.len() == n && self.finish.fits(n, c));
        assert!(slope.len() == c && offset.len() == c);
        for pixel in (0..n).step_by(c) {
            registers(
                simd,
                c,
                #[inline(always)]
                |channel, width| {
                    let at = pixel + channel;
                    // SAFETY: whole pixels of c channels lie inside x, dy and out, and c numbers in the constants.
                    unsafe {
                        let [scale, slope, offset] = [scale, slope, offset].map(|v| v.as_ptr().add(channel));
                        let x = load(simd, self.x.as_ptr().add(at), width);
                        let dy = load(simd, self.dy.as_ptr().add(at), width);
                        let dx = simd.mul_add_f32s(x, load(simd, slope, width), load(simd, offset, width));
                        let dx = simd.mul_add_f32s(dy, load(simd, scale, width), dx);
                        let value = self.finish.apply(simd, dx, Elements { at, channel, width });
                        store(simd, self.out.as_mut_ptr().add(at).cast(), width, value);
                    }
                },
            );
        }
    }
}

/// The same in Candle's own operations.
mod plain {
    use super::{EPS, Result, Tensor};

    pub(super) fn statistics(x: &Tensor) -> Result<(Tensor, Tensor)> {
        let mean = x.mean((0, 1, 2))?;
        let variance = x.broadcast_sub(&mean)?.sqr()?.mean((0, 1, 2))?;
        Ok((mean, variance))
    }

    pub(super) fn gradient(
        x: &Tensor,
        gamma: &Tensor,
        (mean, variance): (&Tensor, &Tensor),
        dy: &Tensor,
    ) -> Result<(Tensor, (Tensor, Tensor))> {
        let deviation = (variance + EPS)?.sqrt()?;
        let normal = x.broadcast_sub(mean)?.broadcast_div(&deviation)?;
        let (of_gamma, of_beta) = ((dy * &normal)?.sum((0, 1, 2))?, dy.sum((0, 1, 2))?);
        let centred = dy.broadcast_sub(&dy.mean((0, 1, 2))?)?;
        let inner = (centred - normal.broadcast_mul(&(dy * &normal)?.mean((0, 1, 2))?)?)?;
        Ok((inner.broadcast_mul(&(gamma / deviation)?)?, (of_gamma, of_beta)))
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{finish::finish, testing},
        *,
    };

    /// Maps of 19 channels, which fill no register, and of 32; γ, β, and the gradient of the output.
    fn inputs() -> impl Iterator<Item = [Tensor; 4]> {
        [(3, 5, 7, 19), (2, 8, 8, 32), (4, 1, 1, 3)].into_iter().map(|shape| {
            let x = (testing::tensor(1, shape) * 3.0).unwrap();
            [(x + 5.0).unwrap(), testing::tensor(2, shape.3), testing::tensor(3, shape.3), testing::tensor(4, shape)]
        })
    }

    fn normalise(x: &Tensor, gamma: &Tensor, beta: &Tensor) -> Tensor {
        let (mean, variance) = batch_norm_statistics(x).unwrap();
        let (scale, shift) = batch_norm_affine(gamma, beta, (&mean, &variance)).unwrap();
        finish(x, &Finish { affine: Some((&scale, &shift)), ..Finish::default() }).unwrap()
    }

    #[test]
    fn statistics_and_outputs_equal_the_plain_expression() {
        for [x, gamma, beta, _] in inputs() {
            let (mean, variance) = batch_norm_statistics(&x).unwrap();
            let (plain_mean, plain_variance) = plain::statistics(&x).unwrap();
            testing::assert_close(&mean, &plain_mean, 1e-6);
            testing::assert_close(&variance, &plain_variance, 2e-6);
            let deviation = (plain_variance + EPS).unwrap().sqrt().unwrap();
            let normal = x.broadcast_sub(&plain_mean).unwrap().broadcast_div(&deviation).unwrap();
            let expected = normal.broadcast_mul(&gamma).unwrap().broadcast_add(&beta).unwrap();
            testing::assert_close(&normalise(&x, &gamma, &beta), &expected, 1e-5);
        }
    }

    #[test]
    fn gradients_equal_the_plain_expression() {
        for [x, gamma, _, dy] in inputs() {
            let (mean, variance) = batch_norm_statistics(&x).unwrap();
            let gate = testing::tensor(9, x.dims());
            let steps = Finish { gate: Some(&gate), ..Finish::default() };
            let found = batch_norm_gradient(&x, &gamma, (&mean, &variance), &dy, &steps).unwrap();
            let (dx, (of_gamma, of_beta)) = plain::gradient(&x, &gamma, (&mean, &variance), &dy).unwrap();
            testing::assert_close(&found.x, &steps.plain(&dx).unwrap(), 1e-5);
            testing::assert_close(&found.affine.0, &of_gamma, 1e-5);
            testing::assert_close(&found.affine.1, &of_beta, 1e-5);
        }
    }

    #[test]
    fn gradients_are_the_slopes_of_the_output() {
        for [x, gamma, beta, dy] in inputs() {
            let (mean, variance) = batch_norm_statistics(&x).unwrap();
            let found = batch_norm_gradient(&x, &gamma, (&mean, &variance), &dy, &Finish::default()).unwrap();
            testing::assert_slopes(&x, &found.x, 1e-2, |x| testing::dot(&normalise(x, &gamma, &beta), &dy));
            let (of_gamma, of_beta) = found.affine;
            testing::assert_slopes(&gamma, &of_gamma, 1e-2, |gamma| testing::dot(&normalise(&x, gamma, &beta), &dy));
            testing::assert_slopes(&beta, &of_beta, 1e-2, |beta| testing::dot(&normalise(&x, &gamma, beta), &dy));
        }
    }

    #[test]
    fn a_channel_without_variance_stays_finite() {
        let x = Tensor::ones((2, 3, 3, 1), candle_core::DType::F32, &candle_core::Device::Cpu).unwrap();
        let (gamma, beta) = (testing::tensor(1, 1), testing::tensor(2, 1));
        let (mean, variance) = batch_norm_statistics(&x).unwrap();
        let dy = testing::tensor(3, (2, 3, 3, 1));
        let found = batch_norm_gradient(&x, &gamma, (&mean, &variance), &dy, &Finish::default()).unwrap();
        let y = normalise(&x, &gamma, &beta);
        assert!(testing::values(&y).iter().chain(&testing::values(&found.x)).all(|v| v.is_finite()));
    }

    #[test]
    fn statistics_do_not_depend_on_the_number_of_threads() {
        let x = testing::tensor(1, (21, 8, 8, 16));
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let (mean, variance) = pool.install(|| batch_norm_statistics(&x).unwrap());
            [testing::values(&mean), testing::values(&variance)]
        };
        assert_eq!(run(1), run(3));
    }
}
