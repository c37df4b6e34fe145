//! How many more images or seeds would settle a difference that is open.

use super::over_seeds::two_sided_t;

/// The chance with which so many images or seeds find a difference that is truly as large as the one that was seen.
pub const POWER: f64 = 0.8;

/// More than so many are told as more than these.
const MOST: usize = 1_000_000;

/// How many test images would settle a difference: so that it is found at this level with the chance [`POWER`], if it is as large
/// as was seen. `difference` is the mean over images and `deviation` the standard deviation of an image's difference, in the
/// same unit. None where nothing was seen, or it would take more than a million.
pub fn images_to_settle(difference: f64, deviation: f64, level: f64) -> Option<usize> {
    let (at_level, at_power) = (normal_quantile(1.0 - level / 2.0), normal_quantile(POWER));
    let images = ((at_level + at_power) * deviation / difference).powi(2).ceil();
    (images.is_finite() && images <= MOST as f64).then(|| (images as usize).max(1))
}

/// How many seeds would settle a difference by the paired t-test over seeds, in the same sense. `deviation` is that of the
/// differences of twins. None where nothing was seen, or it would take more than a thousand.
pub fn seeds_to_settle(difference: f64, deviation: f64, level: f64) -> Option<usize> {
    let effect = (difference / deviation).abs();
    (3..=1_000).find(|seeds| {
        let freedom = seeds - 1;
        // The shifted t is close to a normal one around its shift (Cohen 1988).
        (*seeds as f64).sqrt() * effect >= t_quantile(level, freedom) + t_quantile(2.0 * (1.0 - POWER), freedom)
    })
}

/// The value that Student's t exceeds in size with this probability.
fn t_quantile(two_sided: f64, freedom: usize) -> f64 {
    bisect(|t| two_sided_t(t, freedom) <= two_sided)
}

/// The value below which a standard normal lies with this probability, at least a half.
fn normal_quantile(probability: f64) -> f64 {
    bisect(|z| 0.5 * libm::erfc(-z / std::f64::consts::SQRT_2) >= probability)
}

/// The least number from 0 on of which something holds, that holds of all above it.
fn bisect(holds: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (0.0, 1e6);
    for _ in 0..200 {
        let middle = f64::midpoint(low, high);
        if holds(middle) { high = middle } else { low = middle }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_tables() {
        for (probability, expected) in [(0.975, 1.959_963_984_540_054), (0.8, 0.841_621_233_572_914), (0.5, 0.0)] {
            assert!((normal_quantile(probability) - expected).abs() < 1e-9, "{probability}");
        }
        for (freedom, expected) in [(1, 12.706_204_736), (2, 4.302_652_730), (10, 2.228_138_852), (499, 1.964_729_391)]
        {
            assert!((t_quantile(0.05, freedom) - expected).abs() < 1e-6, "{freedom}: {}", t_quantile(0.05, freedom));
        }
    }

    #[test]
    fn as_many_images_as_it_takes_are_as_a_power_analysis_has_them() {
        // (1.95996 + 0.84162)² = 7.8489 times the square of deviation over difference.
        assert_eq!(images_to_settle(2.0, 40.0, 0.05), Some(3_140));
        assert_eq!(images_to_settle(-2.0, 40.0, 0.05), Some(3_140));
        assert_eq!((images_to_settle(0.0, 40.0, 0.05), images_to_settle(1e-3, 50.0, 0.05)), (None, None));
        // A larger family of tests takes more.
        assert!(images_to_settle(2.0, 40.0, 0.05 / 4.0) > Some(4_000));
    }

    #[test]
    fn as_many_seeds_as_it_takes_are_near_those_of_a_power_analysis() {
        // statsmodels' TTestPower has 9.94, 33.4 and 4.94 pairs for effects of 1, 0.5 and 1.7.
        assert_eq!(seeds_to_settle(1.0, 1.0, 0.05), Some(10));
        assert_eq!(seeds_to_settle(-0.5, 1.0, 0.05), Some(34));
        assert_eq!(seeds_to_settle(1.7, 1.0, 0.05), Some(5));
        assert_eq!((seeds_to_settle(0.0, 1.0, 0.05), seeds_to_settle(1.0, 0.0, 0.05)), (None, Some(3)));
    }
}
