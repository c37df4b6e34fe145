//! What a network makes of images as they are: its answers, and how varied they and its features are.

use candle_core::{Device, Tensor};
use retort_spec::{Accuracy, Variety};

use crate::{
    Result,
    answers::{accuracy, answers},
    data::{Dataset, Split},
    loader::images,
    nn::Network,
};

/// Images in one pass.
const BATCH: usize = 250;

/// What a network makes of the images of a split.
pub(crate) struct Natural {
    /// By image: the answer; none where the logits are not finite.
    pub answers: Vec<Option<u8>>,
    features: Spread,
}

impl Natural {
    /// Shows a network the images of a split.
    ///
    /// # Errors
    /// When the device has no memory left.
    pub(crate) fn of(network: &mut Network, split: &Split, device: &Device) -> Result<Self> {
        let all: Vec<usize> = (0..split.len()).collect();
        let mut found = Self { answers: Vec::with_capacity(split.len()), features: Spread::default() };
        for batch in all.chunks(BATCH) {
            let (logits, features) = network.infer(&images(split, batch, device)?)?;
            found.answers.extend(answers(&logits)?);
            found.features.add(&features)?;
        }
        Ok(found)
    }

    /// How many are right.
    pub(crate) fn accuracy(&self, split: &Split) -> Accuracy {
        accuracy(&self.answers, &split.labels)
    }

    /// The images without an answer.
    pub(crate) fn unanswered(&self) -> Vec<usize> {
        (0..self.answers.len()).filter(|place| self.answers[*place].is_none()).collect()
    }

    /// How varied it is over the test images of a dataset.
    pub(crate) fn variety(&self, dataset: &Dataset) -> Variety {
        let (mut labels, mut given) = (vec![0; dataset.classes.len()], vec![0; dataset.classes.len()]);
        for label in &dataset.test.labels {
            labels[usize::from(*label)] += 1;
        }
        for answer in self.answers.iter().flatten() {
            given[usize::from(*answer)] += 1;
        }
        // Of equally frequent answers the first.
        let (answer, with_one_answer) =
            given.into_iter().enumerate().rev().max_by_key(|(_, count)| *count).unwrap_or_default();
        Variety {
            images: self.answers.len(),
            of_one_class: labels.into_iter().max().unwrap_or_default(),
            with_one_answer,
            answer: dataset.classes.get(answer).cloned().unwrap_or_default(),
            feature_variance: self.features.relative_variance(),
        }
    }
}

/// Sums of rows that come in batches, for their variance. They are taken in the order of the rows, so that they are the same
/// on any number of threads.
#[derive(Default)]
pub(crate) struct Spread {
    rows: f64,
    sums: Vec<f64>,
    squares: f64,
}

impl Spread {
    /// Adds rows `[n, d]`.
    pub(crate) fn add(&mut self, rows: &Tensor) -> candle_core::Result<()> {
        self.add_rows(&rows.to_vec2::<f32>()?);
        Ok(())
    }

    /// Adds rows of one length.
    pub(crate) fn add_rows(&mut self, rows: &[Vec<f32>]) {
        for row in rows {
            self.rows += 1.0;
            self.sums.resize(row.len().max(self.sums.len()), 0.0);
            for (sum, value) in self.sums.iter_mut().zip(row) {
                let value = f64::from(*value);
                *sum += value;
                self.squares += value * value;
            }
        }
    }

    /// The variance of each column, summed over the columns, as a share of the sum of their mean squares: 0 if all rows are
    /// equal, 1 if they lie around nought.
    pub(crate) fn relative_variance(&self) -> f64 {
        let means: f64 = self.sums.iter().map(|sum| (sum / self.rows).powi(2)).sum();
        let squares = self.squares / self.rows;
        if squares > 0.0 { (1.0 - means / squares).max(0.0) } else { 0.0 }
    }

    /// Whether all rows count as equal.
    pub(crate) fn is_collapsed(&self) -> bool {
        self.relative_variance() < Variety::EQUAL_FEATURES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(rows: &[[f32; 2]]) -> Spread {
        let mut spread = Spread::default();
        spread.add_rows(&rows.iter().map(|row| row.to_vec()).collect::<Vec<_>>());
        spread
    }

    #[test]
    fn the_relative_variance_is_that_by_hand() {
        // Means 2 and 1, variances 1 and 0; mean squares 5 and 1.
        let found = spread(&[[1.0, 1.0], [3.0, 1.0]]).relative_variance();
        assert!((found - 1.0 / 6.0).abs() < 1e-12, "{found}");
        assert!((spread(&[[1.0, -2.0], [-1.0, 2.0]]).relative_variance() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn rows_that_are_equal_or_all_nought_are_collapsed_and_a_thousandth_beside_is_not() {
        assert!(spread(&[[0.1, 7.3]; 50]).is_collapsed() && spread(&[[0.0; 2]; 50]).is_collapsed());
        // A relative deviation of 0.0009 is a variance of 8e-7.
        assert!(spread(&[[0.9991, 0.0], [1.0009, 0.0]]).is_collapsed());
        assert!(!spread(&[[0.998, 0.0], [1.002, 0.0]]).is_collapsed());
    }
}
