//! Experiments.

use std::{collections::HashMap, path::Path};

use jiff::Timestamp;
use retort_spec::{EvaluateSpec, ExperimentSpec, MethodName, ModelRef, PlannedRun, RunSpec, RunState};
use sqlx::{FromRow, Row, SqliteConnection, sqlite::SqliteRow};

use crate::{
    Cursor, Page, Result, Store, StoreError,
    db::ledger,
    db::row::{count, from_json, json, parsed, time_text},
};

/// A question that was asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Experiment {
    /// Its id.
    pub id: i64,
    /// What people call it.
    pub title: String,
    /// When it was launched.
    pub created_at: Timestamp,
    /// How many of its runs are in which state.
    pub counts: StateCounts,
    spec: String,
}

impl Experiment {
    /// The spec that it was launched with.
    ///
    /// # Errors
    /// When this version of the program cannot read it.
    pub fn spec(&self) -> Result<ExperimentSpec> {
        from_json(&self.spec, || format!("a spec of experiment {}", self.id))
    }
}

/// How many runs are in which state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateCounts(HashMap<RunState, usize>);

impl StateCounts {
    /// Runs in this state.
    pub fn of(&self, state: RunState) -> usize {
        self.0.get(&state).copied().unwrap_or(0)
    }

    /// Runs in all.
    pub fn total(&self) -> usize {
        self.0.values().sum()
    }

    /// Runs to which nothing more happens by itself.
    pub fn over(&self) -> usize {
        RunState::ALL.into_iter().filter(|s| s.is_over()).map(|s| self.of(s)).sum()
    }

    pub(crate) fn add(&mut self, state: RunState, runs: usize) {
        *self.0.entry(state).or_default() += runs;
    }
}

impl FromRow<'_, SqliteRow> for Experiment {
    fn from_row(row: &SqliteRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: row.try_get("id")?,
            title: row.try_get("title")?,
            created_at: parsed(row, "created_at")?,
            counts: StateCounts::default(),
            spec: row.try_get("spec")?,
        })
    }
}

/// Most runs that wait at once.
pub const MOST_QUEUED: usize = 50_000;

/// Whether so many runs `more` may wait.
fn check_queue(queued: i64, more: usize) -> Result<()> {
    let queued = usize::try_from(queued).unwrap_or_default();
    let most = MOST_QUEUED;
    if queued + more > most { Err(StoreError::QueueFull { queued, more, most }) } else { Ok(()) }
}

impl Store {
    /// Keeps an experiment and all runs of its plan, queued; returns its id. All of it is kept, or nothing.
    ///
    /// # Errors
    /// When the queue would hold more than [`MOST_QUEUED`] runs, the plan names a run that does not stand before, or the
    /// database refuses.
    pub async fn create_experiment(&self, spec: &ExperimentSpec, plan: Vec<PlannedRun>) -> Result<i64> {
        let mut tx = self.write().await?;
        let id = insert_experiment(&mut tx, self.path(), spec, plan).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// Adds a run to an experiment, queued; returns its id. Its models are those of runs, not of a plan.
    ///
    /// # Errors
    /// When there is no such experiment, a model is one of a plan, or the database refuses.
    pub async fn add_run(&self, experiment: i64, run: PlannedRun) -> Result<i64> {
        self.experiment(experiment).await?;
        let mut tx = self.write().await?;
        let id = insert_run(&mut tx, experiment, run, &[], &time_text(Timestamp::now())).await?;
        ledger::note(&mut tx, self.path(), "runs", &[id]).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// A run of an experiment with exactly this spec that has not failed and was not cancelled.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn run_like(&self, experiment: i64, spec: &RunSpec) -> Result<Option<i64>> {
        let find = sqlx::query_scalar(
            "SELECT id FROM runs WHERE experiment = ? AND kind = ? AND spec = ?
                 AND state NOT IN ('failed', 'diverged', 'cancelled') ORDER BY id DESC LIMIT 1",
        );
        let find = find.bind(experiment).bind(spec.kind().id()).bind(json(spec)?);
        Ok(find.fetch_optional(self.readers()).await?)
    }

    /// The trainings by a method as published that have neither failed nor been cancelled: their runs by their specs as JSON. Of
    /// those that are the same, one that has finished.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn trainings_by(&self, method: MethodName) -> Result<HashMap<String, i64>> {
        let find = sqlx::query(
            "SELECT spec, id FROM runs WHERE kind = 'train' AND method = ? AND variant = ''
                 AND state NOT IN ('failed', 'diverged', 'cancelled') ORDER BY state = 'finished', id DESC",
        );
        let rows = find.bind(method.id()).fetch_all(self.readers()).await?;
        let mut found = HashMap::new();
        for row in rows {
            // As this version writes it: what earlier ones left out stands in it with its default.
            if let Ok(spec) = serde_json::from_str::<RunSpec>(row.try_get("spec")?) {
                found.insert(json(&spec)?, row.try_get("id")?);
            }
        }
        Ok(found)
    }

