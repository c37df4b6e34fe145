//! Accuracies with their uncertainty.

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
}
