//! Runs: what each is, its state, and all that its journal says.

mod cancel;
mod checks;
mod evaluations;
mod history;
pub(crate) mod journal;
mod list;
mod log;
mod metrics;
mod needs;
mod order;
mod queue;
mod resume;
mod search;
pub(crate) mod states;
mod throughput;

use jiff::Timestamp;
use retort_spec::{Architecture, AttackProgress, DeviceName, MethodName, RunKind, RunSpec, RunState, Stage, Variant};
use sqlx::{FromRow, QueryBuilder, Row, Sqlite, sqlite::SqliteRow};

use crate::{
    Result, Store, StoreError,
    db::row::{count, decoded, from_json, json, parsed, parsed_option, stored, word},
};

pub(crate) use self::search::pattern;
pub use self::{
    cancel::CancelOutcome,
    evaluations::Evaluation,
    history::{Attempt, StateChange},
    list::{EndedRuns, RunFilter},
    log::LogLine,
    metrics::{MetricValue, Point, Series},
    order::{RunKey, RunOrder},
    queue::DoomedRun,
    throughput::FinishedWork,
};

/// How far a run is, as its worker last said.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// The part that it is in.
    pub stage: Stage,
    /// Epochs done over all stages; 0 in an evaluation.
    pub epoch: usize,
    /// Epochs of all stages; 0 in an evaluation.
    pub epochs: usize,
    /// Share of the work that is done, from 0 to 1.
    pub done: f64,
    /// Seconds that remain.
    pub seconds_left: f64,
    /// The attack under way, in an evaluation.
    pub attack: Option<AttackProgress>,
}

/// One run.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Its id, which names its folder.
    pub id: i64,
    /// The experiment that it belongs to.
    pub experiment: i64,
    /// That experiment's title.
    pub experiment_title: String,
    /// What it does.
    pub kind: RunKind,
    /// The method that trains, or trained, the model.
    pub method: MethodName,
    /// What sets its row apart from the method as published; mostly nothing.
    pub variant: Variant,
    /// The model's architecture.
    pub architecture: Architecture,
    /// The teacher's architecture, for a student's training.
    pub teacher: Option<Architecture>,
    /// Whether the model is its experiment's teacher.
    pub is_teacher: bool,
    /// The dataset's name.
    pub dataset: String,
    /// The seed.
    pub seed: u64,
    /// The device that the spec names.
    pub device: DeviceName,
    /// The device that the worker of the last attempt found, in its words.
    pub computed_on: Option<DeviceName>,
    /// Where it stands.
    pub state: RunState,
    /// Why it is in this state.
    pub cause: String,
    /// Since when.
    pub since: Timestamp,
    /// The number of the last attempt; 0 before the first.
    pub attempt: u32,
    /// How often its worker vanished since a person last queued it.
    pub lost_workers: u32,
    /// When a person asked to end it, while a worker computed.
    pub cancel_requested_at: Option<Timestamp>,
    /// When it was launched.
    pub created_at: Timestamp,
    /// When its first worker was started.
    pub started_at: Option<Timestamp>,
    /// When it finished, failed or was cancelled.
    pub ended_at: Option<Timestamp>,
    /// How far it is; absent before the worker has said so.
    pub progress: Option<Progress>,
    /// Seconds of computing over all attempts, once finished.
    pub seconds: Option<f64>,
    /// The byte up to which its journal is read.
    pub journal_offset: u64,
    spec: String,
}

impl Run {
    /// The spec, whose models are named by the runs that make them.
    ///
    /// # Errors
    /// When this version of the program cannot read it.
    pub fn spec(&self) -> Result<RunSpec> {
        from_json(&self.spec, || format!("a spec of run {}", self.id))
    }

    /// The spec as it was written when the run was launched, as JSON.
    pub fn stored_spec(&self) -> &str {
        &self.spec
    }

    /// What it does in a few words: `ARD ResNet-8, seed 1`, `evaluation of PGD-AT ResNet-20, seed 2`.
    pub fn title(&self) -> String {
        let of = match self.kind {
            RunKind::Analyse => match self.spec() {
                Ok(RunSpec::Analyse(spec)) => return spec.analysis.title(),
                _ => "analysis of ",
            },
            RunKind::Train => "",
            RunKind::Probe => "linear probe of ",
            RunKind::Evaluate => "evaluation of ",
            RunKind::Masking => "masking checks of ",
        };
        let variant = if self.variant.is_plain() { String::new() } else { format!(" ({})", self.variant) };
        format!("{of}{}{variant} {}, seed {}", self.method, self.architecture, self.seed)
    }
}

