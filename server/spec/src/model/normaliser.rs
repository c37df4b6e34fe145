//! A network's first layer.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A network's first layer, `(pixel − mean) / std` by colour plane (red, green, blue), in pixel units: pixels lie in
/// [0, 1] (methods.md §0). As it is part of the network, an attack's ε and its clipping stay in pixel units.
///
/// In a spec it is written by the name of a preset, `"cifar10"`, or as `{"mean": [r, g, b], "std": [r, g, b]}`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normaliser {
    /// What is subtracted.
    pub mean: [f64; 3],
    /// What the difference is divided by.
    pub std: [f64; 3],
}

impl Normaliser {
    /// Those with names: CIFAR-10's by the deviations of all pixels (Wong et al. 2020, Rice et al. 2020), CIFAR-100's as in
    /// `RepDistiller`, the one that maps [0, 1] to [−1, 1], CIFAR-10's by the mean deviation inside an image as in kuangliu's
    /// `pytorch-cifar`, and those of `ImageNet`, SVHN and STL-10.
    pub const PRESETS: [(&str, Self); 7] = [
        ("cifar10", Self { mean: [0.4914, 0.4822, 0.4465], std: [0.2471, 0.2435, 0.2616] }),
        ("cifar100", Self { mean: [0.5071, 0.4867, 0.4408], std: [0.2675, 0.2565, 0.2761] }),
        ("half", Self { mean: [0.5; 3], std: [0.5; 3] }),
        ("cifar10-kuangliu", Self { mean: [0.4914, 0.4822, 0.4465], std: [0.2023, 0.1994, 0.2010] }),
        ("imagenet", Self { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] }),
        ("svhn", Self { mean: [0.4377, 0.4438, 0.4728], std: [0.1980, 0.2010, 0.1970] }),
        ("stl10", Self { mean: [0.4467, 0.4398, 0.4066], std: [0.2603, 0.2566, 0.2713] }),
    ];

    /// What is wrong with it, if anything: pixels lie in [0, 1], and so do their mean and their deviation, which is above 0.
    pub fn fault(&self) -> Option<String> {
        if self.is_of_pixels() {
            return None;
        }
        let Self { mean, std } = self;
        // Numbers of pixels from 0 to 255, as code before torchvision has them.
        let in_pixels = |values: &[f64; 3]| values.map(|v| (v / 255.0 * 1e4).round() / 1e4);
        let divided = Self { mean: in_pixels(mean), std: in_pixels(std) };
        let inverse = Self { mean: *mean, std: std.map(|s| (1e4 / s).round() / 1e4) };
        let advice = if mean.iter().any(|m| *m > 1.0) && divided.is_of_pixels() {
            format!("; divided by 255 they are {divided}")
        } else if inverse.is_of_pixels() {
            format!("; where they are 1 / deviation, it is {}", inverse.in_full())
        } else {
            String::new()
        };
        Some(format!(
            "needs means from 0 to 1, and deviations above 0 and up to 1, in pixel units; they are {mean:?} and {std:?}{advice}"
        ))
    }

    /// What keeps a network from computing with it, if anything. Models and runs of before there were bounds may have numbers
    /// beyond those of [`Normaliser::fault`], and go on.
    pub fn impossible(&self) -> Option<&'static str> {
        let is_possible = self.mean.iter().all(|m| m.is_finite()) && self.std.iter().all(|s| s.is_finite() && *s > 0.0);
        (!is_possible).then_some("needs finite means, and finite deviations above 0")
    }

    /// Its name, if it has one, with its numbers: `cifar10 = 0.4914 0.4822 0.4465 / 0.2471 0.2435 0.2616`.
    pub fn in_full(&self) -> String {
        let numbers = Numbers(self);
        match self.name() {
            Some(name) => format!("{name} = {numbers}"),
            None => numbers.to_string(),
        }
    }

    /// The presets with their numbers, a line each.
    pub fn known() -> String {
        Self::PRESETS.map(|(name, preset)| format!("{name:<16} {}", Numbers(&preset))).join("\n")
    }

    fn name(&self) -> Option<&'static str> {
        Self::PRESETS.iter().find(|(_, preset)| preset == self).map(|(name, _)| *name)
    }

    fn is_of_pixels(&self) -> bool {
        self.mean.iter().all(|m| (0.0..=1.0).contains(m)) && self.std.iter().all(|s| *s > 0.0 && *s <= 1.0)
    }
}

impl fmt::Display for Normaliser {
    /// The preset's name, or `0.49 0.48 0.45 / 0.25 0.24 0.26`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => Numbers(self).fmt(f),
        }
    }
}

/// A normaliser's numbers, whatever its name.
struct Numbers<'a>(&'a Normaliser);

impl fmt::Display for Numbers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Normaliser { mean: [r, g, b], std: [sr, sg, sb] } = self.0;
        write!(f, "{r} {g} {b} / {sr} {sg} {sb}")
    }
}

/// A name as it is compared: `CIFAR-10` is cifar10.
fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

impl FromStr for Normaliser {
    type Err = String;

