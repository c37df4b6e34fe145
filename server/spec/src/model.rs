//! Networks, and references to trained ones.

use std::{fmt, path::PathBuf, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A network's architecture, for 32×32 RGB images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Architecture {
    /// CIFAR ResNet of depth 8, widths 16, 32, 64.
    #[serde(rename = "resnet8")]
    ResNet8,
    /// CIFAR ResNet of depth 20, widths 16, 32, 64.
    #[serde(rename = "resnet20")]
    ResNet20,
    /// CIFAR ResNet of depth 32, widths 16, 32, 64.
    #[serde(rename = "resnet32")]
    ResNet32,
    /// CIFAR ResNet of depth 56, widths 16, 32, 64.
    #[serde(rename = "resnet56")]
    ResNet56,
    /// ResNet-18 with a 3×3 stem, widths 64 to 512.
    #[serde(rename = "resnet18")]
    ResNet18,
    /// Wide ResNet of depth 16, two times as wide.
    #[serde(rename = "wrn-16-2")]
    Wrn16x2,
    /// Wide ResNet of depth 34, two times as wide.
    #[serde(rename = "wrn-34-2")]
    Wrn34x2,
    /// Wide ResNet of depth 40, two times as wide.
    #[serde(rename = "wrn-40-2")]
    Wrn40x2,
    /// Wide ResNet of depth 28, ten times as wide.
    #[serde(rename = "wrn-28-10")]
    Wrn28x10,
    /// Wide ResNet of depth 34, ten times as wide.
    #[serde(rename = "wrn-34-10")]
    Wrn34x10,
    /// ResNet-18 with batch norm and ReLU in front of the convolutions, and none in front of the pooling.
    #[serde(rename = "preactresnet18")]
    PreActResNet18,
    /// The same with batch norm and ReLU in front of the pooling too.
    #[serde(rename = "preactresnet18-bn")]
    PreActResNet18Bn,
    /// MobileNetV2 in its CIFAR form: stride 1 in the first stages.
    #[serde(rename = "mobilenetv2")]
    MobileNetV2,
}

impl Architecture {
    /// All of them, fewest multiply-accumulates first.
    pub const ALL: [Self; 13] = [
        Self::ResNet8,
        Self::ResNet20,
        Self::ResNet32,
        Self::MobileNetV2,
        Self::Wrn16x2,
        Self::ResNet56,
        Self::Wrn34x2,
        Self::Wrn40x2,
        Self::ResNet18,
        Self::PreActResNet18,
        Self::PreActResNet18Bn,
        Self::Wrn28x10,
        Self::Wrn34x10,
    ];

    /// The name in specs and on the command line.
    pub const fn id(self) -> &'static str {
        match self {
            Self::ResNet8 => "resnet8",
            Self::ResNet20 => "resnet20",
            Self::ResNet32 => "resnet32",
            Self::ResNet56 => "resnet56",
            Self::ResNet18 => "resnet18",
            Self::PreActResNet18 => "preactresnet18",
            Self::PreActResNet18Bn => "preactresnet18-bn",
            Self::Wrn16x2 => "wrn-16-2",
            Self::Wrn34x2 => "wrn-34-2",
            Self::Wrn40x2 => "wrn-40-2",
            Self::Wrn28x10 => "wrn-28-10",
            Self::Wrn34x10 => "wrn-34-10",
            Self::MobileNetV2 => "mobilenetv2",
        }
    }

    /// The name that people read.
    pub const fn title(self) -> &'static str {
        match self {
            Self::ResNet8 => "ResNet-8",
            Self::ResNet20 => "ResNet-20",
            Self::ResNet32 => "ResNet-32",
            Self::ResNet56 => "ResNet-56",
            Self::ResNet18 => "ResNet-18",
            Self::PreActResNet18 => "PreActResNet-18",
            Self::PreActResNet18Bn => "PreActResNet-18 (BN)",
            Self::Wrn16x2 => "WRN-16-2",
            Self::Wrn34x2 => "WRN-34-2",
            Self::Wrn40x2 => "WRN-40-2",
            Self::Wrn28x10 => "WRN-28-10",
            Self::Wrn34x10 => "WRN-34-10",
            Self::MobileNetV2 => "MobileNetV2",
        }
    }

    /// Whether it is a wide residual network.
    pub fn is_wide(self) -> bool {
        self.id().starts_with("wrn")
    }

    /// Multiply-accumulates of one forward pass over one 32×32 image, in millions (methods.md §6).
    pub const fn mega_macs(self) -> f64 {
        match self {
            Self::ResNet8 => 12.5,
            Self::ResNet20 => 40.8,
            Self::ResNet32 => 69.1,
            Self::ResNet56 => 125.7,
            Self::ResNet18 | Self::PreActResNet18 | Self::PreActResNet18Bn => 555.0,
            Self::Wrn16x2 => 101.0,
            Self::Wrn34x2 => 271.0,
            Self::Wrn40x2 => 328.0,
            Self::Wrn28x10 => 5_243.0,
            Self::Wrn34x10 => 6_659.0,
            Self::MobileNetV2 => 91.1,
        }
    }

    /// Trainable parameters with ten classes (methods.md §6).
    pub const fn parameters(self) -> usize {
        match self {
            Self::ResNet8 => 78_042,
            Self::ResNet20 => 272_474,
            Self::ResNet32 => 466_906,
            Self::ResNet56 => 855_770,
            Self::ResNet18 => 11_173_962,
            Self::PreActResNet18 => 11_171_146,
            Self::PreActResNet18Bn => 11_172_170,
            Self::Wrn16x2 => 691_674,
            Self::Wrn34x2 => 1_855_578,
            Self::Wrn40x2 => 2_243_546,
            Self::Wrn28x10 => 36_479_194,
            Self::Wrn34x10 => 46_160_474,
            Self::MobileNetV2 => 2_296_922,
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.title())
    }
}

