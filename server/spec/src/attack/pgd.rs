//! Projected gradient descent on the cross-entropy from a uniform random start in the ball (Madry et al. 2018).

use serde::{Deserialize, Serialize};

use super::{Described, EPS, Expect, Parameters, Record, STEP, climbs};
use crate::{Attack, PixelDistance};

/// PGD on the cross-entropy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pgd {
    /// The radius of the ℓ∞ ball.
    pub eps: PixelDistance,
    /// The size of a step.
    pub step_size: PixelDistance,
    /// How many steps.
    pub steps: usize,
    /// How many starts are tried; an image is robust if it withstands all of them.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub restarts: usize,
    /// What the logits are multiplied by before the loss: a model that masks its gradients by the size of its logits is
    /// weaker under another one than 1.
    #[serde(default = "unscaled", skip_serializing_if = "is_unscaled")]
    pub logit_scale: f64,
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

impl Pgd {
    /// One start, on the logits as they are.
    pub const fn new(eps: PixelDistance, step_size: PixelDistance, steps: usize) -> Self {
        Self { eps, step_size, steps, restarts: 1, logit_scale: 1.0 }
    }
}

impl Described for Pgd {
    const RECORD: Record = Record {
        help: "pgd-20 for PGD with 20 steps, pgd-100x5 for 5 restarts of 100, pgd-20@10 for logits × 10",
        usual: &["pgd-7", "pgd-20", "pgd-100", "pgd-100x5"],
        read: |name| {
            let (steps, restarts) = (name.count.filter(|_| name.kind == "pgd")?, name.restarts?);
            let logit_scale = name.scale.parse().ok()?;
            Some(Attack::Pgd(Self { restarts, logit_scale, ..Self::new(EPS, STEP, steps) }))
        },
    };
}

impl Parameters for Pgd {
    climbs!();

    fn id(&self) -> String {
        let restarts = if self.restarts == 1 { String::new() } else { format!("x{}", self.restarts) };
        let scale = if is_unscaled(&self.logit_scale) { String::new() } else { format!("@{}", self.logit_scale) };
        format!("pgd-{}{restarts}{scale}", self.steps)
    }

    fn title(&self) -> String {
        let restarts = if self.restarts > 1 { format!(" × {}", self.restarts) } else { String::new() };
        let scale = &self.logit_scale;
        let scale = if is_unscaled(scale) { String::new() } else { format!(" on logits × {scale}") };
        format!("PGD-{}{restarts}{scale}", self.steps)
    }

    fn passes(&self) -> f64 {
        (2.0 * self.steps as f64 + 1.0) * self.restarts as f64
    }

    fn tries(&self) -> usize {
        self.restarts
    }

    fn strength(&self) -> usize {
        self.steps * self.restarts
    }

    fn check(&self, expect: &mut Expect<'_>) {
        expect((1..=100).contains(&self.restarts), "restarts", "must be from 1 to 100");
        expect((1e-6..=1e6).contains(&self.logit_scale), "logit_scale", "must be from 0.000001 to 1,000,000");
    }
}
