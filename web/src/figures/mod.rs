//! Figures, drawn on the server as SVG. Colours come from classes, so that the page's style sheet sets them for light
//! and dark; each method has its own dash and marker too.

mod chart;
mod curves;
mod export;
mod panels;
mod sweep;
mod table;
pub(crate) mod text;
mod tradeoff;

pub use curves::{
    CurvePoint, Curves, CurvesData, DRAWN, OF_A_RUN, RunCurves, comparison_curves, comparison_figures, run_curves,
    run_figures,
};
pub use export::{FigureFormat, slug};
pub use panels::{Key, Panel, heat_map, kind_swatch, panels, scale, scatter};
pub use sweep::sweep_figures;
pub use table::table;
pub use tradeoff::tradeoff;

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
