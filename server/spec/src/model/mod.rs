//! Networks, and references to trained ones.

mod normaliser;

use std::{fmt, path::PathBuf, str::FromStr};

use serde::{Deserialize, Serialize};

pub use self::normaliser::Normaliser;

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

    /// Seconds of one forward pass over one image in a batch, on two threads of a server of 2022 (AMD EPYC, AVX2; `retort bench`).
    /// Time is counted by it, and the machine's own speed is learnt: networks of narrow layers take up to four times as long for
    /// their multiply-accumulates as wide ones, and depthwise convolutions longer still.
    pub const fn forward_seconds(self) -> f64 {
        let nanoseconds_per_mega_mac = match self {
            Self::ResNet8 => 25_000.0,
            Self::ResNet20 | Self::ResNet32 | Self::ResNet56 => 17_000.0,
            Self::MobileNetV2 => 40_000.0,
            Self::Wrn16x2 | Self::Wrn34x2 | Self::Wrn40x2 => 14_000.0,
            Self::ResNet18 | Self::PreActResNet18 | Self::PreActResNet18Bn => 10_500.0,
            Self::Wrn28x10 | Self::Wrn34x10 => 9_000.0,
        };
        self.mega_macs() * nanoseconds_per_mega_mac * 1e-9
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

    /// By its id or its title, however that is spelt: `wrn-34-10`, `WRN_34_10`, `WideResNet-34-10`.
    fn from_str(text: &str) -> Result<Self, String> {
        let plain = |text: &str| {
            let letters = text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase);
            letters.collect::<String>().replace("wideresnet", "wrn")
        };
        let asked = plain(text);
        Self::ALL.into_iter().find(|a| [a.id(), a.title()].map(plain).contains(&asked)).ok_or_else(|| {
            let known = Self::ALL.map(Self::id).join(", ");
            format!("there is no architecture “{text}”: choose one of {known}")
        })
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
    /// The model of a run's average of weights instead of that of its last step: a run, or a planned one.
    Averaged(Box<Self>),
}

impl ModelRef {
    /// The run or file that it is about, whichever of its models is meant.
    pub const fn innermost(&self) -> &Self {
        match self {
            Self::Best(model) | Self::Averaged(model) => model.innermost(),
            other => other,
        }
    }

    /// The same, to be changed.
    pub fn innermost_mut(&mut self) -> &mut Self {
        match self {
            Self::Best(model) | Self::Averaged(model) => model.innermost_mut(),
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_architecture_is_known_by_its_id_and_its_title_however_they_are_spelt() {
        for architecture in Architecture::ALL {
            for text in [architecture.id(), architecture.title(), &architecture.id().to_uppercase().replace('-', "_")] {
                assert_eq!(text.parse::<Architecture>().unwrap(), architecture, "{text}");
            }
        }
        assert_eq!("WideResNet-34-10".parse::<Architecture>().unwrap(), Architecture::Wrn34x10);
        assert!("resnet-50".parse::<Architecture>().unwrap_err().contains("“resnet-50”: choose one of resnet8"));
    }
}
