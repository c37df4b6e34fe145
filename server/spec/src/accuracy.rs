//! Accuracies, and how two of them over the same images compare.

use serde::{Deserialize, Serialize};

/// Correctly classified images, out of `n`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accuracy {
    /// Images classified as their label says.
    pub correct: usize,
    /// Images in all.
    pub n: usize,
}

impl Accuracy {
    /// In percent, from 0 to 100.
    pub fn percent(self) -> f64 {
        100.0 * self.correct as f64 / self.n.max(1) as f64
    }

    /// The 95 % confidence interval of the accuracy in percent, by Wilson's score (Wilson 1927): it stays inside 0 to
    /// 100 and holds for few images too.
    pub fn interval(self) -> [f64; 2] {
        if self.n == 0 {
            return [0.0, 100.0];
        }
        let (n, z) = (self.n as f64, 1.959_963_984_540_054_f64);
        let p = self.correct as f64 / n;
        let centre = (p + z * z / (2.0 * n)) / (1.0 + z * z / n);
        let half = z / (1.0 + z * z / n) * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
        [100.0 * (centre - half).max(0.0), 100.0 * (centre + half).min(1.0)]
    }
}

/// How two sets of answers to the same images agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paired {
    /// Images that both get right.
    pub both: usize,
    /// Images that only the first gets right.
    pub only_first: usize,
    /// Images that only the second gets right.
    pub only_second: usize,
    /// Images that neither gets right.
    pub neither: usize,
}

impl Paired {
    /// The first's accuracy less the second's, in percentage points.
    pub fn difference(self) -> f64 {
        let n = self.both + self.only_first + self.only_second + self.neither;
        100.0 * (self.only_first as f64 - self.only_second as f64) / n.max(1) as f64
    }

    /// The probability of a split of the images that only one gets right at least as uneven as this, if both were equally
    /// good: the exact test of `McNemar` (1947), two-sided.
    pub fn p_value(self) -> f64 {
        let n = self.only_first + self.only_second;
        let least = self.only_first.min(self.only_second);
        // ln of the binomial coefficients, one after the other.
        let mut log_term = -(n as f64) * std::f64::consts::LN_2;
        let mut tail = 0.0;
        for i in 0..=least {
            tail += log_term.exp();
            log_term += ((n - i) as f64 / (i + 1) as f64).ln();
        }
        (2.0 * tail).min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilson_interval_matches_published_values() {
        // Newcombe (1998), Statistics in Medicine 17, table I: 81 of 263 gives .2553 to .3662; 0 of 20 gives 0 to .1611.
        let [low, high] = Accuracy { correct: 81, n: 263 }.interval();
        assert!((low - 25.53).abs() < 0.01 && (high - 36.62).abs() < 0.01, "{low} {high}");
        let [low, high] = Accuracy { correct: 0, n: 20 }.interval();
        assert!(low.abs() < 1e-9 && (high - 16.11).abs() < 0.01, "{low} {high}");
    }

    #[test]
    fn the_p_value_is_that_of_mcnemars_exact_test() {
        let p = |only_first, only_second| Paired { both: 9, only_first, only_second, neither: 1 }.p_value();
        // 2 · (1 + 10 + 45) / 2¹⁰ for 2 of 10.
        assert!((p(2, 8) - 112.0 / 1024.0).abs() < 1e-12 && (p(8, 2) - p(2, 8)).abs() < 1e-15);
        assert!((p(5, 5) - 1.0).abs() < 1e-12 && (p(0, 0) - 1.0).abs() < 1e-12);
        assert!(p(400, 600) < 1e-9 && p(400, 600) > 0.0);
    }
}
