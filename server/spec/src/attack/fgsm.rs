//! One step of size ε along the sign of the gradient of the cross-entropy (Goodfellow et al. 2015).

use serde::{Deserialize, Serialize};

use super::{Described, EPS, Parameters, Record, in_ball};
use crate::{Attack, PixelDistance};

/// The fast gradient sign method.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fgsm {
    /// The radius of the ℓ∞ ball.
    pub eps: PixelDistance,
    /// Whether the step starts from a random place in the ball.
    #[serde(default, skip_serializing_if = "is_false")]
    pub random_start: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

impl Described for Fgsm {
    const RECORD: Record = Record {
        help: "fgsm",
        usual: &["fgsm"],
        read: |name| {
            let fgsm = |random_start| Some(Attack::Fgsm(Self { eps: EPS, random_start }));
            match name.whole {
                "fgsm" => fgsm(false),
                "fgsm-rs" => fgsm(true),
                _ => None,
            }
        },
    };
}

impl Parameters for Fgsm {
    in_ball!();

    fn id(&self) -> String {
        if self.random_start { "fgsm-rs".into() } else { "fgsm".into() }
    }

    fn title(&self) -> String {
        if self.random_start { "FGSM with a random start".into() } else { "FGSM".into() }
    }

    /// A gradient costs one forward pass and one backward pass to the input; the outcome one forward pass more.
    fn passes(&self) -> f64 {
        3.0
    }

    fn strength(&self) -> usize {
        1
    }
}
