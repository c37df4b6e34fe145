//! Noise-contrastive estimation against a memory bank (methods.md §2.1), as one product with the bank.
//!
//! Gathering k = 16,384 rows for every anchor moves gigabytes. Here each tile of the bank is multiplied with all anchors
//! while it is in the cache; the terms of the loss and their slopes follow from the similarities, weighted by how often a
//! row was chosen, and the slopes are multiplied with the same tile for the gradient. Loss and gradient take one pass.

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{
    data::{Data, tensor},
    finish::Finisher,
    outer_product::OuterProduct,
    product::{Out, Panels, Product},
    simd::{dispatch, load, registers, store},
};

/// The rows of a bank that the anchors of a batch are held against.
#[derive(Debug)]
pub struct Chosen {
    /// By anchor: the row of its positive; empty where no positive is a row of the bank.
    pub positives: Vec<u32>,
    /// By row of the bank and anchor: how often the row was drawn as a negative.
    pub negatives: Vec<u8>,
}

/// The contrast's constants.
#[derive(Clone, Copy, Debug)]
pub struct NoiseContrast {
    /// T: similarities are divided by it.
    pub temperature: f64,
    /// ln(Z·k/M): the logit of the noise.
    pub offset: f64,
}

/// `−log h(positive) − Σ log(1 − h(negative))` of every anchor, `[B]`, recorded in Candle's graph. With s the similarity of
/// anchor and row, `h = eˢ/ᵀ / (eˢ/ᵀ + Z·k/M)`, so that the terms are softplus(offset − s/T) and softplus(s/T − offset),
/// which never overflow. Without positives the first term is left out. Anchors are unit vectors `[B, d]`, the bank is `[M, d]` and gets no gradient.
///
/// # Errors
/// When the shapes do not fit.
pub fn noise_contrast(
    anchors: &Tensor,
    bank: &Tensor,
    chosen: &Arc<Chosen>,
    constants: NoiseContrast,
) -> Result<Tensor> {
    let ((b, d), (m, bank_d)) = (anchors.dims2()?, bank.dims2()?);
    let inside = chosen.positives.iter().all(|p| (*p as usize) < m);
    let counted = chosen.positives.is_empty() || chosen.positives.len() == b;
    if d == 0 || d != bank_d || !counted || chosen.negatives.len() != b * m || !inside {
        bail!("anchors {:?} and a bank {:?} do not fit the rows chosen", anchors.dims(), bank.dims());
    }
    if !anchors.device().is_cpu() {
        return plain(anchors, bank, chosen, constants);
    }
    let op = Contrast {
        bank: bank.clone(),
        chosen: Arc::clone(chosen),
        constants,
        wanted: anchors.track_op(),
        gradient: Mutex::new(None),
    };
    anchors.contiguous()?.apply_op1(op)
}

/// The same in Candle's own operations.
fn plain(anchors: &Tensor, bank: &Tensor, chosen: &Chosen, constants: NoiseContrast) -> Result<Tensor> {
    let (b, m) = (anchors.dim(0)?, bank.dim(0)?);
    let logits = anchors.matmul(&bank.t()?)?.affine(1.0 / constants.temperature, -constants.offset)?;
    let weights = chosen.negatives.iter().map(|n| f32::from(*n)).collect();
    let weights = Tensor::from_vec(weights, (m, b), anchors.device())?.t()?;
    let negative = (softplus(&logits)? * weights)?.sum(1)?;
    if chosen.positives.is_empty() {
        return Ok(negative);
    }
    let positives = Tensor::from_slice(&chosen.positives, (b, 1), anchors.device())?;
    softplus(&logits.gather(&positives, 1)?.neg()?)?.squeeze(1)? + negative
}

/// ln(1 + eˣ) = max(x, 0) + ln(1 + e^−|x|), in Candle's own operations.
///
/// # Errors
/// When the device has no memory left.
pub fn softplus(x: &Tensor) -> Result<Tensor> {
    x.relu()? + (x.abs()?.neg()?.exp()? + 1.0)?.log()?
}

struct Contrast {
    bank: Tensor,
    chosen: Arc<Chosen>,
    constants: NoiseContrast,
    /// Whether a gradient will be asked for.
    wanted: bool,
    /// Of each anchor's own loss, `[B, d]`.
    gradient: Mutex<Option<Tensor>>,
}

/// Parts of the bank that are summed apart; their number is fixed, so that the sums are too.
const PARTS: usize = 16;
/// Rows of the bank that are multiplied at a time.
const TILE: usize = 128;

