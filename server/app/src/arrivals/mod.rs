//! Datasets on their way: each is fetched or imported by a process of its own, which pages follow and can cancel.
//!
//! What is on its way is known to the running server alone. A dataset that has arrived is in the library with its
//! report; of one whose server ended, a download's bytes stay for the next attempt, and nothing else.

mod pace;
mod process;
#[cfg(test)]
mod tests;

use std::{
    fs, io,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use anyhow::Result;
use retort_engine::data::{Fetchable, Library};
use retort_web::{Arrival, ArrivalKind, ArrivalState, Step, pages::DatasetForm};
use tempfile::TempDir;
use tokio::{sync::oneshot, task::JoinHandle};

pub use self::process::{Message, Order, Source, Upload};
use self::{
    pace::Pace,
    process::{Ending, carry_out},
};
use crate::{disk::Reservation, live::Live};

/// How long one import may take. A download may take as long as its network needs.
const PATIENCE: Duration = Duration::from_hours(1);

/// Datasets that did not arrive and are remembered; earlier ones are forgotten.
const FAILED: usize = 20;

/// How the folder of an upload is called once its import is launched, before the dataset's name.
const UPLOAD: &str = "dataset-";

/// What fetches and imports datasets. Clones speak of the same ones.
#[derive(Clone, Debug)]
pub struct Arrivals(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    program: PathBuf,
    datasets: PathBuf,
    mirror: Option<String>,
    patience: Duration,
    live: Live,
    /// Imports are read one after the other: each may take much memory.
    turn: tokio::sync::Mutex<()>,
    entries: Mutex<Vec<Entry>>,
}

#[derive(Debug)]
struct Entry {
    arrival: Arrival,
    pace: Option<Pace>,
    /// What sees to it, while it is on its way.
    work: Option<Work>,
}

#[derive(Debug)]
struct Work {
    cancel: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Arrivals {
    /// Those of a server whose datasets are in the folder `datasets`. Downloads come from `mirror`, the address of a
    /// folder with the official archives, or from their official addresses.
    ///
    /// # Errors
    /// When the system does not tell where this program is.
    pub fn new(datasets: PathBuf, mirror: Option<String>, live: Live) -> io::Result<Self> {
        Ok(Self::of(crate::program::this_program()?, PATIENCE, datasets, mirror, live))
    }

    fn of(program: PathBuf, patience: Duration, datasets: PathBuf, mirror: Option<String>, live: Live) -> Self {
        let (turn, entries) = (tokio::sync::Mutex::default(), Mutex::default());
        Self(Arc::new(Shared { program, datasets, mirror, patience, live, turn, entries }))
    }

    /// Removes what an earlier server left of imports. Those whose uploads, by the names of their folders, were still
    /// there when this one started are told as failed.
    ///
    /// # Errors
    /// When the folder of datasets cannot be read or cleared.
    pub fn tidy(&self, uploads: &[String]) -> Result<()> {
        for name in uploads.iter().filter_map(|folder| folder.strip_prefix(UPLOAD)) {
            let fault = "the server was stopped while it read the file, and nothing of it was kept: upload it again";
            let state = ArrivalState::Failed(fault.into());
            let form = DatasetForm { name: name.into(), ..DatasetForm::default() };
            let arrival = Arrival { name: name.into(), kind: ArrivalKind::Import, title: name.into(), state, form };
            self.0.entries().push(Entry { arrival, pace: None, work: None });
        }
        Ok(self.0.library().discard_unfinished(is_gone)?)
    }

    /// All that are on their way or did not arrive, the oldest first.
    pub fn list(&self) -> Vec<Arrival> {
        self.0.entries().iter().map(|entry| entry.arrival.clone()).collect()
    }

    /// The one of this name.
    pub fn find(&self, name: &str) -> Option<Arrival> {
        self.0.entries().iter().find(|entry| entry.arrival.name == name).map(|entry| entry.arrival.clone())
    }

    /// Downloads a dataset, or goes on with its download; `room` is what it will fill. One that is on its way already is
    /// left alone.
    pub fn fetch(&self, dataset: &Fetchable, room: Reservation) {
        let address = self.0.mirror.as_ref().map_or_else(
            || dataset.url.to_owned(),
            |mirror| {
                let file = dataset.url.rsplit('/').next().unwrap_or_default();
                format!("{}/{file}", mirror.trim_end_matches('/'))
            },
        );
        let source = Source::Address(address);
        let arrival = arrival(ArrivalKind::Fetch, dataset.name, dataset.title, &source);
        self.launch(arrival, source, Some(room));
    }

    /// Imports an upload as `name`; the folder `dir` that it is in is removed when the import ends. False, if a dataset
    /// of this name is on its way already.
    ///
    /// # Errors
    /// When the folder cannot be renamed.
    pub fn import(&self, name: &str, dir: TempDir, mut upload: Upload) -> io::Result<bool> {
        if self.find(name).is_some_and(|arrival| arrival.is_active()) {
            return Ok(false);
        }
        // A server that finds this folder when it starts knows by its name what was not imported.
        let named = dir.path().with_file_name(format!("{UPLOAD}{name}"));
        upload.path = named.join(upload.path.file_name().unwrap_or_default());
        fs::rename(dir.path(), &named)?;
        drop(dir.keep());
        let title = upload.file_name.clone();
        let source = Source::File(upload);
        let arrival = arrival(ArrivalKind::Import, name, &title, &source);
        Ok(self.launch(arrival, source, None))
    }

    /// Stops the one of this name, and removes what it has left; or forgets that it did not arrive.
    ///
    /// # Errors
    /// When what is left cannot be removed.
    pub async fn cancel(&self, name: &str) -> Result<()> {
        let mut work = None;
        self.0.entries().retain_mut(|entry| {
            let is_it = entry.arrival.name == name;
            if is_it {
                work = entry.work.take();
            }
            !is_it || work.is_some()
        });
        match work {
            Some(Work { cancel, task }) => {
                // A task that ends at this moment hears it no more, and leaves what it would have left.
                let _ = cancel.send(());
                task.await?;
            }
            None => self.0.library().discard_download(name)?,
        }
        self.0.live.datasets_changed();
        Ok(())
    }

    /// False, if one of its name is on its way already.
    fn launch(&self, arrival: Arrival, source: Source, room: Option<Reservation>) -> bool {
        let name = arrival.name.clone();
        let mut entries = self.0.entries();
        if entries.iter().any(|entry| entry.arrival.name == name && entry.arrival.is_active()) {
            return false;
        }
        entries.retain(|entry| entry.arrival.name != name);
        let order = Order { datasets: self.0.datasets.clone(), name, source };
        let (cancel, cancelled) = oneshot::channel();
        let task = tokio::spawn(self.0.clone().follow(order, room, cancelled));
        entries.push(Entry { arrival, pace: None, work: Some(Work { cancel, task }) });
        self.0.live.datasets_changed();
        true
    }
}

/// One that is to begin.
fn arrival(kind: ArrivalKind, name: &str, title: &str, source: &Source) -> Arrival {
    let state = if kind == ArrivalKind::Import { ArrivalState::Waiting } else { ArrivalState::Working(None) };
    Arrival { name: name.into(), kind, title: title.into(), state, form: form(name, source) }
}

/// Whether no process has this number.
pub fn is_gone(process: u32) -> bool {
    let process = rustix::process::Pid::from_raw(process.cast_signed());
    process.is_none_or(|process| rustix::process::test_kill_process(process) == Err(rustix::io::Errno::SRCH))
}

impl Shared {
    fn entries(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn library(&self) -> Library {
        Library::new(&self.datasets)
    }

    /// Sees one arrival through to its end, and leaves no more of it than is of use.
    async fn follow(self: Arc<Self>, order: Order, room: Option<Reservation>, mut cancelled: oneshot::Receiver<()>) {
        let ending = self.carry_out(&order, room, &mut cancelled).await;
        if let Err(fault) = self.clear(&order, ending == Ending::Cancelled) {
            tracing::warn!("what is left of {} stays: {fault:#}", order.name);
        }
        let mut entries = self.entries();
        match ending {
            Ending::Arrived | Ending::Cancelled => entries.retain(|entry| entry.arrival.name != order.name),
            Ending::Failed(fault) => {
                for entry in entries.iter_mut().filter(|entry| entry.arrival.name == order.name) {
                    ask_for_what_was_missed(&mut entry.arrival.form, &fault);
                    entry.arrival.state = ArrivalState::Failed(in_words(&order, &fault));
                    entry.work = None;
                }
                let failed = entries.iter().filter(|entry| !entry.arrival.is_active()).count();
                if let Some(oldest) = entries.iter().position(|e| failed > FAILED && !e.arrival.is_active()) {
                    entries.remove(oldest);
                }
            }
        }
        drop(entries);
        self.live.datasets_changed();
    }

    async fn carry_out(
        &self,
        order: &Order,
        mut room: Option<Reservation>,
        cancelled: &mut oneshot::Receiver<()>,
    ) -> Ending {
        let is_import = matches!(order.source, Source::File(_));
        let _turn = if is_import {
            tokio::select! {
                turn = self.turn.lock() => Some(turn),
                _ = &mut *cancelled => return Ending::Cancelled,
            }
        } else {
            None
        };
        let mut downloaded = None;
        let mut hear = |message: Message| {
            let Message::Progress { what, done, total, in_bytes } = message else { return };
            let now = Instant::now();
            if let Some(room) = room.as_mut().filter(|_| what == "downloading") {
                room.fill(done.saturating_sub(downloaded.replace(done).unwrap_or(done)));
            }
            self.advance(&order.name, now, Step { what, done, total, in_bytes, rate: None });
            self.live.datasets_changed();
        };
        let stop = async {
            tokio::select! {
                _ = cancelled => Ending::Cancelled,
                () = tokio::time::sleep(self.patience), if is_import => {
                    let minutes = self.patience.as_secs() / 60;
                    Ending::Failed(format!("reading it took longer than {minutes} min and was given up"))
                }
            }
        };
        carry_out(&self.program, order, &mut hear, stop).await
    }

    /// Keeps how far the arrival of this name is.
    fn advance(&self, name: &str, now: Instant, mut step: Step) {
        let mut entries = self.entries();
        let Some(entry) = entries.iter_mut().find(|entry| entry.arrival.name == name) else { return };
        let is_same = matches!(&entry.arrival.state, ArrivalState::Working(Some(before)) if before.what == step.what);
        if !is_same {
            entry.pace = None;
        }
        step.rate = entry.pace.get_or_insert_with(|| Pace::new(now, step.done)).at(now, step.done);
        entry.arrival.state = ArrivalState::Working(Some(step));
    }

    /// Removes what is of no use once the process is gone. What came of a download is, unless it was cancelled.
    fn clear(&self, order: &Order, was_cancelled: bool) -> Result<()> {
        self.library().discard_unfinished(is_gone)?;
        match &order.source {
            Source::File(upload) => upload.path.parent().map_or(Ok(()), fs::remove_dir_all)?,
            Source::Address(_) if was_cancelled => self.library().discard_download(&order.name)?,
            Source::Address(_) => {}
        }
        Ok(())
    }
}

/// Fills in what a refusal asks for, by the names that the command line has for it.
fn ask_for_what_was_missed(form: &mut DatasetForm, fault: &str) {
    form.resize |= fault.contains("`--resize`");
    if form.test_percent.is_empty() && fault.contains("`--test-percent 20`") {
        form.test_percent = "20".into();
    }
}

/// What the form held from which this came.
fn form(name: &str, source: &Source) -> DatasetForm {
    let (resize, test_percent) = match source {
        Source::File(upload) => (upload.resize, upload.test_percent),
        Source::Address(_) => (false, None),
    };
    DatasetForm { name: name.into(), resize, test_percent: test_percent.map_or(String::new(), |p| p.to_string()) }
}

/// A fault with an upload's own name in place of where the server keeps it, which says nothing to anybody.
fn in_words(order: &Order, fault: &str) -> String {
    match &order.source {
        Source::File(upload) => fault.replace(&upload.path.display().to_string(), &upload.file_name),
        Source::Address(_) => fault.to_owned(),
    }
}
