//! `GET /paper`: the paper's tables with ours beside them, and what is missing.

mod figures;
mod ours;

use std::{collections::HashMap, sync::Arc};

use askama::Template;
use retort_spec::{
    Conditions, ExperimentSpec, MethodName, PaperFigure, PaperResult, PaperTable, Variant, paper_results, reproduce,
};

use self::ours::{Candidate, candidates, ours, rows, under_way};
pub use self::{figures::FigureSection, ours::Ours};
use super::{A_DAY, DeviceOption};
use crate::{
    Frame, Section,
    analyses::AnalysisView,
    format,
    tables::{Compared, RightAnswers},
};

/// The paper's results, and ours.
#[derive(Clone, Debug, Template)]
#[template(path = "paper.html")]
pub struct PaperPage {
    /// The header.
    pub frame: Frame,
    /// At what is launched from here.
    pub conditions: Conditions,
    /// The devices to choose from.
    pub devices: Vec<DeviceOption>,
    /// The paper's tables.
    pub sections: Vec<PaperSection>,
    /// The paper's figures.
    pub figures: Vec<FigureSection>,
    /// Datasets of the paper that are not here.
    pub missing: Vec<&'static str>,
}

/// One table.
#[derive(Clone, Debug, PartialEq)]
pub struct PaperSection {
    /// Which.
    pub table: PaperTable,
    /// Its title.
    pub title: &'static str,
    /// The heads of its columns.
    pub columns: Vec<PaperColumn>,
    /// Its rows.
    pub rows: Vec<PaperRow>,
    /// Launches what is missing of it.
    pub launch: Option<Launch>,
    /// Why some of it, or all, has no button.
    pub why: Option<String>,
}

/// The head of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaperColumn {
    /// What columns beside each other share: the teacher. Empty where they share nothing.
    pub group: String,
    /// What it is of: the student, the teacher or the dataset.
    pub name: String,
}

/// A row of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct PaperRow {
    /// The method, with what sets it apart.
    pub name: String,
    /// The method.
    pub method: MethodName,
    /// A cell for each column; none where the paper has none.
    pub cells: Vec<Option<PaperCell>>,
    /// Launches what is missing of it.
    pub launch: Option<Launch>,
}

/// A cell: natural and adversarial accuracy.
#[derive(Clone, Debug, PartialEq)]
pub struct PaperCell {
    /// The paper's numbers.
    pub paper: [f64; 2],
    /// Ours, at the largest budget that there is.
    pub ours: Option<Ours>,
    /// The experiment that measures it as would be launched.
    pub under_way: Option<i64>,
    /// Launches it, unless it is measured at what is launched here, or under way.
    pub launch: Option<Launch>,
}

/// What a button launches.
#[derive(Clone, Debug, PartialEq)]
pub struct Launch {
    /// Places in the list of the paper's results.
    pub results: Vec<usize>,
    /// About how many seconds it takes, where that is known.
    pub seconds: Option<f64>,
    /// How many experiments that are.
    pub experiments: usize,
}

/// What the page is made of.
pub struct PaperParts<'a> {
    /// The header.
    pub frame: Frame,
    /// At what is launched from here.
    pub conditions: Conditions,
    /// The devices to choose from.
    pub devices: Vec<DeviceOption>,
    /// The experiments whose results may stand beside the paper's.
    pub compared: &'a [Compared<'a>],
    /// Which answers were right, by evaluation: of the sweeps that may stand for the paper's figures.
    pub right: &'a HashMap<i64, Arc<RightAnswers>>,
    /// The names of the datasets that are here.
    pub datasets: &'a [String],
    /// Seconds that results take to measure.
    pub estimate: &'a dyn Fn(&[usize]) -> Option<f64>,
    /// Seconds that the experiment of a figure takes.
    pub estimate_figure: &'a dyn Fn(PaperFigure) -> Option<f64>,
    /// The analyses that may stand for the paper's: for each figure the one at the largest budget.
    pub analyses: Vec<FoundAnalysis<'a>>,
}

/// An analysis of ours that stands for one of the paper's figures.
pub struct FoundAnalysis<'a> {
    /// The figure.
    pub figure: PaperFigure,
    /// The experiment.
    pub experiment: i64,
    /// The experiment's question.
    pub spec: &'a ExperimentSpec,
    /// The analysis.
    pub view: AnalysisView,
}

impl PaperPage {
    const SECTION: Section = Section::Paper;

    /// Puts the page together.
    pub fn new(parts: &PaperParts) -> Self {
        let mut missing: Vec<&'static str> = Vec::new();
        for result in paper_results().iter().filter(|result| !parts.has(result)) {
            if !missing.contains(&result.dataset.as_str()) {
                missing.push(&result.dataset);
            }
        }
        let candidates = candidates(parts.compared, parts.right);
        Self {
            frame: parts.frame.clone(),
            conditions: parts.conditions.clone(),
            devices: parts.devices.clone(),
            sections: PaperTable::ALL.map(|table| parts.section(table, &candidates)).into(),
            figures: PaperFigure::ALL.map(|figure| FigureSection::new(figure, parts, &candidates)).into(),
            missing,
        }
    }

