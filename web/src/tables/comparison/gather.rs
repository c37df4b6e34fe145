//! From the runs of experiments to the rows of a table.

use std::{collections::HashMap, sync::Arc};

use retort_spec::{
    Accuracy, Architecture, Attack, ExperimentSpec, MethodName, ModelRef, PaperResult, PaperTable, RunState,
    TeacherChoice, Variant, paper_results,
};

use super::{
    Cell, Column, Compared, ComparisonTable, ComparisonView, Group, Remarks, RightAnswers, Row, Seed,
    answered::{Answered, Answers},
};
use crate::{RunRow, Score, format};

/// Experiments that were made alike but for their students, methods and seeds: their rows are the same rows.
struct Setting<'a> {
    members: Vec<Compared<'a>>,
}

impl<'a> Setting<'a> {
    fn spec(&self) -> &'a ExperimentSpec {
        self.members[0].spec
    }

    fn runs(&self) -> impl Iterator<Item = &'a RunRow> {
        self.members.iter().flat_map(|member| member.runs)
    }

    fn experiments(&self) -> Vec<i64> {
        self.members.iter().map(|member| member.id).collect()
    }

    /// What tells it from other settings.
    fn words(&self) -> String {
        let spec = self.spec();
        let epochs = spec.epochs.map(|n| format!(", {}", format::plural(n, "epoch", "epochs"))).unwrap_or_default();
        let of = |images: Option<usize>, split: &str| {
            images.map(|n| format!(", {} {split} images", format::count(n))).unwrap_or_default()
        };
        let images = of(spec.dataset.train_images, "train") + &of(spec.dataset.test_images, "test");
        let experiments = super::experiments(&self.experiments());
        format!("{experiments}: {}{images}, {} budget{epochs}", spec.dataset.name, spec.budget)
    }
}

/// The experiments by their settings, in their order.
pub(crate) fn settings<'a>(compared: &[Compared<'a>]) -> Vec<Vec<Compared<'a>>> {
    let mut settings: Vec<Vec<Compared>> = Vec::new();
    for member in compared.iter().copied() {
        match settings.iter_mut().find(|members| members[0].spec.has_same_setting(member.spec)) {
            Some(members) => members.push(member),
            None => settings.push(vec![member]),
        }
    }
    settings
}

/// The rows of experiments, on their own dataset or on one that their features are probed on.
pub(super) fn table(
    compared: &[Compared],
    view: &ComparisonView,
    probe: Option<&str>,
    right: &HashMap<i64, Arc<RightAnswers>>,
) -> ComparisonTable {
    let settings: Vec<Setting> = settings(compared).into_iter().map(|members| Setting { members }).collect();
    let mut columns = columns(compared, probe);
    let attacks: Vec<Attack> = columns.iter().filter_map(Column::attack).cloned().collect();
    columns.retain(|column| view.shows_column(column));
    let mut groups = Vec::new();
    for (place, setting) in settings.iter().enumerate() {
        let gather = Gather { setting, place, view, probe, columns: &columns, attacks: &attacks, right };
        let words = if settings.len() > 1 { format!(" · {}", setting.words()) } else { String::new() };
        for (is_teacher, architecture) in architectures(setting, view) {
            let rows = gather.rows(is_teacher, architecture);
            let title = format!("{} {architecture}{words}", if is_teacher { "Teacher" } else { "Student" });
            if !rows.is_empty() {
                groups.push(Group { title, is_teacher, rows });
            }
        }
    }
    let has_seeds = groups.iter().flat_map(|group| &group.rows).any(|row| row.seeds.len() > 1)
        || compared.iter().any(|member| member.spec.seeds.len() > 1);
    let has_settings = settings.len() > 1;
    ComparisonTable { columns, groups, has_seeds, has_settings, ..ComparisonTable::default() }
}

