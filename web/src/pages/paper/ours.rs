//! Our numbers for the paper's results.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use retort_spec::{Conditions, ExperimentSpec, PaperResult, PaperTable};

use crate::{
    format,
    tables::{Cell, Column, Compared, ComparisonTable, ComparisonView, RightAnswers, Row, settings},
};

/// Our numbers for a cell.
#[derive(Clone, Debug, PartialEq)]
pub struct Ours {
    /// The natural accuracy, and the adversarial one where it was measured.
    pub cells: [Option<Cell>; 2],
    /// Ours less the paper's.
    pub differences: [Option<f64>; 2],
    /// The experiment, or the latest of those that share the row.
    pub experiment: i64,
    /// At which budget, over how many seeds.
    pub made: String,
    /// Whether both are there, at what is launched here or more.
    pub is_enough: bool,
}

impl Ours {
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
    pub made: String,
    /// What they were made with: their budget, epochs and images.
    pub spec: &'a ExperimentSpec,
    dataset: String,
    /// Whether it is of linear probes.
    is_probe: bool,
}

impl Candidate<'_> {
    /// How much it says: what has the epochs and images of its budget, then the larger budget.
    pub(super) fn rank(&self) -> (bool, u8) {
        let spec = self.spec;
        let own = Conditions { budget: spec.budget, seeds: spec.seeds.clone(), device: spec.device };
        (own.are_met_by(spec), spec.budget as u8)
    }

    /// The experiment that a run belongs to.
    fn member_with(&self, run: i64) -> Option<i64> {
        let has_run = |member: &&Compared| member.runs.iter().any(|row| row.label.id == run);
        self.members.iter().find(has_run).map(|member| member.id)
    }
}

/// What an experiment was made at.
pub(super) fn made(spec: &ExperimentSpec) -> String {
    let epochs = spec.epochs.map(|n| format!(", {}", format::plural(n, "epoch", "epochs"))).unwrap_or_default();
    let images = spec.dataset.train_images.map(|n| format!(", {} images", format::count(n))).unwrap_or_default();
    format!("{} budget{epochs}{images}", spec.budget)
}

/// Our tables: one for each setting, and one for each dataset that its models are probed on.
pub(super) fn candidates<'a>(
    compared: &'a [Compared<'a>],
    right: &HashMap<i64, Arc<RightAnswers>>,
) -> Vec<Candidate<'a>> {
    let mut candidates = Vec::new();
    let view = ComparisonView::default();
    for members in settings(compared) {
        let spec = members[0].spec;
        let made = made(spec);
        let one = |table, dataset: &str, is_probe| Candidate {
            table,
            made: made.clone(),
            spec,
            members: members.clone(),
            dataset: dataset.to_owned(),
            is_probe,
        };
        candidates.push(one(ComparisonTable::new(&members, &view, right), &spec.dataset.name, false));
        let probes: HashSet<&str> =
            members.iter().flat_map(|member| &member.spec.probes).map(|probe| probe.name.as_str()).collect();
        for name in probes {
            candidates.push(one(ComparisonTable::probes(&members, &view, right, name), name, true));
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
            && (row.method, &row.variant) == (result.method, &result.variant)
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

/// The experiment that measures a result at `conditions`, or at more, while it does so.
pub(super) fn under_way(rows: &[(&Candidate, &Row)], conditions: &Conditions) -> Option<i64> {
    let open = rows.iter().filter(|(candidate, _)| conditions.are_met_by(candidate.spec));
    open.filter_map(|(candidate, row)| candidate.member_with(row.coming?)).max()
}

/// Our numbers for a result: of the rows that have some, those at the largest budget with the most seeds.
pub(super) fn ours(result: &PaperResult, rows: &[(&Candidate, &Row)], conditions: &Conditions) -> Option<Ours> {
    let cells = |candidate: &Candidate, row: &Row| {
        let columns = || candidate.table.columns.iter().zip(&row.cells);
        let adversarial =
            columns().find(|(column, _)| column.attack().is_some_and(|attack| result.accuracy(Some(attack)).is_some()));
        let natural = columns().find(|(column, _)| **column == Column::Natural);
        [natural, adversarial].map(|found| found.and_then(|(_, cell)| cell.clone()))
    };
    let seeds = |cells: &[Option<Cell>; 2]| cells[0].as_ref().map_or(0, Cell::seeds);
    // What lacks a number stands back behind what has both, and what was cut short behind what was not.
    let rank = |candidate: &Candidate, row: &Row| {
        let cells = cells(candidate, row);
        (cells.iter().flatten().count(), candidate.rank(), seeds(&cells))
    };
    let found = rows.iter().filter(|(_, row)| row.has_numbers());
    let (candidate, row) = found.max_by_key(|(candidate, row)| rank(candidate, row))?;
    let cells = cells(candidate, row);
    let count = seeds(&cells);
    let less = |cell: &Option<Cell>, paper: f64| cell.as_ref().map(|cell| cell.mean - paper);
    let evaluations = row.seeds.iter().filter_map(|seed| seed.evaluations.first());
    Some(Ours {
        differences: [less(&cells[0], result.natural), less(&cells[1], result.adversarial)],
        is_enough: cells.iter().all(Option::is_some)
            && conditions.are_met_by(candidate.spec)
            && count >= conditions.seeds.len(),
        cells,
        experiment: evaluations.filter_map(|run| candidate.member_with(*run)).max()?,
        made: format!("{}, {}", candidate.made, format::plural(count, "seed", "seeds")),
    })
}
