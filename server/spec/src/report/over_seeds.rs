//! Whether two methods differ over seeds: each seed paired with its twin.

use std::f64::consts::PI;

/// How the accuracies of two methods differ over the seeds that both have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OverSeeds {
    /// How many seeds both have.
    pub seeds: usize,
    /// The mean of the differences, in percentage points.
    pub difference: f64,
    /// Their sample standard deviation, in percentage points; none of a single seed.
    pub deviation: Option<f64>,
    /// The probability of a mean difference at least so large in either direction, if training by both were equally good: the paired
    /// t-test (Student 1908). None below [`OverSeeds::LEAST`] seeds, or where all differences are the same.
    pub p_value: Option<f64>,
}

impl OverSeeds {
    /// The fewest seeds that can be tested.
    pub const LEAST: usize = 3;

    /// Of the differences of twins; none without any.
    pub fn of(differences: &[f64]) -> Option<Self> {
        let seeds = differences.len();
        let difference = differences.iter().sum::<f64>() / seeds as f64;
        let squares: f64 = differences.iter().map(|d| (d - difference).powi(2)).sum();
        let deviation = (seeds > 1).then(|| (squares / (seeds - 1) as f64).sqrt());
        // Differences that are the same but for the last digits have no deviation.
        let p_value = deviation.filter(|deviation| seeds >= Self::LEAST && *deviation > 1e-9).map(|deviation| {
            let t = difference / (deviation / (seeds as f64).sqrt());
            two_sided_t(t, seeds - 1)
        });
        (seeds > 0).then_some(Self { seeds, difference, deviation, p_value })
    }
}

/// The probability that Student's t with so many degrees of freedom is at least so far from 0: a finite sum (Abramowitz and
/// Stegun 1964, 26.7.3 and 26.7.4).
pub(super) fn two_sided_t(t: f64, freedom: usize) -> f64 {
    let angle = (t.abs() / (freedom as f64).sqrt()).atan();
    let (sine, cosine) = angle.sin_cos();
    // The terms go by twos from the first power of the cosine that the parity has.
    let (first, from) = if freedom % 2 == 1 { (cosine, 1) } else { (1.0, 0) };
    let mut term = first;
    let mut sum = if freedom == 1 { 0.0 } else { term };
    for power in (from + 2..freedom).step_by(2) {
        term *= cosine * cosine * (power - 1) as f64 / power as f64;
        sum += term;
    }
    let inside = if freedom % 2 == 1 { 2.0 / PI * (angle + sine * sum) } else { sine * sum };
    (1.0 - inside).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_t_test_is_scipys() {
        // scipy.stats.ttest_1samp of these differences (server/spec/golden/paired.py).
        let golden: serde_json::Value = serde_json::from_str(include_str!("../../golden/paired.json")).unwrap();
        let cases = golden["over_seeds"].as_array().unwrap();
        assert!(cases.len() > 4);
        for case in cases {
            let differences: Vec<f64> =
                case["differences"].as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect();
            let found = OverSeeds::of(&differences).unwrap();
            let expected = case["p_value"].as_f64().unwrap();
            assert!((found.p_value.unwrap() - expected).abs() < 1e-12 + 1e-9 * expected, "{found:?} {expected}");
            assert!((found.deviation.unwrap() - case["deviation"].as_f64().unwrap()).abs() < 1e-12, "{found:?}");
        }
    }

    #[test]
    fn two_seeds_and_seeds_that_all_differ_alike_give_no_p_value() {
        assert_eq!(OverSeeds::of(&[]), None);
        let two = OverSeeds::of(&[1.0, 3.0]).unwrap();
        assert_eq!((two.seeds, two.difference, two.p_value), (2, 2.0, None));
        assert_eq!(OverSeeds::of(&[1.0; 5]).unwrap().p_value, None);
        assert_eq!(OverSeeds::of(&[0.1; 3]).unwrap().p_value, None);
        assert_eq!(OverSeeds::of(&[60.1 - 58.9, 40.1 - 38.9, 1.2]).unwrap().p_value, None);
    }
}
