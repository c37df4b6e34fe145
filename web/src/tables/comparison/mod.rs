//! The table of a comparison: a row for each student and method, averaged over seeds.

mod answered;
mod cell;
mod column;
mod gather;
mod highest;
mod lead;
mod paired;
mod remarks;
mod settling;
mod view;

use std::{collections::HashMap, sync::Arc};

use retort_spec::{Architecture, ExperimentSpec, MethodName, RunState, Variant};

use crate::{RunRow, format};

pub(crate) use gather::settings;

pub use answered::RightAnswers;
pub use cell::{Beside, Cell, Spread};
pub use column::Column;
pub use highest::Highest;
pub use lead::Lead;
pub use remarks::Remarks;
pub use settling::OpenDifference;
pub use view::{ComparisonView, Values, XAxis};

/// An experiment with its runs, as it enters a comparison.
#[derive(Clone, Copy, Debug)]
pub struct Compared<'a> {
    /// The experiment.
    pub id: i64,
    /// Its question.
    pub spec: &'a ExperimentSpec,
    /// All its runs in the order of the plan.
    pub runs: &'a [RunRow],
}

/// The table: the teacher first, then a group for each student.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ComparisonTable {
    /// The columns: the natural accuracy, then each attack, and the worst case where there are several.
    pub columns: Vec<Column>,
    /// The groups with at least one row.
    pub groups: Vec<Group>,
    /// Whether more than one seed was asked for.
    pub has_seeds: bool,
    /// Whether its rows are of experiments that were made at more than one setting.
    pub has_settings: bool,
    /// The row that every other is tested against.
    pub baseline: Option<String>,
    /// Whether a cell of the paper stands beside one of ours.
    pub has_paper: bool,
    /// Which accuracy of each column and group leads, where several compete.
    pub leads: Vec<Lead>,
}

/// The rows of one student, or of the teacher.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// `Teacher ResNet-18`, `Student ResNet-8`; with the setting where experiments of several are compared.
    pub title: String,
    /// Whether it is the teacher's.
    pub is_teacher: bool,
    /// The rows in the order of the methods, or as they are sorted.
    pub rows: Vec<Row>,
}

/// One method on one student.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Its name in an address, such as `ard:resnet8`.
    pub key: String,
    /// The method.
    pub method: MethodName,
    /// The method in the words of the page, or `imported`.
    pub name: &'static str,
    /// Whether it is the teacher's.
    pub is_teacher: bool,
    /// What sets it apart from the method as published; mostly nothing.
    pub variant: Variant,
    /// The architecture.
    pub architecture: Architecture,
    /// The teacher's architecture.
    pub teacher: Architecture,
    /// The place of the setting that its experiments were made at, among those that are compared.
    pub setting: usize,
    /// The experiments that have it.
    pub experiments: Vec<i64>,
    /// Its seeds in ascending order.
    pub seeds: Vec<Seed>,
    /// A cell for each column; none where there is no number yet.
    pub cells: Vec<Option<Cell>>,
    /// What has to be said of its models beside their numbers.
    pub remarks: Remarks,
    /// The run that is still to end before all its numbers are there, if there is one.
    pub coming: Option<i64>,
    /// The run that says why numbers are missing, when some are: a failed one before a running one before a waiting one.
    pub open: Option<RunRow>,
}

/// One seed of a row.
#[derive(Clone, Debug, PartialEq)]
pub struct Seed {
    /// The seed.
    pub value: u64,
    /// The run that trained the model.
    pub training: Option<i64>,
    /// The runs that evaluate it, the one that has finished first.
    pub evaluations: Vec<i64>,
    /// Whether its evaluation has finished.
    pub is_done: bool,
    /// A cell for each column.
    pub cells: Vec<Option<Cell>>,
}

impl ComparisonTable {
    /// Puts the runs of experiments together, as `view` asks for it. `right` has the answers that were right, by evaluation;
    /// without them nothing is tested.
    pub fn new(compared: &[Compared], view: &ComparisonView, right: &HashMap<i64, Arc<RightAnswers>>) -> Self {
        let mut table = gather::table(compared, view, None, right);
        table.finish(view);
        table
    }

    /// Puts the linear probes on the dataset `name` together.
    pub fn probes(
        compared: &[Compared],
        view: &ComparisonView,
        right: &HashMap<i64, Arc<RightAnswers>>,
        name: &str,
    ) -> Self {
        let mut table = gather::table(compared, view, Some(name), right);
        table.finish(&ComparisonView { baseline: String::new(), sort: String::new(), ..view.clone() });
        table
    }

