//! Auto-PGD towards one other class after the other (Croce and Hein 2020, arXiv:2003.01690), the second attack of AutoAttack.

use serde::{Deserialize, Serialize};

use super::{Described, EPS, Expect, Parameters, Record, auto_steps, check_steps, in_ball};
use crate::{Attack, PixelDistance};

/// Auto-PGD on the targeted difference-of-logits ratio: a try for each of the classes that are next best on the natural image,
/// from a random start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApgdT {
    /// The radius of the ℓ∞ ball.
    pub eps: PixelDistance,
    /// How many steps towards each class.
    pub steps: usize,
    /// How many classes are tried; where there are fewer, the last is tried again from other starts.
    pub targets: usize,
}

impl ApgdT {
    /// As AutoAttack makes it.
    pub(super) const fn of_auto_attack(eps: PixelDistance) -> Self {
        Self { eps, steps: super::AUTO_STEPS, targets: 9 }
    }
}

impl Described for ApgdT {
    const RECORD: Record = Record {
        help: "apgd-t for its second, towards 9 classes",
        usual: &["apgd-t"],
        read: |name| Some(Attack::ApgdT(Self { steps: auto_steps(name, "apgd-t")?, ..Self::of_auto_attack(EPS) })),
    };
}

impl Parameters for ApgdT {
    in_ball!();

    fn id(&self) -> String {
        super::auto_id("apgd-t", self.steps)
    }

    fn title(&self) -> String {
        "APGD-T".into()
    }

    fn detail(&self) -> String {
        format!(", {} targets, {} steps", self.targets, self.steps)
    }

    /// Each try also looks at the natural image, to choose its target.
    fn passes(&self) -> f64 {
        (2.0 * (self.steps + 1) as f64 + 2.0) * self.targets as f64
    }

    fn tries(&self) -> usize {
        self.targets
    }

    fn strength(&self) -> usize {
        self.steps * self.targets
    }

    /// The ratio has the first four logits.
    fn fewest_classes(&self) -> usize {
        4
    }

    fn check(&self, expect: &mut Expect<'_>) {
        expect((1..=255).contains(&self.targets), "targets", "must be from 1 to 255");
        check_steps(self.steps, expect);
    }
}
