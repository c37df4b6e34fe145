//! The attacks that a model is evaluated under.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{ModelRef, PixelDistance, Problem};

const EPS: PixelDistance = PixelDistance::levels(8.0);
const STEP: PixelDistance = PixelDistance::levels(2.0);

/// An ℓ∞ attack that a model is evaluated under, in eval mode (methods.md §5.1).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Attack {
    /// One step of size ε along the sign of the gradient of the cross-entropy (Goodfellow et al. 2015).
    Fgsm {
        /// The radius of the ℓ∞ ball.
        eps: PixelDistance,
        /// Whether the step starts from a random place in the ball.
        #[serde(default, skip_serializing_if = "is_false")]
        random_start: bool,
    },
    /// Projected gradient descent on the cross-entropy from a uniform random start in the ball (Madry et al. 2018).
    Pgd {
        /// The radius of the ℓ∞ ball.
        eps: PixelDistance,
        /// The size of a step.
        step_size: PixelDistance,
        /// How many steps.
        steps: usize,
        /// How many starts are tried; an image is robust if it withstands all of them.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        restarts: usize,
        /// What the logits are multiplied by before the loss: a model that masks its gradients by the size of its logits is
        /// weaker under another one than 1.
        #[serde(default = "unscaled", skip_serializing_if = "is_unscaled")]
        logit_scale: f64,
    },
    /// PGD on the margin between the true class and the best other one, the loss of Carlini and Wagner (2017).
    Cw {
        /// The radius of the ℓ∞ ball.
        eps: PixelDistance,
        /// The size of a step.
        step_size: PixelDistance,
        /// How many steps.
        steps: usize,
        /// κ: how far below the other class the true one is pushed, in logits.
        confidence: f64,
    },
    /// PGD on the difference-of-logits ratio, which no scaling of the logits changes (Croce & Hein 2020, Eq. 6).
    Dlr {
        /// The radius of the ℓ∞ ball.
        eps: PixelDistance,
        /// The size of a step.
        step_size: PixelDistance,
        /// How many steps.
        steps: usize,
    },
    /// The momentum iterative method, without a random start (Dong et al. 2018).
    Mim {
        /// The radius of the ℓ∞ ball.
        eps: PixelDistance,
        /// The size of a step.
        step_size: PixelDistance,
        /// How many steps.
        steps: usize,
        /// μ: how much of the earlier gradients stays in the direction.
        decay: f64,
    },
    /// PGD on another model, whose images are then shown to this one.
    Transfer {
        /// The radius of the ℓ∞ ball.
        eps: PixelDistance,
        /// The size of a step.
        step_size: PixelDistance,
        /// How many steps.
        steps: usize,
        /// What the other model is, in words: `natural ResNet-18`.
        from: String,
        /// The other model.
        surrogate: ModelRef,
    },
    /// Uniform random draws from the ball: a sanity check, for noise must not do what gradients cannot.
    Noise {
        /// The radius of the ℓ∞ ball.
        eps: PixelDistance,
        /// Draws for each image; it is robust if it withstands all of them.
        draws: usize,
    },
}

const fn one() -> usize {
    1
}

