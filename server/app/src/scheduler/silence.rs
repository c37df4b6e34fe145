//! Workers that live and show no sign of life: stopped, or hung on a disk.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

/// What is known of the signs of life of workers. Clones speak of the same ones.
#[derive(Clone, Debug)]
pub struct Silences {
    runs: Arc<Mutex<HashMap<i64, Sign>>>,
    /// After so long a silence is told.
    pub told_after: Duration,
    /// After so long a silent worker is ended.
    pub ended_after: Duration,
}

/// The last sign of life of a worker.
#[derive(Clone, Copy, Debug)]
struct Sign {
    at: SystemTime,
    /// When the server saw it. Clocks of another machine and a machine that slept do not matter to that.
    seen: Instant,
    is_told: bool,
}

/// What a look at a worker found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// It shows signs of life, or has been silent for a short time, or is one that shows none.
    Well,
    /// It has become silent.
    Silent,
    /// It has been silent for too long.
    TooLong,
}

impl Default for Silences {
    fn default() -> Self {
        let minutes = Duration::from_mins;
        Self { runs: Arc::default(), told_after: minutes(1), ended_after: minutes(10) }
    }
}

impl Silences {
    /// Takes note of the last sign of life of a run's worker, where it shows any.
    pub fn look(&self, run: i64, last: Option<SystemTime>) -> Look {
        let mut runs = self.runs();
        let Some(at) = last else {
            runs.remove(&run);
            return Look::Well;
        };
        let sign = runs.entry(run).or_insert(Sign { at, seen: Instant::now(), is_told: false });
        if sign.at != at {
            *sign = Sign { at, seen: Instant::now(), is_told: false };
        }
        let silence = sign.seen.elapsed();
        if silence >= self.ended_after {
            return Look::TooLong;
        }
        if silence < self.told_after || sign.is_told {
            return Look::Well;
        }
        sign.is_told = true;
        Look::Silent
    }

    /// Forgets a run whose worker is gone.
    pub fn remove(&self, run: i64) {
        self.runs().remove(&run);
    }

    /// How long the worker of a run has been silent, once that is worth telling.
    pub fn of(&self, run: i64) -> Option<Duration> {
        self.runs().get(&run).filter(|sign| sign.is_told).map(|sign| sign.seen.elapsed())
    }

    fn runs(&self) -> MutexGuard<'_, HashMap<i64, Sign>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silence_is_told_once_and_ends_with_the_next_sign_of_life() {
        let silences = Silences { told_after: Duration::ZERO, ..Silences::default() };
        let sign = SystemTime::now();
        assert_eq!(silences.look(1, Some(sign)), Look::Silent);
        assert!(silences.of(1).is_some());
        assert_eq!(silences.look(1, Some(sign)), Look::Well);
        let patient = Silences { told_after: Duration::from_mins(1), ..silences };
        assert_eq!(patient.look(1, Some(sign + Duration::from_secs(5))), Look::Well);
        assert_eq!(patient.of(1), None);
        let impatient = Silences { ended_after: Duration::ZERO, ..patient };
        assert_eq!(impatient.look(1, Some(sign)), Look::TooLong);
        assert_eq!(impatient.look(2, None), Look::Well);
    }
}
