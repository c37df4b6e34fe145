//! The table of a comparison: a row for each student and method, averaged over seeds.

use retort_spec::{Accuracy, Architecture, Attack, ExperimentSpec, MethodName, ModelRef, RunState, TeacherChoice};

use crate::{RunRow, Score, format};

/// The table: the teacher first, then a group for each student.
#[derive(Clone, Debug, PartialEq)]
pub struct ComparisonTable {
    /// The columns: the natural accuracy (none), then each attack.
    pub columns: Vec<Option<Attack>>,
    /// The groups with at least one row.
    pub groups: Vec<Group>,
    /// Whether more than one seed was asked for.
    pub has_seeds: bool,
}

/// The rows of one student, or of the teacher.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// `Teacher ResNet-18`, `Student ResNet-8`.
    pub title: String,
    /// Whether it is the teacher's.
    pub is_teacher: bool,
    /// The rows in the order of the methods.
    pub rows: Vec<Row>,
}

/// One method on one student.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The method.
    pub method: MethodName,
    /// The method in the words of the page, or `imported`.
    pub name: &'static str,
    /// What sets it apart from the method as published; mostly empty.
    pub variant: String,
    /// The architecture.
    pub architecture: Architecture,
    /// Its seeds in ascending order.
    pub seeds: Vec<Seed>,
    /// A cell for each column; none where there is no number yet.
    pub cells: Vec<Option<Cell>>,
    /// The run that says why numbers are missing, when some are: a failed one before a running one before a waiting one.
    pub open: Option<RunRow>,
}

/// One seed of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed {
    /// The seed.
    pub value: u64,
    /// The run that trained the model.
    pub training: Option<i64>,
    /// Whether its evaluation has finished.
    pub is_done: bool,
}

/// An accuracy in percent with its uncertainty.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell {
    /// The mean over seeds.
    pub mean: f64,
    /// The uncertainty.
    pub spread: Spread,
    /// Whether it is the best of its column and group, among at least two.
    pub is_best: bool,
}

/// The uncertainty of an accuracy, in percent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Spread {
    /// The sample standard deviation over `n` seeds.
    Deviation {
        /// The deviation.
        std: f64,
        /// How many seeds.
        n: usize,
    },
    /// The 95 % interval of a single model over the test images.
    Interval([f64; 2]),
}

/// The highest accuracy among the students.
#[derive(Clone, Debug, PartialEq)]
pub struct Best {
    /// Its attack; none for the natural accuracy.
    pub attack: Option<Attack>,
    /// In percent.
    pub percent: f64,
    /// The method that has it.
    pub method: MethodName,
    /// The same with its variant.
    pub row: String,
    /// The student that has it, where there are several.
    pub architecture: Option<Architecture>,
}

impl ComparisonTable {
    /// Puts the runs of the experiment `spec` together.
    pub fn new(spec: &ExperimentSpec, runs: &[RunRow]) -> Self {
        // A surrogate differs from seed to seed; its column does not.
        let transfers = spec.surrogates.iter().map(|s| Attack::transfer(s.to_string(), ModelRef::Planned(0)));
        let eps = spec.attacks.first().map(Attack::eps);
        let transfers = transfers.map(|attack| eps.map_or(attack.clone(), |eps| attack.with_eps(eps)));
        let columns = std::iter::once(None).chain(spec.attacks.iter().cloned().chain(transfers).map(Some)).collect();
        Self::on(spec, &spec.dataset.name, columns, runs)
    }

    /// Puts the linear probes on the dataset `name` together.
    pub fn probes(spec: &ExperimentSpec, name: &str, runs: &[RunRow]) -> Self {
        let attacked = runs.iter().filter(|r| r.dataset == name).flat_map(|r| &r.scores);
        let mut columns = vec![None];
        for score in attacked {
            if !columns.contains(&score.attack) {
                columns.push(score.attack.clone());
            }
        }
        Self::on(spec, name, columns, runs)
    }

