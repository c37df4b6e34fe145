//! Attacks: those that a model is evaluated under, and those inside adversarial training.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{PixelDistance, Problem};

const EPS: PixelDistance = PixelDistance::levels(8.0);
const STEP: PixelDistance = PixelDistance::levels(2.0);

/// An ℓ∞ attack that a model is evaluated under, in eval mode (methods.md §5.1).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Attack {
    /// One step of size ε along the sign of the gradient of the cross-entropy, without a random start.
    Fgsm {
        /// The radius of the ℓ∞ ball.
        eps: PixelDistance,
    },
    /// Projected gradient descent on the cross-entropy from a uniform random start in the ball.
    Pgd {
        /// The radius of the ℓ∞ ball.
        eps: PixelDistance,
        /// The size of a step.
        step_size: PixelDistance,
        /// How many steps.
        steps: usize,
    },
}

impl Attack {
    /// PGD with `steps` steps of 2/255 at ε 8/255, the default of methods.md.
    pub const fn pgd(steps: usize) -> Self {
        Self::Pgd { eps: EPS, step_size: STEP, steps }
    }

    /// The radius of the ball.
    pub const fn eps(&self) -> PixelDistance {
        match self {
            Self::Fgsm { eps } | Self::Pgd { eps, .. } => *eps,
        }
    }

    /// The name on the command line: `fgsm`, `pgd-20`.
    pub fn id(&self) -> String {
        self.to_string().to_lowercase()
    }

    /// The attack with its ε and steps, as a page names it: `PGD-20, ε 8/255, step 2/255`.
    pub fn describe(&self) -> String {
        match self {
            Self::Fgsm { eps } => format!("{self}, ε {eps}"),
            Self::Pgd { eps, step_size, .. } => format!("{self}, ε {eps}, step {step_size}"),
        }
    }

    /// Forward and backward passes for one image, in units of a forward pass.
    pub(crate) const fn passes(&self) -> f64 {
        // A gradient costs one forward pass and one backward pass to the input; the outcome one forward pass more.
        match self {
            Self::Fgsm { .. } => 3.0,
            Self::Pgd { steps, .. } => 2.0 * *steps as f64 + 1.0,
        }
    }

    pub(crate) fn check(&self, field: &str, problems: &mut Vec<Problem>) {
        let mut distance = |name: &str, value: PixelDistance| {
            problems.extend(value.fault().map(|fault| Problem::new(format!("{field}.{name}"), fault)));
        };
        distance("eps", self.eps());
        if let Self::Pgd { step_size, steps, .. } = self {
            distance("step_size", *step_size);
            if !(1..=10_000).contains(steps) {
                problems.push(Problem::new(format!("{field}.steps"), "must be from 1 to 10,000"));
            }
        }
    }
}

impl fmt::Display for Attack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fgsm { .. } => f.write_str("FGSM"),
            Self::Pgd { steps, .. } => write!(f, "PGD-{steps}"),
        }
    }
}

impl FromStr for Attack {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let lower = text.trim().to_lowercase();
        if lower == "fgsm" {
            return Ok(Self::Fgsm { eps: EPS });
        }
        match lower.strip_prefix("pgd-").map(str::parse::<usize>) {
            Some(Ok(steps)) if (1..=10_000).contains(&steps) => Ok(Self::pgd(steps)),
            _ => Err(format!("there is no attack “{text}”: write fgsm, or pgd-20 for PGD with 20 steps")),
        }
    }
}

/// Which statistics the student's batch-norm layers use while the inner attack differentiates through it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BatchNormMode {
    /// The running statistics, left as they are (TRADES, RSLAD).
    #[default]
    Eval,
    /// The batch's own statistics; the running ones move with every pass (ARD's and IAD's code).
    Train,
}

/// The inner maximisation of adversarial training: PGD from a uniform random start in the ball.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InnerAttack {
    /// The radius of the ℓ∞ ball.
    pub eps: PixelDistance,
    /// The size of a step.
    pub step_size: PixelDistance,
    /// How many steps.
    pub steps: usize,
    /// The student's batch-norm mode meanwhile.
    pub batch_norm: BatchNormMode,
}

impl InnerAttack {
    /// `steps` steps at ε 8/255 in eval mode; ten steps have size 2/255, fewer ones are longer so that they still
    /// cross the ball.
    pub fn with_steps(steps: usize) -> Self {
        let size = if steps >= 7 { 2.0 } else { 4.0 };
        Self { eps: EPS, step_size: PixelDistance::levels(size), steps, batch_norm: BatchNormMode::Eval }
    }

    pub(crate) fn check(&self, field: &str, problems: &mut Vec<Problem>) {
        Attack::Pgd { eps: self.eps, step_size: self.step_size, steps: self.steps }.check(field, problems);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_as_the_attacks_they_name() {
        for attack in [Attack::Fgsm { eps: EPS }, Attack::pgd(7), Attack::pgd(20), Attack::pgd(100)] {
            assert_eq!(attack.id().parse::<Attack>().unwrap(), attack);
        }
    }

    #[test]
    fn a_page_names_pgd_20_with_its_radius_and_step() {
        assert_eq!(Attack::pgd(20).describe(), "PGD-20, ε 8/255, step 2/255");
    }
}
