//! Networks, and references to trained ones.

use std::{fmt, path::PathBuf, str::FromStr};

use serde::{Deserialize, Serialize};

/// A network's architecture, for 32×32 RGB images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Architecture {
    /// CIFAR ResNet of depth 8, widths 16, 32, 64.
    #[serde(rename = "resnet8")]
    ResNet8,
    /// CIFAR ResNet of depth 20, widths 16, 32, 64.
    #[serde(rename = "resnet20")]
    ResNet20,
    /// ResNet-18 with a 3×3 stem, widths 64 to 512.
    #[serde(rename = "resnet18")]
    ResNet18,
    /// Wide ResNet of depth 16, two times as wide.
    #[serde(rename = "wrn-16-2")]
    Wrn16x2,
    /// MobileNetV2 in its CIFAR form: stride 1 in the first stages.
    #[serde(rename = "mobilenetv2")]
    MobileNetV2,
}

impl Architecture {
    /// All of them, fewest multiply-accumulates first.
    pub const ALL: [Self; 5] = [Self::ResNet8, Self::ResNet20, Self::MobileNetV2, Self::Wrn16x2, Self::ResNet18];

    /// The name in specs and on the command line.
    pub const fn id(self) -> &'static str {
        match self {
            Self::ResNet8 => "resnet8",
            Self::ResNet20 => "resnet20",
            Self::ResNet18 => "resnet18",
            Self::Wrn16x2 => "wrn-16-2",
            Self::MobileNetV2 => "mobilenetv2",
        }
    }

    /// The name that people read.
    pub const fn title(self) -> &'static str {
        match self {
            Self::ResNet8 => "ResNet-8",
            Self::ResNet20 => "ResNet-20",
            Self::ResNet18 => "ResNet-18",
            Self::Wrn16x2 => "WRN-16-2",
            Self::MobileNetV2 => "MobileNetV2",
        }
    }

    /// Multiply-accumulates of one forward pass over one 32×32 image, in millions (methods.md §6).
    pub const fn mega_macs(self) -> f64 {
        match self {
            Self::ResNet8 => 12.5,
            Self::ResNet20 => 40.8,
            Self::ResNet18 => 555.0,
            Self::Wrn16x2 => 101.0,
            Self::MobileNetV2 => 91.1,
        }
    }

    /// Trainable parameters with ten classes (methods.md §6).
    pub const fn parameters(self) -> usize {
        match self {
            Self::ResNet8 => 78_042,
            Self::ResNet20 => 272_474,
            Self::ResNet18 => 11_173_962,
            Self::Wrn16x2 => 691_674,
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
}
