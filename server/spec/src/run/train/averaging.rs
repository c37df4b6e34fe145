//! Averages of a network's weights over the steps of its training.

use serde::{Deserialize, Serialize};

use crate::{Problem, problem::expect};

/// An exponential moving average of the weights, of which a training leaves a model beside that of its last step: after step t,
/// counted from 0, average ← d·average + (1 − d)·weights with d = min(decay, (1 + t)/(10 + t)), running statistics alike. The first
/// step's weights are the first average. The growing d lets short trainings forget where they began.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightAveraging {
    /// How much of the average stays in a step, once it has grown so far.
    pub decay: f64,
}

impl WeightAveraging {
    /// How much of the average stays after so many steps before.
    pub fn decay_after(self, steps: u64) -> f64 {
        if steps == 0 {
            return 0.0;
        }
        self.decay.min((1.0 + steps as f64) / (10.0 + steps as f64))
    }

    pub(crate) fn check(self, field: &str, problems: &mut Vec<Problem>) {
        let message = "must be from 0 to below 1, such as 0.999; leave it empty for no average";
        expect((0.0..1.0).contains(&self.decay), field, message, problems);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_average_begins_with_the_first_weights_and_forgets_less_and_less() {
        let averaging = WeightAveraging { decay: 0.99 };
        assert_eq!(averaging.decay_after(0).to_bits(), 0.0_f64.to_bits());
        assert!((averaging.decay_after(1) - 2.0 / 11.0).abs() < 1e-12);
        assert!((averaging.decay_after(10_000) - 0.99).abs() < 1e-12);
    }
}
