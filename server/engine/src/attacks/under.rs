//! What a network answers under the attacks that it is evaluated by (methods.md §5.1).

use candle_core::{Result, Tensor};
use retort_spec::{Attack, PixelDistance};

use super::pgd::{Pgd, cross_entropy_pgd, dlr_pgd, margin_pgd, momentum_pgd};
use crate::{
    answers::answers,
    loss::cross_entropy_gradient,
    nn::{Network, Statistics},
    rng::{Purpose, Stream},
};

/// An attack with the model that it makes its images on, if that is another one.
pub(crate) struct Attacker<'a> {
    pub attack: &'a Attack,
    pub surrogate: Option<&'a mut Network>,
    pub starts: Starts,
}

/// The streams of random starts: one for each image and try, so that an outcome does not depend on the batch that the image
/// stands in.
#[derive(Clone, Copy)]
pub(crate) struct Starts {
    pub seed: u64,
    pub purpose: Purpose,
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
        let tries = match self.attack {
            Attack::Pgd { restarts, .. } => *restarts,
            Attack::Noise { draws, .. } => *draws,
            _ => 1,
        };
        let mut found: Vec<Option<u8>> = labels.iter().copied().map(Some).collect();
        let mut robust: Vec<usize> = (0..labels.len()).collect();
        for attempt in 0..tries {
            if robust.is_empty() {
                break;
            }
            let at = Tensor::from_vec(robust.iter().map(|i| *i as u32).collect(), robust.len(), natural.device())?;
            let natural = if robust.len() == labels.len() { natural.clone() } else { natural.index_select(&at, 0)? };
            let of = |all: &[u8]| -> Vec<u8> { robust.iter().map(|i| all[*i]).collect() };
            let places: Vec<usize> = robust.iter().map(|i| indices[*i]).collect();
            let images = self.attacked(network, &natural, &of(labels), &places, attempt as u64)?;
            for (i, answer) in robust.iter().zip(answers(&network.infer(&images)?.0)?) {
                found[*i] = answer;
            }
            robust.retain(|i| found[*i] == Some(labels[*i]));
        }
        Ok(found)
    }

    /// One try at some images.
    fn attacked(
        &mut self,
        network: &mut Network,
        natural: &Tensor,
        labels: &[u8],
        indices: &[usize],
        attempt: u64,
    ) -> Result<Tensor> {
        let start = |eps: PixelDistance| self.starts.uniform(natural, eps, indices, attempt);
        let pgd = |eps: &PixelDistance, step_size: &PixelDistance, steps: usize| Pgd {
            eps: eps.value() as f32,
            step_size: step_size.value() as f32,
            steps,
        };
        match self.attack {
            Attack::Fgsm { eps, random_start } => {
                let start = if *random_start { start(*eps)? } else { natural.clone() };
                cross_entropy_pgd(network, natural, labels, pgd(eps, eps, 1), start, Statistics::Running)
            }
            Attack::Pgd { eps, step_size, steps, logit_scale, .. } => {
                let pgd = pgd(eps, step_size, *steps);
                pgd.climb_logits(network, natural, start(*eps)?, Statistics::Running, |logits| {
                    cross_entropy_gradient(&(logits * *logit_scale)?, labels)
                })
            }
            Attack::Dlr { eps, step_size, steps } => {
                dlr_pgd(network, natural, labels, pgd(eps, step_size, *steps), start(*eps)?)
            }
            Attack::Cw { eps, step_size, steps, confidence } => {
                let pgd = pgd(eps, step_size, *steps);
                margin_pgd(network, natural, labels, pgd, *confidence as f32, start(*eps)?)
            }
            Attack::Mim { eps, step_size, steps, decay } => {
                momentum_pgd(network, natural, labels, pgd(eps, step_size, *steps), *decay)
            }
            Attack::Transfer { eps, step_size, steps, .. } => {
                let start = start(*eps)?;
                let Some(surrogate) = &mut self.surrogate else { candle_core::bail!("a transfer needs a surrogate") };
                let pgd = pgd(eps, step_size, *steps);
                cross_entropy_pgd(surrogate, natural, labels, pgd, start, Statistics::Running)
            }
            Attack::Noise { eps, .. } => start(*eps),
        }
    }
}

impl Starts {
    /// The images moved uniformly at random inside the ball, clipped to [0, 1].
    ///
    /// # Errors
    /// When the device has no memory left.
    pub(crate) fn uniform(
        self,
        natural: &Tensor,
        eps: PixelDistance,
        indices: &[usize],
        attempt: u64,
    ) -> Result<Tensor> {
        let eps = eps.value() as f32;
        let size = natural.elem_count() / indices.len().max(1);
        let mut noise = Vec::with_capacity(natural.elem_count());
        for index in indices {
            let mut stream = Stream::new(self.seed, self.purpose, *index as u64, attempt);
            noise.extend((0..size).map(|_| stream.uniform(-eps, eps)));
        }
        let noise = Tensor::from_vec(noise, natural.shape(), natural.device())?;
        (natural + noise)?.clamp(0f32, 1f32)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;
    use retort_spec::{Architecture, ModelRef};

    use super::*;
    use crate::ops::testing;

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
        let named = ["fgsm", "fgsm-rs", "pgd-5", "pgd-5x3", "pgd-5@10", "cw-5", "dlr-5", "mim-5", "noise-4"];
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
            let found = attacker.attacked(&mut network, &natural, &labels, &indices, 0).unwrap();
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
