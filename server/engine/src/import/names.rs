//! The names that other code gives to the layers of the same networks.
//!
//! A block's name is a dotted path in which `{s}` stands for its stage counted from 1, `{z}` from 0, `{t}` from 2, `{u}` from
//! 3, `{v}` from 4; `{i}` for its place in the stage counted from 0, `{I}` from 1; and `{n}` for its place in the network.

pub mod tables;

use std::collections::HashMap;

use retort_spec::Architecture;

pub use tables::CLASSIFIERS;
use tables::{
    BLOCKS, CIFAR, INVERTED, INVERTED_OTHERS, PARTS, PRE_ACTIVATION, PRE_ACTIVATION_OTHERS, RESIDUAL, SHORTCUTS, STEMS,
    WIDE, WIDE_OTHERS,
};

/// Why a network of names that fit may compute something else than Retort's.
pub type Doubt = Option<&'static str>;

/// What the layers of a network are called. An empty name stands for a layer that there is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Names {
    /// The first convolution, and the norm behind it.
    pub stem: [&'static str; 2],
    /// A block.
    pub block: &'static str,
    /// The convolutions and the norms of a block, by turns.
    pub parts: &'static [[&'static str; 2]],
    /// The convolution and the norm around a block.
    pub shortcut: [&'static str; 2],
    /// The last convolution, and the last norm.
    pub last: [&'static str; 2],
    /// The last layer.
    pub classifier: &'static str,
    /// Why a network of these names may compute something else.
    pub doubt: Doubt,
}

/// Networks whose layers are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// ResNet-18 and the smaller ones for CIFAR.
    Residual,
    /// PreActResNet-18.
    PreActivation,
    /// Wide residual networks.
    Wide,
    /// MobileNetV2.
    Inverted,
}

impl Family {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Residual, Self::PreActivation, Self::Wide, Self::Inverted];

    /// The family of an architecture.
    pub fn of(architecture: Architecture) -> Self {
        match architecture {
            Architecture::PreActResNet18 | Architecture::PreActResNet18Bn => Self::PreActivation,
            Architecture::MobileNetV2 => Self::Inverted,
            _ if architecture.is_wide() => Self::Wide,
            _ => Self::Residual,
        }
    }

    /// The names that its networks may have but for the classifier's, Retort's own first. `has` tells whether some key of
    /// the file ends so.
    pub fn schemes(self, has: &dyn Fn(&str) -> bool) -> Vec<Names> {
        match self {
            Self::Residual => residual(has),
            Self::PreActivation => [&[PRE_ACTIVATION][..], &PRE_ACTIVATION_OTHERS].concat(),
            Self::Wide => [&[WIDE][..], &WIDE_OTHERS].concat(),
            Self::Inverted => [&[INVERTED][..], &INVERTED_OTHERS].concat(),
        }
    }
}

/// Most ways of naming that are tried for one file.
const MOST_SCHEMES: usize = 32;

/// The names of stem, blocks, layers and shortcut of a residual network say nothing about what it computes: any may stand
/// beside any other.
fn residual(has: &dyn Fn(&str) -> bool) -> Vec<Names> {
    let mut schemes = Vec::new();
    let has_part = |layer: &str, part: &str| has(&format!("{layer}.{part}"));
    // A norm without weights does not fit, and is told as one.
    let is_norm = |layer: &str| has_part(layer, "weight") || has_part(layer, "running_mean");
    let is_there = |[conv, norm]: &&[&str; 2]| has_part(conv, "weight") && is_norm(norm);
    let shortcuts: Vec<_> = SHORTCUTS.iter().filter(is_there).copied().collect();
    for stem in STEMS.into_iter().filter(|stem| is_there(&stem)) {
        for block in BLOCKS {
            let first = Place { stage: 0, block: 0, before: 0 }.name(block);
            for parts in PARTS.into_iter().filter(|parts| has(&format!("{first}.{}.weight", parts[0][0]))) {
                let names = Names { stem, block, parts, ..RESIDUAL };
                schemes.extend(shortcuts.iter().map(|shortcut| Names { shortcut: *shortcut, ..names }));
                schemes.extend(shortcuts.is_empty().then_some(names));
            }
        }
    }
    // A file that has keys of all names at once is none.
    schemes.truncate(MOST_SCHEMES);
    if schemes.is_empty() { vec![RESIDUAL] } else { schemes }
}

/// Where a block is.
struct Place {
    stage: usize,
    /// In its stage.
    block: usize,
    /// Blocks of the stages before.
    before: usize,
}

impl Place {
    fn name(&self, pattern: &str) -> String {
        let Self { stage, block, before } = *self;
        [
            ("{s}", stage + 1),
            ("{z}", stage),
            ("{t}", stage + 2),
            ("{u}", stage + 3),
            ("{v}", stage + 4),
            ("{i}", block),
            ("{I}", block + 1),
            ("{n}", before + block),
        ]
        .into_iter()
        .fold(pattern.to_owned(), |name, (sign, number)| name.replace(sign, &number.to_string()))
    }
}

/// Retort's own names for the layers of an architecture.
fn own(architecture: Architecture) -> Names {
    match Family::of(architecture) {
        Family::Residual if architecture == Architecture::ResNet18 => RESIDUAL,
        Family::Residual => CIFAR,
        Family::PreActivation => PRE_ACTIVATION,
        Family::Wide => WIDE,
        Family::Inverted => INVERTED,
    }
}

/// How many blocks each stage of an architecture has.
fn stages(architecture: Architecture) -> Vec<usize> {
    match architecture {
        Architecture::ResNet8 => vec![1; 3],
        Architecture::ResNet20 => vec![3; 3],
        Architecture::ResNet56 => vec![9; 3],
        Architecture::ResNet18 | Architecture::PreActResNet18 | Architecture::PreActResNet18Bn => vec![2; 4],
        Architecture::Wrn16x2 => vec![2; 3],
        Architecture::Wrn28x10 => vec![4; 3],
        Architecture::ResNet32 | Architecture::Wrn34x2 | Architecture::Wrn34x10 => vec![5; 3],
        Architecture::Wrn40x2 => vec![6; 3],
        Architecture::MobileNetV2 => vec![1, 2, 3, 4, 3, 3, 1],
    }
}

impl Names {
    /// Every layer that a network of these stages may have, in one order for all names.
    fn layers(&self, stages: &[usize], classifier: &str) -> Vec<String> {
        let mut layers: Vec<String> = self.stem.iter().chain(&self.last).map(|name| (*name).to_owned()).collect();
        layers.push(classifier.to_owned());
        let mut before = 0;
        for (stage, count) in stages.iter().enumerate() {
            for block in 0..*count {
                let around = Place { stage, block, before }.name(self.block);
                let inside = self.parts.iter().chain([&self.shortcut]).flatten();
                layers.extend(
                    inside.map(|part| if part.is_empty() { String::new() } else { format!("{around}.{part}") }),
                );
            }
            before += count;
        }
        layers
    }

    /// What each layer of an architecture is called here, by Retort's own name.
    pub fn renaming(&self, architecture: Architecture, classifier: &str) -> HashMap<String, String> {
        let (own, stages) = (own(architecture), stages(architecture));
        own.layers(&stages, own.classifier).into_iter().zip(self.layers(&stages, classifier)).collect()
    }
}
