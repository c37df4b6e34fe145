//! Auto-PGD on the cross-entropy.

use candle_core::{Result, Tensor};
use retort_spec::ApgdCe;

use super::{
    EvaluationAttack, Target,
    auto_pgd::{Loss, auto_pgd},
};

impl EvaluationAttack for ApgdCe {
    fn images(&self, target: &mut Target<'_>, attempt: u64) -> Result<Tensor> {
        let start = target.starts.stretched(&target.natural, self.eps, &target.indices, attempt)?;
        let labels = target.labels.clone();
        auto_pgd(target, (self.eps.value() as f32, self.steps), &start, &CrossEntropy { labels: &labels })
    }
}

struct CrossEntropy<'a> {
    labels: &'a [u8],
}

impl Loss for CrossEntropy<'_> {
    fn of(&self, place: usize, logits: &[f32], slope: &mut [f32]) -> f32 {
        let label = usize::from(self.labels[place]);
        let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f32 = logits.iter().map(|z| (z - most).exp()).sum();
        for (slope, z) in slope.iter_mut().zip(logits) {
            *slope = (z - most).exp() / sum;
        }
        slope[label] -= 1.0;
        sum.ln() - (logits[label] - most)
    }
}

#[cfg(test)]
mod tests {
    use retort_spec::PixelDistance;

    use super::*;
    use crate::attacks::golden_tests;

    #[test]
    fn its_losses_checks_and_step_sizes_are_those_of_the_authors_code() {
        golden_tests::hold("apgd_ce", PixelDistance::levels(2.0), |labels, _| Box::new(CrossEntropy { labels }));
    }
}
