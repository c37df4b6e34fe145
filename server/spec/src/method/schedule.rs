//! How long a network trains, and with which steps.

use serde::{Deserialize, Serialize};

use crate::Problem;

/// How the learning rate falls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decay {
    /// To a tenth at each milestone.
    #[default]
    Milestones,
    /// Along half a cosine to 0 (Loshchilov and Hutter 2017, arXiv:1608.03983, without restarts).
    Cosine,
    /// From 0 in a line over the first two fifths, then in a line to 0 (fast adversarial training, Wong et al. 2020,
    /// arXiv:2001.03994, after Smith 2017, arXiv:1506.01186).
    Cyclic,
}

/// The share of a cyclic schedule over which the learning rate rises.
const RISING: f64 = 0.4;

/// SGD with momentum and weight decay in PyTorch's form.
///
/// `v ← momentum·v + gradient + weight_decay·θ`, then `θ ← θ − lr·v`, for every parameter (methods.md §0).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// Passes over the training images.
    pub epochs: usize,
    /// Images a step; the last, smaller batch of an epoch is used too.
    pub batch_size: usize,
    /// The highest learning rate: that of the first epoch, where it does not rise to it.
    pub learning_rate: f64,
    /// How it falls.
    #[serde(default)]
    pub decay: Decay,
    /// Epochs over which it rises to that in a line; 0 for none.
    #[serde(default)]
    pub warm_up: usize,
    /// Epochs (counted from 0) from which on the learning rate is a tenth of what it was, where it falls by them.
    pub milestones: Vec<usize>,
    /// Momentum.
    pub momentum: f64,
    /// Weight decay, on every parameter.
    pub weight_decay: f64,
}

impl Schedule {
    /// A schedule with momentum 0.9 whose milestones lie at these fractions of its length.
    pub fn new(epochs: usize, batch_size: usize, learning_rate: f64, weight_decay: f64, fractions: &[f64]) -> Self {
        let milestones = fractions.iter().map(|f| (f * epochs as f64).round() as usize).collect();
        let (decay, warm_up, momentum) = (Decay::Milestones, 0, 0.9);
        Self { epochs, batch_size, learning_rate, decay, warm_up, milestones, momentum, weight_decay }
    }

    /// That of a linear classifier on frozen features: 120 epochs, a tenth at 30, 60 and 90 (methods.md §7).
    pub fn linear_classifier() -> Self {
        Self::new(120, 64, 0.05, 5e-4, &[0.25, 0.5, 0.75])
    }

    /// The same schedule over another number of epochs, its milestones and its warm-up in proportion.
    #[must_use]
    pub fn stretched_to(mut self, epochs: usize) -> Self {
        let before = self.epochs.max(1) as f64;
        for place in self.milestones.iter_mut().chain([&mut self.warm_up]) {
            *place = (*place as f64 / before * epochs as f64).round() as usize;
        }
        self.epochs = epochs;
        self
    }

    /// The learning rate of a step in `epoch`, counted from 0, with which so much of the epoch is done: above 0, at most 1.
    pub fn learning_rate_at(&self, epoch: usize, done: f64) -> f64 {
        let (at, all, warm_up) = (epoch as f64 + done, self.epochs as f64, self.warm_up as f64);
        if at < warm_up {
            return self.learning_rate * at / warm_up;
        }
        match self.decay {
            Decay::Milestones => {
                let passed = self.milestones.iter().filter(|m| epoch >= **m).count();
                self.learning_rate * 0.1_f64.powi(passed as i32)
            }
            Decay::Cosine => {
                let share = ((at - warm_up) / (all - warm_up).max(1.0)).min(1.0);
                self.learning_rate * 0.5 * (1.0 + (std::f64::consts::PI * share).cos())
            }
            Decay::Cyclic => {
                let share = (at / all).min(1.0);
                let height = if share < RISING { share / RISING } else { (1.0 - share) / (1.0 - RISING) };
                self.learning_rate * height
            }
        }
    }

    pub(crate) fn check(&self, field: &str, problems: &mut Vec<Problem>) {
        let mut expect = |holds: bool, name: &str, message: &str| {
            if !holds {
                problems.push(Problem::new(format!("{field}.{name}"), message));
            }
        };
        expect((1..=10_000).contains(&self.epochs), "epochs", "must be from 1 to 10,000");
        expect((2..=4_096).contains(&self.batch_size), "batch_size", "must be from 2 to 4,096");
        let rate = self.learning_rate;
        expect(rate > 0.0 && rate <= 10.0, "learning_rate", "must be above 0 and at most 10");
        let rises_once = self.decay != Decay::Cyclic || self.warm_up == 0;
        expect(self.warm_up < self.epochs, "warm_up", "must be less than the epochs");
        expect(rises_once, "warm_up", "must be 0 where decay is cyclic, which rises by itself");
        expect((0.0..1.0).contains(&self.momentum), "momentum", "must be from 0 to below 1");
        expect((0.0..=1.0).contains(&self.weight_decay), "weight_decay", "must be from 0 to 1");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ard_schedule_falls_at_100_and_150_of_200() {
        let schedule = Schedule::new(200, 128, 0.1, 2e-4, &[0.5, 0.75]);
        let close = |epoch, rate: f64| (schedule.learning_rate_at(epoch, 1.0) - rate).abs() < 1e-12;
        assert!(close(0, 0.1) && close(99, 0.1) && close(100, 0.01) && close(149, 0.01) && close(150, 0.001));
    }

    #[test]
    fn a_cosine_rises_over_its_warm_up_and_falls_by_half_a_wave() {
        let schedule = Schedule { decay: Decay::Cosine, warm_up: 2, ..Schedule::new(10, 128, 0.2, 2e-4, &[]) };
        // Half of the warm-up, its end, half of the rest, the end.
        let found =
            [(0, 1.0), (1, 1.0), (5, 1.0), (9, 1.0)].map(|(epoch, done)| schedule.learning_rate_at(epoch, done));
        for (found, expected) in found.into_iter().zip([0.1, 0.2, 0.1, 0.0]) {
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
    }

    #[test]
    fn a_cycle_rises_for_two_fifths_and_falls_to_nothing() {
        let schedule = Schedule { decay: Decay::Cyclic, ..Schedule::new(15, 128, 0.3, 5e-4, &[]) };
        let found = [(0, 0.5), (2, 1.0), (5, 1.0), (9, 0.5), (14, 1.0)];
        let found = found.map(|(epoch, done)| schedule.learning_rate_at(epoch, done));
        for (found, expected) in found.into_iter().zip([0.025, 0.15, 0.3, 0.3 * 5.5 / 9.0, 0.0]) {
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
        let mut problems = Vec::new();
        Schedule { warm_up: 1, ..schedule }.check("schedule", &mut problems);
        assert!(problems.len() == 1 && problems[0].field == "schedule.warm_up", "{problems:?}");
    }

    #[test]
    fn a_stretched_schedule_keeps_its_proportions() {
        let schedule = Schedule::new(240, 64, 0.05, 5e-4, &[0.625, 0.75, 0.875]).stretched_to(24);
        assert_eq!(schedule.milestones, [15, 18, 21]);
    }
}
