//! Masking checks: whether a model's adversarial accuracy can be believed, or its gradients only hide the adversarial
//! images (Athalye et al. 2018; Carlini et al. 2019; methods.md §5.4).

use serde::{Deserialize, Serialize};

use crate::{
    Attack, AutoAttack, Cw, DatasetChoice, DeviceName, Dlr, EvaluateSpec, Fgsm, ModelRef, Noise, Pgd, PixelDistance,
    Problem,
};

/// The masking checks of one model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaskingSpec {
    /// The model.
    pub model: ModelRef,
    /// The dataset, whose test images are used.
    pub dataset: DatasetChoice,
    /// The radius of the threat model.
    pub eps: PixelDistance,
    /// Transfer attacks that must not do better than PGD-20 on the model itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transfers: Vec<Attack>,
    /// Images a batch; it changes the speed, not the numbers.
    pub batch_size: usize,
    /// The seed of the random starts.
    pub seed: u64,
    /// Where it computes.
    pub device: DeviceName,
}

/// Steps of the attacks that must have converged.
const MANY_STEPS: usize = 100;

impl MaskingSpec {
    /// The radii of the sweep, in 8-bit levels.
    pub const RADII: [f64; 7] = [2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0];

    /// FGSM at the radius.
    pub const fn one_step(&self) -> Attack {
        Attack::Fgsm(Fgsm { eps: self.eps, random_start: false })
    }

    /// PGD-20 at the radius: what the others are measured by.
    pub fn iterative(&self) -> Attack {
        self.scaled(1.0)
    }

    /// PGD-20 at the radius on logits that are multiplied by `logit_scale`.
    pub fn scaled(&self, logit_scale: f64) -> Attack {
        let (eps, step_size) = (self.eps, self.eps.times(0.25));
        Attack::Pgd(Pgd { logit_scale, ..Pgd::new(eps, step_size, 20) })
    }

    /// PGD-100 with 5 restarts at the radius.
    pub fn converged(&self) -> Attack {
        Attack::Pgd(self.converged_pgd())
    }

    /// The same with its parameters.
    pub fn converged_pgd(&self) -> Pgd {
        Pgd { restarts: 5, ..Pgd::new(self.eps, self.eps.times(0.25), MANY_STEPS) }
    }

    /// 1,000 draws from the ball (methods.md §5.1).
    pub const fn noise(&self) -> Attack {
        Attack::Noise(Noise { eps: self.eps, draws: 1_000 })
    }

    /// 20 steps on the other losses: the margin of Carlini and Wagner, and the difference-of-logits ratio.
    pub fn other_losses(&self) -> [Attack; 2] {
        let (eps, step_size, steps) = (self.eps, self.eps.times(0.25), 20);
        [Attack::Cw(Cw { eps, step_size, steps, confidence: 50.0 }), Attack::Dlr(Dlr { eps, step_size, steps })]
    }

    /// PGD-100 at another radius, with steps of 2.5 ε/100 as Madry et al. (2018) take them, so that it crosses any ball.
    pub fn at_radius(eps: PixelDistance) -> Attack {
        let step_size = eps.times(2.5 / MANY_STEPS as f64);
        Attack::Pgd(Pgd::new(eps, step_size, MANY_STEPS))
    }

    /// PGD-100 with the whole pixel range as its ball.
    pub fn unbounded() -> Attack {
        Self::at_radius(PixelDistance::new(1.0))
    }

    /// AutoAttack at the radius.
    pub const fn auto_attack(&self) -> Attack {
        Attack::AutoAttack(AutoAttack { eps: self.eps })
    }

    /// The evaluation that the checks are read from: every attack of theirs. A checkpoint knows them by their places, so what
    /// a version adds comes last.
    pub fn evaluation(&self) -> EvaluateSpec {
        let radii = Self::RADII.into_iter().map(|levels| Self::at_radius(PixelDistance::levels(levels)));
        let one = [self.one_step(), self.iterative(), self.converged(), self.noise()];
        let two = self.other_losses().into_iter().chain([0.1, 10.0].map(|scale| self.scaled(scale)));
        let attacks = one.into_iter().chain(two).chain(radii).chain([Self::unbounded()]);
        EvaluateSpec {
            model: self.model.clone(),
            dataset: self.dataset.clone(),
            attacks: attacks.chain(self.transfers.iter().cloned()).chain([self.auto_attack()]).collect(),
            batch_size: self.batch_size,
            seed: self.seed,
            device: self.device,
        }
    }

    pub(crate) fn check(&self, problems: &mut Vec<Problem>) {
        problems.extend(self.eps.fault().map(|fault| Problem::new("eps", fault)));
        for (i, attack) in self.transfers.iter().enumerate() {
            if attack.surrogate().is_none() {
                problems.push(Problem::new(format!("transfers[{i}]"), format!("{attack} is no transfer attack")));
            }
        }
        if problems.is_empty() {
            self.evaluation().check(problems);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_attacks_of_the_checks_are_the_same() {
        let spec = MaskingSpec {
            model: ModelRef::File("model.safetensors".into()),
            dataset: DatasetChoice::all_of("d"),
            eps: PixelDistance::levels(8.0),
            transfers: vec![Attack::transfer("another", ModelRef::File("other.safetensors".into()))],
            batch_size: 100,
            seed: 1,
            device: DeviceName::Cpu,
        };
        let attacks = spec.evaluation().attacks;
        assert_eq!(attacks.len(), 18);
        for (i, attack) in attacks.iter().enumerate() {
            assert!(!attacks[..i].contains(attack), "{attack}");
        }
    }
}