    fn on(spec: &ExperimentSpec, dataset: &str, columns: Vec<Option<Attack>>, runs: &[RunRow]) -> Self {
        let mut groups = Vec::new();
        let teacher = spec.teacher.architecture();
        let mut students = spec.students.clone();
        students.sort_unstable();
        students.dedup();
        for (is_teacher, architecture) in
            std::iter::once((true, teacher)).chain(students.into_iter().map(|s| (false, s)))
        {
            let members: Vec<_> = runs
                .iter()
                .filter(|r| r.label.is_teacher == is_teacher && r.label.architecture == architecture)
                .collect();
            // In the order of the methods, and of the plan among the variants of one.
            let mut names: Vec<(MethodName, &str)> = Vec::new();
            for run in members.iter().filter(|r| r.label.is_evaluation() && r.dataset == dataset) {
                let name = (run.label.method, run.label.variant.as_str());
                if !names.contains(&name) {
                    names.push(name);
                }
            }
            names.sort_by_key(|(method, _)| *method);
            let rows = names.into_iter().filter_map(|name| Row::new(spec, dataset, &columns, &members, name));
            let title = format!("{} {architecture}", if is_teacher { "Teacher" } else { "Student" });
            let mut group = Group { title, is_teacher, rows: rows.collect() };
            group.mark_best(columns.len());
            groups.push(group);
        }
        groups.retain(|g| !g.rows.is_empty());
        Self { columns, groups, has_seeds: spec.seeds.len() > 1 }
    }

    /// How many columns it has in all.
    pub fn width(&self) -> usize {
        self.columns.len() + 1 + usize::from(self.has_seeds)
    }

    /// The best student by the natural accuracy, and by the strongest attack (the one with the most steps).
    pub fn best(&self) -> [Option<Best>; 2] {
        let steps = |attack: &Option<Attack>| match attack {
            None | Some(Attack::Noise { .. } | Attack::Transfer { .. }) => 0,
            Some(Attack::Fgsm { .. }) => 1,
            Some(Attack::Pgd { steps, restarts, .. }) => steps * restarts,
            Some(Attack::Cw { steps, .. } | Attack::Dlr { steps, .. } | Attack::Mim { steps, .. }) => *steps,
        };
        let strongest = (1..self.columns.len()).max_by_key(|i| steps(&self.columns[*i]));
        [self.best_of(0), strongest.and_then(|column| self.best_of(column))]
    }

    fn best_of(&self, column: usize) -> Option<Best> {
        let students = self.groups.iter().filter(|g| !g.is_teacher);
        let many = students.clone().count() > 1;
        let cells = students.flat_map(|g| &g.rows).filter_map(|row| Some((row, row.cells[column]?)));
        let (row, cell) = cells.max_by(|(_, a), (_, b)| a.mean.total_cmp(&b.mean))?;
        Some(Best {
            attack: self.columns[column].clone(),
            percent: cell.mean,
            method: row.method,
            row: row.title(),
            architecture: many.then_some(row.architecture),
        })
    }
}

/// What the head of an attack's column adds to its name: `ε 8/255, step 2/255`.
pub fn attack_detail(attack: &Attack) -> String {
    attack.describe().split_once(", ").map(|(_, detail)| detail.to_owned()).unwrap_or_default()
}

impl Group {
    fn mark_best(&mut self, columns: usize) {
        for column in 0..columns {
            let mut cells: Vec<_> = self.rows.iter_mut().filter_map(|row| row.cells[column].as_mut()).collect();
            // What is equal on the page is equally good.
            let shown = |cell: &Cell| format::percent(cell.mean);
            let Some(best) = cells.iter().max_by(|a, b| a.mean.total_cmp(&b.mean)).map(|c| shown(c)) else { continue };
            if cells.len() > 1 {
                for cell in &mut cells {
                    cell.is_best = shown(cell) == best;
                }
            }
        }
    }
}