impl CustomOp1 for Contrast {
    fn name(&self) -> &'static str {
        "noise-contrast"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (b, d) = layout.shape().dims2()?;
        let (CpuStorage::F32(values), Some((start, end))) = (storage, layout.contiguous_offsets()) else {
            bail!("the contrast wants contiguous f32 anchors");
        };
        let (anchors, bank) = (&values[start..end], Data::of(&self.bank)?);
        let m = bank.len() / d;
        let layout = Panels::of(b);
        let mut packed = vec![0f32; layout.len(d)];
        layout.lay_out(d, &mut packed, |i, first, out| {
            for (lane, out) in out.iter_mut().enumerate() {
                *out = anchors[(first + lane) * d + i];
            }
        });
        let part = m.div_ceil(PARTS).max(1);
        let parts: Vec<Part> =
            bank.par_chunks(part * d).enumerate().map(|(i, rows)| self.part(rows, i * part, (b, d), &packed)).collect();
        let mut whole = self.empty_part(b, d);
        for part in &parts {
            for (sum, value) in whole.losses.iter_mut().zip(&part.losses) {
                *sum += value;
            }
            for (sum, value) in whole.gradient.iter_mut().zip(&part.gradient) {
                *sum += value;
            }
        }
        self.add_positives(anchors, &bank, d, &mut whole);
        if self.wanted {
            *self.gradient.lock().unwrap_or_else(PoisonError::into_inner) = Some(tensor(whole.gradient, (b, d))?);
        }
        Ok((CpuStorage::F32(whole.losses.into_iter().map(|v| v as f32).collect()), Shape::from(b)))
    }

    fn bwd(&self, _anchors: &Tensor, _losses: &Tensor, of_losses: &Tensor) -> Result<Option<Tensor>> {
        let gradient = self.gradient.lock().unwrap_or_else(PoisonError::into_inner);
        gradient.as_ref().map(|g| g.broadcast_mul(&of_losses.unsqueeze(1)?)).transpose()
    }
}

/// The sums over some rows of the bank.
struct Part {
    losses: Vec<f64>,
    gradient: Vec<f32>,
}

impl Contrast {
    fn empty_part(&self, b: usize, d: usize) -> Part {
        Part { losses: vec![0.0; b], gradient: vec![0.0; if self.wanted { b * d } else { 0 }] }
    }

    /// The negatives' terms over the rows of the bank from `first` on.
    fn part(&self, rows: &[f32], first: usize, (b, d): (usize, usize), packed: &[f32]) -> Part {
        let mut part = self.empty_part(b, d);
        let (mut logits, mut weights, mut sums) = (vec![0f32; TILE * b], vec![0f32; TILE * b], vec![0f32; b]);
        for (i, tile) in rows.chunks(TILE * d).enumerate() {
            let (first, count) = (first + i * TILE, tile.len() / d);
            let (logits, weights) = (&mut logits[..count * b], &mut weights[..count * b]);
            dispatch(Product {
                blocks: &[(0, 0)],
                rows: count,
                left: tile,
                left_stride: d,
                segments: &[0],
                segment: d,
                right: packed,
                columns: b,
                out: Out::over(logits),
                out_stride: b,
                channel: 0,
                finish: Finisher::default(),
            });
            let counts = &self.chosen.negatives[first * b..][..count * b];
            dispatch(Terms { logits: &mut *logits, counts, weights, sums: &mut sums, constants: self.constants });
            for (loss, sum) in part.losses.iter_mut().zip(&sums) {
                *loss += f64::from(*sum);
            }
            if self.wanted {
                dispatch(OuterProduct {
                    blocks: &[(0, 0)],
                    pixels: count,
                    left: logits,
                    left_stride: b,
                    rows: b,
                    right: tile,
                    right_stride: d,
                    columns: d,
                    out: &mut part.gradient,
                    accumulate: i > 0,
                });
            }
        }
        part
    }

    /// Adds the positives' terms, one an anchor, to the sums over the whole bank.
    fn add_positives(&self, anchors: &[f32], bank: &[f32], d: usize, whole: &mut Part) {
        let NoiseContrast { temperature, offset } = self.constants;
        for (i, (positive, loss)) in self.chosen.positives.iter().zip(&mut whole.losses).enumerate() {
            let row = &bank[*positive as usize * d..][..d];
            let similarity: f64 = anchors[i * d..][..d].iter().zip(row).map(|(a, b)| f64::from(a * b)).sum();
            let logit = offset - similarity / temperature;
            *loss += logit.max(0.0) + (-logit.abs()).exp().ln_1p();
            let slope = (-1.0 / (1.0 + (-logit).exp()) / temperature) as f32;
            if self.wanted {
                for (sum, value) in whole.gradient[i * d..][..d].iter_mut().zip(row) {
                    *sum += slope * value;
                }
            }
        }
    }
}