    /// One experiment.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is none with this id.
    pub async fn experiment(&self, id: i64) -> Result<Experiment> {
        let find = sqlx::query_as("SELECT * FROM experiments WHERE id = ?");
        let found: Option<Experiment> = find.bind(id).fetch_optional(self.readers()).await?;
        let mut experiments = vec![found.ok_or(StoreError::NotFound { what: "experiment", id })?];
        self.count(&mut experiments).await?;
        Ok(experiments.remove(0))
    }

    /// A page of the experiments, newest first. `more` tells whether others follow in the cursor's direction.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn experiments(&self, cursor: Cursor, limit: u32) -> Result<Page<Experiment>> {
        let (query, from) = match cursor {
            Cursor::Newest => ("SELECT * FROM experiments WHERE id < ? ORDER BY id DESC LIMIT ?", i64::MAX),
            Cursor::OlderThan(id) => ("SELECT * FROM experiments WHERE id < ? ORDER BY id DESC LIMIT ?", id),
            Cursor::NewerThan(id) => ("SELECT * FROM experiments WHERE id > ? ORDER BY id LIMIT ?", id),
        };
        let query = sqlx::query_as(query).bind(from).bind(i64::from(limit) + 1);
        let mut page = Page::cut(query.fetch_all(self.readers()).await?, limit);
        if matches!(cursor, Cursor::NewerThan(_)) {
            page.rows.reverse();
        }
        self.count(&mut page.rows).await?;
        Ok(page)
    }

    /// The newest experiments that have a run on one of these datasets, newest first, without their counts.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn experiments_on(&self, datasets: &[&str], limit: u32) -> Result<Vec<Experiment>> {
        let newest = sqlx::query_as(
            "SELECT * FROM experiments WHERE id IN
                 (SELECT DISTINCT experiment FROM runs WHERE dataset IN (SELECT value FROM json_each(?))
                  ORDER BY experiment DESC LIMIT ?)
             ORDER BY id DESC",
        );
        Ok(newest.bind(json(&datasets)?).bind(limit).fetch_all(self.readers()).await?)
    }

    /// The ids and titles of the newest experiments, newest first.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn titles_of_experiments(&self, limit: u32) -> Result<Vec<(i64, String)>> {
        let newest = sqlx::query_as("SELECT id, title FROM experiments ORDER BY id DESC LIMIT ?");
        Ok(newest.bind(limit).fetch_all(self.readers()).await?)
    }

    /// The oldest experiment launched with exactly this spec, if there is one.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn experiment_like(&self, spec: &ExperimentSpec) -> Result<Option<i64>> {
        let find = sqlx::query_scalar("SELECT id FROM experiments WHERE spec = ? ORDER BY id DESC LIMIT 1");
        Ok(find.bind(json(spec)?).fetch_optional(self.readers()).await?)
    }

    /// All runs by state.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn state_counts(&self) -> Result<StateCounts> {
        let rows = sqlx::query("SELECT state, count(*) AS runs FROM runs GROUP BY state");
        let mut counts = StateCounts::default();
        for row in rows.fetch_all(self.readers()).await? {
            counts.add(parsed(&row, "state")?, count(&row, "runs")?);
        }
        Ok(counts)
    }

    async fn count(&self, experiments: &mut [Experiment]) -> Result<()> {
        // A page holds few experiments, and each count reads the rows of one index range.
        for experiment in experiments {
            let rows = sqlx::query("SELECT state, count(*) AS runs FROM runs WHERE experiment = ? GROUP BY state");
            for row in rows.bind(experiment.id).fetch_all(self.readers()).await? {
                experiment.counts.add(parsed(&row, "state")?, count(&row, "runs")?);
            }
        }
        Ok(())
    }
}

