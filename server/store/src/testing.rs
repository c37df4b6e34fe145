//! A store in a temporary folder, with short ways to fill it.

use retort_spec::{DeviceName, Event, ExperimentSpec, Record, RunState};

use crate::Store;

/// A database of its own for one test.
pub(crate) struct TestStore {
    pub(crate) store: Store,
    dir: tempfile::TempDir,
}

impl TestStore {
    pub(crate) async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("retort.db")).await.unwrap();
        Self { store, dir }
    }

    pub(crate) fn path(&self) -> std::path::PathBuf {
        self.dir.path().join("retort.db")
    }

    /// The demo experiment: runs 1 to 8 are teacher, its evaluation, and three students each with its evaluation.
    pub(crate) async fn demo(&self) -> i64 {
        let spec = ExperimentSpec::demo();
        self.store.create_experiment(&spec, spec.expand()).await.unwrap()
    }

    /// Takes a run through these states.
    pub(crate) async fn walk(&self, run: i64, states: &[RunState]) {
        for state in states {
            self.store.change_state(run, *state, "test").await.unwrap();
        }
    }

    /// Appends records to a run's journal as far as the store sees it.
    pub(crate) async fn record(&self, run: i64, events: impl IntoIterator<Item = Event>) {
        let (attempt, offset) = {
            let run = self.store.run(run).await.unwrap();
            (run.attempt, run.journal_offset)
        };
        let at = "2026-01-01T00:00:00Z".to_owned();
        let records: Vec<_> = events.into_iter().map(|event| Record { at: at.clone(), attempt, event }).collect();
        self.store.record_journal(run, offset..offset + 100, &records).await.unwrap();
    }
}

/// What a worker reports first.
pub(crate) fn started() -> Event {
    Event::Started { device: DeviceName::Cpu, threads: 2, version: "0".into(), resumed_epochs: 0 }
}
