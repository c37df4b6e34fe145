//! PGD on another model, whose images are then shown to this one.

use serde::{Deserialize, Serialize};

use super::{Described, EPS, Parameters, Record, STEP, climbs};
use crate::{ModelRef, PixelDistance};

/// PGD through another model. Its cost is that of a surrogate as large as the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transfer {
    /// The radius of the ℓ∞ ball.
    pub eps: PixelDistance,
    /// The size of a step.
    pub step_size: PixelDistance,
    /// How many steps.
    pub steps: usize,
    /// What the other model is, in words: `natural ResNet-18`.
    pub from: String,
    /// The other model.
    pub surrogate: ModelRef,
}

impl Transfer {
    /// PGD-20 at ε 8/255 on `surrogate`, which `from` describes.
    pub fn new(from: impl Into<String>, surrogate: ModelRef) -> Self {
        Self { eps: EPS, step_size: STEP, steps: 20, from: from.into(), surrogate }
    }
}

impl Described for Transfer {
    // A name alone does not say through which model.
    const RECORD: Record = Record { help: "", usual: &[], read: |_| None };
}

impl Parameters for Transfer {
    climbs!();

    fn id(&self) -> String {
        format!("transfer-{}", self.steps)
    }

    fn title(&self) -> String {
        format!("PGD-{} transferred from {}", self.steps, self.from)
    }

    /// It is made on another model.
    fn strength(&self) -> usize {
        0
    }

    fn surrogate(&self) -> Option<&ModelRef> {
        Some(&self.surrogate)
    }

    fn surrogate_mut(&mut self) -> Option<&mut ModelRef> {
        Some(&mut self.surrogate)
    }
}
