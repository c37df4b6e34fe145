//! Masking checks: whether a model's adversarial accuracy can be believed, or its gradients only hide the adversarial
//! images (Athalye et al. 2018; Carlini et al. 2019; methods.md §5.4).

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    Attack, Cw, DatasetChoice, DeviceName, Dlr, EvaluateSpec, Fgsm, ModelRef, Noise, Pgd, PixelDistance, Problem,
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

/// One check of §5.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MaskingCheck {
    /// An iterative attack is at least as strong as one step.
    Iterative,
    /// More steps and restarts find little more, and the loss has stopped rising.
    Converged,
    /// An attack on the model is at least as strong as one on a surrogate.
    Transfer,
    /// Random noise fools no image that PGD left.
    Noise,
    /// The accuracy falls with the radius, to nothing.
    RadiusSweep,
    /// An attack without a radius succeeds on every image.
    Unbounded,
    /// Attacks by different losses agree.
    Losses,
    /// Gradients are there, and are those of the model.
    Gradients,
    /// The size of the logits hides nothing.
    LogitScale,
}

impl MaskingCheck {
    /// A check that stands on fewer images cannot tell: if one image in ten failed, so many without a failure would be rare
    /// (0.9³⁰ = 4 %).
    pub const LEAST_IMAGES: usize = 30;

    /// All of them, in the order of methods.md.
    pub const ALL: [Self; 9] = [
        Self::Iterative,
        Self::Converged,
        Self::Transfer,
        Self::Noise,
        Self::RadiusSweep,
        Self::Unbounded,
        Self::Losses,
        Self::Gradients,
        Self::LogitScale,
    ];

    /// The name in journals and in the database.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Iterative => "iterative",
            Self::Converged => "converged",
            Self::Transfer => "transfer",
            Self::Noise => "noise",
            Self::RadiusSweep => "radius-sweep",
            Self::Unbounded => "unbounded",
            Self::Losses => "losses",
            Self::Gradients => "gradients",
            Self::LogitScale => "logit-scale",
        }
    }

    /// The name on pages.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Iterative => "Iterative beats one step",
            Self::Converged => "Converged",
            Self::Transfer => "White-box beats transfer",
            Self::Noise => "Noise finds nothing new",
            Self::RadiusSweep => "Accuracy falls with ε",
            Self::Unbounded => "Unbounded reaches 0 %",
            Self::Losses => "Losses agree",
            Self::Gradients => "Gradients are sound",
            Self::LogitScale => "Logit scale hides nothing",
        }
    }

    /// What has to hold for it to pass; the thresholds are ours, those of methods.md §5.4.
    pub const fn rule(self) -> &'static str {
        match self {
            Self::Iterative => "PGD-20 leaves at most 0.1 points more than FGSM.",
            Self::Converged => {
                "PGD-100 with 5 restarts finds at most 1 point more than PGD-20, and over its second half the mean \
                 cross-entropy of the images that PGD-20 left rises by at most 5 %."
            }
            Self::Transfer => "PGD-20 leaves at most as much as each attack through another model.",
            Self::Noise => "1,000 uniform draws from the ball fool no image that PGD-20 left.",
            Self::RadiusSweep => {
                "Under PGD-100 the accuracy rises by at most 0.5 points from one radius to the next (0 to 128/255), and is \
                 at most 1 % at 64/255 and above."
            }
            Self::Unbounded => "PGD-100 with a radius of the whole pixel range fools every image.",
            Self::Losses => {
                "The accuracies under 20 steps on the cross-entropy, the C&W margin and the DLR lie within 5 points."
            }
            Self::Gradients => {
                "Under 1 % of the images have a zero gradient, and on the 10 steepest pixels of 10 images it is within 10 % \
                 of finite differences."
            }
            Self::LogitScale => "PGD-20 on logits × 0.1 or × 10 finds at most 3 points more.",
        }
    }
}

impl fmt::Display for MaskingCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.title())
    }
}

impl FromStr for MaskingCheck {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|check| check.id() == text)
            .ok_or_else(|| format!("there is no masking check “{text}”"))
    }
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

    /// The evaluation that the checks are read from: every attack of theirs.
    pub fn evaluation(&self) -> EvaluateSpec {
        let radii = Self::RADII.into_iter().map(|levels| Self::at_radius(PixelDistance::levels(levels)));
        let one = [self.one_step(), self.iterative(), self.converged(), self.noise()];
        let two = self.other_losses().into_iter().chain([0.1, 10.0].map(|scale| self.scaled(scale)));
        let attacks = one.into_iter().chain(two).chain(radii).chain([Self::unbounded()]);
        EvaluateSpec {
            model: self.model.clone(),
            dataset: self.dataset.clone(),
            attacks: attacks.chain(self.transfers.iter().cloned()).collect(),
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
    fn every_check_reads_back_from_its_name_as_journals_write_it() {
        for check in MaskingCheck::ALL {
            assert_eq!(check.id().parse::<MaskingCheck>().unwrap(), check);
            assert_eq!(serde_json::to_string(&check).unwrap(), format!("\"{}\"", check.id()));
        }
    }

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
        assert_eq!(attacks.len(), 17);
        for (i, attack) in attacks.iter().enumerate() {
            assert!(!attacks[..i].contains(attack), "{attack}");
        }
    }
}
