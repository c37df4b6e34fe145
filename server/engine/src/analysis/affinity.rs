//! How near points are to each other, as t-SNE counts it.

use candle_core::{Result, Tensor};
use rayon::prelude::*;

/// Neighbours of every point with their affinities, row after row.
pub(super) struct Affinities {
    /// Where each point's neighbours start; one more at the end.
    pub starts: Vec<usize>,
    /// Neighbours and p, by point in ascending order; all p sum to 1.
    pub neighbours: Vec<(u32, f32)>,
}

/// Rows of distances that are computed at a time.
const ROWS: usize = 256;

/// Symmetric affinities of rows `[n, d]`: Gaussian, each as wide as makes the entropy of a point's affinities that of
/// `perplexity` equally near neighbours, over the 3·`perplexity` nearest (van der Maaten 2014).
pub(super) fn affinities(rows: &Tensor, perplexity: f64) -> Result<Affinities> {
    let n = rows.dim(0)?;
    let count = ((3.0 * perplexity) as usize).min(n - 1);
    let mut conditional: Vec<Vec<(u32, f64)>> = Vec::with_capacity(n);
    let norms: Vec<f64> = rows.sqr()?.sum(1)?.to_vec1()?;
    let turned = rows.t()?;
    for first in (0..n).step_by(ROWS) {
        let block = ROWS.min(n - first);
        let products: Vec<Vec<f64>> = rows.narrow(0, first, block)?.matmul(&turned)?.to_vec2()?;
        let of = products.into_par_iter().enumerate().map(|(i, products)| {
            let own = first + i;
            let squares = products.iter().zip(&norms).map(|(p, norm)| (norms[own] + norm - 2.0 * p).max(0.0));
            let mut nearest: Vec<(u32, f64)> =
                squares.enumerate().filter(|(j, _)| *j != own).map(|(j, square)| (j as u32, square)).collect();
            let order = |a: &(u32, f64), b: &(u32, f64)| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0));
            if count < nearest.len() {
                nearest.select_nth_unstable_by(count - 1, order);
                nearest.truncate(count);
            }
            nearest.sort_by_key(|neighbour| neighbour.0);
            weigh(&mut nearest, perplexity);
            nearest
        });
        conditional.extend(of.collect::<Vec<_>>());
    }
    Ok(symmetric(&conditional))
}

/// Turns squared distances into conditional affinities of the wanted perplexity.
fn weigh(neighbours: &mut [(u32, f64)], perplexity: f64) {
    let least = neighbours.iter().map(|n| n.1).fold(f64::INFINITY, f64::min);
    let (mut low, mut high, mut beta) = (0f64, f64::INFINITY, 1.0);
    let scale = neighbours.iter().map(|n| n.1 - least).sum::<f64>() / neighbours.len() as f64;
    if scale > 0.0 {
        beta = 1.0 / scale;
    }
    let entropy = |beta: f64| {
        let (mut sum, mut weighted) = (0.0, 0.0);
        for (_, square) in &*neighbours {
            let p = (-beta * (square - least)).exp();
            sum += p;
            weighted += p * beta * (square - least);
        }
        (sum.ln() + weighted / sum, sum)
    };
    for _ in 0..100 {
        let error = entropy(beta).0 - perplexity.ln();
        if error.abs() < 1e-6 {
            break;
        }
        if error > 0.0 {
            low = beta;
            beta = if high.is_infinite() { beta * 2.0 } else { f64::midpoint(low, high) };
        } else {
            high = beta;
            beta = f64::midpoint(low, high);
        }
    }
    let sum = entropy(beta).1;
    for (_, value) in neighbours {
        *value = (-beta * (*value - least)).exp() / sum;
    }
}

/// `(p_j|i + p_i|j) / 2n` of every pair in which one is a neighbour of the other.
fn symmetric(conditional: &[Vec<(u32, f64)>]) -> Affinities {
    let n = conditional.len();
    let mut all: Vec<Vec<(u32, f64)>> = conditional.to_vec();
    for (i, row) in conditional.iter().enumerate() {
        for (j, p) in row {
            all[*j as usize].push((i as u32, *p));
        }
    }
    let (mut starts, mut neighbours) = (vec![0], Vec::new());
    for row in &mut all {
        row.sort_by_key(|neighbour| neighbour.0);
        let start = neighbours.len();
        for (j, p) in &*row {
            let p = (p / (2 * n) as f64) as f32;
            // A pair that is near both ways stands twice, side by side.
            match neighbours[start..].last_mut() {
                Some((last, sum)) if last == j => *sum += p,
                _ => neighbours.push((*j, p)),
            }
        }
        starts.push(neighbours.len());
    }
    Affinities { starts, neighbours }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing;

    #[test]
    fn affinities_are_symmetric_sum_to_one_and_have_the_wanted_perplexity() {
        let rows = testing::tensor(1, (200, 5)).to_dtype(candle_core::DType::F64).unwrap();
        let found = affinities(&rows, 10.0).unwrap();
        assert!((found.neighbours.iter().map(|n| f64::from(n.1)).sum::<f64>() - 1.0).abs() < 1e-4);
        let row = |i: usize| &found.neighbours[found.starts[i]..found.starts[i + 1]];
        for i in 0..200 {
            assert!(row(i).len() >= 30 && row(i).windows(2).all(|pair| pair[0].0 < pair[1].0));
            for (j, p) in row(i) {
                assert!(*j as usize != i && row(*j as usize).contains(&(i as u32, *p)));
            }
        }
        let mut one: Vec<(u32, f64)> = (0..30).map(|j| (j, f64::from(j * j))).collect();
        weigh(&mut one, 10.0);
        let entropy: f64 = one.iter().filter(|n| n.1 > 0.0).map(|n| -n.1 * n.1.ln()).sum();
        assert!((entropy - 10f64.ln()).abs() < 1e-5);
    }

    #[test]
    fn equal_points_share_their_affinity_equally() {
        let rows = testing::tensor(1, (1, 3)).broadcast_as((40, 3)).unwrap();
        let rows = rows.contiguous().unwrap().to_dtype(candle_core::DType::F64).unwrap();
        let found = affinities(&rows, 5.0).unwrap();
        assert!(found.neighbours.iter().all(|n| n.1.is_finite() && n.1 > 0.0));
    }
}
