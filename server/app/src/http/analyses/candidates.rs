//! The models of a comparison that can be analysed.

use retort_spec::{Architecture, ExperimentSpec, MethodName, ModelRef, RunState, TeacherChoice};
use retort_web::{
    RunRow,
    pages::{AnalysedOption, OtherExperiment},
};

/// A model that can be analysed.
pub(super) struct Candidate {
    pub option: AnalysedOption,
    pub model: ModelRef,
    pub method: MethodName,
    pub architecture: Architecture,
    pub seed: u64,
    pub is_teacher: bool,
    /// What it is called beside the others of its experiment and seed.
    row: String,
    /// Its experiment, if that is shown beside another one.
    beside: Option<i64>,
}

impl Candidate {
    /// What a panel calls it.
    pub fn name(&self, is_of_one_seed: bool) -> String {
        let seed = if is_of_one_seed { String::new() } else { format!(", seed {}", self.seed) };
        let experiment = self.beside.map(|id| format!(", experiment {id}")).unwrap_or_default();
        format!("{}{seed}{experiment}", self.row)
    }
}

/// The models of an experiment and of those beside it on the same dataset, each once.
pub(super) fn candidates(spec: &ExperimentSpec, runs: &[RunRow], with: &[OtherExperiment]) -> Vec<Candidate> {
    let mut all = of_experiment(spec, runs);
    for other in with.iter().filter(|other| other.spec.dataset.name == spec.dataset.name) {
        for mut candidate in of_experiment(&other.spec, &other.runs) {
            if all.iter().any(|known| known.option.value == candidate.option.value) {
                continue;
            }
            candidate.beside = Some(other.id);
            candidate.option.is_chosen = false;
            candidate.option.words = format!("{}, experiment {}", candidate.option.words, other.id);
            all.push(candidate);
        }
    }
    // A natural model first, on which the paper attacks the images that it shows to all; then the teacher.
    all.sort_by_key(|candidate| (candidate.method != MethodName::Natural, !candidate.is_teacher));
    all
}

/// What a page offers to analyse.
pub(in crate::http) fn options(
    spec: &ExperimentSpec,
    runs: &[RunRow],
    with: &[OtherExperiment],
) -> Vec<AnalysedOption> {
    candidates(spec, runs, with).into_iter().map(|candidate| candidate.option).collect()
}

/// The models of an experiment that are there: those of finished trainings, and a stored teacher.
fn of_experiment(spec: &ExperimentSpec, runs: &[RunRow]) -> Vec<Candidate> {
    let many = spec.students.len() > 1;
    let mut candidates: Vec<Candidate> = Vec::new();
    for run in runs {
        let label = &run.label;
        let stored = match spec.teacher {
            TeacherChoice::Run { id, .. } if label.is_teacher => Some(ModelRef::Run(id)),
            TeacherChoice::Imported { id, .. } if label.is_teacher => Some(ModelRef::Imported(id)),
            _ => None,
        };
        let is_trained = label.is_training() && run.state == RunState::Finished;
        let model = match stored {
            Some(model) if label.is_evaluation() && label.variant.is_empty() => model,
            None if is_trained => ModelRef::Run(label.id),
            _ => continue,
        };
        let value = match &model {
            ModelRef::Run(id) => format!("run:{id}"),
            ModelRef::Imported(id) => format!("model:{id}"),
            _ => continue,
        };
        if candidates.iter().any(|candidate| candidate.option.value == value) {
            continue;
        }
        let row = if label.is_teacher { "Teacher".to_owned() } else { label.row() };
        let row = if many && !label.is_teacher { format!("{row}, {}", label.architecture) } else { row };
        let first_seed = spec.seeds.first() == Some(&label.seed);
        let first_student = spec.students.iter().min() == Some(&label.architecture);
        let is_plain = label.variant.is_empty() && (label.is_teacher || !label.method.needs_teacher() || first_student);
        candidates.push(Candidate {
            option: AnalysedOption { value, words: label.model(), is_chosen: first_seed && is_plain },
            model,
            method: label.method,
            architecture: label.architecture,
            seed: label.seed,
            is_teacher: label.is_teacher,
            row,
            beside: None,
        });
    }
    candidates
}
