//! The attack inside adversarial training.

use serde::{Deserialize, Serialize};

use crate::{Attack, Pgd, PixelDistance, Problem};

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

impl Default for InnerAttack {
    /// Ten steps of 2/255 at ε 8/255 in eval mode.
    fn default() -> Self {
        Self {
            eps: PixelDistance::levels(8.0),
            step_size: PixelDistance::levels(2.0),
            steps: 10,
            batch_norm: BatchNormMode::Eval,
        }
    }
}

impl InnerAttack {
    /// Takes at most `most` steps; fewer than seven are longer, so that they still cross the ball.
    pub(crate) fn shorten(&mut self, most: usize) {
        if self.steps <= most {
            return;
        }
        self.steps = most;
        if most < 7 && self.step_size < PixelDistance::levels(4.0) {
            self.step_size = PixelDistance::levels(4.0);
        }
    }

    pub(crate) fn check(&self, field: &str, problems: &mut Vec<Problem>) {
        Attack::Pgd(Pgd::new(self.eps, self.step_size, self.steps)).check(field, problems);
    }
}
