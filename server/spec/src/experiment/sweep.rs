//! Values that a parameter is to have in an experiment.

use serde::{Deserialize, Serialize};

use crate::MethodName;

/// Values that a method's parameter is to have in an experiment: one, or several for a sweep.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sweep {
    /// The method whose parameter it is. A method that ends with AFT takes what goes before the fine-tuning from the
    /// method that it fine-tunes.
    pub method: MethodName,
    /// The parameter's path.
    pub path: String,
    /// Its values, each once.
    pub values: Vec<String>,
}

impl Sweep {
    /// Whether it is over the same parameter as another one.
    pub fn has_same_parameter(&self, other: &Self) -> bool {
        (self.method, &self.path) == (other.method, &other.path)
    }
}
