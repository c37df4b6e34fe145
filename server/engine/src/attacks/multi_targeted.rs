//! PGD on the margin to one other class after the other (Gowal et al. 2019, arXiv:1910.09338).

use candle_core::{Result, Tensor};
use retort_spec::MultiTargeted;

use super::{EvaluationAttack, Iterative, Target, next_best::next_best_classes};

impl EvaluationAttack for MultiTargeted {
    fn tries(&self) -> usize {
        self.targets
    }

    fn images(&self, target: &mut Target<'_>, attempt: u64) -> Result<Tensor> {
        let classes = next_best_classes(target, attempt)?;
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

#[cfg(test)]
mod tests {
    use retort_spec::{Architecture, Attack};

    use super::*;
    use crate::{
        attacks::{Attacker, Starts, testing},
        golden::{Golden, images, network},
        rng::Purpose,
    };

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
            let indices: Vec<usize> = (0..24).collect();
            let found = testing::answers(&mut attacker, &mut network, (&x, &bytes("labels"), &indices), 24);
            assert_eq!(found.into_iter().map(Option::unwrap).collect::<Vec<u8>>(), bytes(&format!("{steps}.answers")));
        }
    }
}