const fn unscaled() -> f64 {
    1.0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
#[expect(clippy::float_cmp, reason = "only exactly this factor may be left out")]
fn is_unscaled(scale: &f64) -> bool {
    *scale == 1.0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_one(n: &usize) -> bool {
    *n == 1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

impl Attack {
    /// PGD with `steps` steps of 2/255 at ε 8/255, the default of methods.md.
    pub const fn pgd(steps: usize) -> Self {
        Self::Pgd { eps: EPS, step_size: STEP, steps, restarts: 1, logit_scale: 1.0 }
    }

    /// PGD-20 at ε 8/255 on `surrogate`, which `from` describes.
    pub fn transfer(from: impl Into<String>, surrogate: ModelRef) -> Self {
        Self::Transfer { eps: EPS, step_size: STEP, steps: 20, from: from.into(), surrogate }
    }

    /// The radius of the ball.
    pub const fn eps(&self) -> PixelDistance {
        match self {
            Self::Fgsm { eps, .. }
            | Self::Pgd { eps, .. }
            | Self::Cw { eps, .. }
            | Self::Dlr { eps, .. }
            | Self::Mim { eps, .. }
            | Self::Transfer { eps, .. }
            | Self::Noise { eps, .. } => *eps,
        }
    }

    /// The same attack at another radius, its steps in proportion.
    #[must_use]
    pub fn with_eps(mut self, radius: PixelDistance) -> Self {
        let before = self.eps().value();
        match &mut self {
            Self::Fgsm { eps, .. } | Self::Noise { eps, .. } => *eps = radius,
            Self::Pgd { eps, step_size, .. }
            | Self::Cw { eps, step_size, .. }
            | Self::Dlr { eps, step_size, .. }
            | Self::Mim { eps, step_size, .. }
            | Self::Transfer { eps, step_size, .. } => {
                *step_size = PixelDistance::new(radius.value() * (step_size.value() / before));
                *eps = radius;
            }
        }
        self
    }

    /// The name on the command line: `fgsm`, `pgd-20`, `pgd-100x5` with restarts, `pgd-20@10` on logits × 10, `cw-30`,
    /// `dlr-20`, `mim-10`, `noise-1000`, `transfer-20`.
    pub fn id(&self) -> String {
        match self {
            Self::Fgsm { random_start: false, .. } => "fgsm".into(),
            Self::Fgsm { random_start: true, .. } => "fgsm-rs".into(),
            Self::Pgd { steps, restarts, logit_scale, .. } => {
                let restarts = if *restarts == 1 { String::new() } else { format!("x{restarts}") };
                let scale = if is_unscaled(logit_scale) { String::new() } else { format!("@{logit_scale}") };
                format!("pgd-{steps}{restarts}{scale}")
            }
            Self::Cw { steps, .. } => format!("cw-{steps}"),
            Self::Dlr { steps, .. } => format!("dlr-{steps}"),
            Self::Mim { steps, .. } => format!("mim-{steps}"),
            Self::Transfer { steps, .. } => format!("transfer-{steps}"),
            Self::Noise { draws, .. } => format!("noise-{draws}"),
        }
    }

    /// The attack with its ε and steps, as a page names it: `PGD-20, ε 8/255, step 2/255`.
    pub fn describe(&self) -> String {
        let eps = self.eps();
        match self {
            Self::Fgsm { .. } | Self::Noise { .. } => format!("{self}, ε {eps}"),
            Self::Pgd { step_size, .. } | Self::Dlr { step_size, .. } | Self::Transfer { step_size, .. } => {
                format!("{self}, ε {eps}, step {step_size}")
            }
            Self::Cw { step_size, confidence, .. } => format!("{self}, ε {eps}, step {step_size}, κ {confidence}"),
            Self::Mim { step_size, decay, .. } => format!("{self}, ε {eps}, step {step_size}, μ {decay}"),
        }
    }

    /// The model that it reads, for a transfer.
    pub const fn surrogate_mut(&mut self) -> Option<&mut ModelRef> {
        match self {
            Self::Transfer { surrogate, .. } => Some(surrogate),
            _ => None,
        }
    }

    /// Forward and backward passes for one image, in units of a forward pass. A transfer's are those of a surrogate as
    /// large as the model.
    pub(crate) const fn passes(&self) -> f64 {
        // A gradient costs one forward pass and one backward pass to the input; the outcome one forward pass more.
        match self {
            Self::Fgsm { .. } => 3.0,
            Self::Pgd { steps, restarts, .. } => (2.0 * *steps as f64 + 1.0) * *restarts as f64,
            Self::Cw { steps, .. }
            | Self::Dlr { steps, .. }
            | Self::Mim { steps, .. }
            | Self::Transfer { steps, .. } => 2.0 * *steps as f64 + 1.0,
            Self::Noise { draws, .. } => *draws as f64,
        }
    }

    pub(crate) fn check(&self, field: &str, problems: &mut Vec<Problem>) {
        let mut distance = |name: &str, value: PixelDistance| {
            problems.extend(value.fault().map(|fault| Problem::new(format!("{field}.{name}"), fault)));
        };
        distance("eps", self.eps());
        if let Self::Pgd { step_size, .. }
        | Self::Cw { step_size, .. }
        | Self::Dlr { step_size, .. }
        | Self::Mim { step_size, .. }
        | Self::Transfer { step_size, .. } = self
        {
            distance("step_size", *step_size);
        }
        let mut expect = |holds: bool, name: &str, message: &str| {
            if !holds {
                problems.push(Problem::new(format!("{field}.{name}"), message));
            }
        };
        if let Self::Pgd { steps, .. }
        | Self::Cw { steps, .. }
        | Self::Dlr { steps, .. }
        | Self::Mim { steps, .. }
        | Self::Transfer { steps, .. } = self
        {
            expect((1..=10_000).contains(steps), "steps", "must be from 1 to 10,000");
        }
        match self {
            Self::Pgd { restarts, logit_scale, .. } => {
                expect((1..=100).contains(restarts), "restarts", "must be from 1 to 100");
                expect((1e-6..=1e6).contains(logit_scale), "logit_scale", "must be from 0.000001 to 1,000,000");
            }
            Self::Cw { confidence, .. } => {
                expect((0.0..=1e6).contains(confidence), "confidence", "must be from 0 to 1,000,000");
            }
            Self::Mim { decay, .. } => expect((0.0..=10.0).contains(decay), "decay", "must be from 0 to 10"),
            Self::Noise { draws, .. } => expect((1..=100_000).contains(draws), "draws", "must be from 1 to 100,000"),
            Self::Fgsm { .. } | Self::Dlr { .. } | Self::Transfer { .. } => {}
        }
    }
}

impl fmt::Display for Attack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fgsm { random_start: false, .. } => f.write_str("FGSM"),
            Self::Fgsm { random_start: true, .. } => f.write_str("FGSM with a random start"),
            Self::Pgd { steps, restarts, logit_scale, .. } => {
                write!(f, "PGD-{steps}")?;
                if *restarts > 1 {
                    write!(f, " × {restarts}")?;
                }
                if is_unscaled(logit_scale) { Ok(()) } else { write!(f, " on logits × {logit_scale}") }
            }
            Self::Cw { steps, .. } => write!(f, "C&W-{steps}"),
            Self::Dlr { steps, .. } => write!(f, "DLR-{steps}"),
            Self::Mim { steps, .. } => write!(f, "MIM-{steps}"),
            Self::Transfer { steps, from, .. } => write!(f, "PGD-{steps} on {from}"),
            Self::Noise { draws: 1, .. } => f.write_str("Noise"),
            Self::Noise { draws, .. } => write!(f, "Noise × {draws}"),
        }
    }
}

