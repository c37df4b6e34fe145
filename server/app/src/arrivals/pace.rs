//! How fast work goes on.

use std::time::{Duration, Instant};

/// How far back the pace is measured, at least and at most twice: long enough to be steady, short enough to follow a
/// network that slows down.
const WINDOW: Duration = Duration::from_secs(10);

/// No pace is told before so long a time.
const FIRST: Duration = Duration::from_secs(1);

/// Measures the pace of one step from how much was done when.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    before: (Instant, u64),
    recent: (Instant, u64),
}

impl Pace {
    /// A step begins, with so much done already.
    pub fn new(now: Instant, done: u64) -> Self {
        Self { before: (now, done), recent: (now, done) }
    }

    /// How much is done a second, now that `done` is done; none while that cannot be told.
    pub fn at(&mut self, now: Instant, done: u64) -> Option<f64> {
        if now.duration_since(self.recent.0) >= WINDOW {
            self.before = self.recent;
            self.recent = (now, done);
        }
        let (since, had) = self.before;
        let passed = now.duration_since(since);
        (passed >= FIRST).then(|| done.saturating_sub(had) as f64 / passed.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_is_that_of_the_last_seconds_and_not_of_what_was_there_before() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut pace = Pace::new(start, 1_000);
        assert_eq!(pace.at(start, 1_000), None);
        assert_eq!(pace.at(after(5), 1_500), Some(100.0));
        assert_eq!(pace.at(after(10), 2_000), Some(100.0));
        // Since then nothing comes.
        assert_eq!(pace.at(after(20), 2_000), Some(0.0));
        assert_eq!(pace.at(after(29), 2_000), Some(0.0));
    }
}
