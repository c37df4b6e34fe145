//! PGD on the margin to one other class after the other (Gowal et al. 2019, arXiv:1910.09338).

use candle_core::{Result, Tensor};
use retort_spec::MultiTargeted;

use super::{EvaluationAttack, Iterative, Target};

impl EvaluationAttack for MultiTargeted {
    fn tries(&self) -> usize {
        self.targets
    }

    fn images(&self, target: &mut Target<'_>, attempt: u64) -> Result<Tensor> {
        let logits = target.network.infer(&target.natural)?.0.to_vec2::<f32>()?;
        let classes: Vec<u8> =
            logits.iter().zip(&target.labels).map(|(logits, label)| next_best(logits, *label, attempt)).collect();
        let start = target.start(self.eps, attempt)?;
        let by = Iterative::new(self.eps, self.step_size, self.steps);
        target.climb(by, start, |logits, labels| {
            let (n, count) = logits.dims2()?;
            let mut gradient = vec![0f32; n * count];
            for ((row, class), label) in gradient.chunks_exact_mut(count).zip(&classes).zip(labels) {
                (row[usize::from(*class)], row[usize::from(*label)]) = (1.0, -1.0);
            }
            Tensor::from_vec(gradient, (n, count), logits.device())
        })
    }
}

/// The class other than `label` before which `rank` others have higher logits; the last, where there are not as many.
fn next_best(logits: &[f32], label: u8, rank: u64) -> u8 {
    let mut others: Vec<usize> = (0..logits.len()).filter(|class| *class != usize::from(label)).collect();
    others.sort_by(|a, b| logits[*b].total_cmp(&logits[*a]));
    let place = usize::try_from(rank).unwrap_or(usize::MAX).min(others.len().saturating_sub(1));
    others.get(place).map_or(label, |class| *class as u8)
}

#[cfg(test)]
mod tests {
    use retort_spec::{Architecture, Attack};

    use super::*;
    use crate::{
        attacks::{Attacker, Starts},
        golden::{Golden, images, network},
        rng::Purpose,
    };

    #[test]
    fn the_next_best_classes_are_tried_in_their_order_and_the_last_again() {
        let tried: Vec<u8> = (0..4).map(|rank| next_best(&[0.1, 0.9, 0.5, 0.7], 3, rank)).collect();
        assert_eq!(tried, [1, 2, 0, 0]);
    }

    #[test]
    fn it_fools_the_network_into_the_answers_that_pytorch_finds() {
        let golden = Golden::read("multi_targeted");
        let (mut network, x) = (network(Architecture::ResNet8), images("attacked images", 24));
        let [_, bias] = network.classifier();
        network.weights.parameters[bias].tensor = golden.tensor("bias");
        let bytes = |name: &str| -> Vec<u8> { golden.numbers(name).iter().map(|v| *v as u8).collect() };
        for steps in [1, 5] {
            let Ok(Attack::MultiTargeted(attack)) = format!("mt-{steps}").parse() else { panic!("it is none") };
            let attack = Attack::MultiTargeted(MultiTargeted { targets: 3, ..attack });
            let starts = Starts { seed: 7, purpose: Purpose::Attack };
            let mut attacker = Attacker { attack: &attack, surrogate: None, starts };
            let found = attacker.answers(&mut network, &x, &bytes("labels"), &(0..24).collect::<Vec<_>>()).unwrap();
            assert_eq!(found.into_iter().map(Option::unwrap).collect::<Vec<u8>>(), bytes(&format!("{steps}.answers")));
        }
    }
}
