//! PGD on the margin to one other class after the other (Gowal et al. 2019, arXiv:1910.09338).

use serde::{Deserialize, Serialize};

use super::{Described, EPS, Expect, Parameters, Record, STEP, climbs};
use crate::{Attack, PixelDistance};

/// The multi-targeted attack: a try for each of the classes that are next best on the natural image, from a random start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MultiTargeted {
    /// The radius of the ℓ∞ ball.
    pub eps: PixelDistance,
    /// The size of a step.
    pub step_size: PixelDistance,
    /// How many steps.
    pub steps: usize,
    /// How many classes are tried; where there are fewer, the last is tried again from other starts.
    pub targets: usize,
}

impl Described for MultiTargeted {
    const RECORD: Record = Record {
        help: "mt-20 for 20 steps towards each of 9 classes",
        usual: &["mt-20"],
        read: |name| {
            let steps = name.plain("mt")?;
            Some(Attack::MultiTargeted(Self { eps: EPS, step_size: STEP, steps, targets: 9 }))
        },
    };
}

impl Parameters for MultiTargeted {
    climbs!();

    fn id(&self) -> String {
        format!("mt-{}", self.steps)
    }

    fn title(&self) -> String {
        format!("MultiTargeted-{}", self.steps)
    }

    fn detail(&self) -> String {
        format!(", {} targets", self.targets)
    }

    /// Each try also looks at the natural image, to choose its target.
    fn passes(&self) -> f64 {
        (2.0 * self.steps as f64 + 2.0) * self.targets as f64
    }

    fn tries(&self) -> usize {
        self.targets
    }

    fn strength(&self) -> usize {
        self.steps * self.targets
    }

    fn check(&self, expect: &mut Expect<'_>) {
        expect((1..=255).contains(&self.targets), "targets", "must be from 1 to 255");
    }
}
