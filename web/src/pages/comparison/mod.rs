//! `GET /experiments/{id}`

mod choices;
mod reduction;
mod words;

use std::{collections::HashMap, sync::Arc};

use askama::Template;
use retort_spec::{AnalysisKind, ExperimentSpec, MethodName, RunKind, RunState};

use crate::{
    ExperimentForm, Frame, RunRow, Section,
    analyses::{AnalysisView, form},
    figures::{self, Curves, CurvesData, Figure, RunCurves},
    format::{self, Moment},
    tables::{
        Answers, Column, Compared, ComparisonTable, ComparisonView, Config, ConfigDifferences, OpenDifference,
        RightAnswers, Standing, Values, XAxis, differences,
        export::{About, Made, TableFormat},
    },
};

/// A comparison: the table, the curves, the runs.
///
/// The table is made of `runs`: they are grouped by student and method, and their scores averaged over seeds.
#[derive(Clone, Debug, Template)]
#[template(path = "comparison.html")]
pub struct ComparisonPage {
    /// The header.
    pub frame: Frame,
    /// The experiment.
    pub id: i64,
    /// Its question.
    pub spec: ExperimentSpec,
    /// The experiments that are shown with it.
    pub with: Vec<OtherExperiment>,
    /// What is shown, and how.
    pub view: ComparisonView,
    /// Which answers were right, by evaluation, as far as they are there.
    pub right: HashMap<i64, Arc<RightAnswers>>,
    /// The hashes of the specs of evaluations, by run.
    pub spec_hashes: HashMap<i64, String>,
    /// Whether it is of a bundle from elsewhere.
    pub is_from_bundle: bool,
    /// Other experiments that could be shown with it: their ids and titles.
    pub others: Vec<(i64, String)>,
    /// Images in the dataset's train and test split that it uses.
    pub images: (usize, usize),
    /// When it was launched.
    pub launched: Moment,
    /// All its runs in the order of the plan, trainings and evaluations.
    pub runs: Vec<RunRow>,
    /// The analyses of its models, newest first.
    pub analyses: Vec<AnalysisView>,
    /// The models that can be analysed.
    pub analysed: Vec<AnalysedOption>,
    /// The classes of its dataset.
    pub classes: Vec<String>,
    /// The parameters of its trainings, by run.
    pub configs: HashMap<i64, Config>,
    /// What the models of the table's rows answered by class, in the column that the view names.
    pub confusion: Option<Answers>,
    /// Its shares, newest first.
    pub shares: Vec<ShareRow>,
    /// The curves of its trainings, in the same order.
    pub curves: Vec<RunCurves>,
    /// Seconds until its last run ends, roughly.
    pub seconds_left: Option<f64>,
    /// Address of the form filled in with this spec: `/experiments/new?` and the query of
    /// [`ExperimentForm::from_spec`](crate::ExperimentForm::from_spec).
    pub clone_href: String,
}

/// A share as its comparison lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShareRow {
    /// The share.
    pub id: i64,
    /// What its sender called it.
    pub title: String,
    /// When it was made.
    pub created: Moment,
    /// Whether its link opens it.
    pub is_open: bool,
    /// When it ended, or ends by itself.
    pub until: Option<Moment>,
    /// Whether a person ended it.
    pub is_revoked: bool,
    /// When it was opened last.
    pub last_opened: Option<Moment>,
}

/// A model that can be analysed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnalysedOption {
    /// `run:ID`, `best:ID` of a run's best epoch, or `model:ID` for an imported one.
    pub value: String,
    /// What it is.
    pub words: String,
    /// Whether it is chosen at first.
    pub is_chosen: bool,
}

/// An experiment that is shown with another one.
#[derive(Clone, Debug)]
pub struct OtherExperiment {
    /// The experiment.
    pub id: i64,
    /// Its question.
    pub spec: ExperimentSpec,
    /// All its runs in the order of the plan.
    pub runs: Vec<RunRow>,
}

/// Letters of a title that the name of a file has.
const LONGEST_STEM: usize = 60;

impl ComparisonPage {
    const SECTION: Section = Section::Comparisons;

