//! What keeps runs from starting for a while.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use retort_engine::{EngineError, is_of_the_machine};
use retort_store::StoreError;

/// The first pause before a run is tried again; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// The queued runs that a fault of the machine kept from starting or from going on, such as a full disk. They stay queued, and
/// are tried again. Clones speak of the same ones.
#[derive(Clone, Debug, Default)]
pub struct Hindrances(Arc<Mutex<HashMap<i64, Hindrance>>>);

#[derive(Debug)]
struct Hindrance {
    reason: String,
    pause: Duration,
    until: Instant,
}

impl Hindrances {
    /// Notes what keeps a run from going on. True when that is news.
    pub fn add(&self, run: i64, reason: &str) -> bool {
        let mut hindrances = self.all();
        let earlier = hindrances.get(&run);
        let is_news = earlier.is_none_or(|earlier| earlier.reason != reason);
        let pause = earlier.map_or(FIRST_PAUSE, |earlier| (earlier.pause * 2).min(LONGEST_PAUSE));
        hindrances.insert(run, Hindrance { reason: reason.to_owned(), pause, until: Instant::now() + pause });
        is_news
    }

    /// Forgets what kept a run from going on: it goes on, or is over.
    pub fn remove(&self, run: i64) {
        self.all().remove(&run);
    }

    /// The runs whose pauses are not over.
    pub fn waiting(&self) -> Vec<i64> {
        let now = Instant::now();
        self.all().iter().filter(|(_, hindrance)| hindrance.until > now).map(|(run, _)| *run).collect()
    }

    /// What keeps a run from going on.
    pub fn of(&self, run: i64) -> Option<String> {
        self.all().get(&run).map(|hindrance| hindrance.reason.clone())
    }

    fn all(&self) -> MutexGuard<'_, HashMap<i64, Hindrance>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a fault is of the machine and may pass, and is none of the run itself.
pub fn may_pass(fault: &anyhow::Error) -> bool {
    fault.chain().any(|cause| {
        cause.downcast_ref::<io::Error>().is_some_and(is_of_the_machine)
            || cause.downcast_ref::<EngineError>().is_some_and(EngineError::may_pass)
            || cause.downcast_ref::<StoreError>().is_some_and(StoreError::may_pass)
    })
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn a_run_is_tried_again_after_ever_longer_pauses() {
        let hindrances = Hindrances::default();
        assert!(hindrances.add(7, "the disk is full"));
        assert!(!hindrances.add(7, "the disk is full") && hindrances.add(7, "no more processes"));
        assert_eq!(hindrances.all()[&7].pause, 4 * FIRST_PAUSE);
        (0..10).for_each(|_| {
            hindrances.add(7, "the disk is full");
        });
        assert_eq!(hindrances.all()[&7].pause, LONGEST_PAUSE);
        assert_eq!((hindrances.waiting(), hindrances.of(7)), (vec![7], Some("the disk is full".into())));
        hindrances.remove(7);
        assert_eq!((hindrances.waiting(), hindrances.of(7)), (vec![], None));
    }

    #[test]
    fn faults_of_the_machine_may_pass_and_those_of_a_run_do_not() {
        let path = std::path::Path::new("runs/7");
        let engine = |kind: io::ErrorKind| anyhow::Error::new(EngineError::io(path, kind.into()));
        assert!(may_pass(&engine(io::ErrorKind::StorageFull).context("preparing")));
        assert!(may_pass(&engine(io::ErrorKind::PermissionDenied)));
        // Too many open files.
        let many: Result<(), _> = Err(io::Error::from_raw_os_error(24));
        assert!(may_pass(&many.context("asking").unwrap_err()));
        assert!(!may_pass(&engine(io::ErrorKind::IsADirectory)));
        assert!(!may_pass(&engine(io::ErrorKind::NotFound)));
        assert!(!may_pass(&anyhow::anyhow!("it needs the model of run 3, and that is missing")));
    }
}
