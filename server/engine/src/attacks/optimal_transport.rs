//! The feature-scattering attack (Zhang and Wang 2019): it moves a batch so that its features drift as far as possible,
//! by optimal transport, from those of the natural images. It uses no labels (methods.md §2.3).

use candle_core::{Result, Tensor, Var};

use super::pgd::Pgd;
use crate::nn::{Network, Statistics, Want};

/// The attack: PGD that climbs the optimal-transport distance of penultimate features.
#[derive(Clone, Copy, Debug)]
pub struct OptimalTransport {
    /// Radius, step size and steps.
    pub pgd: Pgd,
    /// Strength of the entropy term.
    pub sinkhorn_epsilon: f64,
}

impl OptimalTransport {
    /// Attacks the network's features in eval mode, from `start`.
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub fn attack(&self, network: &mut Network, natural: &Tensor, start: Tensor) -> Result<Tensor> {
        let (_, anchors) = network.infer(natural)?;
        self.pgd.climb(natural, start, |images| {
            let pass = network.forward(images, Statistics::Running, Want::Input)?;
            let features = Var::from_tensor(&pass.features)?;
            let cost = cosine_cost(&anchors, &features)?;
            // At the plan's optimum the distance's gradient with respect to the cost is the plan itself.
            let plan = sinkhorn(&cost.to_vec2()?, self.sinkhorn_epsilon).concat();
            let plan = Tensor::from_vec(plan, cost.shape(), cost.device())?;
            let distance = (cost * plan)?.sum_all()?;
            let gradient = distance.backward()?.get(&features).cloned();
            pass.input_gradient(None, gradient)
        })
    }
}

/// `C_ij = max(0, 1 − cos(a_i, b_j))` for rows of `a` and `b`.
fn cosine_cost(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let unit = |t: &Tensor| t.broadcast_div(&(t.sqr()?.sum_keepdim(1)? + 1e-12)?.sqrt()?);
    unit(a)?.detach().matmul(&unit(b)?.t()?)?.affine(-1.0, 1.0)?.relu()
}

const MOST_ITERATIONS: usize = 100;
/// The iteration ends when the row potentials move less than this in all.
const TOLERANCE: f64 = 0.1;

/// The transport plan between uniform marginals, with an entropy term of strength `epsilon` (Cuturi 2013), by Sinkhorn's
/// iteration on logarithms: at most 100 rounds, or until the row potentials move by less than 0.1 in all.
pub fn sinkhorn(cost: &[Vec<f32>], epsilon: f64) -> Vec<Vec<f32>> {
    sinkhorn_until(cost, epsilon, TOLERANCE, MOST_ITERATIONS).0
}

fn sinkhorn_until(cost: &[Vec<f32>], epsilon: f64, tolerance: f64, most: usize) -> (Vec<Vec<f32>>, usize) {
    let (rows, columns) = (cost.len(), cost.first().map_or(0, Vec::len));
    let (mut u, mut v) = (vec![0f64; rows], vec![0f64; columns]);
    let entry = |u: f64, v: f64, i: usize, j: usize| (u + v - f64::from(cost[i][j])) / epsilon;
    let (row_mass, column_mass) = (-(rows as f64).ln(), -(columns as f64).ln());
    let mut rounds = 0;
    while rounds < most {
        rounds += 1;
        let mut moved = 0.0;
        for (i, u) in u.iter_mut().enumerate() {
            let step = epsilon * (row_mass - log_sum_exp((0..columns).map(|j| entry(*u, v[j], i, j))));
            *u += step;
            moved += step.abs();
        }
        for (j, v) in v.iter_mut().enumerate() {
            *v += epsilon * (column_mass - log_sum_exp((0..rows).map(|i| entry(u[i], *v, i, j))));
        }
        if moved < tolerance {
            break;
        }
    }
    let plan = (0..rows).map(|i| (0..columns).map(|j| entry(u[i], v[j], i, j).exp() as f32).collect()).collect();
    (plan, rounds)
}

fn log_sum_exp(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let most = values.clone().fold(f64::NEG_INFINITY, f64::max);
    if most == f64::NEG_INFINITY { most } else { most + values.map(|v| (v - most).exp()).sum::<f64>().ln() }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;
    use retort_spec::Architecture;

    use super::*;
    use crate::{
        attacks::uniform_start,
        ops::testing,
        rng::{Purpose, Stream},
    };

    /// The oracle of methods.md §2.3.
    fn cost() -> Vec<Vec<f32>> {
        vec![vec![0.0, 0.5, 0.9], vec![0.4, 0.1, 0.6], vec![0.8, 0.7, 0.2]]
    }

    fn distance(plan: &[Vec<f32>]) -> f64 {
        plan.iter().flatten().zip(cost().iter().flatten()).map(|(p, c)| f64::from(p * c)).sum()
    }

    #[test]
    fn converged_plan_and_distance_equal_the_published_oracle() {
        let (plan, _) = sinkhorn_until(&cost(), 0.1, 0.0, 1_000);
        let expected = [[0.32716, 0.00606, 0.00012], [0.00589, 0.32515, 0.00230], [0.00028, 0.00213, 0.33092]];
        for (row, expected) in plan.iter().zip(expected) {
            for (found, expected) in row.iter().zip(expected) {
                assert!((found - expected).abs() < 1e-5, "{found} {expected}");
            }
        }
        assert!((distance(&plan) - 0.107_284).abs() < 1e-6);
    }

    #[test]
    fn little_entropy_gives_the_identity_in_two_rounds() {
        let (plan, rounds) = sinkhorn_until(&cost(), 0.01, TOLERANCE, MOST_ITERATIONS);
        assert_eq!(rounds, 2);
        assert!((distance(&plan) - 0.1).abs() < 1e-6);
    }

    #[test]
    fn the_attack_moves_features_further_than_its_random_start_does() {
        let mut network = Network::new(Architecture::ResNet8, 10, 1, &Device::Cpu).unwrap();
        let natural = testing::tensor(2, (6, 3, 32, 32)).abs().unwrap();
        let pgd = Pgd { eps: 8.0 / 255.0, step_size: 2.0 / 255.0, steps: 5 };
        let start = uniform_start(&natural, pgd.eps, &mut Stream::new(1, Purpose::Test, 0, 0), false).unwrap();
        let attack = OptimalTransport { pgd, sinkhorn_epsilon: 0.01 };
        let found = attack.attack(&mut network, &natural, start.clone()).unwrap();
        let (_, anchors) = network.infer(&natural).unwrap();
        let mut drift = |images: &Tensor| {
            let (_, features) = network.infer(images).unwrap();
            let cost = cosine_cost(&anchors, &features).unwrap().to_vec2::<f32>().unwrap();
            (0..6).map(|i| cost[i][i]).sum::<f32>()
        };
        assert!(drift(&found) > 1.5 * drift(&start), "{} {}", drift(&found), drift(&start));
    }
}
