//! AutoAttack (Croce and Hein 2020, arXiv:2003.01690), by which the field compares.

use serde::{Deserialize, Serialize};

use super::{ApgdCe, ApgdT, Described, EPS, FabT, Parameters, Record, Square, in_ball};
use crate::{Attack, PixelDistance};

/// The standard version: APGD-CE, APGD-T, FAB-T and Square, each on the images that withstood those before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AutoAttack {
    /// The radius of the ℓ∞ ball.
    pub eps: PixelDistance,
}

impl Described for AutoAttack {
    const RECORD: Record = Record {
        help: "autoattack for its standard version, all four",
        usual: &["autoattack"],
        read: |name| (name.whole == "autoattack").then_some(Attack::AutoAttack(Self { eps: EPS })),
    };
}

impl Parameters for AutoAttack {
    in_ball!();

    fn id(&self) -> String {
        "autoattack".into()
    }

    fn title(&self) -> String {
        "AutoAttack".into()
    }

    fn detail(&self) -> String {
        ", standard version".into()
    }

    fn parts(&self) -> Vec<Attack> {
        vec![
            Attack::ApgdCe(ApgdCe::of_auto_attack(self.eps)),
            Attack::ApgdT(ApgdT::of_auto_attack(self.eps)),
            Attack::FabT(FabT::of_auto_attack(self.eps)),
            Attack::Square(Square::of_auto_attack(self.eps)),
        ]
    }

    fn passes(&self) -> f64 {
        let passes = self.parts().into_iter().map(|part| part.passes()).enumerate();
        passes.map(|(place, passes)| if place == 0 { passes } else { super::LATER * passes }).sum()
    }

    fn strength(&self) -> usize {
        self.parts().iter().map(Attack::strength).sum()
    }

    fn fewest_classes(&self) -> usize {
        self.parts().iter().map(Attack::fewest_classes).max().unwrap_or(2)
    }
}
