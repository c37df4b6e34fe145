//! Figures, drawn on the server as SVG. Colours come from classes, so that the page's style sheet sets them for light
//! and dark; each method has its own dash and marker too.

mod analysis;
mod chart;
mod curve;
mod drawn_metrics;
mod ends;
mod fonts;
mod gallery;
mod heat_map;
mod panels;
mod scatter;
mod standalone;
mod sweep;
mod text;
mod ticks;

use std::collections::BTreeMap;

use retort_spec::{Metric, Stage};

use crate::RunLabel;

pub use analysis::{AnalysisFiles, analysis_figure};
pub(crate) use analysis::{correlation_panels, feature_panels, largest_difference};
pub use curve::{comparison_figures, run_figures};
pub use drawn_metrics::DRAWN;
pub(crate) use gallery::answer_words;
pub use heat_map::{heat_map, scale};
pub use panels::{Key, Panel, panels};
pub use scatter::{kind_swatch, scatter};
pub use standalone::{FigureFormat, slug};
pub use sweep::sweep_figures;

/// One value of one epoch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CurvePoint {
    /// The part of the run.
    pub stage: Stage,
    /// The epoch, counted from 1 over all stages.
    pub epoch: usize,
    /// The value.
    pub value: f64,
}

/// The curves of one training.
#[derive(Clone, Debug, PartialEq)]
pub struct RunCurves {
    /// The run.
    pub label: RunLabel,
    /// What sets its experiment apart from the others of the figure; mostly empty.
    pub group: String,
    /// Epochs of all its stages, where known; the axis reaches so far.
    pub epochs: Option<usize>,
    /// By metric: its values by epoch.
    pub values: BTreeMap<Metric, Vec<CurvePoint>>,
    /// By epoch: seconds from the run's start to the epoch's end; empty where they are not known.
    pub wall_time: BTreeMap<usize, f64>,
}

impl RunCurves {
    /// A training that has not reported anything.
    pub const fn new(label: RunLabel, epochs: Option<usize>) -> Self {
        Self { label, group: String::new(), epochs, values: BTreeMap::new(), wall_time: BTreeMap::new() }
    }

    fn points(&self, metric: Metric) -> &[CurvePoint] {
        self.values.get(&metric).map_or(&[], Vec::as_slice)
    }
}

/// A drawing with its words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figure {
    /// What it shows, as a heading.
    pub title: String,
    /// The drawing: an `<svg>` element without script and style.
    pub svg: String,
    /// What it finds, in a sentence.
    pub caption: String,
}
