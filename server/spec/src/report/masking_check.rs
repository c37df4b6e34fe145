//! What masking checks are called, and when one passes (methods.md §5.4).

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// One check of §5.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MaskingCheck {
    /// An iterative attack is at least as strong as one step.
    Iterative,
    /// More steps and restarts find little more, and the loss has stopped rising.
    Converged,
    /// An attack on the model is at least as strong as one on a surrogate.
    Transfer,
    /// Random noise fools no image that PGD left.
    Noise,
    /// The accuracy falls with the radius, to nothing.
    RadiusSweep,
    /// An attack without a radius succeeds on every image.
    Unbounded,
    /// Attacks by different losses agree.
    Losses,
    /// Gradients are there, and are those of the model.
    Gradients,
    /// The size of the logits hides nothing.
    LogitScale,
    /// An attack that looks at no gradient finds hardly anything behind those that do.
    GradientFree,
    /// AutoAttack finds little more than PGD.
    #[serde(rename = "autoattack")]
    AutoAttack,
}

impl MaskingCheck {
    /// A check that stands on fewer images cannot tell: if one image in ten failed, so many without a failure would be rare
    /// (0.9³⁰ = 4 %).
    pub const LEAST_IMAGES: usize = 30;
    /// Percentage points that AutoAttack may find beyond PGD: on honest models it finds 2 to 5 (methods.md §5.4).
    pub const BEYOND_PGD: f64 = 6.0;

    /// All of them, in the order of methods.md.
    pub const ALL: [Self; 11] = [
        Self::Iterative,
        Self::Converged,
        Self::Transfer,
        Self::Noise,
        Self::RadiusSweep,
        Self::Unbounded,
        Self::Losses,
        Self::Gradients,
        Self::LogitScale,
        Self::GradientFree,
        Self::AutoAttack,
    ];

    /// The name in journals and in the database.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Iterative => "iterative",
            Self::Converged => "converged",
            Self::Transfer => "transfer",
            Self::Noise => "noise",
            Self::RadiusSweep => "radius-sweep",
            Self::Unbounded => "unbounded",
            Self::Losses => "losses",
            Self::Gradients => "gradients",
            Self::LogitScale => "logit-scale",
            Self::GradientFree => "gradient-free",
            Self::AutoAttack => "autoattack",
        }
    }

    /// The name on pages.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Iterative => "Iterative beats one step",
            Self::Converged => "Converged",
            Self::Transfer => "White-box beats transfer",
            Self::Noise => "Noise finds nothing new",
            Self::RadiusSweep => "Accuracy falls with ε",
            Self::Unbounded => "Unbounded reaches 0 %",
            Self::Losses => "Losses agree",
            Self::Gradients => "Gradients are sound",
            Self::LogitScale => "Logit scale hides nothing",
            Self::GradientFree => "Gradients beat queries",
            Self::AutoAttack => "AutoAttack agrees",
        }
    }

    /// What has to hold for it to pass; the thresholds are ours, those of methods.md §5.4.
    pub const fn rule(self) -> &'static str {
        match self {
            Self::Iterative => "PGD-20 leaves at most 0.1 points more than FGSM.",
            Self::Converged => {
                "PGD-100 with 5 restarts finds at most 1 point more than PGD-20, and over its second half the mean \
                 cross-entropy of the images that PGD-20 left rises by at most 5 %."
            }
            Self::Transfer => "PGD-20 leaves at most as much as each attack through another model.",
            Self::Noise => "1,000 uniform draws from the ball fool no image that PGD-20 left.",
            Self::RadiusSweep => {
                "Under PGD-100 the accuracy rises by at most 0.5 points from one radius to the next (0 to 128/255), and is \
                 at most 1 % at 64/255 and above."
            }
            Self::Unbounded => "PGD-100 with a radius of the whole pixel range fools every image.",
            Self::Losses => {
                "The accuracies under 20 steps on the cross-entropy, the C&W margin and the DLR lie within 5 points."
            }
            Self::Gradients => {
                "Under 1 % of the images have a zero gradient, and on the 10 steepest pixels of 10 images it is within 10 % \
                 of finite differences."
            }
            Self::LogitScale => "PGD-20 on logits × 0.1 or × 10 finds at most 3 points more.",
            Self::GradientFree => {
                "Of what AutoAttack's attacks by gradients left, Square, which looks at none, finds at most 0.2 points."
            }
            Self::AutoAttack => "AutoAttack finds at most 6 points more than PGD-20.",
        }
    }
}

impl fmt::Display for MaskingCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.title())
    }
}

impl FromStr for MaskingCheck {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|check| check.id() == text)
            .ok_or_else(|| format!("there is no masking check “{text}”"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_reads_back_from_its_name_as_journals_write_it() {
        for check in MaskingCheck::ALL {
            assert_eq!(check.id().parse::<MaskingCheck>().unwrap(), check);
            assert_eq!(serde_json::to_string(&check).unwrap(), format!("\"{}\"", check.id()));
        }
    }
}
