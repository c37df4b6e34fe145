//! The one gate before a launch: what can be known to keep an experiment or an analysis from being computed is said before
//! anything of it is kept.

use std::path::PathBuf;

use anyhow::Result;
use retort_engine::{class_order, data::DatasetInfo};
use retort_spec::{
    AnalyseSpec, Architecture, ExperimentSpec, Invalid, MethodName, ModelRef, PlannedRun, Problem, RunKind, RunSpec,
    RunState, TeacherChoice,
};
use retort_store::{Store, StoreError};

use crate::{
    machine::{Machine, known},
    scheduler::Control,
};

/// Looks at what is to be launched, and launches it.
#[derive(Clone, Debug)]
pub struct Gate {
    store: Store,
    control: Control,
    machine: Machine,
}

impl Gate {
    /// A gate in front of this scheduler on this machine.
    pub const fn new(store: Store, control: Control, machine: Machine) -> Self {
        Self { store, control, machine }
    }

    /// All that keeps an experiment from being computed here on these datasets, each by the spec's field.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn faults(&self, spec: &ExperimentSpec, datasets: &[DatasetInfo]) -> Result<Vec<Problem>> {
        let mut problems = spec.validate().err().map_or_else(Vec::new, |Invalid(problems)| problems);
        problems.extend(self.machine.faults(spec, datasets));
        let faults = self.teacher_faults(spec, datasets).await?;
        problems.extend(faults.into_iter().map(|message| Problem::new("teacher", message)));
        Ok(problems)
    }

    /// Keeps an experiment and queues its runs; returns its id.
    ///
    /// # Errors
    /// An [`Invalid`] when it cannot be computed here; else when the queue or the database refuses. Nothing is kept then.
    pub async fn launch(&self, spec: &ExperimentSpec) -> Result<i64> {
        let datasets = self.machine.datasets().await?;
        Invalid::unless_empty(self.faults(spec, &datasets).await?)?;
        let mut plan = spec.expand();
        if let TeacherChoice::Run { id, .. } = spec.teacher {
            // It is named by the method that trained it.
            let method: MethodName = self.store.run(id).await?.method;
            // A natural teacher is trained all the same.
            let is_stored = |run: &&mut PlannedRun| run.is_teacher && !matches!(run.spec, RunSpec::Train(_));
            plan.iter_mut().filter(is_stored).for_each(|run| run.method = method);
        }
        self.control.launch(spec, plan).await
    }

    /// Launches the demo comparison unless this data folder has it; returns its id.
    ///
    /// # Errors
    /// As [`Gate::launch`].
    pub async fn launch_demo(&self) -> Result<i64> {
        let spec = ExperimentSpec::demo();
        match self.control.experiment_like(&spec).await? {
            Some(id) => Ok(id),
            None => self.launch(&spec).await,
        }
    }

    /// Queues an analysis of an experiment's models, unless the same one is there already; returns its run. It stands in lists
    /// under the method and the architecture of its first model.
    ///
    /// # Errors
    /// As [`Gate::launch`].
    pub async fn analyse(
        &self,
        experiment: i64,
        spec: AnalyseSpec,
        (method, architecture): (MethodName, Architecture),
    ) -> Result<i64> {
        Invalid::unless_empty(self.analysis_faults(&spec).await?)?;
        let run = PlannedRun::of_analysis(spec, method, architecture, Vec::new());
        self.control.analyse(experiment, run).await
    }

    async fn analysis_faults(&self, spec: &AnalyseSpec) -> Result<Vec<Problem>> {
        let run = RunSpec::Analyse(spec.clone());
        let mut problems = run.validate().err().map_or_else(Vec::new, |Invalid(problems)| problems);
        problems.extend(self.machine.fault_of_device(spec.device));
        let datasets = self.machine.datasets().await?;
        if let Some(dataset) = datasets.iter().find(|dataset| dataset.name == spec.dataset.name) {
            problems.extend(spec.analysis.faults_on(&spec.dataset, &known(dataset)));
        } else {
            let message = format!("“{}” is not among the datasets here", spec.dataset.name);
            problems.push(Problem::new("dataset", message));
        }
        for model in &spec.models {
            problems.extend(self.model_fault(&model.model).await?.map(|message| Problem::new("models", message)));
        }
        Ok(problems)
    }

    /// What speaks against a stored model as the teacher of an experiment.
    async fn teacher_faults(&self, spec: &ExperimentSpec, datasets: &[DatasetInfo]) -> Result<Vec<String>> {
        let name = &spec.dataset.name;
        let (model, architecture) = match spec.teacher {
            TeacherChoice::Train(_) => return Ok(Vec::new()),
            TeacherChoice::Run { id, architecture } => (ModelRef::Run(id), architecture),
            TeacherChoice::Imported { id, architecture } => (ModelRef::Imported(id), architecture),
        };
        let mut faults: Vec<String> = self.model_fault(&model).await?.into_iter().collect();
        let own = match model {
            ModelRef::Run(id) => {
                let Some(run) = found(self.store.run(id).await)? else { return Ok(faults) };
                if run.dataset != *name {
                    faults.push(format!(
                        "run {id} was trained on {}: choose that dataset, or another teacher",
                        run.dataset
                    ));
                }
                run.architecture
            }
            ModelRef::Imported(id) => {
                let Some(model) = found(self.store.model(id).await)? else { return Ok(faults) };
                let about = model.about;
                let dataset = datasets.iter().find(|dataset| dataset.name == *name);
                if dataset.is_some_and(|dataset| class_order(&about.classes, &dataset.classes).is_none()) {
                    faults.push(format!(
                        "model {id} does not have the classes of {name}: if its answers mean them, say so on the page of \
                         model {id}, or choose another teacher"
                    ));
                }
                about.architecture
            }
            _ => architecture,
        };
        if own != architecture {
            faults.push(format!("it is a {own}, not a {architecture}"));
        }
        Ok(faults)
    }

    /// Why a model will not be there; none where it is, or where its run is still to leave it.
    async fn model_fault(&self, model: &ModelRef) -> Result<Option<String>> {
        let is_gone = |file: PathBuf, message: String| (!file.is_file()).then_some(message);
        match model.innermost() {
            ModelRef::Run(id) => {
                let Some(run) = found(self.store.run(*id).await)? else {
                    return Ok(Some(format!("there is no run {id}")));
                };
                let folder = self.control.folder(*id);
                let file = folder.file_of(model);
                Ok(match run.state {
                    _ if !matches!(run.kind, RunKind::Train | RunKind::Probe) => {
                        Some(format!("run {id} leaves no model"))
                    }
                    RunState::Finished => is_gone(file, format!("the model of run {id} is no longer in its folder")),
                    RunState::Failed | RunState::Diverged | RunState::Cancelled => {
                        Some(format!("run {id} left no model: it is {}", run.state.id()))
                    }
                    RunState::Queued | RunState::Starting | RunState::Running | RunState::Lost => None,
                })
            }
            ModelRef::Imported(id) => Ok(match found(self.store.model(*id).await)? {
                None => Some(format!("there is no imported model {id}")),
                Some(_) => {
                    is_gone(self.control.model_file(*id), format!("the file of model {id} is gone: import it again"))
                }
            }),
            ModelRef::File(_) | ModelRef::Planned(_) | ModelRef::Best(_) | ModelRef::Averaged(_) => Ok(None),
        }
    }
}

