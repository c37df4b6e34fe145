//! The paper's figures, and ours.

use retort_spec::{Budget, MethodName, PaperFigure};

use super::{
    AnalysisView, FoundAnalysis, PaperParts,
    ours::{Candidate, made},
};
use crate::{
    figures::{self, Figure},
    format,
    tables::Compared,
};

/// One of the paper's figures with ours at the largest budget that there is.
#[derive(Clone, Debug)]
pub struct FigureSection {
    /// Which.
    pub figure: PaperFigure,
    /// Our drawings of a sweep; none while there is nothing to draw.
    pub drawings: Vec<Figure>,
    /// Our analysis, of a figure that is one.
    pub analysis: Option<AnalysisView>,
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
        let (made, drawings) = match figure.swept().and_then(|path| swept(figure, path, candidates)) {
            Some((made, drawings)) => (Some(made), drawings),
            None => (None, Vec::new()),
        };
        let analysed = parts.analyses.iter().find(|found| found.figure == figure);
        let made = made.or_else(|| analysed.map(Made::of));
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
            analysis: analysed.map(|found| found.view.clone()),
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

impl Made {
    fn of(found: &FoundAnalysis) -> Self {
        Self { experiment: found.experiment, budget: found.spec.budget, words: made(found.spec) }
    }
}

/// The sweep at the largest budget, in a figure for each column.
fn swept(figure: PaperFigure, path: &str, candidates: &[Candidate]) -> Option<(Made, Vec<Figure>)> {
    let drawn = candidates.iter().filter_map(|candidate| {
        let members: Vec<_> = candidate.members.iter().filter(|member| figure.is_asked_of(member.spec)).collect();
        let sweeps = members.iter().flat_map(|member| &member.spec.sweeps);
        let own = sweeps.filter(|sweep| sweep.method == MethodName::Gacd && sweep.path == path);
        let drawings = figures::sweep_figures(own, &candidate.table);
        (!drawings.is_empty()).then_some((candidate, members, drawings))
    });
    let (candidate, members, drawings) = drawn.max_by_key(|(candidate, ..)| candidate.budget as u8)?;
    let mut seeds: Vec<u64> = members.iter().flat_map(|member| member.spec.seeds.iter().copied()).collect();
    seeds.sort_unstable();
    seeds.dedup();
    let words = format!("{}, {}", candidate.made, format::plural(seeds.len(), "seed", "seeds"));
    let experiment = members.iter().map(|member| member.id).max()?;
    Some((Made { experiment, budget: candidate.budget, words }, drawings))
}
