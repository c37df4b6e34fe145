//! A scheduler with a double in place of workers: the tests write the journals.

use std::{
    collections::{BTreeMap, HashSet},
    fs::OpenOptions,
    io::{self, Write},
    sync::{Arc, Mutex},
};

use retort_spec::{DeviceName, Event, ExperimentSpec, Metric, Record, RunState, Stage};
use retort_store::Store;

use super::{Control, Executor, Job, Scheduler, Worker};
use crate::live::Live;

/// What the double was asked, and what it answers.
#[derive(Debug, Default)]
pub(super) struct Seen {
    started: Vec<(i64, u32)>,
    alive: HashSet<i64>,
    pub(super) killed: Vec<i64>,
    pub(super) refuses: bool,
    pub(super) left_off: HashSet<i64>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Double(pub(super) Arc<Mutex<Seen>>);

impl Executor for Double {
    fn has_room(&mut self, _device: DeviceName) -> bool {
        self.0.lock().unwrap().alive.is_empty()
    }

    fn start(&mut self, job: &Job) -> io::Result<()> {
        let mut seen = self.0.lock().unwrap();
        if seen.refuses {
            return Err(io::Error::other("no more processes"));
        }
        seen.started.push((job.run, job.attempt));
        seen.alive.insert(job.run);
        Ok(())
    }

    fn adopt(&mut self, job: &Job, _young: bool) {
        self.0.lock().unwrap().alive.insert(job.run);
    }

    fn worker(&mut self, run: i64) -> Worker {
        let mut seen = self.0.lock().unwrap();
        if seen.left_off.remove(&run) {
            return Worker::LeftOff;
        }
        if seen.alive.contains(&run) { Worker::Alive } else { Worker::Gone(None) }
    }

    fn kill(&mut self, run: i64) -> io::Result<()> {
        let mut seen = self.0.lock().unwrap();
        seen.killed.push(run);
        seen.alive.remove(&run);
        Ok(())
    }
}

/// A data folder with the demo experiment in it: run 1 is the teacher, 2 its evaluation, 3 a student, 4 its evaluation.
pub(super) struct Bench {
    pub(super) dir: tempfile::TempDir,
    pub(super) store: Store,
    pub(super) control: Control,
    pub(super) double: Double,
    pub(super) scheduler: Scheduler,
}

impl Bench {
    pub(super) async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("retort.db")).await.unwrap();
        let control = Control::new(store.clone(), Live::new(), &dir.path().join("runs"), &dir.path().join("models"));
        std::fs::create_dir(dir.path().join("runs")).unwrap();
        let double = Double::default();
        let scheduler = Scheduler::new(control.clone(), Box::new(double.clone()));
        let spec = ExperimentSpec::demo();
        control.launch(&spec, spec.expand()).await.unwrap();
        Self { dir, store, control, double, scheduler }
    }

    pub(super) async fn turn(&mut self) {
        self.scheduler.turn().await.unwrap();
        assert!(self.scheduler.last_faults.is_empty(), "{:?}", self.scheduler.last_faults);
    }

    pub(super) fn append(&self, run: i64, text: &str) {
        let journal = self.control.folder(run).journal();
        let mut file = OpenOptions::new().create(true).append(true).open(journal).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    pub(super) fn write(&self, run: i64, attempt: u32, events: impl IntoIterator<Item = Event>) {
        for event in events {
            let record = Record { at: "2026-01-01T00:00:00Z".into(), attempt, event };
            self.append(run, &(serde_json::to_string(&record).unwrap() + "\n"));
        }
    }

    /// The worker of this run ends, whatever it has written.
    pub(super) fn end(&self, run: i64) {
        self.double.0.lock().unwrap().alive.remove(&run);
    }

    /// The worker of this run finishes it and leaves a model.
    pub(super) fn finish(&self, run: i64) {
        self.write(run, 1, [started(), Event::Finished { seconds: 1.0 }]);
        std::fs::write(self.control.folder(run).model(), "weights").unwrap();
        self.end(run);
    }

    pub(super) async fn state(&self, run: i64) -> RunState {
        self.store.run(run).await.unwrap().state
    }

    /// Epochs whose loss is kept.
    pub(super) async fn epochs(&self, run: i64) -> usize {
        let kept = self.store.series_of_runs(&[run], &[Metric::TrainLoss]).await.unwrap();
        kept.get(&run).map_or(0, |series| series[0].points.len())
    }

    pub(super) async fn cause(&self, run: i64) -> String {
        self.store.run(run).await.unwrap().cause
    }

    pub(super) fn started(&self) -> Vec<(i64, u32)> {
        self.double.0.lock().unwrap().started.clone()
    }
}

pub(super) fn started() -> Event {
    Event::Started { device: DeviceName::Cpu, threads: 2, version: "0".into(), resumed_epochs: 0 }
}

pub(super) fn metrics(epoch: usize) -> Event {
    let values = BTreeMap::from([(Metric::TrainLoss, epoch as f64)]);
    Event::Metrics { stage: Stage::Train, epoch, values }
}
