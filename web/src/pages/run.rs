//! `GET /runs/{id}`

use askama::Template;
use retort_spec::{LogLevel, RunKind, RunState};

use crate::{
    Frame, RunRow, Score, Section,
    analyses::AnalysisView,
    figures::{self, CurvesData, Figure, RunCurves},
    format::Moment,
    tables::{Answers, ModelAccuracies, XAxis},
};

use super::evaluate_form::EvaluateForm;

/// One attempt at a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    /// Counted from 1.
    pub number: u32,
    /// When its worker was started.
    pub started: Moment,
    /// When it ended; none while it lasts.
    pub ended: Option<Moment>,
    /// The state that it left the run in, or the present one.
    pub state: RunState,
    /// Why it ended so.
    pub cause: Option<String>,
    /// The device that it computed on.
    pub device: String,
    /// Epochs that its checkpoint spared it; 0 for a start from nothing.
    pub resumed_epochs: usize,
}

/// One line of a run's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// When.
    pub at: Moment,
    /// How much it matters.
    pub level: LogLevel,
    /// What it says.
    pub message: String,
}

/// A file of weights that a run left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightsFile {
    /// Which weights: `last epoch`.
    pub name: &'static str,
    /// Its name behind the run's address.
    pub file: &'static str,
    /// Its bytes.
    pub bytes: u64,
}

/// One run: state, progress, curves, results, log, spec, attempts.
#[derive(Clone, Debug, Template)]
#[template(path = "run.html")]
pub struct RunPage {
    /// The header.
    pub frame: Frame,
    /// The run.
    pub run: RunRow,
    /// When it was queued first.
    pub created: Moment,
    /// Its curves, of a training.
    pub curves: Option<RunCurves>,
    /// What its model answered, for a finished evaluation.
    pub answers: Option<Answers>,
    /// What it found, for an analysis.
    pub analysis: Option<AnalysisView>,
    /// The finished evaluations of the models that it left, oldest first.
    pub evaluations: Vec<RunRow>,
    /// The weights that it left.
    pub weights: Vec<WeightsFile>,
    /// The form of an evaluation of its model; none where it left none.
    pub evaluate: Option<EvaluateForm>,
    /// Address of the form of an experiment with this run's method, student and seed alone; none where it trains nothing.
    pub clone_href: Option<String>,
    /// The end of its log, oldest line first; a hundred lines are plenty.
    pub log: Vec<LogLine>,
    /// How many lines its whole log has.
    pub log_lines: usize,
    /// The spec as JSON, as `spec.json` holds it.
    pub spec_json: String,
    /// The hash of the spec, its models named by theirs; none where it cannot be told.
    pub spec_sha256: Option<String>,
    /// Its attempts, oldest first.
    pub attempts: Vec<Attempt>,
    /// The runs that must have finished before it.
    pub needs: Vec<RunRow>,
    /// The runs that wait, or waited, for it.
    pub needed_by: Vec<RunRow>,
}

impl RunPage {
    const SECTION: Section = Section::Runs;

    /// What it is, for whoever sees it alone.
    pub fn title(&self) -> String {
        self.run.label.heading()
    }

    /// Where a share of it is made.
    fn shares_href(&self) -> String {
        format!("{}/shares", self.base())
    }

    /// The address that its figures' names follow.
    fn base(&self) -> String {
        format!("/runs/{}", self.run.label.id)
    }

    /// The accuracies of the models that it left.
    fn accuracies(&self) -> ModelAccuracies<'_> {
        ModelAccuracies::of(&self.evaluations)
    }

    /// Whether it shows curves.
    fn has_curves(&self) -> bool {
        self.run.label.is_training() || self.run.label.kind == RunKind::Probe
    }

    /// What stands where no curve can be drawn.
    fn no_curves(&self) -> &'static str {
        match (self.run.label.kind, self.run.state.is_over()) {
            (RunKind::Probe, true) => "A probe reports no epochs: its accuracies are those of its evaluation.",
            (_, true) => "It ended before its first epoch did.",
            (_, false) => "Drawn from the first finished epoch on.",
        }
    }

    /// Whether a bundle of it can be had: of a finished evaluation, or of a model that has some.
    fn has_bundle(&self) -> bool {
        let is_finished = |run: &RunRow| run.label.is_evaluation() && run.state == RunState::Finished;
        is_finished(&self.run) || self.needed_by.iter().any(is_finished)
    }

    pub(super) fn is_masking(&self) -> bool {
        self.run.label.kind == RunKind::Masking
    }

    /// Whether it measures accuracies, and so has no curves.
    pub(super) fn has_scores(&self) -> bool {
        self.run.label.is_evaluation() || self.is_masking()
    }

    /// What has to be said of its model beside the accuracies, in sentences.
    pub(super) fn remarks(&self) -> Vec<String> {
        let collapse = self.run.collapse().map(|how| {
            format!("The model has collapsed: it {how}. Its accuracies are right, but tell nothing of robustness.")
        });
        collapse.into_iter().chain(self.run.scores.iter().filter_map(Score::unanswered_words)).collect()
    }

    /// Its curves, and its analysis as one drawing.
    pub fn all_figures(&self) -> Vec<(String, Figure)> {
        let curves = self.figures().into_iter().map(|figure| (figures::slug(&figure.title), figure));
        let analysis = self.analysis.as_ref().and_then(AnalysisView::figure);
        curves.chain(analysis.map(|figure| ("figure".to_owned(), figure))).collect()
    }

    /// What its curves are drawn of.
    pub fn curves_data(&self) -> Vec<CurvesData> {
        let curves = self.curves.iter().flat_map(|curves| figures::run_curves(curves, XAxis::Epochs));
        curves.map(|curves| curves.data()).collect()
    }

    fn figures(&self) -> Vec<Figure> {
        self.curves.as_ref().map(|curves| figures::run_figures(curves, XAxis::Epochs)).unwrap_or_default()
    }
}