/// Turns similarities `[rows, B]` into the slopes `count · sigmoid(x) / T` of the terms, x = s/T − offset, and sums the
/// terms `count · softplus(x)` by anchor.
struct Terms<'a> {
    logits: &'a mut [f32],
    counts: &'a [u8],
    /// Room for the counts as floats.
    weights: &'a mut [f32],
    sums: &'a mut [f32],
    constants: NoiseContrast,
}

impl WithSimd for Terms<'_> {
    type Output = ();

    #[inline(always)]
    #[expect(unsafe_code, reason = "bounds are checked once for all rows")]
    fn with_simd<S: Simd>(self, simd: S) {
        let (n, b) = (self.logits.len(), self.sums.len());
        assert!(n == self.weights.len() && n == self.counts.len() && n.is_multiple_of(b));
        for (weight, count) in self.weights.iter_mut().zip(self.counts) {
            *weight = f32::from(*count);
        }
        let inverse = simd.splat_f32s((1.0 / self.constants.temperature) as f32);
        let offset = simd.splat_f32s(-self.constants.offset as f32);
        let (zero, one) = (simd.splat_f32s(0.0), simd.splat_f32s(1.0));
        registers(
            simd,
            b,
            #[inline(always)]
            |anchor, width| {
                let mut sum = zero;
                for row in (0..n).step_by(b) {
                    // SAFETY: rows of b numbers lie inside both slices.
                    unsafe {
                        let at = self.logits.as_mut_ptr().add(row + anchor);
                        let weight = load(simd, self.weights.as_ptr().add(row + anchor), width);
                        let x = simd.mul_add_f32s(load(simd, at, width), inverse, offset);
                        let negative = simd.less_than_f32s(x, zero);
                        let (t, log) = exp_and_log1p(simd, simd.abs_f32s(x));
                        let softplus = simd.add_f32s(simd.select_f32s(negative, zero, x), log);
                        let sigmoid = simd.div_f32s(simd.select_f32s(negative, t, one), simd.add_f32s(one, t));
                        sum = simd.mul_add_f32s(weight, softplus, sum);
                        store(simd, at, width, simd.mul_f32s(simd.mul_f32s(weight, inverse), sigmoid));
                    }
                }
                // SAFETY: `anchor + width` is at most b.
                unsafe { store(simd, self.sums.as_mut_ptr().add(anchor), width, sum) };
            },
        );
    }
}

/// `e^−y` and `ln(1 + e^−y)` for y ≥ 0, to about two units in the last place.
#[inline(always)]
fn exp_and_log1p<S: Simd>(simd: S, y: S::f32s) -> (S::f32s, S::f32s) {
    // −y = n·ln 2 + r with |r| ≤ ½·ln 2. Adding 1.5·2²³ rounds n to a whole number, which then stands in the low bits.
    let magic = simd.splat_f32s(12_582_912.0);
    let x = simd.max_f32s(simd.splat_f32s(-87.0), simd.neg_f32s(y));
    let shifted = simd.mul_add_f32s(x, simd.splat_f32s(std::f32::consts::LOG2_E), magic);
    let n = simd.sub_f32s(shifted, magic);
    let r = simd.mul_add_f32s(n, simd.splat_f32s(-0.693_359_4), x);
    let r = simd.mul_add_f32s(n, simd.splat_f32s(2.121_944_4e-4), r);
    let mut e = simd.splat_f32s(1.0 / 5040.0);
    for coefficient in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        e = simd.mul_add_f32s(e, r, simd.splat_f32s(coefficient));
    }
    let bits = simd.wrapping_dyn_shl_u32s(simd.transmute_u32s_f32s(shifted), simd.splat_u32s(23));
    let t = simd.transmute_f32s_u32s(simd.add_u32s(simd.transmute_u32s_f32s(e), bits));
    // ln(1 + t) = 2·artanh(z), z = t / (2 + t) ≤ ⅓.
    let z = simd.div_f32s(t, simd.add_f32s(simd.splat_f32s(2.0), t));
    let square = simd.mul_f32s(z, z);
    let mut series = simd.splat_f32s(2.0 / 13.0);
    for coefficient in [2.0 / 11.0, 2.0 / 9.0, 2.0 / 7.0, 2.0 / 5.0, 2.0 / 3.0, 2.0] {
        series = simd.mul_add_f32s(series, square, simd.splat_f32s(coefficient));
    }
    (t, simd.mul_f32s(series, z))
}

#[cfg(test)]
mod tests {
    use candle_core::Var;

    use super::{super::testing, *};

