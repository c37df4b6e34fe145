//! The feature-scattering attack (Zhang and Wang 2019): it moves a batch so that its features drift as far as possible,
//! by optimal transport, from those of the natural images. It uses no labels (methods.md §2.3).

use candle_core::{Result, Tensor, Var};
use retort_spec::{Coupling, PlanGradient};

use super::Iterative;
use crate::nn::{Network, Pass, Statistics, Want};

/// What the attack moves.
#[derive(Clone, Copy)]
pub enum Scattered<'a> {
    /// The pooled vectors in front of the classifier.
    Features,
    /// The logits.
    Logits,
    /// What a head makes of the features.
    Embedding(&'a dyn Fn(&Tensor) -> Result<Tensor>),
}

/// The attack: PGD that climbs the distance between a batch's natural and attacked features.
#[derive(Clone, Copy)]
pub struct OptimalTransport<'a> {
    /// Radius, step size and steps.
    pub pgd: Iterative,
    /// What is moved.
    pub scattered: Scattered<'a>,
    /// How natural and attacked features are matched.
    pub coupling: Coupling,
    /// Whether the gradient flows through the transport plan.
    pub plan_gradient: PlanGradient,
    /// Strength of the plan's entropy term.
    pub sinkhorn_epsilon: f64,
}

impl OptimalTransport<'_> {
    /// Attacks a network in eval mode, from `start`.
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub fn attack(&self, network: &mut Network, natural: &Tensor, start: Tensor) -> Result<Tensor> {
        let anchors = {
            let (logits, features) = network.infer(natural)?;
            match self.scattered {
                Scattered::Features => features,
                Scattered::Logits => logits,
                Scattered::Embedding(embed) => embed(&features)?.detach(),
            }
        };
        self.pgd.climb(natural, start, |images| {
            let pass = network.forward(images, Statistics::Running, Want::Input)?;
            self.gradient(&anchors, pass)
        })
    }

    /// The gradient of the distance with respect to the images of a pass.
    fn gradient(&self, anchors: &Tensor, pass: Pass) -> Result<Tensor> {
        let logits = matches!(self.scattered, Scattered::Logits);
        let leaf = Var::from_tensor(if logits { &pass.logits } else { &pass.features })?;
        let moved = match self.scattered {
            Scattered::Embedding(embed) => embed(&leaf)?,
            _ => leaf.as_tensor().clone(),
        };
        let cost = cosine_cost(anchors, &moved)?;
        let distance = match (self.coupling, self.plan_gradient) {
            (Coupling::Identity, _) => {
                let identity = Tensor::eye(cost.dim(0)?, cost.dtype(), cost.device())?;
                (cost * identity)?.mean(1)?.sum_all()?
            }
            (Coupling::Transport, PlanGradient::Detached) => {
                // At the plan's optimum the distance's gradient with respect to the cost is the plan itself.
                let plan = sinkhorn(&cost.to_vec2()?, self.sinkhorn_epsilon).concat();
                let plan = Tensor::from_vec(plan, cost.shape(), cost.device())?;
                (cost * plan)?.sum_all()?
            }
            (Coupling::Transport, PlanGradient::Unrolled) => {
                let plan = unrolled_sinkhorn(&cost, self.sinkhorn_epsilon)?;
                (cost * plan)?.sum_all()?
            }
        };
        let gradient = distance.backward()?.get(&leaf).cloned();
        if logits { pass.input_gradient(gradient, None) } else { pass.input_gradient(None, gradient) }
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

/// The plan that [`sinkhorn`] finds, as an expression of Candle's graph: the gradient flows through every round.
fn unrolled_sinkhorn(cost: &Tensor, epsilon: f64) -> Result<Tensor> {
    let (rows, columns) = cost.dims2()?;
    let mut u = Tensor::zeros((rows, 1), cost.dtype(), cost.device())?;
    let mut v = Tensor::zeros((1, columns), cost.dtype(), cost.device())?;
    let (row_mass, column_mass) = (-(rows as f64).ln(), -(columns as f64).ln());
    let entries = |u: &Tensor, v: &Tensor| cost.neg()?.broadcast_add(u)?.broadcast_add(v)? / epsilon;
    for _ in 0..MOST_ITERATIONS {
        let step = (log_sum_exp_along(&entries(&u, &v)?, 1)?.affine(-1.0, row_mass)? * epsilon)?;
        u = (u + &step)?;
        let down = log_sum_exp_along(&entries(&u, &v)?, 0)?;
        v = (v + (down.affine(-1.0, column_mass)? * epsilon)?)?;
        if f64::from(step.abs()?.sum_all()?.to_scalar::<f32>()?) < TOLERANCE {
            break;
        }
    }
    entries(&u, &v)?.exp()
}

/// ln Σ eˣ along a dimension that is kept, the largest x taken out as a constant so that nothing overflows.
fn log_sum_exp_along(x: &Tensor, dim: usize) -> Result<Tensor> {
    let most = x.max_keepdim(dim)?.detach();
    x.broadcast_sub(&most)?.exp()?.sum_keepdim(dim)?.log()? + most
}

fn log_sum_exp(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let most = values.clone().fold(f64::NEG_INFINITY, f64::max);
    if most == f64::NEG_INFINITY { most } else { most + values.map(|v| (v - most).exp()).sum::<f64>().ln() }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;
    use retort_spec::{Architecture, PixelDistance};

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
    fn the_unrolled_plan_is_the_same_and_its_gradient_is_that_of_the_distance() {
        for epsilon in [0.05, 0.2] {
            let cost = Var::from_tensor(&Tensor::new(cost(), &Device::Cpu).unwrap()).unwrap();
            let plan = unrolled_sinkhorn(&cost, epsilon).unwrap();
            let expected = Tensor::new(sinkhorn(&cost.to_vec2().unwrap(), epsilon), &Device::Cpu).unwrap();
            testing::assert_close(&plan, &expected, 1e-5);
            let value = |cost: &Tensor| (cost * unrolled_sinkhorn(cost, epsilon).unwrap()).unwrap().sum_all().unwrap();
            let gradient = value(&cost).backward().unwrap().get(&cost).unwrap().clone();
            testing::assert_slopes(&cost, &gradient, 2e-2, |c| f64::from(value(c).to_scalar::<f32>().unwrap()));
        }
    }

    fn attack(scattered: Scattered<'_>, coupling: Coupling, plan_gradient: PlanGradient) -> OptimalTransport<'_> {
        let pgd = Iterative::new(PixelDistance::levels(8.0), PixelDistance::levels(2.0), 5);
        OptimalTransport { pgd, scattered, coupling, plan_gradient, sinkhorn_epsilon: 0.01 }
    }

    #[test]
    fn every_form_of_the_attack_moves_what_it_is_to_move_and_stays_in_the_ball() {
        let mut network = Network::new(Architecture::ResNet8, 10, 1, &Device::Cpu).unwrap();
        let natural = testing::tensor(2, (6, 3, 32, 32)).abs().unwrap();
        let head = testing::tensor(3, (64, 16));
        let embed = |features: &Tensor| features.matmul(&head);
        let forms = [
            (Scattered::Features, Coupling::Identity, PlanGradient::Detached),
            (Scattered::Features, Coupling::Transport, PlanGradient::Unrolled),
            (Scattered::Logits, Coupling::Transport, PlanGradient::Detached),
            (Scattered::Embedding(&embed), Coupling::Transport, PlanGradient::Detached),
        ];
        for (scattered, coupling, plan_gradient) in forms {
            let start = uniform_start(
                &natural,
                8.0 / 255.0,
                &mut Stream::new(1, Purpose::Test, 0, 0),
                crate::attacks::StartRange::Ball,
            )
            .unwrap();
            let attack = attack(scattered, coupling, plan_gradient);
            let found = attack.attack(&mut network, &natural, start.clone()).unwrap();
            let mut drift = |images: &Tensor| {
                let mut of = |images: &Tensor| {
                    let (logits, features) = network.infer(images).unwrap();
                    match scattered {
                        Scattered::Features => features,
                        Scattered::Logits => logits,
                        Scattered::Embedding(embed) => embed(&features).unwrap(),
                    }
                };
                let cost = cosine_cost(&of(&natural), &of(images)).unwrap().to_vec2::<f32>().unwrap();
                (0..6).map(|i| cost[i][i]).sum::<f32>()
            };
            assert!(drift(&found) > 1.5 * drift(&start), "{} {}", drift(&found), drift(&start));
            for (a, b) in testing::values(&found).iter().zip(testing::values(&natural)) {
                assert!((a - b).abs() <= 8.0 / 255.0 + 1e-6 && (0.0..=1.0).contains(a));
            }
        }
    }

    #[test]
    fn the_attack_moves_features_further_than_its_random_start_does() {
        let mut network = Network::new(Architecture::ResNet8, 10, 1, &Device::Cpu).unwrap();
        let natural = testing::tensor(2, (6, 3, 32, 32)).abs().unwrap();
        let start = uniform_start(
            &natural,
            8.0 / 255.0,
            &mut Stream::new(1, Purpose::Test, 0, 0),
            crate::attacks::StartRange::Ball,
        )
        .unwrap();
        let attack = attack(Scattered::Features, Coupling::Transport, PlanGradient::Detached);
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
