//! Attacks: how an image is moved inside its ε-ball. Each attack that a model is evaluated under is one file; adding one is
//! that file and a line in `of`.

mod apgd_ce;
mod apgd_t;
mod auto_pgd;
mod cw;
mod dlr;
mod fgsm;
mod iterative;
mod mim;
mod multi_targeted;
mod next_best;
mod noise;
mod optimal_transport;
mod pgd;
mod starts;
mod transfer;

use candle_core::{Result, Tensor};
use retort_spec::{Attack, PixelDistance};

use crate::{answers::answers, nn::Network};

pub use iterative::{Iterative, cross_entropy_pgd, targeted_pgd};
pub use optimal_transport::{OptimalTransport, Scattered, sinkhorn};
pub(crate) use starts::Starts;
pub use starts::{StartRange, normal_start, uniform_start};

/// How an attack that a model is evaluated under finds its images (methods.md §5).
///
/// One that goes on from try to try, or that has stages, says how in [`EvaluationAttack::answers`]; most make their images in one
/// way, and try that several times on the images that still stand.
trait EvaluationAttack {
    /// How often an image is tried.
    fn tries(&self) -> usize {
        1
    }

    /// The images that the try of this number finds.
    fn images(&self, target: &mut Target<'_>, attempt: u64) -> Result<Tensor>;

    /// What the network answers: for each image the first answer that is not its label and that a try finds, be it none, else its
    /// label.
    fn answers(&self, target: &mut Target<'_>) -> Result<Vec<Option<u8>>> {
        let mut found: Vec<Option<u8>> = target.labels.iter().copied().map(Some).collect();
        let mut standing: Vec<usize> = (0..found.len()).collect();
        for attempt in 0..self.tries() {
            if standing.is_empty() {
                break;
            }
            let mut target = target.only(&standing)?;
            let images = self.images(&mut target, attempt as u64)?;
            let answered = answers(&target.network.infer(&images)?.0)?;
            let mut still = Vec::new();
            for ((i, answer), label) in standing.iter().zip(answered).zip(&target.labels) {
                found[*i] = answer;
                if answer == Some(*label) {
                    still.push(*i);
                }
            }
            standing = still;
        }
        Ok(found)
    }
}

/// How each attack finds its images.
fn of(attack: &Attack) -> &dyn EvaluationAttack {
    match attack {
        Attack::Fgsm(attack) => attack,
        Attack::Pgd(attack) => attack,
        Attack::Cw(attack) => attack,
        Attack::Dlr(attack) => attack,
        Attack::Mim(attack) => attack,
        Attack::MultiTargeted(attack) => attack,
        Attack::ApgdCe(attack) => attack,
        Attack::ApgdT(attack) => attack,
        Attack::Noise(attack) => attack,
        Attack::Transfer(attack) => attack,
    }
}

/// The images of a batch under attack, and the network that answers.
struct Target<'a> {
    network: &'a mut Network,
    /// The model that the images are made on, if that is another one.
    surrogate: Option<&'a mut Network>,
    natural: Tensor,
    labels: Vec<u8>,
    /// The images' places in their split.
    indices: Vec<usize>,
    starts: Starts,
}

impl Target<'_> {
    /// Those at these places alone.
    fn only(&mut self, places: &[usize]) -> Result<Target<'_>> {
        let natural = if places.len() == self.labels.len() {
            self.natural.clone()
        } else {
            let at = places.iter().map(|i| *i as u32).collect();
            self.natural.index_select(&Tensor::from_vec(at, places.len(), self.natural.device())?, 0)?
        };
        Ok(Target {
            network: self.network,
            surrogate: self.surrogate.as_deref_mut(),
            natural,
            labels: places.iter().map(|i| self.labels[*i]).collect(),
            indices: places.iter().map(|i| self.indices[*i]).collect(),
            starts: self.starts,
        })
    }

    /// The images moved uniformly at random inside the ball, by the numbers of this try.
    fn start(&self, eps: PixelDistance, attempt: u64) -> Result<Tensor> {
        self.starts.uniform(&self.natural, eps, &self.indices, attempt)
    }

    /// Climbs from `start` along the gradient that `slope` gives with respect to logits, of the images' labels.
    fn climb(
        &mut self,
        by: Iterative,
        start: Tensor,
        slope: impl Fn(&Tensor, &[u8]) -> Result<Tensor>,
    ) -> Result<Tensor> {
        by.climb_logits(self.network, &self.natural, start, |logits| slope(logits, &self.labels))
    }

    /// Climbs from `start` on the cross-entropy.
    fn climb_cross_entropy(&mut self, by: Iterative, start: Tensor) -> Result<Tensor> {
        cross_entropy_pgd(self.network, &self.natural, &self.labels, by, start)
    }
}

/// An attack with the model that it makes its images on, if that is another one.
pub(crate) struct Attacker<'a> {
    pub attack: &'a Attack,
    pub surrogate: Option<&'a mut Network>,
    pub starts: Starts,
}

