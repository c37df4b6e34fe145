//! A parameter's value by its place in a spec, so that a form, a preset or a sweep can set any of them.

use serde::{Deserialize, Serialize};

/// The path under which a setting names one of a method's presets instead of the value of one parameter.
pub(crate) const PRESET: &str = "preset";

/// One parameter's value, by the parameter's path in the JSON of a spec: `method.temperature` is `0.05`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Setting {
    /// The path, such as `schedule.learning_rate`.
    pub path: String,
    /// The value as it is typed: `0.05`, `8/255`, `student_only`, `[100, 150]`.
    pub value: String,
}

impl Setting {
    /// A value for the parameter at `path`.
    pub fn new(path: impl Into<String>, value: impl Into<String>) -> Self {
        Self { path: path.into(), value: value.into() }
    }
}