/// The columns of the experiments, each once, in their order.
fn columns(compared: &[Compared], probe: Option<&str>) -> Vec<Column> {
    let mut columns = vec![Column::Natural];
    let mut add = |attack: Attack| {
        let column = Column::Under(attack);
        if !columns.iter().any(|other| other.is(&column)) {
            columns.push(column);
        }
    };
    for Compared { spec, runs, .. } in compared {
        if let Some(name) = probe {
            for score in runs.iter().filter(|r| r.dataset == name && r.label.is_evaluation()).flat_map(|r| &r.scores) {
                score.attack.iter().cloned().for_each(&mut add);
            }
            continue;
        }
        spec.attacks.iter().cloned().for_each(&mut add);
        // A surrogate differs from seed to seed; its column does not.
        let transfers = spec.surrogates.iter().map(|s| Attack::transfer(s.to_string(), ModelRef::Planned(0)));
        let eps = spec.attacks.first().map(Attack::eps);
        transfers.map(|attack| eps.map_or(attack.clone(), |eps| attack.with_eps(eps))).for_each(&mut add);
    }
    // Of one attack the worst case is that attack.
    if columns.len() > 2 {
        columns.push(Column::WorstCase);
    }
    columns
}

/// The teacher's architecture, then the students'.
fn architectures(setting: &Setting, view: &ComparisonView) -> Vec<(bool, Architecture)> {
    let mut students: Vec<_> = setting.members.iter().flat_map(|member| member.spec.students.clone()).collect();
    students.sort_unstable();
    students.dedup();
    students.retain(|student| view.shows_student(student.id()));
    let teacher = setting.spec().teacher.architecture();
    std::iter::once((true, teacher)).chain(students.into_iter().map(|student| (false, student))).collect()
}

/// What the rows of one setting are gathered from.
#[derive(Clone, Copy)]
struct Gather<'a> {
    setting: &'a Setting<'a>,
    /// The setting's place among those that are compared.
    place: usize,
    view: &'a ComparisonView,
    /// The dataset that features are probed on, instead of the experiments' own.
    probe: Option<&'a str>,
    columns: &'a [Column],
    /// The attacks of all columns, also of those that are not shown.
    attacks: &'a [Attack],
    right: &'a HashMap<i64, Arc<RightAnswers>>,
}

