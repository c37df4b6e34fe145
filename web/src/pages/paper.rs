//! `GET /paper`: the paper's tables with ours beside them, and what is missing.

use std::collections::{HashMap, HashSet};

use askama::Template;
use retort_spec::{Budget, MethodName, PaperResult, PaperTable, paper_results};

use crate::{
    Frame, Section, format,
    tables::{Cell, Compared, ComparisonTable, ComparisonView, Row, settings},
};

/// The paper's results, and ours.
#[derive(Clone, Debug, Template)]
#[template(path = "paper.html")]
pub struct PaperPage {
    /// The header.
    pub frame: Frame,
    /// The budget of what is launched from here.
    pub budget: Budget,
    /// The paper's tables.
    pub sections: Vec<PaperSection>,
    /// Figure 2's parameters, and about how long each sweep takes.
    pub sweeps: Vec<(&'static str, Option<String>)>,
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
    pub columns: Vec<String>,
    /// Its rows.
    pub rows: Vec<PaperRow>,
    /// Launches what is missing of it.
    pub launch: Option<Launch>,
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
    /// Launches it.
    pub launch: Option<Launch>,
}

/// Our numbers for a cell.
#[derive(Clone, Debug, PartialEq)]
pub struct Ours {
    /// The natural accuracy, and the adversarial one where it was measured.
    pub cells: [Option<Cell>; 2],
    /// Ours less the paper's.
    pub differences: [Option<f64>; 2],
    /// The experiment, or the first of those that share the row.
    pub experiment: i64,
    /// At which budget, over how many seeds.
    pub made: String,
}

/// What a button launches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// Places in the list of the paper's results.
    pub results: Vec<usize>,
    /// About how long it takes, where that is known.
    pub time: Option<String>,
}

/// What the page is made of.
pub struct PaperParts<'a> {
    /// The header.
    pub frame: Frame,
    /// The budget of what is launched from here.
    pub budget: Budget,
    /// The experiments whose results may stand beside the paper's.
    pub compared: &'a [Compared<'a>],
    /// The names of the datasets that are here.
    pub datasets: &'a [String],
    /// Seconds that results take to measure.
    pub estimate: &'a dyn Fn(&[usize]) -> Option<f64>,
    /// Seconds that each of Figure 2's sweeps takes.
    pub sweeps: [Option<f64>; 2],
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
        let words = |seconds: Option<f64>| seconds.map(format::estimate);
        let has_cifar10 = parts.datasets.iter().any(|name| name == "cifar10");
        let sweeps = ["negatives k", "temperature T"].into_iter().zip(parts.sweeps.map(words));
        let candidates = parts.candidates();
        Self {
            frame: parts.frame,
            budget: parts.budget,
            sections: PaperTable::ALL.map(|table| parts.section(table, &candidates)).into(),
            sweeps: if has_cifar10 { sweeps.collect() } else { Vec::new() },
            missing,
        }
    }

    /// How much of the paper is measured.
    fn finding(&self) -> String {
        let cells = || self.sections.iter().flat_map(|s| &s.rows).flat_map(|r| r.cells.iter().flatten());
        let (all, ours) = (cells().count(), cells().filter(|cell| cell.is_measured()).count());
        match ours {
            0 => format!("None of the paper's {all} results is measured here yet."),
            n if n == all => format!("All of the paper's {all} results are measured here."),
            n => format!("{n} of the paper's {all} results are measured here."),
        }
    }

    fn pair(cells: [f64; 2]) -> String {
        cells.map(format::percent).join(" / ")
    }
}

impl PaperCell {
    /// Whether we have both of its numbers.
    fn is_measured(&self) -> bool {
        self.ours.as_ref().is_some_and(|ours| ours.cells.iter().all(Option::is_some))
    }
}

impl Ours {
    fn numbers(&self) -> String {
        let number = |cell: &Option<Cell>| cell.as_ref().map_or_else(|| "–".into(), Cell::value);
        self.cells.each_ref().map(number).join(" / ")
    }

    fn differences(&self) -> String {
        self.differences.map(|d| d.map_or_else(|| "–".into(), format::signed)).join(" / ")
    }
}

/// A table of ours with what it was made at.
struct Candidate {
    table: ComparisonTable,
    budget: Budget,
    made: String,
    experiment: i64,
    dataset: String,
    /// Whether it is of linear probes.
    is_probe: bool,
}

