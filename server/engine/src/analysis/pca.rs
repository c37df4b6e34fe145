//! Principal components.

use candle_core::{DType, Result, Tensor};

use crate::rng::{Purpose, Stream};

/// Rounds of the iteration; the components' shares of the variance converge long before.
const ROUNDS: usize = 40;

/// The coordinates `[n, count]` of rows `[n, d]` along their first `count` principal components, largest first, in doubles;
/// all `d` dimensions if there are no more, centred. By subspace iteration on the covariance from a seeded start.
pub(super) fn principal_components(rows: &Tensor, count: usize, seed: u64) -> Result<Tensor> {
    let (_, d) = rows.dims2()?;
    let rows = rows.to_dtype(DType::F64)?;
    let centred = rows.broadcast_sub(&rows.mean(0)?)?;
    let covariance = centred.t()?.matmul(&centred)?;
    let count = count.min(d);
    let mut stream = Stream::new(seed, Purpose::Components, 0, 0);
    let mut axes: Vec<Vec<f64>> = (0..count).map(|_| (0..d).map(|_| f64::from(stream.normal())).collect()).collect();
    for _ in 0..ROUNDS {
        orthonormalise(&mut axes);
        let flat = Tensor::from_vec(axes.concat(), (count, d), rows.device())?;
        axes = flat.matmul(&covariance)?.to_vec2()?;
    }
    orthonormalise(&mut axes);
    centred.matmul(&Tensor::from_vec(axes.concat(), (count, d), rows.device())?.t()?)
}

/// Makes vectors orthogonal to those before them and of length 1 (Gram and Schmidt, twice, so that rounding does not undo
/// it). One that the others span becomes 0.
fn orthonormalise(axes: &mut [Vec<f64>]) {
    for i in 0..axes.len() {
        let (before, rest) = axes.split_at_mut(i);
        let axis = &mut rest[0];
        let norm = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
        let first = norm(axis);
        for _ in 0..2 {
            for other in &*before {
                let along: f64 = axis.iter().zip(other).map(|(a, b)| a * b).sum();
                axis.iter_mut().zip(other).for_each(|(a, b)| *a -= along * b);
            }
        }
        let left = norm(axis);
        let scale = if left > 1e-12 * first { 1.0 / left } else { 0.0 };
        for value in axis.iter_mut() {
            *value *= scale;
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn components_of_a_known_cloud_are_its_axes_by_variance() {
        // Deviations 3, 1 and 0.1 along rotated axes.
        let mut stream = Stream::new(1, Purpose::Test, 0, 0);
        let (mut rows, mut along) = (Vec::new(), Vec::new());
        for _ in 0..500 {
            let [a, b, c] = [3.0, 1.0, 0.1].map(|s| s * stream.normal());
            rows.extend([0.6 * a - 0.8 * b + 7.0, 0.8 * a + 0.6 * b, c]);
            along.push(a);
        }
        let rows = Tensor::from_vec(rows, (500, 3), &Device::Cpu).unwrap();
        let found = principal_components(&rows, 2, 1).unwrap().to_vec2::<f64>().unwrap();
        assert_eq!(found[0].len(), 2);
        let mean = along.iter().sum::<f32>() / 500.0;
        // The first component is the first axis, either way round.
        let sign = (found[0][0] * f64::from(along[0] - mean)).signum();
        for (found, along) in found.iter().zip(&along) {
            assert!((sign * found[0] - f64::from(along - mean)).abs() < 0.15, "{} {along}", found[0]);
        }
    }

    #[test]
    fn fewer_dimensions_than_asked_for_keep_all_distances() {
        let rows = crate::ops::testing::tensor(1, (20, 4));
        let found = principal_components(&rows, 50, 1).unwrap().to_vec2::<f64>().unwrap();
        let rows = rows.to_vec2::<f32>().unwrap();
        let before: f32 = rows[3].iter().zip(&rows[11]).map(|(a, b)| (a - b) * (a - b)).sum();
        let after: f64 = found[3].iter().zip(&found[11]).map(|(a, b)| (a - b) * (a - b)).sum();
        assert!((f64::from(before) - after).abs() < 1e-5);
    }
}
