//! Attacks: how an image is moved inside its ε-ball. Each attack that a model is evaluated under is one file; adding one is
//! that file, its `mod` and a line in `of`.

mod apgd_ce;
mod apgd_t;
mod auto_attack;
mod auto_pgd;
mod batch;
mod course;
mod cw;
mod dlr;
mod fab_t;
mod fgsm;
mod iterative;
mod mim;
mod multi_targeted;
mod next_best;
mod noise;
mod optimal_transport;
mod pgd;
mod square;
mod starts;
mod transfer;

use std::collections::BTreeMap;

use candle_core::{Result, Tensor};
use retort_spec::{Attack, PixelDistance};

use crate::{answers::answers, nn::Network};

pub(crate) use auto_attack::parts;
pub(crate) use course::Course;
pub use iterative::{Iterative, cross_entropy_pgd, targeted_pgd};
pub use optimal_transport::{OptimalTransport, Scattered, sinkhorn};
pub(crate) use starts::Starts;
pub use starts::{StartRange, normal_start, uniform_start};

/// How an attack that a model is evaluated under finds its images (methods.md §5).
///
/// It makes images in several tries, each for those that still stand. What it wants to know of an image at its next try it keeps in
/// [`Target::memory`].
trait EvaluationAttack {
    /// How often an image is tried.
    fn tries(&self) -> usize {
        1
    }

    /// The images that the try of this number finds.
    fn images(&self, target: &mut Target<'_>, attempt: u64) -> Result<Tensor>;
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
        Attack::FabT(attack) => attack,
        Attack::Square(attack) => attack,
        Attack::AutoAttack(attack) => attack,
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
    memory: &'a mut Memory,
}

/// What an attack keeps of images from one try to the next, by their places in their split.
pub(crate) type Memory = BTreeMap<usize, Vec<u8>>;

impl Target<'_> {
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

/// One of an attack's tries, counted from 0, with what the tries before kept.
pub(crate) struct Try<'a> {
    pub attempt: usize,
    pub memory: &'a mut Memory,
}

/// Images of a split, to be attacked.
pub(crate) struct Images {
    /// As they are `[B, C, H, W]`.
    pub natural: Tensor,
    pub labels: Vec<u8>,
    /// Their places in their split.
    pub indices: Vec<usize>,
}

impl Attacker<'_> {
    /// How often an image is tried.
    pub(crate) fn tries(&self) -> usize {
        of(self.attack).tries()
    }

    /// What the network answers to each image as this try moves it.
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub(crate) fn answers(&mut self, network: &mut Network, images: Images, with: Try<'_>) -> Result<Vec<Option<u8>>> {
        let moved = self.images(network, images, with)?;
        answers(&network.infer(&moved)?.0)
    }

    /// The images as this try moves them.
    fn images(&mut self, network: &mut Network, images: Images, with: Try<'_>) -> Result<Tensor> {
        let (Images { natural, labels, indices }, Try { attempt, memory }) = (images, with);
        let surrogate = self.surrogate.as_deref_mut();
        let mut target = Target { network, surrogate, natural, labels, indices, starts: self.starts, memory };
        of(self.attack).images(&mut target, attempt as u64)
    }
}

#[cfg(test)]
mod golden_tests;
#[cfg(test)]
pub(crate) mod testing;

#[cfg(test)]
mod tests {
    use candle_core::Device;
    use retort_spec::{Architecture, ModelRef};

    use super::*;
    use crate::{
        ops::testing::{tensor, values},
        rng::Purpose,
    };

    const EPS: f32 = 8.0 / 255.0;

    fn network(seed: u64) -> Network {
        Network::new(Architecture::ResNet8, 10, seed, &Device::Cpu).unwrap()
    }

    /// Twelve images that the network classifies correctly: their labels are its answers.
    fn images(network: &mut Network) -> (Tensor, Vec<u8>, Vec<usize>) {
        let natural = tensor(2, (12, 3, 32, 32)).abs().unwrap();
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
            "fab-t-5",
            "square-250",
            "noise-4",
        ];
        let surrogate = ModelRef::File("surrogate.safetensors".into());
        let transfer = Attack::transfer("another", surrogate);
        // Of whatever attacks there are, none is left out; AutoAttack is the four of its parts.
        let auto: Attack = "autoattack".parse().unwrap();
        let all: Vec<Attack> = named.into_iter().map(|id| id.parse().unwrap()).chain([transfer]).collect();
        let is_there = |kind: &&str| *kind == auto.kind() || all.iter().any(|attack| attack.kind() == *kind);
        assert!(Attack::KINDS.iter().all(is_there));
        all
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
            let images = Images { natural: natural.clone(), labels: labels.clone(), indices: indices.clone() };
            let first = Try { attempt: 0, memory: &mut Memory::new() };
            let found = attacker.images(&mut network, images, first).unwrap();
            let moved: Vec<f32> = values(&(&found - &natural).unwrap());
            assert!(moved.iter().all(|d| d.abs() <= EPS + 1e-6), "{attack}");
            // FAB goes no further than it must, and leaves an image as it is where it finds nothing.
            let is_far = moved.iter().any(|d| d.abs() > 0.5 * EPS);
            assert!(is_far || matches!(attack, Attack::FabT(_)), "{attack}");
            assert!(values(&found).iter().all(|v| (0.0..=1.0).contains(v)), "{attack}");
        }
    }

    #[test]
    fn no_outcome_depends_on_the_batch_that_an_image_stands_in() {
        let (mut network, mut surrogate) = (network(1), network(2));
        let (natural, labels, indices) = images(&mut network);
        for attack in attacks() {
            let mut attacker = attacker(&attack, &mut surrogate);
            let mut by =
                |batch_size| testing::answers(&mut attacker, &mut network, (&natural, &labels, &indices), batch_size);
            assert_eq!(by(12), by(5), "{attack}");
        }
    }

    #[test]
    fn more_tries_never_leave_more_images_robust() {
        let (mut network, mut surrogate) = (network(1), network(2));
        let (natural, labels, indices) = images(&mut network);
        let mut robust = |id: &str| -> Vec<bool> {
            let attack: Attack = id.parse().unwrap();
            let mut attacker = attacker(&attack, &mut surrogate);
            let found = testing::answers(&mut attacker, &mut network, (&natural, &labels, &indices), 12);
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
        let first = Try { attempt: 0, memory: &mut Memory::new() };
        assert!(attacker.answers(&mut network, Images { natural, labels, indices }, first).is_err());
    }
}
