//! What sets a dictionary of tensors apart from the network that is nearest.

use std::fmt;

use retort_spec::Architecture;
use serde::{Deserialize, Serialize};

use super::{contents::Declared, shown};

/// Most names of each kind of fault in a message: a hundred say no more.
const LISTED: usize = 5;

/// What is said of a tensor whose numbers are no weights, since quantised ones are stored in many types.
pub const WHOLE: &str = "of whole numbers, ";

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
}

impl Miss {
    /// No faults so far.
    pub(super) fn new(architecture: Architecture, classes: usize) -> Self {
        let (missing, unexpected, shaped) = (Vec::new(), Vec::new(), Vec::new());
        Self { architecture, classes, matched: 0, missing, unexpected, shaped }
    }

    /// Notes a tensor of another shape or type.
    pub(super) fn shaped(&mut self, key: &str, tensor: &Declared, expected: &[usize]) {
        let kind = if tensor.is_float() { "" } else { WHOLE };
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

    /// How far it is from the network: that of the nearest is least.
    pub(super) fn rank(&self) -> (usize, usize) {
        (self.faults(), usize::MAX - self.matched)
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
    first(LISTED, names)
}

/// So many first names, and how many more there are. One more is named too.
pub fn first(most: usize, names: &[String]) -> String {
    match names.len().saturating_sub(most) {
        0 | 1 => names.join(", "),
        more => format!("{} and {more} more", names[..most].join(", ")),
    }
}
