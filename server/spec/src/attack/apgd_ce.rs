//! Auto-PGD on the cross-entropy (Croce and Hein 2020, arXiv:2003.01690), the first attack of AutoAttack.

use serde::{Deserialize, Serialize};

use super::{Described, EPS, Expect, Parameters, Record, auto_steps, check_steps, in_ball};
use crate::{Attack, PixelDistance};

/// Auto-PGD on the cross-entropy: steps with momentum whose size halves by itself, from a random start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApgdCe {
    /// The radius of the ℓ∞ ball.
    pub eps: PixelDistance,
    /// How many steps.
    pub steps: usize,
}

impl ApgdCe {
    /// As AutoAttack makes it.
    pub(super) const fn of_auto_attack(eps: PixelDistance) -> Self {
        Self { eps, steps: super::AUTO_STEPS }
    }
}

impl Described for ApgdCe {
    const RECORD: Record = Record {
        help: "apgd-ce for AutoAttack's first attack, apgd-ce-50 with 50 steps",
        usual: &["apgd-ce"],
        read: |name| Some(Attack::ApgdCe(Self { eps: EPS, steps: auto_steps(name, "apgd-ce")? })),
    };
}

impl Parameters for ApgdCe {
    in_ball!();

    fn id(&self) -> String {
        super::auto_id("apgd-ce", self.steps)
    }

    fn title(&self) -> String {
        "APGD-CE".into()
    }

    fn detail(&self) -> String {
        format!(", {} steps", self.steps)
    }

    /// The start has a gradient too.
    fn passes(&self) -> f64 {
        2.0 * (self.steps + 1) as f64 + 1.0
    }

    fn strength(&self) -> usize {
        self.steps
    }

    fn check(&self, expect: &mut Expect<'_>) {
        check_steps(self.steps, expect);
    }
}
