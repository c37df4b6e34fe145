//! Queued runs: those that can never start, and those that may start now.

use std::collections::HashMap;

use anyhow::{Result, bail};
use retort_engine::RunFolder;
use retort_spec::{DeviceName, ModelRef, RunSpec, RunState};
use retort_store::Run;

use super::Scheduler;

/// Runs that are failed in one round; the next round takes on from there.
const DOOMED: u32 = 500;

impl Scheduler {
    /// Fails the queued runs that need one that failed or was cancelled, and names it.
    pub(super) async fn fail_doomed(&self) -> Result<()> {
        let store = &self.control.store;
        let mut needs: HashMap<i64, Run> = HashMap::new();
        for doomed in store.doomed_runs(DOOMED).await? {
            let need = match needs.get(&doomed.need) {
                Some(need) => need,
                None => needs.entry(doomed.need).or_insert(store.run(doomed.need).await?),
            };
            let verb = if doomed.need_state == RunState::Cancelled { "was cancelled" } else { "failed" };
            let cause = format!("It needs run {} ({}), which {verb}.", need.id, need.title());
            store.fail_for_need(doomed.run, need.id, &cause).await?;
            self.control.live.announce([doomed.run], need.experiment);
        }
        Ok(())
    }

    /// Starts queued runs whose needs are met as long as their devices have room.
    pub(super) async fn start_ready(&mut self) -> Result<()> {
        let mut busy: Vec<DeviceName> = Vec::new();
        while let Some(run) = self.control.store.next_ready_run(&busy).await? {
            if !self.executor.has_room(run.device) {
                busy.push(run.device);
                continue;
            }
            if !self.disk_has_room() {
                return Ok(());
            }
            if self.control.folder(run.id).worker()?.is_some() {
                // A worker of an earlier attempt that was given up still computes; its device is not free either.
                busy.push(run.device);
                continue;
            }
            self.start(&run).await?;
            self.control.live.run_changed(&run);
        }
        Ok(())
    }

    fn disk_has_room(&self) -> bool {
        let free = crate::disk::free(&self.control.runs);
        let short = free.filter(|free| *free < self.disk_floor);
        let sentence = short.map(|free| {
            let (free, floor) = (free >> 20, self.disk_floor >> 20);
            format!("Nothing is started: the disk has {free} MiB free, and {floor} MiB are needed. Make room.")
        });
        let mut pause = self.control.pause.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if sentence.is_some() && pause.is_none() {
            tracing::warn!("{}", sentence.as_deref().unwrap_or_default());
        }
        *pause = sentence;
        short.is_none()
    }

    async fn start(&mut self, run: &Run) -> Result<()> {
        let folder = match self.prepare(run).await {
            Ok(folder) => folder,
            Err(e) => {
                self.control.store.change_state(run.id, RunState::Failed, &format!("It cannot start: {e:#}")).await?;
                return Ok(());
            }
        };
        let store = &self.control.store;
        let attempt = store.change_state(run.id, RunState::Starting, &format!("started on {}", run.device)).await?;
        let job = super::Job { folder, ..self.job(run, attempt) };
        if let Err(e) = self.executor.start(&job) {
            let cause = format!("Its worker could not be started: {e}");
            self.control.store.change_state(run.id, RunState::Failed, &cause).await?;
        }
        Ok(())
    }

    /// Writes the folder that a worker needs, with the models that the spec names by their numbers as files.
    async fn prepare(&self, run: &Run) -> Result<RunFolder> {
        let mut spec: RunSpec = run.spec()?;
        for model in spec.models_mut() {
            let best = matches!(model, ModelRef::Best(_));
            let (file, whose) = match *model.innermost_mut() {
                ModelRef::Run(id) => {
                    let (folder, title) = (self.control.folder(id), self.control.store.run(id).await?.title());
                    let file = if best { folder.best_model() } else { folder.model() };
                    (file, format!("the model of run {id} ({title})"))
                }
                ModelRef::Imported(id) => (self.control.model_file(id), format!("the imported model {id}")),
                ModelRef::File(_) | ModelRef::Planned(_) | ModelRef::Best(_) => continue,
            };
            if !file.is_file() {
                bail!("it needs {whose}, and {} is missing", file.display());
            }
            *model = ModelRef::File(file);
        }
        let folder = RunFolder::create(self.control.folder(run.id).dir(), &spec)?;
        folder.withdraw_cancel()?;
        Ok(folder)
    }
}
