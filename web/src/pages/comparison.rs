//! `GET /experiments/{id}`

use askama::Template;
use retort_spec::{ExperimentSpec, RunKind, TeacherChoice};

use crate::{
    Frame, RunRow, Section,
    figures::{self, Figure, RunCurves},
    format::{self, Moment},
    tables::{ComparisonTable, Standing},
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
    /// Images in the dataset's train and test split that it uses.
    pub images: (usize, usize),
    /// When it was launched.
    pub launched: Moment,
    /// All its runs in the order of the plan, trainings and evaluations.
    pub runs: Vec<RunRow>,
    /// The curves of its trainings, in the same order.
    pub curves: Vec<RunCurves>,
    /// Seconds until its last run ends, roughly.
    pub seconds_left: Option<f64>,
    /// Address of the form filled in with this spec: `/experiments/new?` and the query of
    /// [`ExperimentForm::from_spec`](crate::ExperimentForm::from_spec).
    pub clone_href: String,
}

impl ComparisonPage {
    const SECTION: Section = Section::Comparisons;

    fn standing(&self) -> Standing {
        Standing::of(&self.runs)
    }

    fn left(&self) -> Option<String> {
        self.seconds_left.filter(|_| self.standing().is_open()).map(format::estimate)
    }

    fn table(&self) -> ComparisonTable {
        ComparisonTable::new(&self.spec, &self.runs)
    }

    /// A table for each dataset that the features are probed on.
    fn probes(&self) -> Vec<(&str, ComparisonTable)> {
        let table = |name: &'_ String| ComparisonTable::probes(&self.spec, name, &self.runs);
        self.spec.probes.iter().map(|probe| (probe.name.as_str(), table(&probe.name))).collect()
    }

    /// The masking checks of its models.
    fn maskings(&self) -> Vec<&RunRow> {
        self.runs.iter().filter(|run| run.label.kind == RunKind::Masking).collect()
    }

    /// What the masking checks say of all models together.
    fn masking_finding(&self) -> String {
        let (runs, judged) = (self.maskings(), self.maskings().into_iter().filter(|run| !run.checks.is_empty()));
        let (judged, warned) = judged.fold((0, 0), |(n, w), run| (n + 1, w + usize::from(run.warnings().count() > 0)));
        match (judged, warned) {
            (0, _) => "The checks have not come to their verdicts.".into(),
            (n, 0) if n == runs.len() => "Every model passes every check.".into(),
            (n, 0) => format!(
                "The {} that {} been checked so far pass.",
                format::plural(n, "model", "models"),
                if n == 1 { "has" } else { "have" }
            ),
            (n, warned) => {
                format!("{warned} of {} with a warning.", format::plural(n, "checked model", "checked models"))
            }
        }
    }

    fn figures(&self) -> Vec<Figure> {
        figures::comparison_figures(&self.curves)
    }

    /// What the numbers were made of, in one line.
    fn setting(&self) -> String {
        let (train, test) = self.images;
        let teacher = match &self.spec.teacher {
            TeacherChoice::Train(architecture) => format!("teacher {architecture}, trained here with PGD-AT"),
            TeacherChoice::Run { id, architecture } => format!("teacher {architecture} of run {id}"),
            TeacherChoice::Imported { id, architecture } => format!("teacher {architecture}, imported as model {id}"),
        };
        let normalised = self.spec.normaliser.map(|n| format!(", normalised by {n}")).unwrap_or_default();
        let epochs = self.spec.epochs.map(|n| format!(" with {}", format::plural(n, "epoch", "epochs")));
        format!(
            "{}, {} train and {} test images{normalised} · {teacher} · {} · {} budget{} · {}",
            self.spec.dataset.name,
            format::count(train),
            format::count(test),
            format::plural(self.spec.seeds.len(), "seed", "seeds"),
            self.spec.budget,
            epochs.unwrap_or_default(),
            self.spec.device
        )
    }

    /// Who is best, once a student has a number.
    fn finding(&self, table: &ComparisonTable) -> Option<String> {
        let found: Vec<_> = table.best().into_iter().flatten().collect();
        let parts =
            found.iter().map(|best| format!("{} {} % by {}", best.what(), format::percent(best.percent), best.who()));
        let parts: Vec<_> = parts.collect();
        let so_far = if self.standing().is_open() { " so far" } else { "" };
        (!parts.is_empty()).then(|| format!("Best student{so_far}: {}.", parts.join(", ")))
    }

    /// How the small figures are to be read.
    fn legend(&self, table: &ComparisonTable) -> String {
        let images = format::count(self.images.1);
        let interval = format!("the 95 % interval over {images} test images (Wilson)");
        let small = if table.has_seeds {
            format!("± is the sample standard deviation over n seeds; a range is {interval} of a single model.")
        } else {
            format!("Small: {interval}, one model each.")
        };
        format!("{small} Bold: best of its column and student.")
    }
}
