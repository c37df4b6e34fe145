//! The paper's figures, and ours.

use retort_spec::{Conditions, PaperFigure, Setting, Sweep, Variant};

use super::{
    FoundAnalysis, Launch, PaperParts,
    ours::{Candidate, made},
};
use crate::{
    analyses::AnalysisView,
    figures::{self, Figure},
    format,
    tables::{Cell, Compared, Row},
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
    /// About how many seconds that takes, where it is known.
    pub seconds: Option<f64>,
}

impl FigureSection {
    pub(super) fn new(figure: PaperFigure, parts: &PaperParts, candidates: &[Candidate]) -> Self {
        let conditions = &parts.conditions;
        let (made, drawings) = match figure.sweep().and_then(|sweep| swept(&sweep, figure, conditions, candidates)) {
            Some((made, drawings)) => (Some(made), drawings),
            None => (None, Vec::new()),
        };
        let analysed = parts.analyses.iter().find(|found| found.figure == figure);
        let made = made.or_else(|| analysed.map(|found| Made::of(found, conditions)));
        let is_under_way = |own: &&Compared| {
            own.runs.iter().any(|run| !run.state.is_over())
                && own.spec.seeds.len() >= conditions.seeds.len()
                && conditions.are_met_by(own.spec)
                && figure.is_asked_of(own.spec)
        };
        let under_way = parts.compared.iter().filter(is_under_way).map(|own| own.id).max();
        let is_enough = made.as_ref().is_some_and(|made| made.is_enough);
        let has_dataset = parts.datasets.iter().any(|name| name == figure.dataset());
        Self {
            figure,
            drawings,
            analysis: analysed.map(|found| found.view.clone()),
            made,
            has_dataset,
            under_way,
            can_launch: has_dataset && !is_enough && under_way.is_none(),
            seconds: (parts.estimate_figure)(figure),
        }
    }

    /// What its button says of the time, and of what comes before a launch that takes more than a day.
    pub(super) fn behind(&self) -> String {
        Launch { results: Vec::new(), seconds: self.seconds, experiments: 1 }.behind()
    }
}

/// What a drawing was made at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// The experiment.
    pub experiment: i64,
    /// Its budget, images and seeds, in words.
    pub words: String,
    /// Whether it is all of the figure, at what is launched here or more.
    pub is_enough: bool,
}

impl Made {
    /// An analysis is of the first seed, however many there are.
    fn of(found: &FoundAnalysis, conditions: &Conditions) -> Self {
        let is_enough = conditions.are_met_by(found.spec);
        Self { experiment: found.experiment, words: made(found.spec), is_enough }
    }
}

/// The sweep at the largest budget, in a figure for each column.
fn swept(
    sweep: &Sweep,
    figure: PaperFigure,
    conditions: &Conditions,
    candidates: &[Candidate],
) -> Option<(Made, Vec<Figure>)> {
    let is_same = |other: &&Sweep| other.has_same_parameter(sweep);
    let drawn = candidates.iter().filter_map(|candidate| {
        let is_own = |member: &&Compared| figure.is_of(member.spec) && member.spec.sweeps.iter().any(|s| is_same(&s));
        let members: Vec<_> = candidate.members.iter().filter(is_own).collect();
        let sweeps = members.iter().flat_map(|member| &member.spec.sweeps).filter(is_same);
        let drawings = figures::sweep_figures(sweeps, &candidate.table);
        (!drawings.is_empty()).then_some((candidate, members, drawings))
    });
    let (candidate, members, drawings) = drawn.max_by_key(|(candidate, ..)| candidate.rank())?;
    // Of each value: how many seeds have all its numbers.
    let seeds = |value: &String| {
        let variant = Variant::of(sweep.method, Setting::new(&sweep.path, value));
        let is_value = |row: &&Row| row.method == sweep.method && row.variant == variant;
        let count = |row: &Row| row.cells.iter().map(|cell| cell.as_ref().map_or(0, Cell::seeds)).min().unwrap_or(0);
        candidate.table.rows().filter(is_value).map(count).max().unwrap_or(0)
    };
    let least = sweep.values.iter().map(seeds).min().unwrap_or(0);
    let most = members.iter().map(|member| member.spec.seeds.len()).max().unwrap_or(0);
    let words = format!("{}, {}", candidate.made, format::plural(most, "seed", "seeds"));
    let is_enough = conditions.are_met_by(candidate.spec) && least >= conditions.seeds.len();
    let experiment = members.iter().map(|member| member.id).max()?;
    Some((Made { experiment, words, is_enough }, drawings))
}