    /// How much of the paper is measured.
    fn finding(&self) -> String {
        let cells = || self.sections.iter().flat_map(|s| &s.rows).flat_map(|r| r.cells.iter().flatten());
        let (all, ours) = (cells().count(), cells().filter(|cell| cell.is_measured()).count());
        let under_way = match cells().filter(|cell| cell.under_way.is_some()).count() {
            0 => String::new(),
            n => format!(" {n} under way."),
        };
        let measured = match ours {
            0 => format!("None of the paper's {all} results is measured here yet."),
            n if n == all => format!("All of the paper's {all} results are measured here."),
            n => format!("{n} of the paper's {all} results are measured here."),
        };
        measured + &under_way
    }

    /// What the budget means here.
    fn summary(&self) -> String {
        let images = self.conditions.images().map(|[train, test]| {
            format!(" Here on {} training and {} test images.", format::count(train), format::count(test))
        });
        format!("{}{}", self.conditions.budget.summary(), images.unwrap_or_default())
    }

    /// The seeds as they are typed.
    fn seeds(&self) -> String {
        self.conditions.seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")
    }

    fn is_device(&self, device: &DeviceOption) -> bool {
        device.name == self.conditions.device
    }

    fn pair(cells: [f64; 2]) -> String {
        cells.map(format::percent).join(" / ")
    }
}

impl PaperSection {
    /// What columns beside each other share, each with how many they are; nothing where none does.
    fn groups(&self) -> Vec<(&str, usize)> {
        let mut groups: Vec<(&str, usize)> = Vec::new();
        for column in &self.columns {
            match groups.last_mut().filter(|(group, _)| *group == column.group) {
                Some((_, count)) => *count += 1,
                None => groups.push((&column.group, 1)),
            }
        }
        groups.retain(|(group, _)| !group.is_empty());
        groups
    }
}

impl Launch {
    /// How long it takes, for a button of little room, and whether the form or a question comes first.
    fn short(&self) -> String {
        let time = self.seconds.map_or_else(|| "launch".into(), format::rough);
        let first = match (self.asks().is_empty(), self.experiments) {
            (true, _) => "",
            (false, 1) => " · form",
            (false, _) => " · asks",
        };
        format!("{time}{first}")
    }

    /// The same behind other words, where it is known.
    fn behind(&self) -> String {
        let time = self.seconds.map(|seconds| format!(", {}", format::estimate(seconds))).unwrap_or_default();
        format!("{time}{}", self.asks())
    }

    /// What comes before a launch that takes more than a day: the form, filled in, or a question where it is several experiments.
    fn asks(&self) -> &'static str {
        match self.experiments {
            _ if self.seconds.is_none_or(|seconds| seconds <= A_DAY) => "",
            1 => ", opens the form",
            _ => ", asks first",
        }
    }
}

impl PaperColumn {
    /// All that its head says: `Teacher ResNet-18 → WRN-16-2`.
    fn full(&self) -> String {
        if self.group.is_empty() { self.name.clone() } else { format!("{} → {}", self.group, self.name) }
    }
}

impl PaperSection {
    /// What a button launches, in words that no other button has: `KD, Teacher ResNet-18 → WRN-16-2, of Table 1`.
    fn label(&self, what: &[&str]) -> String {
        let table = self.title.split(':').next().unwrap_or_default();
        format!("{}, of {table}", what.join(", "))
    }
}

impl PaperCell {
    /// Whether we have both of its numbers.
    fn is_measured(&self) -> bool {
        self.ours.as_ref().is_some_and(|ours| ours.cells.iter().all(Option::is_some))
    }
}

