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
}

impl Architecture {
    /// All of them, smallest first.
    pub const ALL: [Self; 3] = [Self::ResNet8, Self::ResNet20, Self::ResNet18];

    /// The name in specs and on the command line.
    pub const fn id(self) -> &'static str {
        match self {
            Self::ResNet8 => "resnet8",
            Self::ResNet20 => "resnet20",
            Self::ResNet18 => "resnet18",
        }
    }

    /// The name that people read.
    pub const fn title(self) -> &'static str {
        match self {
            Self::ResNet8 => "ResNet-8",
            Self::ResNet20 => "ResNet-20",
            Self::ResNet18 => "ResNet-18",
        }
    }

    /// Multiply-accumulates of one forward pass over one 32×32 image, in millions (methods.md §6).
    pub const fn mega_macs(self) -> f64 {
        match self {
            Self::ResNet8 => 12.5,
            Self::ResNet20 => 40.8,
            Self::ResNet18 => 555.0,
        }
    }

    /// Trainable parameters with ten classes (methods.md §6).
    pub const fn parameters(self) -> usize {
        match self {
            Self::ResNet8 => 78_042,
            Self::ResNet20 => 272_474,
            Self::ResNet18 => 11_173_962,
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
    /// The model of another run of the same plan, by its index; the store turns it into that run's id.
    Planned(usize),
}