/// Adds an experiment and all runs of its plan to a transaction and to the ledger.
pub(crate) async fn insert_experiment(
    connection: &mut SqliteConnection,
    database: &Path,
    spec: &ExperimentSpec,
    plan: Vec<PlannedRun>,
) -> Result<i64> {
    let queued = sqlx::query_scalar("SELECT count(*) FROM runs WHERE state = 'queued'");
    check_queue(queued.fetch_one(&mut *connection).await?, plan.len())?;
    let now = time_text(Timestamp::now());
    let insert = sqlx::query("INSERT INTO experiments (title, spec, created_at) VALUES (?, ?, ?)");
    let insert = insert.bind(spec.title.trim()).bind(json(spec)?).bind(&now);
    let id = insert.execute(&mut *connection).await?.last_insert_rowid();
    let mut ids = Vec::with_capacity(plan.len());
    for run in plan {
        let run = insert_run(connection, id, run, &ids, &now).await?;
        ids.push(run);
    }
    ledger::note(connection, database, "experiments", &[id]).await?;
    ledger::note(connection, database, "runs", &ids).await?;
    Ok(id)
}

async fn insert_run(
    connection: &mut SqliteConnection,
    experiment: i64,
    mut run: PlannedRun,
    ids: &[i64],
    now: &str,
) -> Result<i64> {
    let id_of = |index: usize| {
        ids.get(index).copied().ok_or_else(|| StoreError::Corrupt {
            what: "a plan".into(),
            fault: format!("a run needs number {index} of the plan, which does not stand before it"),
        })
    };
    let mut needs = run.needs.iter().map(|need| id_of(*need)).collect::<Result<Vec<i64>>>()?;
    for model in run.spec.models_mut() {
        let model = model.innermost_mut();
        match *model {
            ModelRef::Planned(index) => *model = ModelRef::Run(id_of(index)?),
            // A model of another experiment may still be in training.
            ModelRef::Run(id) => needs.push(id),
            ModelRef::File(_) | ModelRef::Imported(_) | ModelRef::Best(_) | ModelRef::Averaged(_) => {}
        }
    }
    needs.sort_unstable();
    needs.dedup();
    let imported = match &run.spec {
        RunSpec::Evaluate(EvaluateSpec { model: ModelRef::Imported(id), .. }) => Some(*id),
        _ => None,
    };
    // A method as published has none, so that it can be asked for.
    let variant = if run.variant.is_plain() { String::new() } else { json(&run.variant)? };
    let insert = sqlx::query(
        "INSERT INTO runs (experiment, kind, method, variant, architecture, teacher, is_teacher, dataset, seed, device, model,
                           spec, state, state_cause, state_since, created_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'queued', 'launched', ?, ?)",
    );
    let id = insert
        .bind(experiment)
        .bind(run.spec.kind().id())
        .bind(run.method.id())
        .bind(variant)
        .bind(run.architecture.id())
        .bind(run.teacher.map(retort_spec::Architecture::id))
        .bind(run.is_teacher)
        .bind(&run.spec.dataset().name)
        .bind(run.spec.seed().cast_signed())
        .bind(run.spec.device().to_string())
        .bind(imported)
        .bind(json(&run.spec)?)
        .bind(now)
        .bind(now)
        .execute(&mut *connection)
        .await?
        .last_insert_rowid();
    for need in needs {
        let insert = sqlx::query("INSERT INTO run_needs (run, needs) VALUES (?, ?)");
        insert.bind(id).bind(need).execute(&mut *connection).await?;
    }
    Ok(id)
}

#[cfg(test)]
mod tests {
    use retort_spec::TeacherChoice;

    use super::*;
    use crate::testing::TestStore;