impl PaperParts<'_> {
    fn has(&self, result: &PaperResult) -> bool {
        let own = self.datasets.contains(&result.dataset);
        own && (result.table != PaperTable::Transfer || self.datasets.iter().any(|name| name == "cifar10"))
    }

    fn section(&self, table: PaperTable, candidates: &[Candidate]) -> PaperSection {
        let results: Vec<(usize, &PaperResult)> =
            paper_results().iter().enumerate().filter(|(_, result)| result.table == table).collect();
        let (mut columns, mut names): (Vec<PaperColumn>, Vec<(MethodName, &Variant)>) = (Vec::new(), Vec::new());
        for (_, result) in &results {
            let (column, name) = (column(result), (result.method, &result.variant));
            if !columns.contains(&column) {
                columns.push(column);
            }
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let row = |(method, variant): (MethodName, &Variant)| {
            let own: Vec<_> = results.iter().filter(|(_, r)| (r.method, &r.variant) == (method, variant)).collect();
            let cells = columns.iter().map(|head| {
                let (place, result) = own.iter().find(|(_, result)| column(result) == *head)?;
                Some(self.cell(*place, result, candidates))
            });
            let cells: Vec<Option<PaperCell>> = cells.collect();
            let launch = self.launch_missing(cells.iter().flatten());
            let name = variant.named(method.title());
            PaperRow { name, method, cells, launch }
        };
        let rows: Vec<PaperRow> = names.into_iter().map(row).collect();
        let launch = self.launch_missing(rows.iter().flat_map(|row| row.cells.iter().flatten()));
        let why = self.why(table, results.iter().map(|(_, result)| result.dataset.as_str()), &rows);
        PaperSection { table, title: title(table), columns, rows, launch, why }
    }

    /// Why something of a table cannot be launched: a dataset is missing, or all of it is measured or under way.
    fn why<'r>(&self, table: PaperTable, datasets: impl Iterator<Item = &'r str>, rows: &[PaperRow]) -> Option<String> {
        let trained_on = (table == PaperTable::Transfer).then_some("cifar10");
        let mut missing: Vec<&str> = Vec::new();
        for name in trained_on.into_iter().chain(datasets) {
            if !missing.contains(&name) && !self.datasets.iter().any(|here| here == name) {
                missing.push(name);
            }
        }
        let has_button = rows.iter().flat_map(|row| row.cells.iter().flatten()).any(|cell| cell.launch.is_some());
        let (are, them) = if missing.len() == 1 { ("is", "it") } else { ("are", "them") };
        let use_of_them = if table == PaperTable::Transfer {
            "the models are trained on cifar10 and probed on the others"
        } else {
            "the models are trained on it"
        };
        match (missing.as_slice(), has_button) {
            ([], true) => None,
            ([], false) => Some("Nothing is left to launch at this budget: all of it is measured or under way.".into()),
            (names, true) => Some(format!("Not all of it can be launched: {} {are} not here.", format::list(names))),
            (names, false) => Some(format!(
                "It cannot be launched yet: {} {are} not here, and {use_of_them}. The datasets' page fetches {them}.",
                format::list(names)
            )),
        }
    }

    fn cell(&self, place: usize, result: &PaperResult, candidates: &[Candidate]) -> PaperCell {
        let rows = rows(result, candidates);
        let ours = ours(result, &rows, &self.conditions);
        let is_enough = ours.as_ref().is_some_and(|ours| ours.is_enough);
        // A teacher that is there is evaluated again beside its next students.
        let under_way = if is_enough { None } else { under_way(&rows, &self.conditions) };
        let is_wanted = self.has(result) && !is_enough && under_way.is_none();
        PaperCell {
            paper: [result.natural, result.adversarial],
            launch: is_wanted.then(|| self.launch(vec![place])),
            ours,
            under_way,
        }
    }

    fn launch(&self, results: Vec<usize>) -> Launch {
        let experiments = reproduce(results.iter().map(|place| &paper_results()[*place]), &self.conditions).len();
        Launch { seconds: (self.estimate)(&results), results, experiments }
    }

    /// Launches the cells that can be; none when a single one is left, which has its own button.
    fn launch_missing<'c>(&self, cells: impl Iterator<Item = &'c PaperCell>) -> Option<Launch> {
        let missing = cells.filter_map(|cell| cell.launch.as_ref());
        let results: Vec<usize> = missing.flat_map(|launch| launch.results.clone()).collect();
        (results.len() > 1).then(|| self.launch(results))
    }
}

/// What stands at the head of a result's column.
fn column(result: &PaperResult) -> PaperColumn {
    let (group, name) = match (result.table, result.student) {
        (PaperTable::Transfer, _) => (String::new(), result.dataset.clone()),
        (_, None) => (String::new(), format!("{} on {}", printed(result.teacher), result.dataset)),
        (_, Some(student)) => (format!("Teacher {}", printed(result.teacher)), printed(student)),
    };
    PaperColumn { group, name }
}

/// A network as the paper prints it, with a mark where it most likely means another.
fn printed(architecture: retort_spec::Architecture) -> String {
    let mark = if retort_spec::likely(architecture) == architecture { "" } else { "*" };
    format!("{architecture}{mark}")
}

const fn title(table: PaperTable) -> &'static str {
    match table {
        PaperTable::Cifar10 => "Table 1: students on CIFAR-10, PGD-20",
        PaperTable::Cifar100 => "Table 2: students on CIFAR-100, PGD-20",
        PaperTable::Teachers => "Table 3: teachers, PGD-20",
        PaperTable::Transfer => "Table 4: linear probes of CIFAR-10 models, PGD-7",
        PaperTable::Ablation => "Ablation: sample weights, ResNet-18 to WRN-34-10",
    }
}
