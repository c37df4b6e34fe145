//! The momentum iterative method, without a random start (Dong et al. 2018).

use serde::{Deserialize, Serialize};

use super::{Described, EPS, Expect, Parameters, Record, STEP, climbs};
use crate::{Attack, PixelDistance};

/// The momentum iterative method.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mim {
    /// The radius of the ℓ∞ ball.
    pub eps: PixelDistance,
    /// The size of a step.
    pub step_size: PixelDistance,
    /// How many steps.
    pub steps: usize,
    /// μ: how much of the earlier gradients stays in the direction.
    pub decay: f64,
}

impl Described for Mim {
    const RECORD: Record = Record {
        help: "mim-10",
        usual: &["mim-10"],
        read: |name| {
            let steps = name.plain("mim")?;
            // Ten steps of ε/10 as published; more of them, 2/255 each.
            let step_size = if steps <= 10 { PixelDistance::levels(0.8) } else { STEP };
            Some(Attack::Mim(Self { eps: EPS, step_size, steps, decay: 1.0 }))
        },
    };
}

impl Parameters for Mim {
    climbs!();

    fn id(&self) -> String {
        format!("mim-{}", self.steps)
    }

    fn title(&self) -> String {
        format!("MIM-{}", self.steps)
    }

    fn detail(&self) -> String {
        format!(", μ {}", self.decay)
    }

    fn check(&self, expect: &mut Expect<'_>) {
        expect((0.0..=10.0).contains(&self.decay), "decay", "must be from 0 to 10");
    }
}