impl FromStr for Architecture {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|a| a.id() == text).ok_or_else(|| {
            let known = Self::ALL.map(Self::id).join(", ");
            format!("there is no architecture “{text}”: choose one of {known}")
        })
    }
}

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

    /// What is wrong with it, if anything: means must be finite, deviations finite and above 0.
    pub fn fault(&self) -> Option<String> {
        let holds = self.mean.iter().all(|m| m.is_finite()) && self.std.iter().all(|s| s.is_finite() && *s > 0.0);
        (!holds).then(|| {
            let Self { mean, std } = self;
            format!("needs finite means, and deviations above 0, in pixel units; they are {mean:?} and {std:?}")
        })
    }
}

impl fmt::Display for Normaliser {
    /// The preset's name, or `0.49 0.48 0.45 / 0.25 0.24 0.26`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((name, _)) = Self::PRESETS.iter().find(|(_, preset)| preset == self) {
            return f.write_str(name);
        }
        let ([r, g, b], [sr, sg, sb]) = (self.mean, self.std);
        write!(f, "{r} {g} {b} / {sr} {sg} {sb}")
    }
}

impl FromStr for Normaliser {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some((_, preset)) = Self::PRESETS.iter().find(|(name, _)| *name == text) {
            return Ok(*preset);
        }
        let numbers = |part: &str| -> Option<[f64; 3]> {
            let numbers: Option<Vec<f64>> = part.split_whitespace().map(|word| word.parse().ok()).collect();
            numbers?.try_into().ok()
        };
        let own = text.split_once('/').and_then(|(mean, std)| Some(Self { mean: numbers(mean)?, std: numbers(std)? }));
        own.ok_or_else(|| {
            let known = Self::PRESETS.map(|(name, _)| name).join(", ");
            format!(
                "there is no normaliser “{text}”: choose {known}, or write r g b / r g b, the means and the deviations"
            )
        })
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
        match Self::PRESETS.iter().find(|(_, preset)| preset == self) {
            Some((name, _)) => serializer.serialize_str(name),
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

/// A trained model: the outcome of a run, or a weights file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ModelRef {
    /// A `model.safetensors` on disk.
    File(PathBuf),
    /// The model that a run leaves; the scheduler turns it into the file when that run has finished.
    Run(i64),
    /// A model that was imported; the scheduler turns it into the file.
    Imported(i64),
    /// The model of another run of the same plan, by its index; the store turns it into that run's id.
    Planned(usize),
    /// The model of a run's best epoch instead of that of its last: a run, or a planned one.
    Best(Box<Self>),
}

impl ModelRef {
    /// The run or file that it is about, whichever of its models is meant.
    pub fn innermost_mut(&mut self) -> &mut Self {
        match self {
            Self::Best(model) => model.innermost_mut(),
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_normaliser_reads_back_from_its_name_or_its_numbers() {
        let own = Normaliser { mean: [0.1, 0.2, 0.3], std: [1.0, 2.0, 0.5] };
        for (normaliser, text) in [
            (Normaliser::PRESETS[0].1, r#""cifar10""#),
            (Normaliser::PRESETS[2].1, r#""half""#),
            (own, r#"{"mean":[0.1,0.2,0.3],"std":[1.0,2.0,0.5]}"#),
        ] {
            assert_eq!(serde_json::to_string(&normaliser).unwrap(), text);
            assert_eq!(serde_json::from_str::<Normaliser>(text).unwrap(), normaliser);
            assert_eq!(normaliser.to_string().parse::<Normaliser>().unwrap(), normaliser);
        }
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
