//! The spec of a linear probe.

use serde::{Deserialize, Serialize};

use crate::{DatasetChoice, DeviceName, ModelRef, Schedule};

/// A linear probe: a linear classifier of another dataset's classes on the frozen features of a model (methods.md §7). It
/// leaves a model that is evaluated like any other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeSpec {
    /// The model whose features are used.
    pub model: ModelRef,
    /// The dataset, whose natural training images the classifier learns from.
    pub dataset: DatasetChoice,
    /// How long, with which steps.
    pub schedule: Schedule,
    /// The seed of the classifier's weights and of the images' order.
    pub seed: u64,
    /// Where it computes.
    pub device: DeviceName,
}
