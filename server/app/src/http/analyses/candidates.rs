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
    pub is_teacher: bool,
    seed: u64,
    /// What it is called beside the others of its experiment and seed.
    row: String,
    /// Its experiment, if that is shown beside another one.
    beside: Option<i64>,
}

/// What panels call the models that were chosen: as short as tells them apart.
pub(super) fn named(chosen: &[Candidate]) -> Vec<(String, ModelRef)> {
    let is_of_one_seed =
        chosen.iter().all(|candidate| chosen.first().is_some_and(|first| first.seed == candidate.seed));
    let name = |candidate: &Candidate| {
        let seed = if is_of_one_seed { String::new() } else { format!(", seed {}", candidate.seed) };
        let experiment = candidate.beside.map(|id| format!(", experiment {id}")).unwrap_or_default();
        format!("{}{seed}{experiment}", candidate.row)
    };
    let names: Vec<String> = chosen.iter().map(name).collect();
    let is_repeated = |name: &String| names.iter().filter(|other| *other == name).count() > 1;
    let unique = |(name, candidate): (&String, &Candidate)| {
        // A surrogate and a student may be trained alike: then their runs tell them apart.
        let name = if is_repeated(name) { format!("{name}, {}", candidate.option.value) } else { name.clone() };
        (name, candidate.model.clone())
    };
    names.iter().zip(chosen).map(unique).collect()
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
    all.sort_by_key(|candidate| (candidate.method != MethodName::NATURAL, !candidate.is_teacher));
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

/// The models of an experiment that are there: those of finished trainings with those of their best epochs, and a stored
/// teacher.
fn of_experiment(spec: &ExperimentSpec, runs: &[RunRow]) -> Vec<Candidate> {
    let first_student = spec.students.first();
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
            Some(model) if label.is_evaluation() && label.variant.is_plain() => model,
            None if is_trained => ModelRef::Run(label.id),
            _ => continue,
        };
        let is_plain = label.variant.is_plain()
            && spec.seeds.first() == Some(&label.seed)
            && (label.is_teacher || !label.method.needs_teacher() || first_student == Some(&label.architecture));
        let row = if label.is_teacher { "Teacher".to_owned() } else { label.row() };
        let of_other = !label.is_teacher && first_student != Some(&label.architecture);
        let row = if of_other { format!("{row} · {}", label.architecture) } else { row };
        // The students learn from the best epoch, where there is one.
        let best = (is_trained && spec.keeps_best(label.method)).then(|| ModelRef::Best(Box::new(model.clone())));
        let is_taught_from_best = label.is_teacher && best.is_some();
        let last = (model, String::new(), is_plain && !is_taught_from_best);
        let best = best.map(|best| (best, " (best epoch)".to_owned(), is_plain && is_taught_from_best));
        for (model, which, is_chosen) in std::iter::once(last).chain(best) {
            let Some(value) = value(&model) else { continue };
            if candidates.iter().any(|candidate| candidate.option.value == value) {
                continue;
            }
            candidates.push(Candidate {
                option: AnalysedOption { value, words: format!("{}{which}", label.model()), is_chosen },
                model,
                method: label.method,
                architecture: label.architecture,
                is_teacher: label.is_teacher,
                seed: label.seed,
                row: format!("{row}{which}"),
                beside: None,
            });
        }
    }
    candidates
}

/// A model in a form: `run:3`, `best:3` of its best epoch, `model:2` if it was imported.
fn value(model: &ModelRef) -> Option<String> {
    match model {
        ModelRef::Run(id) => Some(format!("run:{id}")),
        ModelRef::Imported(id) => Some(format!("model:{id}")),
        ModelRef::Best(inner) => value(inner).map(|value| value.replace("run:", "best:")),
        ModelRef::File(_) | ModelRef::Planned(_) | ModelRef::Averaged(_) => None,
    }
}
