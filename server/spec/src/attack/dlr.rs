//! PGD on the difference-of-logits ratio, which no scaling of the logits changes (Croce & Hein 2020, Eq. 6).

use serde::{Deserialize, Serialize};

use super::{Described, EPS, Parameters, Record, STEP, climbs};
use crate::{Attack, PixelDistance};

/// PGD on the difference-of-logits ratio.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dlr {
    /// The radius of the ℓ∞ ball.
    pub eps: PixelDistance,
    /// The size of a step.
    pub step_size: PixelDistance,
    /// How many steps.
    pub steps: usize,
}

impl Described for Dlr {
    const RECORD: Record = Record {
        help: "dlr-20",
        usual: &[],
        read: |name| Some(Attack::Dlr(Self { eps: EPS, step_size: STEP, steps: name.plain("dlr")? })),
    };
}

impl Parameters for Dlr {
    climbs!();

    fn id(&self) -> String {
        format!("dlr-{}", self.steps)
    }

    fn title(&self) -> String {
        format!("DLR-{}", self.steps)
    }

    /// It divides by the distance between the highest and the third highest logit.
    fn fewest_classes(&self) -> usize {
        3
    }
}