/// What was asked for of the database, where it is there.
pub fn found<T>(found: retort_store::Result<T>) -> Result<Option<T>> {
    match found {
        Err(StoreError::NotFound { .. }) => Ok(None),
        found => Ok(Some(found?)),
    }
}

#[cfg(test)]
mod tests {
    use retort_spec::{AnalysedModel, Analysis, Correlation, DatasetChoice, DeviceName};

    use super::*;
    use crate::live::Live;

    struct Place {
        gate: Gate,
        store: Store,
        dir: tempfile::TempDir,
    }

    async fn place() -> Place {
        let dir = tempfile::tempdir().unwrap();
        let [runs, models, datasets] = ["runs", "models", "datasets"].map(|part| dir.path().join(part));
        let store = Store::open(&dir.path().join("retort.db")).await.unwrap();
        let control = Control::new(store.clone(), Live::new(), &runs, &models);
        Place { gate: Gate::new(store.clone(), control, Machine::explore(datasets)), store, dir }
    }

    fn problems<T: std::fmt::Debug>(outcome: Result<T>) -> Vec<(String, String)> {
        let Invalid(problems) = outcome.unwrap_err().downcast().unwrap();
        problems.into_iter().map(|problem| (problem.field, problem.message)).collect()
    }

    fn taught_by(id: i64, architecture: Architecture) -> ExperimentSpec {
        ExperimentSpec { teacher: TeacherChoice::Run { id, architecture }, ..ExperimentSpec::demo() }
    }

