//! t-SNE maps of features (van der Maaten and Hinton 2008; methods.md §7).
//!
//! The features are reduced to 50 principal components; the map starts from the first two and follows the exact gradient.
//! So the same features and seed give the same map on any number of threads, which the parallel trees of the known
//! libraries do not.

use candle_core::{Device, Result, Tensor, bail};
use rayon::prelude::*;

use super::{
    affinity::{Affinities, affinities},
    pca::principal_components,
};
use crate::ops::repulsion;

/// A map in the plane.
pub struct Tsne {
    /// A point for each row of the features.
    pub points: Vec<[f32; 2]>,
    /// Kullback–Leibler divergence of the map's affinities from those of the features, in nats.
    pub kl: f64,
}

impl Tsne {
    /// The points as a matrix `[n, 2]`.
    ///
    /// # Errors
    /// When there is no memory left.
    pub fn matrix(&self) -> Result<Tensor> {
        Tensor::from_vec(self.points.concat(), (self.points.len(), 2), &Device::Cpu)
    }
}

/// Components of the features that distances are computed from.
const COMPONENTS: usize = 50;
/// Iterations with exaggerated affinities, and those after them.
const EARLY: usize = 250;
const LATE: usize = 500;
/// Factor of the affinities in the early iterations.
const EXAGGERATION: f32 = 12.0;
const MOMENTUM: [f32; 2] = [0.5, 0.8];
/// Standard deviation of the first coordinate at the start.
const START: f64 = 1e-4;
/// No point moves further than this at once.
const LONGEST_STEP: f32 = 5.0;

/// Maps rows `[n, d]` into the plane so that near rows are near. The step size is the number of points over the
/// exaggeration (Belkina et al. 2019).
///
/// # Errors
/// When there are too few rows for the perplexity: more than three times as many are wanted.
pub fn tsne(features: &Tensor, perplexity: f64, seed: u64) -> Result<Tsne> {
    let (n, _) = features.dims2()?;
    if !(perplexity >= 1.0 && n as f64 > 3.0 * perplexity) {
        bail!("{n} points are too few for a perplexity of {perplexity}: more than three times as many are wanted");
    }
    let rows = principal_components(features, COMPONENTS, seed)?;
    let affinities = affinities(&rows, perplexity)?;
    let mut map = Map::new(&rows)?;
    let rate = n as f32;
    for _ in 0..EARLY {
        map.step(&affinities, EXAGGERATION, rate / EXAGGERATION, MOMENTUM[0]);
    }
    for _ in 0..LATE {
        map.step(&affinities, 1.0, rate, MOMENTUM[1]);
    }
    let kl = map.divergence(&affinities);
    Ok(Tsne { points: map.xs.into_iter().zip(map.ys).map(|(x, y)| [x, y]).collect(), kl })
}

struct Map {
    xs: Vec<f32>,
    ys: Vec<f32>,
    /// By point: the last step, and what its next is multiplied by (Jacobs 1988), in both coordinates.
    steps: Vec<[f32; 2]>,
    gains: Vec<[f32; 2]>,
}

impl Map {
    /// The first two components, scaled down.
    fn new(rows: &Tensor) -> Result<Self> {
        let (n, d) = rows.dims2()?;
        let of = |axis: usize| if axis < d { rows.narrow(1, axis, 1)?.squeeze(1)?.to_vec1() } else { Ok(vec![0.0; n]) };
        let (xs, ys): (Vec<f64>, Vec<f64>) = (of(0)?, of(1)?);
        let deviation = (xs.iter().map(|x| x * x).sum::<f64>() / n as f64).sqrt().max(f64::MIN_POSITIVE);
        let scaled = |values: Vec<f64>| values.into_iter().map(|v| (v / deviation * START) as f32).collect();
        Ok(Self { xs: scaled(xs), ys: scaled(ys), steps: vec![[0.0; 2]; n], gains: vec![[1.0; 2]; n] })
    }

    /// One step down the gradient, and back to a mean of 0.
    fn step(&mut self, affinities: &Affinities, exaggeration: f32, rate: f32, momentum: f32) {
        let (forces, sum) = repulsion(&self.xs, &self.ys);
        let normaliser = (1.0 / sum) as f32;
        let (xs, ys) = (&self.xs, &self.ys);
        let moves = self.steps.par_iter_mut().zip(self.gains.par_iter_mut()).zip(&forces).enumerate();
        moves.with_min_len(64).for_each(|(i, ((step, gain), force))| {
            let mut attraction = [0f32; 2];
            for (j, p) in &affinities.neighbours[affinities.starts[i]..affinities.starts[i + 1]] {
                let (dx, dy) = (xs[i] - xs[*j as usize], ys[i] - ys[*j as usize]);
                let pull = p / (1.0 + dx * dx + dy * dy);
                attraction = [attraction[0] + pull * dx, attraction[1] + pull * dy];
            }
            for axis in 0..2 {
                let slope = exaggeration * attraction[axis] - normaliser * force[axis];
                let turned = (slope > 0.0) == (step[axis] > 0.0);
                gain[axis] = if turned { (gain[axis] * 0.8).max(0.01) } else { gain[axis] + 0.2 };
                step[axis] = momentum * step[axis] - rate * gain[axis] * slope;
            }
            let length = step[0].hypot(step[1]);
            if length > LONGEST_STEP {
                *step = step.map(|s| s * LONGEST_STEP / length);
            }
        });
        for (coordinates, axis) in [(&mut self.xs, 0), (&mut self.ys, 1)] {
            for (value, step) in coordinates.iter_mut().zip(&self.steps) {
                *value += step[axis];
            }
            let mean = coordinates.iter().map(|v| f64::from(*v)).sum::<f64>() / coordinates.len() as f64;
            for value in coordinates.iter_mut() {
                *value -= mean as f32;
            }
        }
    }

