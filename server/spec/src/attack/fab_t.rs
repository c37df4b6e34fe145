//! The fast adaptive boundary attack towards one other class after the other (Croce and Hein 2020, arXiv:1907.02044), the third
//! attack of AutoAttack.

use serde::{Deserialize, Serialize};

use super::{Described, EPS, Expect, Parameters, Record, auto_id, auto_steps, check_steps, in_ball};
use crate::{Attack, PixelDistance};

/// FAB: steps onto the linearised boundary to one class, kept near the natural image. It looks for the nearest adversarial image and
/// has found one if that lies in the ball; a try for each of the classes that are next best on the natural image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FabT {
    /// The radius of the ℓ∞ ball.
    pub eps: PixelDistance,
    /// How many steps towards each class.
    pub steps: usize,
    /// How many classes are tried; where there are fewer, all.
    pub targets: usize,
}

impl FabT {
    /// As AutoAttack makes it.
    pub(super) const fn of_auto_attack(eps: PixelDistance) -> Self {
        Self { eps, steps: super::AUTO_STEPS, targets: 9 }
    }
}

impl Described for FabT {
    const RECORD: Record = Record {
        help: "fab-t for its third",
        usual: &[],
        read: |name| Some(Attack::FabT(Self { steps: auto_steps(name, "fab-t")?, ..Self::of_auto_attack(EPS) })),
    };
}

impl Parameters for FabT {
    in_ball!();

    fn id(&self) -> String {
        auto_id("fab-t", self.steps)
    }

    fn title(&self) -> String {
        "FAB-T".into()
    }

    fn detail(&self) -> String {
        format!(", {} targets, {} steps", self.targets, self.steps)
    }

    /// A gradient and an answer for each step; each try also looks at the natural image, to choose its target.
    fn passes(&self) -> f64 {
        (3.0 * self.steps as f64 + 1.0) * self.targets as f64
    }

    fn tries(&self) -> usize {
        self.targets
    }

    fn strength(&self) -> usize {
        self.steps * self.targets
    }

    fn check(&self, expect: &mut Expect<'_>) {
        expect((1..=255).contains(&self.targets), "targets", "must be from 1 to 255");
        check_steps(self.steps, expect);
    }
}