    /// Anchors and bank of 300 rows; each anchor has a positive and draws, some twice.
    fn inputs(b: usize, d: usize) -> (Tensor, Tensor, Arc<Chosen>) {
        let m = 300;
        let negatives = (0..b * m).map(|i| (i * 7 % 11 / 4) as u8 % 3).collect();
        let positives = (0..b as u32).map(|i| i * 13 % m as u32).collect();
        (testing::tensor(1, (b, d)), testing::tensor(2, (m, d)), Arc::new(Chosen { positives, negatives }))
    }

    const CONSTANTS: NoiseContrast = NoiseContrast { temperature: 0.3, offset: 1.5 };

    #[test]
    fn losses_and_gradients_equal_the_plain_expression() {
        for (b, d) in [(1, 8), (5, 16), (33, 24), (64, 128)] {
            let (anchors, bank, chosen) = inputs(b, d);
            let anchors = Var::from_tensor(&anchors).unwrap();
            let weights = testing::tensor(3, b);
            let gradient = |losses: Tensor| {
                let sum = (losses * &weights).unwrap().sum_all().unwrap();
                sum.backward().unwrap().get(&anchors).unwrap().clone()
            };
            let found = noise_contrast(&anchors, &bank, &chosen, CONSTANTS).unwrap();
            let expected = plain(&anchors, &bank, &chosen, CONSTANTS).unwrap();
            testing::assert_close(&found, &expected, 2e-6);
            testing::assert_close(&gradient(found), &gradient(expected), 1e-5);
        }
    }

    #[test]
    fn without_positives_their_term_is_left_out() {
        let (anchors, bank, chosen) = inputs(5, 16);
        let none = Arc::new(Chosen { positives: Vec::new(), negatives: chosen.negatives.clone() });
        let with = noise_contrast(&anchors, &bank, &chosen, CONSTANTS).unwrap();
        let without = noise_contrast(&anchors, &bank, &none, CONSTANTS).unwrap();
        testing::assert_close(&without, &plain(&anchors, &bank, &none, CONSTANTS).unwrap(), 2e-6);
        assert!(testing::values(&(with - without).unwrap()).iter().all(|positive| *positive > 0.0));
    }

    #[test]
    fn terms_are_exact_from_deep_noise_to_far_signal() {
        // One anchor and one negative with similarity s: the loss is softplus(s/T − offset).
        for s in [-90.0, -20.0, -5.0, -0.5, -1e-3, 0.0, 1e-4, 0.7, 3.0, 15.0, 80.0, 3e4] {
            let cpu = candle_core::Device::Cpu;
            let chosen = Arc::new(Chosen { positives: vec![1], negatives: vec![1, 0] });
            let bank = Tensor::new(&[[s as f32], [1e5]], &cpu).unwrap();
            let constants = NoiseContrast { temperature: 1.0, offset: 0.0 };
            let anchors = Var::from_tensor(&Tensor::new(&[[1f32]], &cpu).unwrap()).unwrap();
            let loss = noise_contrast(&anchors, &bank, &chosen, constants).unwrap();
            let s = f64::from(s as f32);
            let expected = s.max(0.0) + (-s.abs()).exp().ln_1p();
            let found = f64::from(testing::values(&loss)[0]);
            assert!((found - expected).abs() <= 3e-7 * expected + 2e-38, "softplus({s}): {found}, expected {expected}");
            let slope = testing::values(loss.sum_all().unwrap().backward().unwrap().get(&anchors).unwrap())[0];
            let expected = s / (1.0 + (-s).exp());
            assert!((f64::from(slope) - expected).abs() <= 3e-7 * expected.abs() + 2e-36, "{s}: {slope}, {expected}");
        }
    }

    #[test]
    fn losses_do_not_depend_on_the_number_of_threads() {
        let (anchors, bank, chosen) = inputs(9, 16);
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| testing::values(&noise_contrast(&anchors, &bank, &chosen, CONSTANTS).unwrap()))
        };
        assert_eq!(run(1), run(3));
    }

    #[test]
    fn rows_that_do_not_exist_are_an_error() {
        let (anchors, bank, _) = inputs(2, 8);
        let chosen = |positives, n| Arc::new(Chosen { positives, negatives: vec![0; n] });
        assert!(noise_contrast(&anchors, &bank, &chosen(vec![0, 300], 600), CONSTANTS).is_err());
        assert!(noise_contrast(&anchors, &bank, &chosen(vec![0, 1], 599), CONSTANTS).is_err());
        assert!(noise_contrast(&anchors, &bank, &chosen(vec![0], 600), CONSTANTS).is_err());
    }
}