impl Attacker<'_> {
    /// What the network answers to attacked images: for each the first answer that is not its label and that a try finds, be it
    /// none, else its label. `indices` are the images' places in their split.
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub(crate) fn answers(
        &mut self,
        network: &mut Network,
        natural: &Tensor,
        labels: &[u8],
        indices: &[usize],
    ) -> Result<Vec<Option<u8>>> {
        of(self.attack).answers(&mut self.target(network, natural, labels, indices))
    }

    fn target<'b>(
        &'b mut self,
        network: &'b mut Network,
        natural: &Tensor,
        labels: &[u8],
        indices: &[usize],
    ) -> Target<'b> {
        Target {
            network,
            surrogate: self.surrogate.as_deref_mut(),
            natural: natural.clone(),
            labels: labels.to_vec(),
            indices: indices.to_vec(),
            starts: self.starts,
        }
    }
}

#[cfg(test)]
mod golden_tests;

#[cfg(test)]
mod tests {
    use candle_core::Device;
    use retort_spec::{Architecture, ModelRef};

    use super::*;
    use crate::{ops::testing, rng::Purpose};

    const EPS: f32 = 8.0 / 255.0;

    fn network(seed: u64) -> Network {
        Network::new(Architecture::ResNet8, 10, seed, &Device::Cpu).unwrap()
    }

    /// Twelve images that the network classifies correctly: their labels are its answers.
    fn images(network: &mut Network) -> (Tensor, Vec<u8>, Vec<usize>) {
        let natural = testing::tensor(2, (12, 3, 32, 32)).abs().unwrap();
        let labels = answers(&network.infer(&natural).unwrap().0).unwrap().into_iter().map(Option::unwrap).collect();
        (natural, labels, (100..112).collect())
    }

    fn attacks() -> Vec<Attack> {
        let named = [
            "fgsm",
            "fgsm-rs",
            "pgd-5",
            "pgd-5x3",
            "pgd-5@10",
            "cw-5",
            "dlr-5",
            "mim-5",
            "mt-3",
            "apgd-ce-7",
            "apgd-t-5",
            "noise-4",
        ];
        let surrogate = ModelRef::File("surrogate.safetensors".into());
        let transfer = Attack::transfer("another", surrogate);
        named.into_iter().map(|id| id.parse().unwrap()).chain([transfer]).collect()
    }

    fn attacker<'a>(attack: &'a Attack, surrogate: &'a mut Network) -> Attacker<'a> {
        Attacker { attack, surrogate: Some(surrogate), starts: Starts { seed: 5, purpose: Purpose::Attack } }
    }

    #[test]
    fn every_attack_stays_in_the_ball_and_in_the_image_range() {
        let (mut network, mut surrogate) = (network(1), network(2));
        let (natural, labels, indices) = images(&mut network);
        for attack in attacks() {
            let mut attacker = attacker(&attack, &mut surrogate);
            let mut target = attacker.target(&mut network, &natural, &labels, &indices);
            let found = of(&attack).images(&mut target, 0).unwrap();
            let moved: Vec<f32> = testing::values(&(&found - &natural).unwrap());
            assert!(moved.iter().all(|d| d.abs() <= EPS + 1e-6), "{attack}");
            assert!(moved.iter().any(|d| d.abs() > 0.5 * EPS), "{attack}");
            assert!(testing::values(&found).iter().all(|v| (0.0..=1.0).contains(v)), "{attack}");
        }
    }

    #[test]
    fn no_outcome_depends_on_the_batch_that_an_image_stands_in() {
        let (mut network, mut surrogate) = (network(1), network(2));
        let (natural, labels, indices) = images(&mut network);
        for attack in attacks() {
            let mut attacker = attacker(&attack, &mut surrogate);
            let whole = attacker.answers(&mut network, &natural, &labels, &indices).unwrap();
            let mut parts = Vec::new();
            for (first, count) in [(0, 5), (5, 7)] {
                let (labels, indices) = (&labels[first..first + count], &indices[first..first + count]);
                let natural = natural.narrow(0, first, count).unwrap();
                parts.extend(attacker.answers(&mut network, &natural, labels, indices).unwrap());
            }
            assert_eq!(whole, parts, "{attack}");
        }
    }

    #[test]
    fn more_tries_never_leave_more_images_robust() {
        let (mut network, mut surrogate) = (network(1), network(2));
        let (natural, labels, indices) = images(&mut network);
        let mut robust = |id: &str| -> Vec<bool> {
            let attack: Attack = id.parse().unwrap();
            let mut attacker = attacker(&attack, &mut surrogate);
            let found = attacker.answers(&mut network, &natural, &labels, &indices).unwrap();
            found.iter().zip(&labels).map(|(a, b)| *a == Some(*b)).collect()
        };
        for (few, many) in [("pgd-1", "pgd-1x4"), ("noise-1", "noise-20")] {
            let (few, many) = (robust(few), robust(many));
            // The first try is the same, so each image that it fools is fooled.
            assert!(few.iter().zip(&many).all(|(few, many)| *few || !*many));
        }
    }

    #[test]
    fn a_transfer_without_a_surrogate_is_an_error() {
        let mut network = network(1);
        let (natural, labels, indices) = images(&mut network);
        let attack = Attack::transfer("another", ModelRef::File("surrogate.safetensors".into()));
        let mut surrogate = self::network(2);
        let mut attacker = Attacker { surrogate: None, ..attacker(&attack, &mut surrogate) };
        assert!(attacker.answers(&mut network, &natural, &labels, &indices).is_err());
    }
}
