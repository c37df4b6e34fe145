//! Auto-PGD on the targeted difference-of-logits ratio, towards one class after the other.

use candle_core::{Result, Tensor};
use retort_spec::ApgdT;

use super::{
    EvaluationAttack, Target,
    auto_pgd::{Loss, auto_pgd},
    next_best::next_best_classes,
};

impl EvaluationAttack for ApgdT {
    fn tries(&self) -> usize {
        self.targets
    }

    fn images(&self, target: &mut Target<'_>, attempt: u64) -> Result<Tensor> {
        let classes = next_best_classes(target, attempt)?;
        let start = target.starts.stretched(&target.natural, self.eps, &target.indices, attempt)?;
        let labels = target.labels.clone();
        let loss = TargetedRatio { labels: &labels, targets: &classes };
        auto_pgd(target, (self.eps.value() as f32, self.steps), &start, &loss)
    }
}

/// `−(z_y − z_t) / (z_π1 − (z_π3 + z_π4)/2 + 10⁻¹²)`, π sorting the logits downwards (Croce and Hein 2020, Eq. 7).
struct TargetedRatio<'a> {
    labels: &'a [u8],
    targets: &'a [u8],
}

impl Loss for TargetedRatio<'_> {
    fn of(&self, place: usize, logits: &[f32], slope: &mut [f32]) -> f32 {
        let (label, class) = (usize::from(self.labels[place]), usize::from(self.targets[place]));
        let mut order: Vec<usize> = (0..logits.len()).collect();
        order.sort_by(|a, b| logits[*b].total_cmp(&logits[*a]));
        let [first, _, third, fourth, ..] = order.as_slice() else { return 0.0 };
        let spread = logits[*first] - 0.5 * (logits[*third] + logits[*fourth]) + 1e-12;
        let margin = logits[class] - logits[label];
        let by_spread = -margin / (spread * spread);
        slope[*first] += by_spread;
        slope[*third] -= 0.5 * by_spread;
        slope[*fourth] -= 0.5 * by_spread;
        slope[class] += 1.0 / spread;
        slope[label] -= 1.0 / spread;
        margin / spread
    }
}

#[cfg(test)]
mod tests {
    use retort_spec::PixelDistance;

    use super::*;
    use crate::attacks::golden_tests;

    #[test]
    fn its_losses_checks_and_step_sizes_are_those_of_the_authors_code() {
        golden_tests::hold("apgd_t", PixelDistance::levels(0.5), |labels, targets| {
            Box::new(TargetedRatio { labels, targets })
        });
    }

    #[test]
    fn the_ratio_has_the_values_of_its_definition_and_the_slope_of_its_differences() {
        let logits = [2.0, 1.0, 0.5, -1.0, 0.0];
        let of = |class: u8, logits: &[f32]| {
            let mut slope = vec![0.0; logits.len()];
            (TargetedRatio { labels: &[0], targets: &[class] }.of(0, logits, &mut slope), slope)
        };
        assert!((of(1, &logits).0 + 0.571_429).abs() < 1e-6 && (of(2, &logits).0 + 0.857_143).abs() < 1e-6);
        let (_, slope) = of(2, &logits);
        for (i, slope) in slope.iter().enumerate() {
            let moved = |by: f32| {
                let mut moved = logits;
                moved[i] += by;
                of(2, &moved).0
            };
            let difference = (moved(1e-2) - moved(-1e-2)) / 2e-2;
            assert!((difference - slope).abs() < 1e-3, "{i}: {difference} {slope}");
        }
    }
}
