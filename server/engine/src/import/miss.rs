//! What sets a dictionary of tensors apart from the network that is nearest.

use std::fmt;

use retort_spec::Architecture;
use serde::{Deserialize, Serialize};

use super::{
    file::{Declared, Dictionary},
    shown,
};

/// Most names of each kind of fault in a message: more than the largest network has, but a hostile file may have millions.
const LISTED: usize = 400;

/// The network that a dictionary of tensors is nearest to, and everything that does not fit, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Miss {
    /// The architecture.
    pub architecture: Architecture,
    /// How many classes the last layer tells apart; 0 where there is none.
    pub classes: usize,
    /// How many tensors fit.
    pub matched: usize,
    /// Keys that are not there.
    pub missing: Vec<String>,
    /// Keys that the network does not have.
    pub unexpected: Vec<String>,
    /// Tensors of another shape or type, in words.
    pub shaped: Vec<String>,
    /// What that means, where it is a known case: a sentence.
    pub meaning: Option<String>,
}

impl Miss {
    /// No faults so far.
    pub(super) fn new(architecture: Architecture, classes: usize) -> Self {
        let (missing, unexpected, shaped) = (Vec::new(), Vec::new(), Vec::new());
        Self { architecture, classes, matched: 0, missing, unexpected, shaped, meaning: None }
    }

    /// Notes a tensor of another shape or type.
    pub(super) fn shaped(&mut self, key: &str, tensor: &Declared, expected: &[usize]) {
        let kind = if tensor.is_float() { String::new() } else { format!("{:?} ", tensor.dtype) };
        self.shaped.push(format!("{} is {kind}{:?}, expected {expected:?}", shown(key), tensor.shape));
    }

    /// Whether nothing is amiss.
    pub(super) fn is_none(&self) -> bool {
        self.faults() == 0
    }

    /// How many tensors are amiss.
    pub(super) fn faults(&self) -> usize {
        self.missing.len() + self.unexpected.len() + self.shaped.len()
    }

    /// Whether fewer tensors are amiss than in another.
    pub(super) fn is_nearer_than(&self, other: &Self) -> bool {
        let rank = |miss: &Self| (miss.faults(), usize::MAX - miss.matched);
        rank(self) < rank(other)
    }

    /// Says what it means that these tensors are amiss, where that is a known case.
    pub(super) fn explain(&mut self, dictionary: &Dictionary) {
        let all = |names: &[String], words: &[&str]| {
            !names.is_empty() && names.iter().all(|name| words.iter().any(|word| name.contains(word)))
        };
        let any =
            |names: &[String], words: &[&str]| names.iter().any(|name| words.iter().any(|word| name.contains(word)));
        let keys = || dictionary.tensors.keys().cloned().collect::<Vec<_>>();
        let is_stem = |shape: &[usize]| matches!(shape, [_, 1..=4, ..]) && shape.len() == 4;
        let stem =
            dictionary.tensors.values().find(|tensor| is_stem(&tensor.shape)).map(|tensor| tensor.shape.as_slice());
        let meaning = if all(&self.missing, &["running_mean", "running_var"]) {
            "It holds the trained parameters alone, without the running means and variances of its batch norms, which the \
             answers depend on: save net.state_dict(), not net.parameters() or net.named_parameters()"
        } else if any(&keys(), &["weight_g", "weight_v", "parametrizations.", "weight_orig", "weight_mask", "weight_u"])
        {
            "A weight of it is kept in parts (weight norm, spectral norm or pruning): put them together before saving, by \
             torch.nn.utils.remove_weight_norm, parametrize.remove_parametrizations or prune.remove"
        } else if matches!(stem, Some([_, _, 7, 7])) {
            "Its first convolution is 7×7, as for ImageNet's images: Retort's networks are for images of 32×32, with a first \
             convolution of 3×3"
        } else if matches!(stem, Some([_, channels, ..]) if *channels != 3) {
            "Its first convolution is not for images of three colours, which Retort's networks take"
        } else if all(&self.missing, &["shortcut", "downsample", "Shortcut", "skip"]) && self.shaped.is_empty() {
            "Its shortcuts have no parameters: they pad with zeros (option A of He et al. 2016), where Retort's networks have \
             convolutions (option B); such a network cannot be imported"
        } else if any(&keys(), &["features.1.conv."]) {
            "Its names are those of torchvision's MobileNetV2, which has ReLU6, no expansion in its first block and no \
             convolutions around blocks; Retort's MobileNetV2 is that of kuangliu's code, and ARD's"
        } else if any(&self.unexpected, &["conv3", "bn3"]) {
            "Its blocks have three convolutions each (bottlenecks, as of ResNet-50), and those of Retort's residual networks two"
        } else if all(&self.unexpected, &[".bias"]) && self.missing.is_empty() && self.shaped.is_empty() {
            "Its convolutions have biases, and those of Retort's networks have none"
        } else if self.unexpected.is_empty() && self.missing.is_empty() && self.shaped.len() > 4 {
            "It is wider or narrower than Retort's networks"
        } else if self.shaped.is_empty() && self.faults() > 0 && self.missing.is_empty() != self.unexpected.is_empty() {
            "It has layers more or fewer than Retort's networks"
        } else {
            return;
        };
        self.meaning = Some(meaning.into());
    }

    /// Whether there is hardly a likeness.
    pub fn is_far(&self) -> bool {
        3 * self.matched < self.faults()
    }
}

impl fmt::Display for Miss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = [
            (&self.missing, "key is missing", "keys are missing"),
            (&self.unexpected, "key is unexpected", "keys are unexpected"),
            (&self.shaped, "tensor has another shape or type", "tensors have another shape or type"),
        ];
        let kinds = kinds.into_iter().filter(|(names, ..)| !names.is_empty());
        let parts = kinds.map(|(names, one, many)| {
            let what = if names.len() == 1 { one } else { many };
            format!("{} {what}: {}", names.len(), listed(names))
        });
        f.write_str(&parts.collect::<Vec<_>>().join("; "))
    }
}

/// The first names, and how many more there are.
pub fn listed(names: &[String]) -> String {
    let first = names[..names.len().min(LISTED)].join(", ");
    match names.len().saturating_sub(LISTED) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}