impl FromRow<'_, SqliteRow> for Run {
    fn from_row(row: &SqliteRow) -> sqlx::Result<Self> {
        let progress = match row.try_get::<Option<&str>, _>("stage")? {
            None => None,
            Some(_) => Some(Progress {
                stage: word(row, "stage")?,
                epoch: count(row, "epoch")?,
                epochs: count(row, "epochs")?,
                done: row.try_get("done")?,
                seconds_left: row.try_get("seconds_left")?,
                attack: decoded(row, "attack_progress")?,
            }),
        };
        let (kind, method) = (parsed(row, "kind")?, parsed(row, "method")?);
        Ok(Self {
            id: row.try_get("id")?,
            experiment: row.try_get("experiment")?,
            experiment_title: row.try_get("experiment_title")?,
            kind,
            method,
            variant: variant(row, kind, method)?,
            architecture: parsed(row, "architecture")?,
            teacher: parsed_option(row, "teacher")?,
            is_teacher: row.try_get("is_teacher")?,
            dataset: row.try_get("dataset")?,
            seed: row.try_get::<i64, _>("seed")?.cast_unsigned(),
            device: parsed(row, "device")?,
            computed_on: parsed_option(row, "computed_on")?,
            state: parsed(row, "state")?,
            cause: row.try_get("state_cause")?,
            since: parsed(row, "state_since")?,
            attempt: count(row, "attempt")?,
            lost_workers: count(row, "lost_workers")?,
            cancel_requested_at: parsed_option(row, "cancel_requested_at")?,
            created_at: parsed(row, "created_at")?,
            started_at: parsed_option(row, "started_at")?,
            ended_at: parsed_option(row, "ended_at")?,
            progress,
            seconds: row.try_get("seconds")?,
            journal_offset: count(row, "journal_offset")?,
            spec: row.try_get("spec")?,
        })
    }
}

/// What sets a run's model apart from its method as published. Up to schema 9 it was written in words, and an analysis had its
/// title there.
fn variant(row: &SqliteRow, kind: RunKind, method: MethodName) -> sqlx::Result<Variant> {
    match row.try_get::<&str, _>("variant")? {
        "" => Ok(Variant::default()),
        _ if kind == RunKind::Analyse => Ok(Variant::default()),
        text if text.starts_with('{') => decoded(row, "variant"),
        words => Ok(Variant::from_words(method, words)),
    }
}

/// The tables of [`Run`].
const FROM: &str = "runs JOIN experiments ON experiments.id = runs.experiment";

/// The columns of [`Run`]; conditions follow.
pub(crate) const SELECT: &str = "SELECT runs.*, experiments.title AS experiment_title
     FROM runs JOIN experiments ON experiments.id = runs.experiment WHERE ";

impl Store {
    /// One run.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is none with this id.
    pub async fn run(&self, id: i64) -> Result<Run> {
        let mut query = QueryBuilder::<Sqlite>::new(SELECT);
        query.push("runs.id = ").push_bind(id);
        let found: Option<Run> = query.build_query_as().fetch_optional(self.readers()).await?;
        found.ok_or(StoreError::NotFound { what: "run", id })
    }

    /// All runs, the oldest first.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn all_runs(&self) -> Result<Vec<Run>> {
        let mut query = QueryBuilder::<Sqlite>::new(SELECT);
        query.push("1 = 1 ORDER BY runs.id");
        Ok(query.build_query_as().fetch_all(self.readers()).await?)
    }

    /// All runs of an experiment in the order of its plan.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn runs_of_experiment(&self, experiment: i64) -> Result<Vec<Run>> {
        let mut query = QueryBuilder::<Sqlite>::new(SELECT);
        query.push("runs.experiment = ").push_bind(experiment).push(" ORDER BY runs.id");
        Ok(query.build_query_as().fetch_all(self.readers()).await?)
    }

    /// All runs of several experiments, by experiment in the order of its plan.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn runs_of_experiments(&self, experiments: &[i64]) -> Result<Vec<Run>> {
        let mut query = QueryBuilder::<Sqlite>::new(SELECT);
        query.push("runs.experiment IN (SELECT value FROM json_each(").push_bind(json(&experiments)?);
        query.push(")) ORDER BY runs.experiment, runs.id");
        Ok(query.build_query_as().fetch_all(self.readers()).await?)
    }

    /// Finished trainings by these methods, newest first: the models that may become teachers.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn trained_models(&self, methods: &[MethodName], limit: u32) -> Result<Vec<Run>> {
        let mut query = QueryBuilder::<Sqlite>::new(SELECT);
        query.push("runs.kind = 'train' AND runs.state = 'finished' AND runs.method IN (");
        let mut list = query.separated(", ");
        for method in methods {
            list.push_bind(method.id());
        }
        query.push(") ORDER BY runs.id DESC LIMIT ").push_bind(stored(limit));
        Ok(query.build_query_as().fetch_all(self.readers()).await?)
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::TestStore;

    #[tokio::test]
    async fn an_unknown_run_is_named_in_the_error() {
        let test = TestStore::new().await;
        assert_eq!(test.store.run(42).await.unwrap_err().to_string(), "there is no run 42");
    }

    #[tokio::test]
    async fn a_title_says_what_the_run_does() {
        let test = TestStore::new().await;
        test.demo().await;
        assert_eq!(test.store.run(2).await.unwrap().title(), "evaluation of PGD-AT ResNet-8, seed 1");
    }
}
