//! The gradient of a rectified linear unit, and the sum where two gradients meet.

use candle_core::{Result, Tensor};
use rayon::prelude::*;

use super::data::{Data, tensor};

/// Elements a thread takes at a time.
const CHUNK: usize = 1 << 14;

/// `dy` where `y`, the output of the ReLU, is positive, else 0. At 0 the gradient is 0, as in PyTorch.
///
/// # Errors
/// When the shapes differ.
pub fn relu_gradient(dy: &Tensor, y: &Tensor) -> Result<Tensor> {
    if !dy.device().is_cpu() {
        return plain_relu_gradient(dy, y);
    }
    map2(dy, y, |dy, y| if y > 0.0 { dy } else { 0.0 })
}

/// `a + b`.
///
/// # Errors
/// When the shapes differ.
pub fn accumulate(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    if !a.device().is_cpu() {
        return a + b;
    }
    map2(a, b, |a, b| a + b)
}

fn plain_relu_gradient(dy: &Tensor, y: &Tensor) -> Result<Tensor> {
    dy * y.gt(0.0)?.to_dtype(dy.dtype())?
}

fn map2(a: &Tensor, b: &Tensor, f: impl Fn(f32, f32) -> f32 + Sync) -> Result<Tensor> {
    if a.dims() != b.dims() {
        candle_core::bail!("shapes differ: {:?} and {:?}", a.dims(), b.dims());
    }
    let (left, right) = (Data::of(a)?, Data::of(b)?);
    let mut out = vec![0f32; left.len()];
    let chunks = left.par_chunks(CHUNK).zip(right.par_chunks(CHUNK)).zip(out.par_chunks_mut(CHUNK));
    chunks.for_each(|((left, right), out)| {
        pulp::Arch::new().dispatch(|| {
            for ((out, left), right) in out.iter_mut().zip(left).zip(right) {
                *out = f(*left, *right);
            }
        });
    });
    tensor(out, a.shape())
}

#[cfg(test)]
mod tests {
    use super::{super::testing, *};

    #[test]
    fn gradient_passes_where_the_output_is_positive_and_stops_at_zero() {
        let dy = testing::tensor(1, (3, 7));
        let y = testing::tensor(2, (3, 7)).relu().unwrap();
        testing::assert_close(&relu_gradient(&dy, &y).unwrap(), &plain_relu_gradient(&dy, &y).unwrap(), 0.0);
        let zero = y.zeros_like().unwrap();
        assert_eq!(testing::values(&relu_gradient(&dy, &zero).unwrap()), vec![0.0; 21]);
    }

    #[test]
    fn gradients_that_meet_are_added() {
        let (a, b) = (testing::tensor(1, (2, 40_000)), testing::tensor(2, (2, 40_000)));
        testing::assert_close(&accumulate(&a, &b).unwrap(), &(&a + &b).unwrap(), 0.0);
        assert!(accumulate(&a, &testing::tensor(2, (40_000, 2))).is_err());
    }
}
