//! Queued runs: those that can never start, and those that may start now.

use std::{collections::HashMap, fs, io};

use anyhow::{Context, Result, bail};
use retort_engine::{RunFolder, crash_point};
use retort_spec::{DeviceName, LogLevel, ModelRef, RunSpec, RunState};
use retort_store::{Run, StoreError};
use retort_web::format;

use super::{Scheduler, hindrance::may_pass};

/// Runs that are ended in one round; the next round takes on from there.
const DOOMED: u32 = 500;

/// What came of a start.
enum Start {
    Started,
    /// A worker holds the run's folder.
    FolderIsHeld,
}

impl Scheduler {
    /// Ends the queued runs that need one that failed, diverged or was cancelled, and names it.
    pub(super) async fn end_doomed(&self) -> Result<()> {
        let store = &self.control.store;
        let mut needs: HashMap<i64, Run> = HashMap::new();
        for doomed in store.doomed_runs(DOOMED).await? {
            let need = match needs.get(&doomed.need) {
                Some(need) => need,
                None => needs.entry(doomed.need).or_insert(store.run(doomed.need).await?),
            };
            let verb = match doomed.need_state {
                RunState::Cancelled => "was cancelled",
                RunState::Diverged => "diverged",
                _ => "failed",
            };
            let cause = format!("It needs run {} ({}), which {verb}.", need.id, need.title());
            store.end_for_need(&doomed, &cause).await?;
            self.control.live.announce([doomed.run], need.experiment);
        }
        Ok(())
    }

    /// Starts queued runs whose needs are met as long as their devices have room.
    pub(super) async fn start_ready(&mut self) -> Result<()> {
        let mut busy: Vec<DeviceName> = Vec::new();
        if !self.disk_has_room() {
            return Ok(());
        }
        let hindrances = self.control.hindrances.clone();
        while let Some(run) = self.control.store.next_ready_run(&busy, &hindrances.waiting()).await? {
            if !self.executor.has_room(run.device) {
                busy.push(run.device);
                continue;
            }
            if !self.disk_has_room() {
                return Ok(());
            }
            match self.start(&run).await {
                // A worker of an earlier attempt that was given up still computes; its device is not free either.
                Ok(Start::FolderIsHeld) => {
                    busy.push(run.device);
                    continue;
                }
                Ok(Start::Started) => hindrances.remove(run.id),
                Err(fault) if may_pass(&fault) => self.hinder(&run, &format!("It cannot start: {fault:#}.")).await?,
                Err(fault) => {
                    hindrances.remove(run.id);
                    let cause = format!("It cannot start: {fault:#}");
                    match self.change(&run, RunState::Failed, &cause).await {
                        // Somebody cancelled it meanwhile.
                        Err(StoreError::Forbidden { .. }) => {}
                        noted => drop(noted?),
                    }
                }
            }
            self.control.live.run_changed(&run);
        }
        Ok(())
    }

    /// Leaves a run queued, to be tried again after a pause, and says why.
    pub(super) async fn hinder(&self, run: &Run, reason: &str) -> Result<()> {
        if self.control.hindrances.add(run.id, &format!("{reason} It is tried again and again.")) {
            tracing::warn!(run = run.id, "{reason} It is tried again and again.");
            self.control.store.log(run.id, run.attempt, LogLevel::Warning, reason).await?;
        }
        Ok(())
    }

    fn disk_has_room(&self) -> bool {
        let free = crate::disk::free(&self.control.runs);
        let short = free.filter(|free| *free < self.disk_floor);
        let sentence = short.map(|free| {
            let (free, floor) = (format::bytes(free), format::bytes(self.disk_floor));
            format!("Nothing is started: the disk has {free} free, and {floor} are needed. Make room.")
        });
        let mut pause = self.control.pause.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if sentence.is_some() != pause.is_some() {
            if let Some(sentence) = &sentence {
                tracing::warn!("{sentence}");
            }
            self.control.live.everything_changed();
        }
        *pause = sentence;
        short.is_none()
    }

    /// Starts a worker.
    ///
    /// # Errors
    /// When the run cannot be prepared. Where the system starts no process, the run is queued again and hindered.
    async fn start(&mut self, run: &Run) -> Result<Start> {
        if self.control.folder(run.id).worker()?.is_some() {
            return Ok(Start::FolderIsHeld);
        }
        let folder = self.prepare(run).await?;
        crash_point("start.prepared");
        let attempt = self.change(run, RunState::Starting, &format!("started on {}", run.device)).await?;
        crash_point("start.noted");
        let job = super::Job { folder, ..self.job(run, attempt) };
        if let Err(e) = self.executor.start(&job) {
            let cause = format!("The system could not start its worker: {e}.");
            self.change(run, RunState::Queued, &cause).await?;
            return Err(anyhow::Error::new(e).context("the system starts no worker"));
        }
        crash_point("start.spawned");
        Ok(Start::Started)
    }

    /// Writes the folder that a worker needs, with the models that the spec names by their numbers as files.
    async fn prepare(&self, run: &Run) -> Result<RunFolder> {
        let mut spec: RunSpec = run.spec()?;
        for model in spec.models_mut() {
            let which = model.clone();
            let (file, whose) = match *model.innermost_mut() {
                ModelRef::Run(id) => {
                    let (folder, title) = (self.control.folder(id), self.control.store.run(id).await?.title());
                    (folder.file_of(&which), format!("the model of run {id} ({title})"))
                }
                ModelRef::Imported(id) => (self.control.model_file(id), format!("the imported model {id}")),
                _ => continue,
            };
            if !file.is_file() {
                bail!("it needs {whose}, and {} is missing", file.display());
            }
            *model = ModelRef::File(file);
        }
        if run.attempt == 0 {
            self.move_strange_folder_aside(run.id, &spec).await?;
        }
        let folder = RunFolder::create(self.control.folder(run.id).dir(), &spec)?;
        folder.withdraw_cancel()?;
        Ok(folder)
    }

    /// Moves the folder of this number aside, where it holds another run: one of a database that was lost, or replaced by an
    /// earlier copy, gave the number away before. Its journal would be taken for this run's.
    async fn move_strange_folder_aside(&self, run: i64, spec: &RunSpec) -> Result<()> {
        let folder = self.control.folder(run);
        let there = match fs::read_to_string(folder.spec()) {
            Err(e) if e.kind() == io::ErrorKind::NotFound && !folder.journal().exists() => return Ok(()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => String::new(),
            there => there.with_context(|| format!("reading {}", folder.spec().display()))?,
        };
        if RunSpec::from_json(&there).is_ok_and(|there| there == *spec) {
            return Ok(());
        }
        let aside = (1..).map(|n| folder.dir().with_file_name(format!("{run}.other-{n}")));
        let aside = aside.into_iter().find(|aside| !aside.exists()).unwrap_or_default();
        fs::rename(folder.dir(), &aside).with_context(|| format!("moving {} aside", folder.dir().display()))?;
        let message = format!(
            "The folder of this number held another run, which the database does not know. It is in {} now.",
            aside.display()
        );
        tracing::warn!(run, "{message}");
        self.control.store.log(run, 0, LogLevel::Warning, &message).await?;
        Ok(())
    }
}
