//! How far a map's neighbourhoods can be trusted.

use candle_core::{DType, Result, Tensor, bail};
use rayon::prelude::*;

/// Trustworthiness of a map of rows `[n, d]` for the k nearest neighbours, from 0 to 1: 1 if every point's neighbours in the
/// map are among its neighbours in the features, less by how far off they are (Venna and Kaski 2001).
///
/// # Errors
/// When there is not a point for each row, or k is not between 1 and half of them.
pub fn trustworthiness(features: &Tensor, points: &[[f32; 2]], k: usize) -> Result<f64> {
    let n = features.dim(0)?;
    if points.len() != n || k == 0 || 2 * k >= n {
        bail!("{} points and {k} neighbours do not fit {n} rows", points.len());
    }
    let rows: Vec<Vec<f64>> = features.to_dtype(DType::F64)?.to_vec2()?;
    let penalty: usize = (0..n)
        .into_par_iter()
        .map(|i| {
            let far = |j: usize| rows[i].iter().zip(&rows[j]).map(|(a, b)| (a - b) * (a - b)).sum::<f64>();
            let mut ranks = vec![0; n];
            for (rank, j) in order(n, i, far).into_iter().enumerate() {
                ranks[j] = rank + 1;
            }
            let near = |j: usize| f64::from((points[i][0] - points[j][0]).hypot(points[i][1] - points[j][1]));
            order(n, i, near).into_iter().take(k).map(|j| ranks[j].saturating_sub(k)).sum::<usize>()
        })
        .sum();
    Ok(1.0 - 2.0 * penalty as f64 / ((n * k) as f64 * (2 * n - 3 * k - 1) as f64))
}

/// All other points than i, nearest first.
fn order(n: usize, i: usize, distance: impl Fn(usize) -> f64) -> Vec<usize> {
    let mut all: Vec<(f64, usize)> = (0..n).filter(|j| *j != i).map(|j| (distance(j), j)).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    all.into_iter().map(|(_, j)| j).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing;

    #[test]
    fn the_features_themselves_are_trusted_and_a_shuffled_map_is_not() {
        let features = testing::tensor(1, (100, 2));
        let points: Vec<[f32; 2]> = testing::values(&features).chunks(2).map(|c| [c[0], c[1]]).collect();
        assert_eq!(trustworthiness(&features, &points, 5).unwrap(), 1.0);
        let turned: Vec<[f32; 2]> = (0..100).map(|i| points[i * 37 % 100]).collect();
        assert!(trustworthiness(&features, &turned, 5).unwrap() < 0.6);
        assert!(trustworthiness(&features, &points, 50).is_err());
    }

    #[test]
    fn one_stranger_among_the_neighbours_costs_by_its_rank() {
        // On the line 0, 1, 2, 3, 4 the map swaps the last two, k = 1. The neighbour of 2 becomes 4, which is fourth after 1,
        // 3 and 0 (3 too far); those of 3 and 4 become 4 and 2, each second (1 too far each).
        let features = Tensor::new(&[[0f32], [1.0], [2.0], [3.0], [4.0]], &candle_core::Device::Cpu).unwrap();
        let points = [[0f32, 0.0], [1.0, 0.0], [2.2, 0.0], [4.0, 0.0], [3.0, 0.0]];
        let found = trustworthiness(&features, &points, 1).unwrap();
        assert!((found - (1.0 - 2.0 * 5.0 / (5.0 * 6.0))).abs() < 1e-12, "{found}");
    }
}