    fn compared(&self) -> Vec<Compared<'_>> {
        let own = Compared { id: self.id, spec: &self.spec, runs: &self.runs };
        let others = self.with.iter().map(|other| Compared { id: other.id, spec: &other.spec, runs: &other.runs });
        std::iter::once(own).chain(others).collect()
    }

    /// The title, with those of the experiments beside it.
    pub fn title(&self) -> String {
        let titles = self.compared().iter().map(|compared| compared.spec.title.as_str()).collect::<Vec<_>>();
        titles.join(" · with ")
    }

    /// The sections of the page, by their ids, with their names.
    fn sections(&self, table: &ComparisonTable) -> Vec<(String, String)> {
        let own = |id: &str, name: &str| (id.to_owned(), name.to_owned());
        let mut sections = vec![own("table", "Accuracies")];
        sections.extend((!self.sweep_figures(table).is_empty()).then(|| own("sweeps", "Sweeps")));
        sections.extend(self.probes().iter().map(|(name, _)| (format!("probe-{name}"), format!("Probe on {name}"))));
        sections.extend((!self.maskings().is_empty()).then(|| own("masking", "Masking")));
        sections.push(own("curves", "Curves"));
        let analysed = AnalysisKind::ALL.iter().filter(|kind| !self.analyses_of(**kind).is_empty());
        sections.extend(analysed.map(|kind| own(kind.id(), kind.title())));
        sections.extend((!self.analysed.is_empty()).then(|| own("analyses", "Analyse")));
        sections.push(own("confusion", "By class"));
        sections.extend((self.config_differences(table).count() > 0).then(|| own("config", "Configurations")));
        sections.extend([own("shares", "Share"), own("runs", "Runs")]);
        sections
    }

    /// The kinds of analysis of which there is none yet.
    fn kinds_to_analyse(&self) -> Vec<AnalysisKind> {
        AnalysisKind::ALL.iter().filter(|kind| self.analyses_of(**kind).is_empty()).copied().collect()
    }

    fn standing(&self) -> Standing {
        Standing::of(&self.runs)
    }

    /// Its runs that are not over, analyses among them.
    fn open_runs(&self) -> usize {
        self.runs.iter().filter(|run| !run.state.is_over()).count()
    }

    /// Its runs that failed, diverged or were cancelled.
    fn resumable_runs(&self) -> usize {
        self.runs.iter().filter(|run| run.state.may_be_resumed()).count()
    }

    fn left(&self) -> Option<String> {
        self.seconds_left.filter(|_| self.standing().is_open()).map(format::estimate)
    }

    /// The finished evaluations, each with the hash of its spec.
    pub(super) fn repeatable(&self) -> Vec<(&RunRow, &str)> {
        let all = self.runs.iter().chain(self.with.iter().flat_map(|other| &other.runs));
        let finished = all.filter(|run| run.label.is_evaluation() && run.state == RunState::Finished);
        finished.filter_map(|run| Some((run, self.spec_hashes.get(&run.label.id)?.as_str()))).collect()
    }

    /// The table of accuracies.
    pub fn table(&self) -> ComparisonTable {
        ComparisonTable::new(&self.compared(), &self.view, &self.right)
    }

    /// The address of this page under another view.
    fn href(&self, view: &ComparisonView) -> String {
        format!("/experiments/{}{}", self.id, view.query())
    }

    pub(super) fn sort_href(&self, column: &Column) -> String {
        self.href(&self.view.sorting(column))
    }

    /// How a column is sorted, as a screen reader says it.
    pub(super) fn sorted(&self, column: &Column) -> &'static str {
        match self.view.sorted_by(column) {
            Some(true) => "ascending",
            Some(false) => "descending",
            None => "none",
        }
    }

    /// Accuracies against the parameters that were swept.
    fn sweep_figures(&self, table: &ComparisonTable) -> Vec<Figure> {
        figures::sweep_figures(self.compared().iter().flat_map(|compared| &compared.spec.sweeps), table)
    }

    /// The form that launches more seeds of a row and the baseline, as its fields; it shows them beside this comparison.
    fn more_seeds_form(&self, table: &ComparisonTable, open: &OpenDifference, seeds: usize) -> Vec<(String, String)> {
        let method = |key: &str| table.rows().find(|row| row.key == key && !row.is_teacher).map(|row| row.method);
        let mut methods: Vec<_> = [&open.key, &self.view.baseline].into_iter().filter_map(|key| method(key)).collect();
        methods.dedup();
        let is_used = |of: MethodName| methods.iter().any(|method| *method == of || method.fine_tunes() == Some(of));
        let sweeps = self.spec.sweeps.iter().filter(|sweep| is_used(sweep.method)).cloned().collect();
        let last = table.rows().flat_map(|row| &row.seeds).map(|seed| seed.value).max().unwrap_or_default();
        let seeds = (1..=seeds as u64).map(|next| last.saturating_add(next)).collect();
        let title: String = format!("More seeds: {}", self.spec.title).chars().take(200).collect();
        let spec = ExperimentSpec { title, methods, sweeps, seeds, analyses: Vec::new(), ..self.spec.clone() };
        let fields = serde_html_form::to_string(ExperimentForm::from_spec(&spec)).unwrap_or_default();
        serde_html_form::from_str(&fields).unwrap_or_default()
    }

    /// Where that form is sent, so that its experiment is shown beside this one.
    fn more_seeds_href(&self) -> String {
        let view = self.view.query();
        format!("/experiments?beside={}{}", self.id, view.replacen('?', "&", 1))
    }

    /// Where a share of it is made, as it is shown.
    fn shares_href(&self) -> String {
        format!("{}/shares{}", self.base(), self.view.query())
    }

    /// The address that its figures' names follow.
    fn base(&self) -> String {
        format!("/experiments/{}", self.id)
    }

    /// Its curves, its sweeps and the trade-off, each by the name that its address has.
    pub fn all_figures(&self) -> Vec<(String, Figure)> {
        let table = self.table();
        let (tradeoff, sweeps) = (figures::tradeoff(&table), self.sweep_figures(&table));
        tradeoff
            .into_iter()
            .chain(self.figures())
            .chain(sweeps)
            .map(|figure| (figures::slug(&figure.title), figure))
            .collect()
    }

    /// The table as a drawing.
    pub fn table_figure(&self) -> Figure {
        let table = self.table();
        figures::table(&table, self.title(), &self.setting())
    }

    /// What the names of its files begin with: `retort-3-kd-against-ard`.
    pub fn file_stem(&self) -> String {
        let words = figures::slug(&self.title());
        let end = words.char_indices().nth(LONGEST_STEM).map_or(words.len(), |(at, _)| at);
        format!("retort-{}-{}", self.id, &words[..end]).trim_end_matches('-').to_owned()
    }

    /// The parameters in which the rows differ.
    pub(super) fn config_differences(&self, table: &ComparisonTable) -> ConfigDifferences {
        differences(table, &self.configs)
    }

    /// The words of the column whose confusion matrices are shown.
    pub(super) fn confusion_column(&self, table: &ComparisonTable) -> String {
        let links = self.confusion_links(table).into_iter();
        links.filter_map(|(words, _, is_shown)| is_shown.then_some(words)).collect()
    }

    /// For each column: its words, the address with its confusion matrices, and whether they are shown.
    fn confusion_links(&self, table: &ComparisonTable) -> Vec<(String, String, bool)> {
        let link = |column: &Column| {
            let natural = *column == Column::Natural;
            let (name, words) = (column.name(), if natural { "natural".into() } else { column.title() });
            let is_shown = self.view.confusion == name;
            (words, self.href(&ComparisonView { confusion: name, ..self.view.clone() }) + "#confusion", is_shown)
        };
        table.columns.iter().filter(|column| **column != Column::WorstCase).map(link).collect()
    }

    /// The analyses of one kind, the newest first.
    fn analyses_of(&self, kind: AnalysisKind) -> Vec<&AnalysisView> {
        self.analyses.iter().filter(|analysis| analysis.spec.analysis.kind() == kind).collect()
    }

    /// All analyses in the order of the page.
    pub(super) fn analyses_by_kind(&self) -> Vec<&AnalysisView> {
        AnalysisKind::ALL.iter().flat_map(|kind| self.analyses_of(*kind)).collect()
    }

    /// Whether there is an analysis of this kind whose values can be drawn with their sign.
    fn has_signs(&self, kind: AnalysisKind) -> bool {
        form(kind).has_signs && self.analyses_of(kind).iter().any(|analysis| analysis.files.is_some())
    }

    /// The address with values that have a sign drawn the other way.
    fn signs_href(&self, id: &str) -> String {
        let correlation = if self.view.values() == Values::Signed { String::new() } else { "signed".into() };
        format!("{}#{id}", self.href(&ComparisonView { correlation, ..self.view.clone() }))
    }

    /// The address with the curves by the other of epoch and wall time.
    fn curves_href(&self) -> String {
        let curves = if self.view.x_axis() == XAxis::WallTime { String::new() } else { "time".into() };
        self.href(&ComparisonView { curves, ..self.view.clone() }) + "#curves"
    }

    fn seeds_href(&self) -> String {
        let seeds = if self.view.unfolds_seeds() { String::new() } else { "each".into() };
        self.href(&ComparisonView { seeds, ..self.view.clone() })
    }

    fn export_href(&self, format: TableFormat) -> String {
        format!("/experiments/{}/table.{}{}", self.id, format.extension(), self.view.query())
    }

    /// The table as a file of some format, with what stands beside it.
    pub fn export(&self, format: TableFormat) -> String {
        let table = self.table();
        let legend = [Some(table.legend(Some(format))), table.collapses()];
        let legend = legend.into_iter().flatten().collect::<Vec<_>>().join(" ");
        let setting = std::iter::once(self.setting()).chain(self.reductions(&table)).collect::<Vec<_>>().join(". ");
        let (title, dataset) = (self.title(), self.spec.dataset.name.clone());
        let made = |of: &Compared| {
            let epochs = of.spec.epochs.map(|n| format!(", {}", format::plural(n, "epoch", "epochs")));
            let budget = format!("{}{}", of.spec.budget, epochs.unwrap_or_default());
            (of.id, Made { dataset: of.spec.dataset.name.clone(), budget })
        };
        let made = self.compared().iter().map(made).collect();
        let about = About { title, dataset, made, setting, legend, unfolds_seeds: self.view.unfolds_seeds() };
        format.write(&table, &about)
    }

    /// A table for each dataset that the features are probed on.
    pub(super) fn probes(&self) -> Vec<(&str, ComparisonTable)> {
        let compared = self.compared();
        let mut names: Vec<&str> = Vec::new();
        for probe in std::iter::once(&self.spec).chain(self.with.iter().map(|w| &w.spec)).flat_map(|s| &s.probes) {
            if !names.contains(&probe.name.as_str()) {
                names.push(&probe.name);
            }
        }
        names
            .into_iter()
            .map(|name| (name, ComparisonTable::probes(&compared, &self.view, &self.right, name)))
            .collect()
    }

    /// The masking checks of its models.
    pub(super) fn maskings(&self) -> Vec<&RunRow> {
        let all = self.runs.iter().chain(self.with.iter().flat_map(|other| &other.runs));
        all.filter(|run| run.label.kind == RunKind::Masking).collect()
    }

    /// What its curves are drawn of.
    pub fn curves_data(&self) -> Vec<CurvesData> {
        figures::comparison_curves(&self.grouped_curves(), self.view.x_axis()).iter().map(Curves::data).collect()
    }

    fn figures(&self) -> Vec<Figure> {
        figures::comparison_figures(&self.grouped_curves(), self.view.x_axis())
    }

    /// The curves, each with what sets its experiment apart from those beside it.
    fn grouped_curves(&self) -> Vec<RunCurves> {
        let group = |run: i64| {
            let other = self.with.iter().find(|other| other.runs.iter().any(|r| r.label.id == run))?;
            (!self.spec.has_same_setting(&other.spec)).then(|| format!("exp. {}", other.id))
        };
        let grouped =
            |curves: &RunCurves| RunCurves { group: group(curves.label.id).unwrap_or_default(), ..curves.clone() };
        self.curves.iter().map(grouped).collect()
    }
}
