//! The paper's figures, and ours.

use retort_spec::{Budget, PaperFigure};

use super::{
    PaperParts,
    ours::{Candidate, made},
};
use crate::{
    figures::{self, Figure},
    format,
    tables::Compared,
};

/// One of the paper's figures with ours at the largest budget that there is.
#[derive(Clone, Debug, PartialEq)]
pub struct FigureSection {
    /// Which.
    pub figure: PaperFigure,
    /// Our drawings; none while there is nothing to draw.
    pub drawings: Vec<Figure>,
    /// What they were made at.
    pub made: Option<Made>,
    /// Whether its dataset is here.
    pub has_dataset: bool,
    /// The experiment that makes it as would be launched.
    pub under_way: Option<i64>,
    /// Whether there is something to launch: its dataset is here, and it is neither made nor under way as would be launched.
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
        let budget = parts.conditions.budget as u8;
        let is_under_way = |own: &&Compared| {
            let asks = own.spec.budget as u8 >= budget && figure.is_asked_of(own.spec);
            asks && own.runs.iter().any(|run| !run.state.is_over())
        };
        let under_way = parts.compared.iter().filter(is_under_way).map(|own| own.id).max();
        let is_made = made.as_ref().is_some_and(|made| made.budget as u8 >= budget);
        let has_dataset = parts.datasets.iter().any(|name| name == figure.dataset());
        Self {
            figure,
            drawings,
            made,
            has_dataset,
            under_way,
            can_launch: has_dataset && !is_made && under_way.is_none(),
            time: (parts.estimate_figure)(figure).map(format::estimate),
        }
    }
}

/// What a drawing was made at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// The experiment.
    pub experiment: i64,
    /// Its budget.
    pub budget: Budget,
    /// The same in words, with images and seeds.
    pub words: String,
}

type Found = (Made, Vec<Figure>);

fn swept(figure: PaperFigure, path: &str, candidates: &[Candidate]) -> Option<Found> {
    let drawn = candidates.iter().filter(|candidate| figure.is_of(candidate.spec)).filter_map(|candidate| {
        let sweeps = candidate.spec.sweeps.iter().filter(|sweep| sweep.path == path);
        let drawings = figures::sweep_figures(sweeps, &candidate.table);
        (!drawings.is_empty()).then_some((candidate, drawings))
    });
    let (candidate, drawings) = drawn.max_by_key(|(candidate, _)| candidate.budget as u8)?;
    let seeds = format::plural(candidate.spec.seeds.len(), "seed", "seeds");
    let words = format!("{}, {seeds}", candidate.made);
    Some((Made { experiment: candidate.experiment, budget: candidate.budget, words }, drawings))
}

fn analysed(figure: PaperFigure, parts: &PaperParts) -> Option<Found> {
    let found = parts.analyses.iter().find(|found| found.figure == figure)?;
    let drawing = figures::analysis_figure(&found.analysis, &found.result, false)?;
    let (experiment, budget, words) = (found.experiment, found.spec.budget, made(found.spec));
    Some((Made { experiment, budget, words }, vec![drawing]))
}