    /// A preset's name, as `CIFAR-10` too, or means and deviations with a slash between them: three numbers each, or one for all
    /// colour planes. Commas and brackets do not count.
    fn from_str(text: &str) -> Result<Self, String> {
        if let Some((_, preset)) = Self::PRESETS.iter().find(|(name, _)| plain(name) == plain(text)) {
            return Ok(*preset);
        }
        let numbers = |part: &str| -> Option<[f64; 3]> {
            let is_between = |c: char| c.is_whitespace() || ",;()[]".contains(c);
            let words = part.split(is_between).filter(|word| !word.is_empty());
            match words.map(|word| word.parse().ok()).collect::<Option<Vec<f64>>>()?.as_slice() {
                [all] => Some([*all; 3]),
                each => each.try_into().ok(),
            }
        };
        let own = text.split_once('/').and_then(|(mean, std)| Some(Self { mean: numbers(mean)?, std: numbers(std)? }));
        let own = own.ok_or_else(|| {
            let known = Self::PRESETS.map(|(_, preset)| preset.in_full()).join(", ");
            format!(
                "there is no normaliser “{text}”: write r g b / r g b, the means and the deviations, or choose {known}"
            )
        })?;
        own.fault().map_or(Ok(own), |fault| Err(format!("the normaliser “{text}” {fault}")))
    }
}

/// The numbers of a [`Normaliser`] under their names.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NormaliserNumbers {
    mean: [f64; 3],
    std: [f64; 3],
}

impl Serialize for Normaliser {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.name() {
            Some(name) => serializer.serialize_str(name),
            None => NormaliserNumbers { mean: self.mean, std: self.std }.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Normaliser {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "a normaliser is a preset's name or {\"mean\": [r, g, b], \"std\": [r, g, b]}")]
        enum Written {
            Name(String),
            Numbers(NormaliserNumbers),
        }
        match Written::deserialize(deserializer)? {
            Written::Numbers(NormaliserNumbers { mean, std }) => Ok(Self { mean, std }),
            Written::Name(name) => {
                let preset = Self::PRESETS.iter().find(|(preset, _)| *preset == name).map(|(_, preset)| *preset);
                preset.ok_or_else(|| {
                    let known = Self::PRESETS.map(|(name, _)| name).join(", ");
                    de::Error::custom(format!(
                        "there is no normaliser “{name}”: choose one of {known}, or give numbers"
                    ))
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_normaliser_reads_back_from_its_name_or_its_numbers() {
        let own = Normaliser { mean: [0.1, 0.2, 0.3], std: [1.0, 0.2, 0.5] };
        for (normaliser, text) in [
            (Normaliser::PRESETS[0].1, r#""cifar10""#),
            (Normaliser::PRESETS[2].1, r#""half""#),
            (own, r#"{"mean":[0.1,0.2,0.3],"std":[1.0,0.2,0.5]}"#),
        ] {
            assert_eq!(serde_json::to_string(&normaliser).unwrap(), text);
            assert_eq!(serde_json::from_str::<Normaliser>(text).unwrap(), normaliser);
            assert_eq!(normaliser.to_string().parse::<Normaliser>().unwrap(), normaliser);
        }
    }

    #[test]
    fn a_normaliser_may_be_written_as_code_has_it() {
        let cifar10 = Normaliser::PRESETS[0].1;
        for text in [
            "CIFAR10",
            "CIFAR-10",
            " cifar10 ",
            "(0.4914, 0.4822, 0.4465) / (0.2471, 0.2435, 0.2616)",
            "[.4914,.4822,.4465]/[.2471,.2435,.2616]",
        ] {
            assert_eq!(text.parse::<Normaliser>().unwrap(), cifar10, "{text}");
        }
        assert_eq!("0.5 / 0.5".parse::<Normaliser>().unwrap(), Normaliser::PRESETS[2].1);
    }

    #[test]
    fn numbers_that_are_not_of_pixels_in_0_to_1_are_refused_with_those_that_are() {
        let fault = |text: &str| text.parse::<Normaliser>().unwrap_err();
        let of_bytes = fault("125.3 123 113.9 / 63 62.1 66.7");
        assert!(of_bytes.contains("divided by 255 they are 0.4914 0.4824 0.4467 / 0.2471 0.2435 0.2616"), "{of_bytes}");
        for text in ["nan 0 0 / 1 1 1", "0 0 0 / 1 1 0", "0 0 0 / 1 1 inf", "-0.5 0 0 / 1 1 1", "0.5 / 2000"] {
            let fault = fault(text);
            assert!(fault.contains("means from 0 to 1") && !fault.contains("divided"), "{text}: {fault}");
        }
        assert!(Normaliser::PRESETS.iter().all(|(_, preset)| preset.fault().is_none()));
    }

    #[test]
    fn what_is_no_normaliser_is_refused_with_what_to_write() {
        let fault = |text: &str| serde_json::from_str::<Normaliser>(text).unwrap_err().to_string();
        for text in ["", "cifar11", "0 0 0", "0 0 0 / 1 1", "0 0 0 / 1 1 one"] {
            assert!(text.parse::<Normaliser>().unwrap_err().contains("r g b / r g b"), "{text}");
        }
        assert!(fault(r#""cifar11""#).contains("cifar10, cifar100, half"));
        for text in ["3", r#"{"mean":[0,0,0]}"#, r#"{"mean":[0,0,0],"std":[1,1]}"#, r#"{"mean":[0,0,0],"sdt":[1,1,1]}"#]
        {
            assert!(fault(text).contains(r#""std": [r, g, b]"#), "{text}: {}", fault(text));
        }
    }
}