    #[tokio::test]
    async fn what_cannot_be_computed_here_is_refused_with_all_that_is_wrong_and_nothing_is_kept() {
        let Place { gate, store, dir: _dir } = place().await;
        let spec = ExperimentSpec {
            dataset: DatasetChoice::all_of("imagenet"),
            device: DeviceName::Cuda(63),
            seeds: vec![1, 1],
            ..taught_by(7, Architecture::ResNet8)
        };
        let found = problems(gate.launch(&spec).await);
        let fields: Vec<&str> = found.iter().map(|(field, _)| field.as_str()).collect();
        assert_eq!(fields, ["seeds", "dataset", "device", "teacher"], "{found:?}");
        assert_eq!(found[3].1, "there is no run 7");
        assert_eq!(store.state_counts().await.unwrap().total(), 0);
    }

    #[tokio::test]
    async fn a_teacher_may_still_be_trained_but_must_not_have_failed_nor_be_another_network() {
        let Place { gate, store, dir: _dir } = place().await;
        assert_eq!(gate.launch_demo().await.unwrap(), 1);
        assert_eq!(gate.launch_demo().await.unwrap(), 1);
        assert_eq!(gate.launch(&taught_by(1, Architecture::ResNet8)).await.unwrap(), 2);
        let other = problems(gate.launch(&taught_by(1, Architecture::ResNet18)).await);
        assert_eq!(other, [("teacher".into(), "it is a ResNet-8, not a ResNet-18".into())]);
        let evaluation = problems(gate.launch(&taught_by(2, Architecture::ResNet8)).await);
        assert_eq!(evaluation[0].1, "run 2 leaves no model");
        store.change_state(1, RunState::Failed, "test").await.unwrap();
        let failed = problems(gate.launch(&taught_by(1, Architecture::ResNet8)).await);
        assert_eq!(failed[0].1, "run 1 left no model: it is failed");
    }

    #[tokio::test]
    async fn an_analysis_of_what_is_gone_is_refused() {
        let Place { gate, store, dir: _dir } = place().await;
        gate.launch_demo().await.unwrap();
        let models = [1, 9].map(|id| AnalysedModel { name: format!("run {id}"), model: ModelRef::Run(id) });
        let analysis = Analysis::Correlation(Correlation::default());
        let spec = ExperimentSpec { device: DeviceName::Cuda(63), ..ExperimentSpec::demo() };
        let gone = AnalyseSpec { dataset: DatasetChoice::all_of("pets"), ..spec.analyse(analysis, models.to_vec()) };
        let found = problems(gate.analyse(1, gone, (MethodName::KD, Architecture::ResNet8)).await);
        let messages: Vec<&str> = found.iter().map(|(_, message)| message.as_str()).collect();
        assert_eq!(messages[1..], ["“pets” is not among the datasets here", "there is no run 9"]);
        assert!(messages[0].starts_with("cuda:63 is not on this machine"), "{messages:?}");
        assert_eq!(store.runs_of_experiment(1).await.unwrap().len(), 8);
    }
}
