//! How long a network trains, and with which steps.

use serde::{Deserialize, Serialize};

use crate::Problem;

/// SGD with momentum and weight decay in PyTorch's form, its learning rate multiplied by 0.1 at each milestone.
///
/// `v ← momentum·v + gradient + weight_decay·θ`, then `θ ← θ − lr·v`, for every parameter (methods.md §0).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// Passes over the training images.
    pub epochs: usize,
    /// Images a step; the last, smaller batch of an epoch is used too.
    pub batch_size: usize,
    /// The learning rate of the first epoch.
    pub learning_rate: f64,
    /// Epochs (counted from 0) from which on the learning rate is a tenth of what it was.
    pub milestones: Vec<usize>,
    /// Momentum.
    pub momentum: f64,
    /// Weight decay, on every parameter.
    pub weight_decay: f64,
}

impl Schedule {
    /// A schedule with momentum 0.9 whose milestones lie at these fractions of its length.
    pub fn new(epochs: usize, batch_size: usize, learning_rate: f64, weight_decay: f64, fractions: &[f64]) -> Self {
        let mut schedule =
            Self { epochs, batch_size, learning_rate, milestones: Vec::new(), momentum: 0.9, weight_decay };
        schedule.milestones = fractions.iter().map(|f| (f * epochs as f64).round() as usize).collect();
        schedule
    }

    /// That of a linear classifier on frozen features: 120 epochs, a tenth at 30, 60 and 90 (methods.md §7).
    pub fn linear_classifier() -> Self {
        Self::new(120, 64, 0.05, 5e-4, &[0.25, 0.5, 0.75])
    }

    /// The same schedule over another number of epochs, its milestones moved in proportion.
    #[must_use]
    pub fn stretched_to(mut self, epochs: usize) -> Self {
        let before = self.epochs.max(1) as f64;
        for milestone in &mut self.milestones {
            *milestone = (*milestone as f64 / before * epochs as f64).round() as usize;
        }
        self.epochs = epochs;
        self
    }

    /// The learning rate in force during `epoch`, counted from 0.
    pub fn learning_rate_at(&self, epoch: usize) -> f64 {
        let passed = self.milestones.iter().filter(|m| epoch >= **m).count();
        self.learning_rate * 0.1_f64.powi(passed as i32)
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
        let close = |epoch, rate: f64| (schedule.learning_rate_at(epoch) - rate).abs() < 1e-12;
        assert!(close(0, 0.1) && close(99, 0.1) && close(100, 0.01) && close(149, 0.01) && close(150, 0.001));
    }

    #[test]
    fn a_stretched_schedule_keeps_its_proportions() {
        let schedule = Schedule::new(240, 64, 0.05, 5e-4, &[0.625, 0.75, 0.875]).stretched_to(24);
        assert_eq!(schedule.milestones, [15, 18, 21]);
    }
}
