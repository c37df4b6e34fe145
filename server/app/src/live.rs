//! News of changes, for the open pages.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use retort_store::Run;
use serde::Serialize;
use tokio::sync::broadcast;

/// News that may wait for a page that is slow to fetch them; a page that misses some is told to look at everything.
const BACKLOG: usize = 1_024;

/// Where changes are announced and listened to. Clones speak to the same listeners.
#[derive(Clone, Debug)]
pub struct Live {
    sender: broadcast::Sender<Changes>,
    version: Arc<AtomicU64>,
}

/// Runs and experiments that changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// Ids of runs.
    pub runs: BTreeSet<i64>,
    /// Ids of experiments.
    pub experiments: BTreeSet<i64>,
    /// Whether a run came or has another state, and did not only go on.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub states: bool,
    /// Whether datasets came, or went on on their way.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub datasets: bool,
    /// Whether others, not named here, may have changed too.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub everything: bool,
}

impl Live {
    /// Without listeners.
    pub fn new() -> Self {
        Self { sender: broadcast::channel(BACKLOG).0, version: Arc::default() }
    }

    /// Announces that a run went on.
    pub fn run_went_on(&self, run: &Run) {
        let (runs, experiments) = (BTreeSet::from([run.id]), BTreeSet::from([run.experiment]));
        self.send(Changes { runs, experiments, ..Changes::default() });
    }

    /// Announces that a run has another state, or something new is said of it.
    pub fn run_changed(&self, run: &Run) {
        self.announce([run.id], run.experiment);
    }

    /// Announces that runs of an experiment came or changed.
    pub fn announce(&self, runs: impl IntoIterator<Item = i64>, experiment: i64) {
        let (runs, experiments) = (runs.into_iter().collect(), BTreeSet::from([experiment]));
        self.send(Changes { runs, experiments, states: true, ..Changes::default() });
    }

    /// Announces that datasets came, or went on on their way.
    pub fn datasets_changed(&self) {
        self.send(Changes { datasets: true, ..Changes::default() });
    }

    /// Announces something that every page tells.
    pub fn everything_changed(&self) {
        self.send(Changes { everything: true, ..Changes::default() });
    }

    fn send(&self, changes: Changes) {
        self.version.fetch_add(1, Ordering::Relaxed);
        // Nobody may be listening, which is fine.
        let _ = self.sender.send(changes);
    }

    /// How much news there was.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Relaxed)
    }

    /// How many listen.
    pub fn listeners(&self) -> usize {
        self.sender.receiver_count()
    }

    /// Listens from now on.
    pub fn listen(&self) -> Listener {
        Listener { receiver: self.sender.subscribe() }
    }
}

/// One listener.
#[derive(Debug)]
pub struct Listener {
    receiver: broadcast::Receiver<Changes>,
}

impl Listener {
    /// Waits for a change, and returns it with all that were announced meanwhile; none when nobody announces any more.
    pub async fn next(&mut self) -> Option<Changes> {
        let mut all = match self.receiver.recv().await {
            Ok(changes) => changes,
            Err(broadcast::error::RecvError::Lagged(_)) => Changes { everything: true, ..Changes::default() },
            Err(broadcast::error::RecvError::Closed) => return None,
        };
        loop {
            match self.receiver.try_recv() {
                Ok(more) => {
                    all.runs.extend(more.runs);
                    all.experiments.extend(more.experiments);
                    all.states |= more.states;
                    all.datasets |= more.datasets;
                    all.everything |= more.everything;
                }
                Err(broadcast::error::TryRecvError::Lagged(_)) => all.everything = true,
                Err(_) => return Some(all),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn changes_that_came_meanwhile_are_told_at_once() {
        let live = Live::new();
        let mut listener = live.listen();
        live.announce([1, 2], 1);
        live.announce([2, 3], 2);
        let told = serde_json::to_string(&listener.next().await.unwrap()).unwrap();
        assert_eq!(told, r#"{"runs":[1,2,3],"experiments":[1,2],"states":true}"#);
    }

    #[tokio::test]
    async fn a_listener_that_missed_news_is_told_to_look_at_everything() {
        let live = Live::new();
        let mut listener = live.listen();
        for _ in 0..=2 * BACKLOG {
            live.announce([1], 1);
        }
        assert!(listener.next().await.unwrap().everything);
    }
}