impl PaperParts<'_> {
    fn has(&self, result: &PaperResult) -> bool {
        let own = self.datasets.contains(&result.dataset);
        own && (result.table != PaperTable::Transfer || self.datasets.iter().any(|name| name == "cifar10"))
    }

    fn candidates(&self) -> Vec<Candidate> {
        let mut candidates = Vec::new();
        let view = ComparisonView::default();
        for members in settings(self.compared) {
            let spec = members[0].spec;
            let epochs = spec.epochs.map(|n| format!(", {}", format::plural(n, "epoch", "epochs"))).unwrap_or_default();
            let images =
                spec.dataset.train_images.map(|n| format!(", {} images", format::count(n))).unwrap_or_default();
            let made = format!("{} budget{epochs}{images}", spec.budget);
            let one = |table, dataset: &str, is_probe| Candidate {
                table,
                budget: spec.budget,
                made: made.clone(),
                experiment: members[0].id,
                dataset: dataset.to_owned(),
                is_probe,
            };
            candidates.push(one(ComparisonTable::new(&members, &view, &HashMap::new()), &spec.dataset.name, false));
            let probes: HashSet<&str> =
                members.iter().flat_map(|member| &member.spec.probes).map(|probe| probe.name.as_str()).collect();
            for name in probes {
                candidates.push(one(ComparisonTable::probes(&members, &view, name), name, true));
            }
        }
        candidates
    }

    fn section(&self, table: PaperTable, candidates: &[Candidate]) -> PaperSection {
        let results: Vec<(usize, &PaperResult)> =
            paper_results().iter().enumerate().filter(|(_, result)| result.table == table).collect();
        let (mut columns, mut names): (Vec<String>, Vec<(MethodName, &str)>) = (Vec::new(), Vec::new());
        for (_, result) in &results {
            let (column, name) = (column(result), (result.method, result.variant.as_str()));
            if !columns.contains(&column) {
                columns.push(column);
            }
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let row = |(method, variant): (MethodName, &str)| {
            let own: Vec<_> =
                results.iter().filter(|(_, r)| (r.method, r.variant.as_str()) == (method, variant)).collect();
            let cells = columns.iter().map(|head| {
                let (place, result) = own.iter().find(|(_, result)| column(result) == *head)?;
                Some(self.cell(*place, result, candidates))
            });
            let cells: Vec<Option<PaperCell>> = cells.collect();
            let launch = self.launch_missing(cells.iter().flatten());
            let name = if variant.is_empty() { method.to_string() } else { format!("{method}, {variant}") };
            PaperRow { name, method, cells, launch }
        };
        let rows: Vec<PaperRow> = names.into_iter().map(row).collect();
        let launch = self.launch_missing(rows.iter().flat_map(|row| row.cells.iter().flatten()));
        PaperSection { table, title: title(table), columns, rows, launch }
    }

    fn cell(&self, place: usize, result: &PaperResult, candidates: &[Candidate]) -> PaperCell {
        PaperCell {
            paper: [result.natural, result.adversarial],
            ours: ours(result, candidates),
            launch: self.has(result).then(|| self.launch(vec![place])),
        }
    }

    fn launch(&self, results: Vec<usize>) -> Launch {
        Launch { time: (self.estimate)(&results).map(format::estimate), results }
    }

    /// Launches the cells that are not measured; none when all are, or when a single one is left, which has its own button.
    fn launch_missing<'c>(&self, cells: impl Iterator<Item = &'c PaperCell>) -> Option<Launch> {
        let missing = cells.filter(|cell| !cell.is_measured()).filter_map(|cell| cell.launch.as_ref());
        let results: Vec<usize> = missing.flat_map(|launch| launch.results.clone()).collect();
        (results.len() > 1).then(|| self.launch(results))
    }
}

/// What stands at the head of a result's column.
fn column(result: &PaperResult) -> String {
    match (result.table, result.student) {
        (PaperTable::Transfer, _) => result.dataset.clone(),
        (_, None) => format!("{} on {}", printed(result.teacher), result.dataset),
        (_, Some(student)) => format!("{} → {}", printed(result.teacher), printed(student)),
    }
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

/// Our row for a result: of those that there are, the one at the largest budget with the most seeds.
fn ours(result: &PaperResult, candidates: &[Candidate]) -> Option<Ours> {
    let is_probe = result.table == PaperTable::Transfer;
    let is_row = |row: &&Row, is_teacher: bool| {
        // A teacher of the paper may have been trained here as a student without one.
        let alone = result.student.is_none() && !is_teacher && row.method == result.method;
        let student = if is_teacher || alone { None } else { Some(row.architecture) };
        let teacher = if alone { row.architecture } else { row.teacher };
        row.name != "imported"
            && (row.method, row.variant.as_str()) == (result.method, result.variant.as_str())
            && result.is_of(teacher, student)
    };
    let mut found: Vec<(&Candidate, &Row)> = Vec::new();
    for candidate in candidates.iter().filter(|c| c.is_probe == is_probe && c.dataset == result.dataset) {
        for group in &candidate.table.groups {
            found.extend(group.rows.iter().filter(|row| is_row(row, group.is_teacher)).map(|row| (candidate, row)));
        }
    }
    found.retain(|(_, row)| row.has_numbers());
    let cells = |candidate: &Candidate, row: &Row| {
        let columns = || candidate.table.columns.iter().zip(&row.cells);
        let adversarial = columns().find(|(column, _)| column.is_some() && result.accuracy(column.as_ref()).is_some());
        let natural = columns().find(|(column, _)| column.is_none());
        [natural, adversarial].map(|found| found.and_then(|(_, cell)| cell.clone()))
    };
    // What lacks a number stands back behind what has both.
    let rank = |candidate: &Candidate, row: &Row| {
        let cells = cells(candidate, row);
        let seeds = cells[0].as_ref().map_or(0, Cell::seeds);
        (cells.iter().flatten().count(), candidate.budget as u8, seeds)
    };
    let (candidate, row) = found.into_iter().max_by_key(|(candidate, row)| rank(candidate, row))?;
    let cells = cells(candidate, row);
    let seeds = cells[0].as_ref().map_or(0, Cell::seeds);
    let less = |cell: &Option<Cell>, paper: f64| cell.as_ref().map(|cell| cell.mean - paper);
    Some(Ours {
        differences: [less(&cells[0], result.natural), less(&cells[1], result.adversarial)],
        cells,
        experiment: candidate.experiment,
        made: format!("{}, {}", candidate.made, format::plural(seeds, "seed", "seeds")),
    })
}
