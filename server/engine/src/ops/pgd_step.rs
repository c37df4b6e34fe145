//! One step of projected gradient descent.

use std::mem::MaybeUninit;

use candle_core::{Result, Tensor};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{
    data::{Data, tensor},
    simd::{dispatch, written},
};

const CHUNK: usize = 1 << 14;

/// A step of size `step` from `adversarial` along the sign of `gradient`, then projected: first into the ℓ∞ ball of
/// radius `eps` around `natural`, then into [0, 1]. Where the gradient is 0 the pixel stays (methods.md §0).
///
/// # Errors
/// When the shapes differ.
pub fn pgd_step(adversarial: &Tensor, gradient: &Tensor, natural: &Tensor, step: f32, eps: f32) -> Result<Tensor> {
    if adversarial.dims() != gradient.dims() || adversarial.dims() != natural.dims() {
        candle_core::bail!("shapes differ: {:?}, {:?}, {:?}", adversarial.dims(), gradient.dims(), natural.dims());
    }
    if !natural.device().is_cpu() {
        return plain(adversarial, gradient, natural, step, eps);
    }
    let (from, slope, centre) = (Data::of(adversarial)?, Data::of(gradient)?, Data::of(natural)?);
    let write = |out: &mut [MaybeUninit<f32>]| {
        let from = from.par_chunks(CHUNK).zip(slope.par_chunks(CHUNK)).zip(centre.par_chunks(CHUNK));
        from.zip(out.par_chunks_mut(CHUNK)).for_each(|(((from, slope), centre), out)| {
            dispatch(Move { from, slope, centre, out, step, eps });
        });
    };
    // SAFETY: the four are of one length, their chunks cover them, and a move writes every float of its chunk.
    #[expect(unsafe_code, reason = "the output need not be filled with zeros first")]
    let out = unsafe { written(natural.elem_count(), write) };
    tensor(out, natural.shape())
}

struct Move<'a> {
    from: &'a [f32],
    slope: &'a [f32],
    centre: &'a [f32],
    out: &'a mut [MaybeUninit<f32>],
    step: f32,
    eps: f32,
}

impl WithSimd for Move<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let (step, eps) = (self.step, self.eps);
        for (((from, slope), centre), out) in self.from.iter().zip(self.slope).zip(self.centre).zip(self.out) {
            let sign = f32::from(u8::from(*slope > 0.0)) - f32::from(u8::from(*slope < 0.0));
            let moved = from + step * sign;
            out.write(moved.max(centre - eps).min(centre + eps).clamp(0.0, 1.0));
        }
    }
}

fn plain(adversarial: &Tensor, gradient: &Tensor, natural: &Tensor, step: f32, eps: f32) -> Result<Tensor> {
    let (step, eps) = (f64::from(step), f64::from(eps));
    // Candle's own sign is 1 at 0 on some devices; the difference of two comparisons is 0 there everywhere.
    let dtype = gradient.dtype();
    let sign = (gradient.gt(0.0)?.to_dtype(dtype)? - gradient.lt(0.0)?.to_dtype(dtype)?)?;
    let moved = (adversarial + (sign * step)?)?;
    moved.maximum(&(natural - eps)?)?.minimum(&(natural + eps)?)?.clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::{super::testing, *};

    #[test]
    fn a_step_equals_the_plain_expression_with_its_ties_and_bounds() {
        let natural = testing::tensor(1, (3, 50)).abs().unwrap();
        let start = (&natural + (testing::tensor(2, (3, 50)) * 0.03).unwrap()).unwrap();
        // Every third gradient is exactly 0.
        let zeros: Vec<f32> = (0..150).map(|i| f32::from(u8::from(i % 3 != 0))).collect();
        let mask = Tensor::from_vec(zeros, (3, 50), natural.device()).unwrap();
        let gradient = (testing::tensor(3, (3, 50)) * mask).unwrap();
        let stepped = pgd_step(&start, &gradient, &natural, 0.02, 0.03).unwrap();
        testing::assert_close(&stepped, &plain(&start, &gradient, &natural, 0.02, 0.03).unwrap(), 0.0);
    }

    #[test]
    fn the_result_lies_in_the_ball_and_in_the_image_range() {
        let natural = testing::tensor(4, (2, 500)).abs().unwrap();
        let far = (testing::tensor(5, (2, 500)) * 3.0).unwrap();
        let out = pgd_step(&far, &testing::tensor(6, (2, 500)), &natural, 0.5, 0.1).unwrap();
        for (o, c) in testing::values(&out).iter().zip(testing::values(&natural)) {
            assert!((o - c).abs() <= 0.1 + 1e-6 && (0.0..=1.0).contains(o), "{o} around {c}");
        }
    }
}
