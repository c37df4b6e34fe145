//! Uniform random draws from the ball: a sanity check, for noise must not do what gradients cannot.

use serde::{Deserialize, Serialize};

use super::{Described, EPS, Expect, Parameters, Record, in_ball};
use crate::{Attack, PixelDistance};

/// Uniform random draws from the ball.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Noise {
    /// The radius of the ℓ∞ ball.
    pub eps: PixelDistance,
    /// Draws for each image; it is robust if it withstands all of them.
    pub draws: usize,
}

impl Described for Noise {
    const RECORD: Record = Record {
        help: "noise-1000",
        usual: &[],
        read: |name| Some(Attack::Noise(Self { eps: EPS, draws: name.plain("noise")? })),
    };
}

impl Parameters for Noise {
    in_ball!();

    fn id(&self) -> String {
        format!("noise-{}", self.draws)
    }

    fn title(&self) -> String {
        if self.draws == 1 { "Noise".into() } else { format!("Noise × {}", self.draws) }
    }

    fn passes(&self) -> f64 {
        self.draws as f64
    }

    /// It looks at no gradient.
    fn strength(&self) -> usize {
        0
    }

    fn check(&self, expect: &mut Expect<'_>) {
        expect((1..=100_000).contains(&self.draws), "draws", "must be from 1 to 100,000");
    }
}