impl Gather<'_> {
    /// The rows of one architecture, in the order of the methods, and of the plan among the variants of one.
    fn rows(&self, is_teacher: bool, architecture: Architecture) -> Vec<Row> {
        let Self { setting, view, probe, .. } = *self;
        let dataset = probe.unwrap_or(&setting.spec().dataset.name);
        let is_member = |r: &&RunRow| {
            let label = &r.label;
            (label.is_teacher, label.architecture) == (is_teacher, architecture) && r.dataset == dataset
        };
        let members: Vec<&RunRow> = setting.runs().filter(is_member).collect();
        let mut names: Vec<(MethodName, &Variant)> = Vec::new();
        for run in members.iter().filter(|r| r.label.is_evaluation()) {
            let name = (run.label.method, &run.label.variant);
            if !names.contains(&name) && (is_teacher || view.shows_method(name.0.id())) {
                names.push(name);
            }
        }
        names.sort_by_key(|(method, _)| *method);
        let paper = if probe.is_none() { paper_of(setting, is_teacher, architecture) } else { Vec::new() };
        let row = |name: (MethodName, &Variant)| {
            let is_own = |r: &&RunRow| is_member(r) && (r.label.method, &r.label.variant) == name;
            let has_row = |member: &&Compared| member.runs.iter().any(|r| is_own(&r));
            let experiments = setting.members.iter().filter(has_row).map(|member| member.id).collect();
            Some(Row { experiments, ..self.row(&members, name, &paper)? })
        };
        names.into_iter().filter_map(row).collect()
    }

    /// The row of a method, or of one of its variants, among the runs of its architecture.
    fn row(
        &self,
        members: &[&RunRow],
        (method, variant): (MethodName, &Variant),
        paper: &[&PaperResult],
    ) -> Option<Row> {
        let Self { setting, place, columns, attacks, right, .. } = *self;
        let spec = setting.spec();
        let is_own = |r: &&&RunRow| r.label.method == method && r.label.variant == *variant;
        let members: Vec<_> = members.iter().filter(is_own).collect();
        let first = members.first()?;
        // A seed that two experiments have run is the same model twice: what either measured is a number of it.
        let mut evaluations: Vec<Vec<&RunRow>> = Vec::new();
        let mut all: Vec<&RunRow> = members.iter().filter(|r| r.label.is_evaluation()).map(|r| **r).collect();
        all.sort_by_key(|r| (r.label.seed, r.state != RunState::Finished, r.scores.is_empty()));
        for run in all {
            match evaluations.last_mut() {
                Some(seed) if seed[0].label.seed == run.label.seed => seed.push(run),
                _ => evaluations.push(vec![run]),
            }
        }
        if first.label.is_teacher && !matches!(spec.teacher, TeacherChoice::Train(_)) {
            // One stored model, evaluated with each seed's random starts: its spread is not that of training.
            evaluations.truncate(1);
        }
        let training = |seed: u64| match spec.teacher {
            TeacherChoice::Run { id, .. } if first.label.is_teacher => Some(id),
            _ => members.iter().find(|r| r.label.is_training() && r.label.seed == seed).map(|r| r.label.id),
        };
        let measured = |seeds: &[Vec<&RunRow>], column: &Column| -> (Vec<Accuracy>, Vec<Option<Answers<'_>>>) {
            let is_column = |s: &&Score| s.attack.as_ref().map(Attack::key) == column.attack().map(Attack::key);
            let of = |runs: &Vec<&RunRow>| {
                let mut ids: Vec<i64> = runs.iter().map(|run| run.label.id).collect();
                if *column == Column::WorstCase {
                    let answers = RightAnswers::of(&ids, column, attacks, right);
                    return Some((answers.as_ref()?.accuracy(), answers));
                }
                // The answers are those of the run that the accuracy is of.
                let score = |run: &&RunRow| Some((run.label.id, run.scores.iter().find(is_column)?.accuracy));
                let (id, accuracy) = runs.iter().find_map(score)?;
                ids.retain(|own| *own == id);
                Some((accuracy, RightAnswers::of(&ids, column, attacks, right)))
            };
            seeds.iter().filter_map(of).unzip()
        };
        let seeds = evaluations.iter().map(|runs| Seed {
            value: runs[0].label.seed,
            training: training(runs[0].label.seed),
            evaluations: runs.iter().map(|run| run.label.id).collect(),
            is_done: runs[0].state == RunState::Finished,
            cells: columns
                .iter()
                .map(|column| Cell::over_seeds(&measured(std::slice::from_ref(runs), column).0))
                .collect(),
        });
        let seeds = seeds.collect();
        let printed = paper.iter().find(|p| p.method == method && p.variant == *variant && !first.label.is_imported);
        let cells = columns.iter().map(|column| {
            let (accuracies, answers) = measured(&evaluations, column);
            let paper =
                printed.and_then(|printed| printed.accuracy(column.attack()).filter(|_| *column != Column::WorstCase));
            Some(Cell { paper, answers: Answered::of(&answers), ..Cell::over_seeds(&accuracies)? })
        });
        let rank = |state: RunState| match state {
            RunState::Failed | RunState::Diverged | RunState::Lost => 0,
            RunState::Running | RunState::Starting => 1,
            RunState::Queued => 2,
            RunState::Cancelled => 3,
            RunState::Finished => 4,
        };
        let open = members.iter().filter(|r| r.state != RunState::Finished).min_by_key(|r| rank(r.state));
        let makes_numbers = |r: &&&&RunRow| r.label.is_training() || r.label.is_evaluation();
        let coming = members.iter().filter(makes_numbers).find(|r| !r.state.is_over()).map(|r| r.label.id);
        let suffix = if place == 0 { String::new() } else { format!(":{}", setting.members[0].id) };
        let teacher = if first.label.is_teacher { ":teacher" } else { "" };
        let own = if variant.is_plain() { String::new() } else { format!(":{variant}") };
        Some(Row {
            key: format!("{}:{}{teacher}{own}{suffix}", method.id(), first.label.architecture.id()),
            method,
            name: first.label.method_name(),
            is_teacher: first.label.is_teacher,
            experiments: Vec::new(),
            variant: variant.clone(),
            architecture: first.label.architecture,
            teacher: spec.teacher.architecture(),
            setting: place,
            seeds,
            cells: cells.collect(),
            remarks: Remarks::of(&evaluations),
            coming,
            open: open.map(|r| (***r).clone()),
        })
    }
}

/// The paper's results for a teacher or a student.
fn paper_of(setting: &Setting, is_teacher: bool, architecture: Architecture) -> Vec<&'static PaperResult> {
    let spec = setting.spec();
    let student = (!is_teacher).then_some(architecture);
    let is_own = |result: &&PaperResult| {
        result.dataset == spec.dataset.name
            && result.table != PaperTable::Transfer
            && result.is_of(spec.teacher.architecture(), student)
    };
    paper_results().iter().filter(is_own).collect()
}