impl Row {
    fn new(
        spec: &ExperimentSpec,
        dataset: &str,
        columns: &[Option<Attack>],
        members: &[&RunRow],
        (method, variant): (MethodName, &str),
    ) -> Option<Self> {
        let is_member = |r: &&&RunRow| r.label.method == method && r.label.variant == variant && r.dataset == dataset;
        let members: Vec<_> = members.iter().filter(is_member).collect();
        let first = members.first()?;
        let mut evaluations: Vec<_> = members.iter().filter(|r| r.label.is_evaluation()).collect();
        evaluations.sort_by_key(|r| r.label.seed);
        if first.label.is_teacher && !matches!(spec.teacher, TeacherChoice::Train(_)) {
            // One stored model, evaluated with each seed's random starts: its spread is not that of training.
            evaluations.truncate(1);
        }
        let training = |seed: u64| match spec.teacher {
            TeacherChoice::Run { id, .. } if first.label.is_teacher => Some(id),
            _ => members.iter().find(|r| r.label.is_training() && r.label.seed == seed).map(|r| r.label.id),
        };
        let seeds = evaluations.iter().map(|r| Seed {
            value: r.label.seed,
            training: training(r.label.seed),
            is_done: r.state == RunState::Finished,
        });
        let cells = columns.iter().map(|column| {
            let is_column =
                |s: &&Score| s.attack.as_ref().map(Attack::describe) == column.as_ref().map(Attack::describe);
            let scores = evaluations.iter().flat_map(|r| &r.scores).filter(is_column);
            Cell::over_seeds(&scores.map(|s| s.accuracy).collect::<Vec<_>>())
        });
        let rank = |state: RunState| match state {
            RunState::Failed | RunState::Lost => 0,
            RunState::Running | RunState::Starting => 1,
            RunState::Queued => 2,
            RunState::Cancelled => 3,
            RunState::Finished => 4,
        };
        let open = members.iter().filter(|r| r.state != RunState::Finished).min_by_key(|r| rank(r.state));
        Some(Self {
            method,
            name: first.label.method_name(),
            variant: variant.to_owned(),
            architecture: first.label.architecture,
            seeds: seeds.collect(),
            cells: cells.collect(),
            open: open.map(|r| (**r).clone()),
        })
    }

    /// The method, with its variant if it is one: `ARD`, `ARD, sample weighting teacher`.
    pub fn title(&self) -> String {
        if self.variant.is_empty() { self.name.to_owned() } else { format!("{}, {}", self.name, self.variant) }
    }

    /// Whether it has any number to show.
    pub fn has_numbers(&self) -> bool {
        self.cells.iter().any(Option::is_some)
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

impl Cell {
    /// The mean of these models' accuracies; none without any.
    fn over_seeds(accuracies: &[Accuracy]) -> Option<Self> {
        let n = accuracies.len();
        let first = accuracies.first()?;
        let mean = accuracies.iter().map(|a| a.percent()).sum::<f64>() / n as f64;
        let squares: f64 = accuracies.iter().map(|a| (a.percent() - mean).powi(2)).sum();
        let spread = match n {
            1 => Spread::Interval(first.interval()),
            _ => Spread::Deviation { std: (squares / (n - 1) as f64).sqrt(), n },
        };
        Some(Self { mean, spread, is_best: false })
    }

    /// The mean: `82.70`.
    pub fn value(&self) -> String {
        format::percent(self.mean)
    }

    /// The uncertainty: `± 0.20 (n=3)`, or `80.2–84.9`.
    pub fn spread(&self) -> String {
        match self.spread {
            Spread::Deviation { std, n } => format!("± {std:.2} (n={n})"),
            Spread::Interval([low, high]) => format!("{low:.1}–{high:.1}"),
        }
    }
}

impl Best {
    /// Who has it: `GACD+AFT`, or `GACD+AFT, ResNet-8` where there are several students.
    pub fn who(&self) -> String {
        self.architecture.map_or_else(|| self.row.clone(), |a| format!("{}, {a}", self.row))
    }

    /// What was measured: `natural`, `PGD-20`.
    pub fn what(&self) -> String {
        self.attack.as_ref().map_or_else(|| "natural".into(), Attack::to_string)
    }
}