    #[tokio::test]
    async fn a_launched_experiment_has_its_runs_queued_with_the_ids_of_those_they_need() {
        let test = TestStore::new().await;
        let id = test.demo().await;
        let experiment = test.store.experiment(id).await.unwrap();
        assert_eq!(experiment.spec().unwrap(), ExperimentSpec::demo());
        assert_eq!((experiment.counts.of(RunState::Queued), experiment.counts.total()), (8, 8));
        let RunSpec::Train(student) = test.store.run(3).await.unwrap().spec().unwrap() else { panic!("run 3 trains") };
        assert_eq!(student.teacher, Some(ModelRef::Run(1)));
        assert_eq!(test.store.needs(3).await.unwrap()[0].id, 1);
    }

    #[test]
    fn a_launch_that_the_queue_does_not_hold_is_refused_with_its_numbers() {
        assert!(check_queue(49_992, 8).is_ok());
        let fault = check_queue(49_993, 8).unwrap_err().to_string();
        assert!(
            fault.starts_with("49993 runs wait already, and with these 8 there would be more than 50000"),
            "{fault}"
        );
    }

    #[tokio::test]
    async fn a_plan_with_a_dangling_reference_is_kept_not_even_in_part() {
        let test = TestStore::new().await;
        let spec = ExperimentSpec::demo();
        let mut plan = spec.expand();
        plan[5].needs = vec![99];
        assert!(test.store.create_experiment(&spec, plan).await.is_err());
        assert!(test.store.experiments(Cursor::Newest, 10).await.unwrap().rows.is_empty());
        assert_eq!(test.store.state_counts().await.unwrap().total(), 0);
    }

    #[tokio::test]
    async fn a_run_is_added_to_an_experiment_and_found_again_by_its_spec() {
        let test = TestStore::new().await;
        let id = test.demo().await;
        let mut run = ExperimentSpec::demo().expand().swap_remove(1);
        let RunSpec::Evaluate(spec) = &mut run.spec else { panic!("it evaluates the teacher") };
        (spec.model, spec.seed, run.needs) = (ModelRef::Run(1), 77, vec![]);
        let spec = run.spec.clone();
        assert_eq!(test.store.run_like(id, &spec).await.unwrap(), None);
        assert_eq!(test.store.add_run(id, run.clone()).await.unwrap(), 9);
        assert_eq!(test.store.run_like(id, &spec).await.unwrap(), Some(9));
        test.walk(9, &[RunState::Cancelled]).await;
        assert_eq!(test.store.run_like(id, &spec).await.unwrap(), None);
        assert!(matches!(test.store.add_run(99, run).await, Err(StoreError::NotFound { .. })));
    }

    #[tokio::test]
    async fn pages_go_from_the_newest_to_the_oldest() {
        let test = TestStore::new().await;
        for _ in 0..5 {
            test.demo().await;
        }
        let first = test.store.experiments(Cursor::Newest, 2).await.unwrap();
        assert_eq!(first.rows.iter().map(|e| e.id).collect::<Vec<_>>(), [5, 4]);
        let last = test.store.experiments(Cursor::OlderThan(3), 2).await.unwrap();
        assert_eq!(last.rows.iter().map(|e| e.id).collect::<Vec<_>>(), [2, 1]);
        assert!(first.more && !last.more);
    }

    #[tokio::test]
    async fn only_the_same_spec_counts_as_launched_before() {
        let test = TestStore::new().await;
        let id = test.demo().await;
        assert_eq!(test.store.experiment_like(&ExperimentSpec::demo()).await.unwrap(), Some(id));
        let other = TeacherChoice::Train(retort_spec::Architecture::ResNet20);
        let other = ExperimentSpec { teacher: other, ..ExperimentSpec::demo() };
        assert_eq!(test.store.experiment_like(&other).await.unwrap(), None);
    }

    #[tokio::test]
    async fn the_largest_seed_survives() {
        let test = TestStore::new().await;
        let spec = ExperimentSpec { seeds: vec![u64::MAX], ..ExperimentSpec::demo() };
        test.store.create_experiment(&spec, spec.expand()).await.unwrap();
        assert_eq!(test.store.run(1).await.unwrap().seed, u64::MAX);
    }
}
