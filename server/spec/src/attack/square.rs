//! The square attack (Andriushchenko et al. 2020, arXiv:1912.00049), the last attack of AutoAttack: it looks at no gradient.

use serde::{Deserialize, Serialize};

use super::{Described, EPS, Expect, Parameters, Record, in_ball};
use crate::{Attack, PixelDistance};

/// Random squares of pixels moved to the border of the ball, kept where they lower the margin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Square {
    /// The radius of the ℓ∞ ball.
    pub eps: PixelDistance,
    /// How many squares are tried on each image.
    pub queries: usize,
}

/// Squares in AutoAttack.
const QUERIES: usize = 5_000;

impl Square {
    /// As AutoAttack makes it.
    pub(super) const fn of_auto_attack(eps: PixelDistance) -> Self {
        Self { eps, queries: QUERIES }
    }
}

impl Described for Square {
    const RECORD: Record = Record {
        help: "square for its last, which looks at no gradient",
        usual: &["square"],
        read: |name| {
            let queries = if name.whole == "square" { QUERIES } else { name.plain("square")? };
            Some(Attack::Square(Self { eps: EPS, queries }))
        },
    };
}

impl Parameters for Square {
    in_ball!();

    fn id(&self) -> String {
        if self.queries == QUERIES { "square".into() } else { format!("square-{}", self.queries) }
    }

    fn title(&self) -> String {
        "Square".into()
    }

    fn detail(&self) -> String {
        format!(", {} queries", self.queries)
    }

    fn passes(&self) -> f64 {
        self.queries as f64 + 1.0
    }

    /// It looks at no gradient.
    fn strength(&self) -> usize {
        0
    }

    fn check(&self, expect: &mut Expect<'_>) {
        expect((1..=100_000).contains(&self.queries), "queries", "must be from 1 to 100,000");
    }
}