    /// Everything that looks at several rows at once.
    fn finish(&mut self, view: &ComparisonView) {
        self.test_against(&view.baseline);
        let columns = self.columns.len();
        let sort = self.columns.iter().enumerate().find_map(|(i, c)| Some((i, view.sorted_by(c)?)));
        for group in &mut self.groups {
            if let Some((column, lowest_first)) = sort {
                group.sort(column, lowest_first);
            }
            self.leads.extend(group.mark_best(columns));
        }
        let has_paper = self.rows().flat_map(|row| row.cells.iter().flatten()).any(|cell| cell.paper.is_some());
        self.has_paper = has_paper;
    }

    /// Every row.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.groups.iter().flat_map(|group| &group.rows)
    }

    /// How many columns it has in all.
    pub fn width(&self) -> usize {
        self.columns.len() + 1 + usize::from(self.has_seeds)
    }

    /// A row's name among those of all groups: `KD · ResNet-8`; with its experiments where there are several settings.
    pub fn name(&self, row: &Row) -> String {
        let experiments = if self.has_settings { format!(" · {}", row.experiments()) } else { String::new() };
        let teacher = if row.is_teacher { "teacher " } else { "" };
        format!("{teacher}{} · {}{experiments}", row.title(), row.architecture)
    }
}

/// Experiments in words: `experiment 3`, `experiments 3 and 5`.
pub(crate) fn experiments(ids: &[i64]) -> String {
    let words: Vec<String> = ids.iter().map(i64::to_string).collect();
    format!("{} {}", if ids.len() == 1 { "experiment" } else { "experiments" }, format::list(&words))
}

impl Group {
    /// Marks what may be called best in each column, and returns what leads where several compete.
    fn mark_best(&mut self, columns: usize) -> Vec<Lead> {
        let mut leads = Vec::new();
        for column in 0..columns {
            let cells: Vec<Option<&Cell>> = self.rows.iter().map(|row| row.competing(column)).collect();
            let Some(lead) = Lead::among(&cells) else { continue };
            for place in lead.best() {
                if let Some(cell) = self.rows[place].cells[column].as_mut() {
                    cell.is_among_best = true;
                }
            }
            if !lead.others.is_empty() || lead.leaves_out {
                leads.push(lead);
            }
        }
        leads
    }

    /// Sorts by a column; rows without a number stand last.
    fn sort(&mut self, column: usize, lowest_first: bool) {
        let key = |row: &Row| match &row.cells[column] {
            Some(cell) if lowest_first => cell.mean,
            Some(cell) => -cell.mean,
            None => f64::INFINITY,
        };
        self.rows.sort_by(|a, b| key(a).total_cmp(&key(b)));
    }
}

impl Row {
    /// The method, with its variant if it is one: `ARD`, `ARD (sample weighting = teacher)`.
    pub fn title(&self) -> String {
        self.variant.named(self.name)
    }

    /// Whether its models have not collapsed: one answer to every image is right on a share of them under any attack.
    pub const fn can_be_best(&self) -> bool {
        !self.remarks.are_of_a_collapse()
    }

    /// The cell of a column, unless it cannot be the best.
    fn competing(&self, column: usize) -> Option<&Cell> {
        self.cells[column].as_ref().filter(|_| self.can_be_best())
    }

    /// Whether it has any number to show.
    pub fn has_numbers(&self) -> bool {
        self.cells.iter().any(Option::is_some)
    }

    /// Its seeds that have a number, whose mean its cells are.
    pub fn measured(&self) -> impl Iterator<Item = &Seed> {
        self.seeds.iter().filter(|seed| seed.cells.iter().any(Option::is_some))
    }

    /// The experiments that have it: `experiment 3`, `experiments 3 and 5`.
    pub fn experiments(&self) -> String {
        experiments(&self.experiments)
    }

    /// The run that trained the model of a row with one seed.
    pub fn only_training(&self) -> Option<i64> {
        match self.seeds.as_slice() {
            [seed] => seed.training,
            _ => None,
        }
    }

    /// The run that is worth a line below the row's numbers: one that runs or has failed. That others wait is plain
    /// from the seeds that are missing.
    pub fn news(&self) -> Option<&RunRow> {
        self.open.as_ref().filter(|run| !matches!(run.state, RunState::Queued | RunState::Cancelled))
    }
}
