//! The paper's figures, and ours.

use retort_spec::PaperFigure;

use super::{
    PaperParts,
    ours::{Candidate, made},
};
use crate::{
    figures::{self, Figure},
    format,
};

/// One of the paper's figures with ours at the largest budget that there is.
#[derive(Clone, Debug, PartialEq)]
pub struct FigureSection {
    /// Which.
    pub figure: PaperFigure,
    /// Our drawings; none while there is nothing to draw.
    pub drawings: Vec<Figure>,
    /// The experiment that they are of, and what it was made at.
    pub made: Option<(i64, String)>,
    /// Whether its dataset is here, so that it can be launched.
    pub can_launch: bool,
    /// About how long that takes, where it is known.
    pub time: Option<String>,
}

impl FigureSection {
    pub(super) fn new(figure: PaperFigure, parts: &PaperParts, candidates: &[Candidate]) -> Self {
        let found = match figure.swept() {
            Some(path) => swept(figure, path, candidates),
            None => analysed(figure, parts),
        };
        let (made, drawings) = found.map_or((None, Vec::new()), |(made, drawings)| (Some(made), drawings));
        Self {
            figure,
            drawings,
            made,
            can_launch: parts.datasets.iter().any(|name| name == figure.dataset()),
            time: (parts.estimate_figure)(figure).map(format::estimate),
        }
    }
}

type Found = ((i64, String), Vec<Figure>);

fn swept(figure: PaperFigure, path: &str, candidates: &[Candidate]) -> Option<Found> {
    let drawn = candidates.iter().filter(|candidate| figure.is_of(candidate.spec)).filter_map(|candidate| {
        let sweeps = candidate.spec.sweeps.iter().filter(|sweep| sweep.path == path);
        let drawings = figures::sweep_figures(sweeps, &candidate.table);
        (!drawings.is_empty()).then_some((candidate, drawings))
    });
    let (candidate, drawings) = drawn.max_by_key(|(candidate, _)| candidate.budget as u8)?;
    let seeds = format::plural(candidate.spec.seeds.len(), "seed", "seeds");
    Some(((candidate.experiment, format!("{}, {seeds}", candidate.made)), drawings))
}

fn analysed(figure: PaperFigure, parts: &PaperParts) -> Option<Found> {
    let found = parts.analyses.iter().find(|found| found.figure == figure)?;
    let drawing = figures::analysis_figure(&found.analysis, &found.result, false)?;
    Some(((found.experiment, made(found.spec)), vec![drawing]))
}
