//! Training on natural images.

use serde::{Deserialize, Serialize};

use super::{Described, Names, Parameters, Record, pgd_at};

/// Cross-entropy on natural images.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Natural {}

impl Described for Natural {
    const RECORD: Record = Record {
        names: Names { id: "natural", title: "Natural", summary: "Cross-entropy on natural images; no teacher." },
        source: "the usual training",
        fine_tuned: None,
        schedule: pgd_at::schedule,
        parameters: &[],
        presets: &[],
    };
}

impl Parameters for Natural {}
