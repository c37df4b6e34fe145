//! What people ask of the scheduler.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use retort_engine::{RunFolder, crash_point};
use retort_spec::{ExperimentSpec, PlannedRun};
use retort_store::{CancelOutcome, Store};
use tokio::sync::Notify;

use super::{hindrance::Hindrances, silence::Silences};
use crate::live::Live;

/// The way to the scheduler. Clones lead to the same one.
#[derive(Clone, Debug)]
pub struct Control {
    pub(super) store: Store,
    /// News of changes.
    pub live: Live,
    pub(super) runs: Arc<PathBuf>,
    models: Arc<PathBuf>,
    pub(super) wake: Arc<Notify>,
    pub(super) pause: Arc<Mutex<Option<String>>>,
    pub(super) hindrances: Hindrances,
    pub(super) silences: Silences,
    /// When the scheduler was last through with a round.
    pub(super) last_round: Arc<Mutex<Instant>>,
}

impl Control {
    /// A way to a scheduler of the runs in this database, whose folders are in `runs` and whose imported models are in
    /// `models`.
    pub fn new(store: Store, live: Live, runs: &Path, models: &Path) -> Self {
        let (runs, models) = (Arc::new(runs.to_owned()), Arc::new(models.to_owned()));
        Self {
            store,
            live,
            runs,
            models,
            wake: Arc::default(),
            pause: Arc::default(),
            hindrances: Hindrances::default(),
            silences: Silences::default(),
            last_round: Arc::new(Mutex::new(Instant::now())),
        }
    }

    /// How long ago the scheduler was last through with a round.
    pub fn since_last_round(&self) -> Duration {
        self.last_round.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }

    /// Keeps an experiment with its plan and queues its runs; returns its id.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn launch(&self, spec: &ExperimentSpec, plan: Vec<PlannedRun>) -> Result<i64> {
        let id = self.store.create_experiment(spec, plan).await?;
        crash_point("launch.kept");
        self.launched(id);
        Ok(id)
    }

    /// Lets everybody know of an experiment whose runs were queued.
    pub fn launched(&self, experiment: i64) {
        self.live.announce([], experiment);
        self.wake.notify_one();
    }

    /// Queues an analysis of an experiment's models, unless the same one is there already; returns its run.
    ///
    /// # Errors
    /// When there is no such experiment, or the database refuses.
    pub async fn analyse(&self, experiment: i64, run: PlannedRun) -> Result<i64> {
        if let Some(id) = self.store.run_like(experiment, &run.spec).await? {
            return Ok(id);
        }
        let id = self.store.add_run(experiment, run).await?;
        self.live.announce([id], experiment);
        self.wake.notify_one();
        Ok(id)
    }

    /// The experiment that was launched with this spec before, if there is one.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn experiment_like(&self, spec: &ExperimentSpec) -> Result<Option<i64>> {
        Ok(self.store.experiment_like(spec).await?)
    }

    /// Ends a run: at once when it waits, else its worker is asked to.
    ///
    /// # Errors
    /// When there is no such run, or the database or the run's folder cannot be written.
    pub async fn cancel(&self, run: i64) -> Result<CancelOutcome> {
        let outcome = self.store.request_cancel(run).await?;
        if outcome == CancelOutcome::Requested {
            self.folder(run).request_cancel().context("asking the worker to end")?;
        }
        self.live.run_changed(&self.store.run(run).await?);
        self.wake.notify_one();
        Ok(outcome)
    }

    /// Ends all runs of an experiment that are not over.
    ///
    /// # Errors
    /// As [`Control::cancel`].
    pub async fn cancel_experiment(&self, experiment: i64) -> Result<()> {
        self.store.experiment(experiment).await?;
        for run in self.store.request_cancel_of_experiment(experiment).await? {
            self.folder(run).request_cancel().context("asking a worker to end")?;
        }
        self.live.announce([], experiment);
        self.wake.notify_one();
        Ok(())
    }

    /// Queues a failed or cancelled run again, with those that it needs and those that failed because of it.
    ///
    /// # Errors
    /// When there is no such run, it did not fail and was not cancelled, or the database refuses.
    pub async fn resume(&self, run: i64) -> Result<()> {
        for run in self.store.resume(run).await? {
            self.live.run_changed(&self.store.run(run).await?);
        }
        self.wake.notify_one();
        Ok(())
    }

    /// Queues again all runs of an experiment that failed or were cancelled.
    ///
    /// # Errors
    /// When there is no such experiment, or the database refuses.
    pub async fn resume_experiment(&self, experiment: i64) -> Result<()> {
        for run in self.store.resume_experiment(experiment).await? {
            self.live.run_changed(&self.store.run(run).await?);
        }
        self.wake.notify_one();
        Ok(())
    }

    /// Lets the scheduler look at once, as when there is room again.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Why nothing is started at present, in a sentence; none when all is well.
    pub fn pause(&self) -> Option<String> {
        self.pause.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What keeps a queued run from going on, where that is a fault of the machine.
    pub fn hindrance(&self, run: i64) -> Option<String> {
        self.hindrances.of(run)
    }

    /// What a person should know of a worker that shows no sign of life.
    pub fn silence(&self, run: i64) -> Option<String> {
        let ended_after = self.silences.ended_after.as_secs() / 60;
        self.silences.of(run).map(|silence| {
            format!(
                "Its worker has shown no sign of life for {}. After {ended_after} min it is ended, and the run goes on from its \
                 checkpoint.",
                retort_web::format::duration(silence.as_secs_f64())
            )
        })
    }

    /// The folder of a run.
    pub fn folder(&self, run: i64) -> RunFolder {
        RunFolder::at(self.runs.join(run.to_string()))
    }

    /// The file of an imported model.
    pub fn model_file(&self, model: i64) -> PathBuf {
        self.models.join(format!("{model}.safetensors"))
    }
}
