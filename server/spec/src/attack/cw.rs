//! PGD on the margin between the true class and the best other one, the loss of Carlini and Wagner (2017).

use serde::{Deserialize, Serialize};

use super::{Described, EPS, Expect, Parameters, Record, STEP, climbs};
use crate::{Attack, PixelDistance};

/// C&W's loss, in an ℓ∞ ball.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cw {
    /// The radius of the ℓ∞ ball.
    pub eps: PixelDistance,
    /// The size of a step.
    pub step_size: PixelDistance,
    /// How many steps.
    pub steps: usize,
    /// κ: how far below the other class the true one is pushed, in logits.
    pub confidence: f64,
}

impl Described for Cw {
    const RECORD: Record = Record {
        help: "cw-30",
        usual: &["cw-30"],
        read: |name| {
            let steps = name.plain("cw")?;
            Some(Attack::Cw(Self { eps: EPS, step_size: STEP, steps, confidence: 50.0 }))
        },
    };
}

impl Parameters for Cw {
    climbs!();

    fn id(&self) -> String {
        format!("cw-{}", self.steps)
    }

    fn title(&self) -> String {
        format!("C&W-{}", self.steps)
    }

    fn detail(&self) -> String {
        format!(", κ {}", self.confidence)
    }

    fn check(&self, expect: &mut Expect<'_>) {
        expect((0.0..=1e6).contains(&self.confidence), "confidence", "must be from 0 to 1,000,000");
    }
}
