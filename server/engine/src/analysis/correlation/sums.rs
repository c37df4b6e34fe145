//! What is gathered of logits, class by class.

use retort_spec::LogitStatistic;

/// What is gathered from logits that come in batches.
pub(super) enum Sums {
    Correlation(Correlation),
    ClassMean(ClassMean),
}

impl Sums {
    pub(super) fn new(statistic: LogitStatistic, classes: usize) -> Self {
        match statistic {
            LogitStatistic::Correlation => Self::Correlation(Correlation::new(classes)),
            LogitStatistic::ClassMean => Self::ClassMean(ClassMean::new(classes)),
        }
    }

    pub(super) fn add(&mut self, rows: &[Vec<f32>], labels: &[u8]) {
        match self {
            Self::Correlation(sums) => sums.add(rows),
            Self::ClassMean(sums) => sums.add(rows, labels),
        }
    }

    pub(super) fn matrix(self) -> Vec<f64> {
        match self {
            Self::Correlation(sums) => sums.matrix(),
            Self::ClassMean(sums) => sums.matrix(),
        }
    }
}

/// The mean logits of the images of each class.
pub(super) struct ClassMean {
    classes: usize,
    counts: Vec<f64>,
    /// By class of the images and class of the logit.
    sums: Vec<f64>,
}

/// By what mean logits are divided, to lie in the range of colours that the notebook chose (methods.md §7).
const CLASS_MEAN_SCALE: f64 = 3.0;

impl ClassMean {
    fn new(classes: usize) -> Self {
        Self { classes, counts: vec![0.0; classes], sums: vec![0.0; classes * classes] }
    }

    fn add(&mut self, rows: &[Vec<f32>], labels: &[u8]) {
        for (row, label) in rows.iter().zip(labels) {
            let class = usize::from(*label);
            self.counts[class] += 1.0;
            for (sum, logit) in self.sums[class * self.classes..].iter_mut().zip(row) {
                *sum += f64::from(*logit);
            }
        }
    }

    /// The means, row after row, with a diagonal of zeros.
    fn matrix(self) -> Vec<f64> {
        let mean = |(place, sum): (usize, &f64)| {
            let (class, logit) = (place / self.classes, place % self.classes);
            if class == logit { 0.0 } else { sum / self.counts[class].max(1.0) / CLASS_MEAN_SCALE }
        };
        self.sums.iter().enumerate().map(mean).collect()
    }
}

/// Pearson's correlations between the columns of rows that come in batches.
pub(super) struct Correlation {
    classes: usize,
    /// Rows so far, their sums and the sums of their products. Doubles: logits of ten thousand images stay far from the
    /// places where a difference of sums loses what matters.
    n: f64,
    sums: Vec<f64>,
    products: Vec<f64>,
}

impl Correlation {
    fn new(classes: usize) -> Self {
        Self { classes, n: 0.0, sums: vec![0.0; classes], products: vec![0.0; classes * classes] }
    }

    fn add(&mut self, rows: &[Vec<f32>]) {
        for row in rows {
            self.n += 1.0;
            for (i, a) in row.iter().enumerate() {
                self.sums[i] += f64::from(*a);
                for (j, b) in row.iter().enumerate() {
                    self.products[i * self.classes + j] += f64::from(*a) * f64::from(*b);
                }
            }
        }
    }

    /// The correlations, row after row. A column that never changes has none with any other: 0.
    fn matrix(self) -> Vec<f64> {
        let Self { classes, n, sums, products } = self;
        let covariance = |i: usize, j: usize| products[i * classes + j] / n - sums[i] / n * (sums[j] / n);
        let mut matrix = Vec::with_capacity(classes * classes);
        for i in 0..classes {
            for j in 0..classes {
                let scale = (covariance(i, i).max(0.0) * covariance(j, j).max(0.0)).sqrt();
                let value = if scale > 1e-12 { covariance(i, j) / scale } else { 0.0 };
                matrix.push(if i == j && scale > 1e-12 { 1.0 } else { value.clamp(-1.0, 1.0) });
            }
        }
        matrix
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn correlations(rows: &[Vec<f32>]) -> Vec<f64> {
        let mut sums = Correlation::new(rows[0].len());
        let (first, second) = rows.split_at(1);
        sums.add(first);
        sums.add(second);
        sums.matrix()
    }

    #[test]
    fn correlations_are_those_of_numpy() {
        // numpy.corrcoef([[1, 2, 3, 4], [2, 4, 6, 9], [4, 1, 3, 2]]); the fourth column never changes.
        let rows = [[1.0, 2.0, 4.0, 5.0], [2.0, 4.0, 1.0, 5.0], [3.0, 6.0, 3.0, 5.0], [4.0, 9.0, 2.0, 5.0]]
            .map(|r| r.to_vec());
        let found = correlations(&rows);
        let expected = [1.0, 0.994_376_71, -0.4, 0.0, 0.994_376_71, 1.0, -0.389_103_93, 0.0];
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
        assert_eq!(found[15], 0.0);
    }

    #[test]
    fn class_means_are_of_the_images_of_each_class_and_leave_the_diagonal_out() {
        let mut sums = ClassMean::new(2);
        sums.add(&[vec![3.0, 6.0], vec![1.0, 12.0]], &[0, 0]);
        sums.add(&[vec![-6.0, 2.0]], &[1]);
        assert_eq!(sums.matrix(), [0.0, 3.0, -2.0, 0.0]);
    }
}
