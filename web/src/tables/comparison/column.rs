//! The columns of a comparison.

use retort_spec::Attack;

/// What an accuracy of a comparison was measured under.
#[derive(Clone, Debug, PartialEq)]
pub enum Column {
    /// Nothing: the test images as they are.
    Natural,
    /// An attack.
    Under(Attack),
    /// Every attack at once: an image counts that is right as it is and withstands each of them.
    WorstCase,
}

impl Column {
    /// Its attack, where it has one.
    pub const fn attack(&self) -> Option<&Attack> {
        match self {
            Self::Under(attack) => Some(attack),
            Self::Natural | Self::WorstCase => None,
        }
    }

    /// Whether it is the same column; a surrogate differs from seed to seed, its column does not.
    pub fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Under(own), Self::Under(other)) => own.key() == other.key(),
            _ => self == other,
        }
    }

    /// Its name in an address: `natural`, `pgd-20-e-8-255-step-2-255`, `worst-case`.
    pub fn name(&self) -> String {
        let attack = match self {
            Self::Natural => return "natural".into(),
            Self::WorstCase => return "worst-case".into(),
            Self::Under(attack) => attack,
        };
        let letters = attack.describe().to_lowercase().replace('ε', "e").replace('κ', "k").replace('μ', "m");
        let words: Vec<&str> = letters.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty()).collect();
        words.join("-")
    }

    /// Its head: `Natural`, `PGD-20`, `Worst case`.
    pub fn title(&self) -> String {
        match self {
            Self::Natural => "Natural".into(),
            Self::Under(attack) => attack.to_string(),
            Self::WorstCase => "Worst case".into(),
        }
    }

    /// What there is to say beside its head: `ε 8/255, step 2/255`.
    pub fn details(&self) -> Option<String> {
        match self {
            Self::Natural => None,
            Self::Under(attack) => Some(attack.details()),
            Self::WorstCase => Some("every attack, by image".into()),
        }
    }

    /// Both: `PGD-20, ε 8/255, step 2/255`.
    pub fn describe(&self) -> String {
        self.details().map_or_else(|| self.title(), |details| format!("{}, {details}", self.title()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_has_a_name_that_an_address_can_hold() {
        assert_eq!(Column::Natural.name(), "natural");
        assert_eq!(Column::Under(Attack::pgd(20)).name(), "pgd-20-e-8-255-step-2-255");
        assert_eq!(Column::WorstCase.name(), "worst-case");
    }
}