    fn divergence(&self, affinities: &Affinities) -> f64 {
        let (_, sum) = repulsion(&self.xs, &self.ys);
        let mut kl = 0.0;
        for (i, range) in affinities.starts.windows(2).enumerate() {
            for (j, p) in &affinities.neighbours[range[0]..range[1]] {
                let (dx, dy) = (self.xs[i] - self.xs[*j as usize], self.ys[i] - self.ys[*j as usize]);
                let q = 1.0 / (1.0 + f64::from(dx * dx + dy * dy)) / sum;
                if *p > 0.0 {
                    kl += f64::from(*p) * (f64::from(*p) / q).ln();
                }
            }
        }
        kl
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        analysis::trustworthiness,
        rng::{Purpose, Stream},
    };

    /// Three clouds in 20 dimensions, ten deviations apart.
    fn clouds(n: usize) -> Tensor {
        let mut stream = Stream::new(1, Purpose::Test, 0, 0);
        let value = |i: usize, j: usize, noise: f32| noise + if j == i % 3 { 10.0 } else { 0.0 };
        let values: Vec<f32> = (0..n * 20).map(|at| value(at / 20, at % 20, stream.normal())).collect();
        Tensor::from_vec(values, (n, 20), &Device::Cpu).unwrap()
    }

    #[test]
    fn clouds_that_are_apart_stay_apart() {
        let map = tsne(&clouds(240), 20.0, 1).unwrap();
        let distance = |a: [f32; 2], b: [f32; 2]| (a[0] - b[0]).hypot(a[1] - b[1]);
        for i in 0..240 {
            let nearest = (0..240).filter(|j| *j != i).min_by(|a, b| {
                distance(map.points[i], map.points[*a]).total_cmp(&distance(map.points[i], map.points[*b]))
            });
            assert_eq!(nearest.unwrap() % 3, i % 3, "point {i}");
        }
        assert!(map.kl > 0.0 && map.kl < 1.0, "{}", map.kl);
    }

    #[test]
    fn the_same_features_give_the_same_map_on_any_number_of_threads() {
        let features = clouds(120);
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| tsne(&features, 15.0, 1).unwrap().points)
        };
        assert_eq!(run(1), run(3));
    }

    #[test]
    fn too_few_points_are_an_error_that_says_how_many_are_wanted() {
        let error = tsne(&clouds(60), 20.0, 1).err().unwrap().to_string();
        assert!(error.contains("60 points") && error.contains("perplexity of 20"), "{error}");
    }

    #[test]
    fn a_map_is_more_trustworthy_than_the_first_two_components() {
        let features = clouds(150);
        let map = tsne(&features, 15.0, 1).unwrap();
        let components = principal_components(&features, 2, 1).unwrap().to_vec2::<f64>().unwrap();
        let components: Vec<[f32; 2]> = components.iter().map(|c| [c[0] as f32, c[1] as f32]).collect();
        let of = |points: &[[f32; 2]]| trustworthiness(&features, points, 12).unwrap();
        assert!(of(&map.points) > of(&components) + 0.01);
    }

    #[test]
    fn a_map_is_as_trustworthy_as_that_of_linfa_tsne() {
        use linfa::traits::Transformer;
        // Points on a curved sheet in 20 dimensions.
        let mut stream = Stream::new(2, Purpose::Test, 0, 0);
        let mut values = Vec::new();
        for _ in 0..150 {
            let (u, v) = (stream.uniform(0.0, 6.0), stream.uniform(0.0, 2.0));
            values.extend((0..20).map(|j| (u + 0.3 * j as f32).sin() + v * j as f32 / 20.0 + 0.05 * stream.normal()));
        }
        let features = Tensor::from_slice(&values, (150, 20), &Device::Cpu).unwrap();
        let map = tsne(&features, 15.0, 1).unwrap();
        let rows = ndarray::Array2::from_shape_vec((150, 20), values.iter().copied().map(f64::from).collect()).unwrap();
        let params = linfa_tsne::TSneParams::embedding_size(2).perplexity(15.0).approx_threshold(0.0);
        let theirs = params.transform(rows).unwrap();
        let theirs: Vec<[f32; 2]> = theirs.rows().into_iter().map(|row| [row[0] as f32, row[1] as f32]).collect();
        let of = |points: &[[f32; 2]]| trustworthiness(&features, points, 12).unwrap();
        assert!(of(&map.points) > of(&theirs) - 0.005, "{} and theirs {}", of(&map.points), of(&theirs));
    }
}