impl FromStr for Attack {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let lower = text.trim().to_lowercase();
        let (name, numbers) = lower.split_once('-').unwrap_or((&lower, ""));
        let (numbers, scale) = numbers.split_once('@').unwrap_or((numbers, "1"));
        let (count, restarts) = numbers.split_once('x').unwrap_or((numbers, "1"));
        let plain = scale == "1";
        let attack = match (name, count.parse(), restarts.parse()) {
            ("fgsm", _, _) if lower == "fgsm" => Some(Self::Fgsm { eps: EPS, random_start: false }),
            ("fgsm", _, _) if lower == "fgsm-rs" => Some(Self::Fgsm { eps: EPS, random_start: true }),
            ("pgd", Ok(steps), Ok(restarts)) => scale.parse().ok().map(|logit_scale| Self::Pgd {
                eps: EPS,
                step_size: STEP,
                steps,
                restarts,
                logit_scale,
            }),
            _ if !plain => None,
            ("dlr", Ok(steps), Ok(1)) => Some(Self::Dlr { eps: EPS, step_size: STEP, steps }),
            ("cw", Ok(steps), Ok(1)) => Some(Self::Cw { eps: EPS, step_size: STEP, steps, confidence: 50.0 }),
            ("mim", Ok(steps), Ok(1)) => {
                // Ten steps of ε/10 as published; more of them, 2/255 each.
                let step_size = if steps <= 10 { PixelDistance::levels(0.8) } else { STEP };
                Some(Self::Mim { eps: EPS, step_size, steps, decay: 1.0 })
            }
            ("noise", Ok(draws), Ok(1)) => Some(Self::Noise { eps: EPS, draws }),
            _ => None,
        };
        let mut problems = Vec::new();
        if let Some(attack) = &attack {
            attack.check("attack", &mut problems);
        }
        attack.filter(|_| problems.is_empty()).ok_or_else(|| {
            format!(
                "there is no attack “{text}”: write fgsm, pgd-20 for PGD with 20 steps, pgd-100x5 for 5 restarts of 100, \
                 pgd-20@10 for logits × 10, cw-30, dlr-20, mim-10 or noise-1000"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_as_the_attacks_they_name() {
        for id in [
            "fgsm",
            "fgsm-rs",
            "pgd-7",
            "pgd-20",
            "pgd-100x5",
            "pgd-20@0.1",
            "pgd-5x2@10",
            "cw-30",
            "dlr-20",
            "mim-10",
            "mim-20",
            "noise-1000",
        ] {
            assert_eq!(id.parse::<Attack>().unwrap().id(), id);
        }
        assert_eq!("PGD-20".parse::<Attack>().unwrap(), Attack::pgd(20));
    }

    #[test]
    fn names_of_no_attack_are_refused_with_those_that_there_are() {
        for text in [
            "",
            "pgd",
            "pgd-0",
            "pgd-20x0",
            "cw-30x2",
            "mim-",
            "noise-x",
            "fgsm-7",
            "fgsm@2",
            "cw-30@2",
            "pgd-20@0",
            "transfer-20",
        ] {
            assert!(text.parse::<Attack>().unwrap_err().contains("pgd-100x5"), "{text}");
        }
    }

    #[test]
    fn a_page_names_an_attack_with_its_radius_and_parameters() {
        assert_eq!(Attack::pgd(20).describe(), "PGD-20, ε 8/255, step 2/255");
        let described = |id: &str| id.parse::<Attack>().unwrap().describe();
        assert_eq!(described("cw-30"), "C&W-30, ε 8/255, step 2/255, κ 50");
        assert_eq!(described("mim-10"), "MIM-10, ε 8/255, step 0.8/255, μ 1");
        assert_eq!(described("pgd-20@10"), "PGD-20 on logits × 10, ε 8/255, step 2/255");
        assert_eq!(described("pgd-100x5"), "PGD-100 × 5, ε 8/255, step 2/255");
    }

    #[test]
    fn another_radius_moves_the_step_in_proportion() {
        let attack = Attack::pgd(20).with_eps(PixelDistance::levels(4.0));
        assert_eq!(attack.describe(), "PGD-20, ε 4/255, step 1/255");
    }

    #[test]
    fn an_attack_of_earlier_versions_reads_back_with_one_restart() {
        let text = r#"{"name":"pgd","eps":"8/255","step_size":"2/255","steps":20}"#;
        let attack: Attack = serde_json::from_str(text).unwrap();
        assert_eq!(attack, Attack::pgd(20));
        assert_eq!(serde_json::to_string(&attack).unwrap(), text);
    }
}
