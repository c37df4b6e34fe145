//! Our numbers for the paper's results.

use std::collections::{HashMap, HashSet};

use retort_spec::{Budget, Conditions, ExperimentSpec, PaperResult, PaperTable};

use crate::{
    format,
    tables::{Cell, Compared, ComparisonTable, ComparisonView, Row, settings},
};

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
    /// The budget.
    pub budget: Budget,
    /// How many seeds it is the mean of.
    pub seeds: usize,
}

impl Ours {
    /// Whether both numbers are there, at `conditions` or at a larger budget.
    pub(super) fn meets(&self, conditions: &Conditions) -> bool {
        let enough = (self.budget as u8, self.seeds) >= (conditions.budget as u8, conditions.seeds.len());
        enough && self.cells.iter().all(Option::is_some)
    }

    pub(super) fn numbers(&self) -> String {
        let number = |cell: &Option<Cell>| cell.as_ref().map_or_else(|| "–".into(), Cell::value);
        self.cells.each_ref().map(number).join(" / ")
    }

    pub(super) fn differences(&self) -> String {
        self.differences.map(|d| d.map_or_else(|| "–".into(), format::signed)).join(" / ")
    }
}

/// A table of ours with what it was made at.
pub(super) struct Candidate<'a> {
    pub table: ComparisonTable,
    /// The experiments that share its setting.
    pub members: Vec<Compared<'a>>,
    pub budget: Budget,
    pub made: String,
    pub experiment: i64,
    dataset: String,
    /// Whether it is of linear probes.
    is_probe: bool,
}

/// What an experiment was made at.
pub(super) fn made(spec: &ExperimentSpec) -> String {
    let epochs = spec.epochs.map(|n| format!(", {}", format::plural(n, "epoch", "epochs"))).unwrap_or_default();
    let images = spec.dataset.train_images.map(|n| format!(", {} images", format::count(n))).unwrap_or_default();
    format!("{} budget{epochs}{images}", spec.budget)
}

/// Our tables: one for each setting, and one for each dataset that its models are probed on.
pub(super) fn candidates<'a>(compared: &'a [Compared<'a>]) -> Vec<Candidate<'a>> {
    let mut candidates = Vec::new();
    let view = ComparisonView::default();
    for members in settings(compared) {
        let spec = members[0].spec;
        let made = made(spec);
        let one = |table, dataset: &str, is_probe| Candidate {
            table,
            budget: spec.budget,
            made: made.clone(),
            members: members.clone(),
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

/// Our rows for a result, with numbers or without.
pub(super) fn rows<'a>(result: &PaperResult, candidates: &'a [Candidate<'a>]) -> Vec<(&'a Candidate<'a>, &'a Row)> {
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
    let mut found = Vec::new();
    for candidate in candidates.iter().filter(|c| c.is_probe == is_probe && c.dataset == result.dataset) {
        for group in &candidate.table.groups {
            found.extend(group.rows.iter().filter(|row| is_row(row, group.is_teacher)).map(|row| (candidate, row)));
        }
    }
    found
}

/// The experiment that measures a result at `conditions`, or at a larger budget, while it does so.
pub(super) fn under_way(rows: &[(&Candidate, &Row)], conditions: &Conditions) -> Option<i64> {
    let open = rows.iter().filter(|(candidate, _)| candidate.budget as u8 >= conditions.budget as u8);
    let open = open.filter_map(|(_, row)| row.open.as_ref()).filter(|run| !run.state.is_over());
    open.filter_map(|run| run.experiment.as_ref()).map(|(id, _)| *id).max()
}

/// Our numbers for a result: of the rows that have some, those at the largest budget with the most seeds.
pub(super) fn ours(result: &PaperResult, rows: &[(&Candidate, &Row)]) -> Option<Ours> {
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
    let found = rows.iter().filter(|(_, row)| row.has_numbers());
    let (candidate, row) = found.max_by_key(|(candidate, row)| rank(candidate, row))?;
    let cells = cells(candidate, row);
    let seeds = cells[0].as_ref().map_or(0, Cell::seeds);
    let less = |cell: &Option<Cell>, paper: f64| cell.as_ref().map(|cell| cell.mean - paper);
    Some(Ours {
        differences: [less(&cells[0], result.natural), less(&cells[1], result.adversarial)],
        cells,
        experiment: candidate.experiment,
        made: format!("{}, {}", candidate.made, format::plural(seeds, "seed", "seeds")),
        budget: candidate.budget,
        seeds,
    })
}
