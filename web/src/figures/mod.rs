//! Figures, drawn on the server as SVG. Colours come from classes, so that the page's style sheet sets them for light
//! and dark; each method has its own dash and marker too.

mod chart;
mod curve;
mod mark;
mod ticks;

use retort_spec::Stage;

use crate::RunLabel;

pub use curve::{comparison_figures, run_figures};
pub use mark::swatch;

/// One figure of one epoch.
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
    /// Epochs of all its stages, where known; the axis reaches so far.
    pub epochs: Option<usize>,
    /// `train_loss`, in nats, by epoch.
    pub train_loss: Vec<CurvePoint>,
    /// `natural_accuracy` on the test images, in percent, by epoch.
    pub natural_accuracy: Vec<CurvePoint>,
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
