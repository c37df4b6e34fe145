//! Introspective adversarial distillation (Zhu et al. 2022; methods.md §4), its first form.

use candle_core::{Result, Tensor};
use retort_spec::Iad;

use super::{Batch, Objective, StudentOutput, attack_student, weighted_mean};
use crate::{
    attacks::StartRange,
    loss::{classes_averaged, kl_divergence, kl_divergences, true_class_probabilities},
    nn::Network,
};

/// T²·KL(t(x) ‖ s(x̃)), and from an epoch on + mean (1 − α)·KL(s(x) ‖ s(x̃)) with α = `p_t(y | x̃)`^β for each image: the student's
/// natural answer guides it where the teacher is unsure. That answer learns too, as in the authors' code.
pub(crate) struct IadObjective {
    parameters: Iad,
    teacher: Network,
    /// The first epoch, counted from 0, in which the student trusts itself.
    begin: u64,
}

impl IadObjective {
    pub(crate) fn new(parameters: Iad, teacher: Network, epochs: usize) -> Self {
        let begin = (parameters.begin * epochs as f64).round() as u64;
        Self { parameters, teacher, begin }
    }
}

impl Objective for IadObjective {
    fn inputs(&mut self, student: &mut Network, batch: &Batch) -> Result<Vec<Tensor>> {
        let attacked = attack_student(student, batch, &self.parameters.attack, StartRange::Ball)?;
        Ok(vec![attacked, batch.images.clone()])
    }

    fn loss(&mut self, answers: &[StudentOutput], inputs: &[Tensor], batch: &Batch) -> Result<Tensor> {
        let ([attacked, natural], [attacked_images, natural_images]) = (answers, inputs) else {
            candle_core::bail!("IAD learns from two answers")
        };
        let Iad { temperature, beta, reduction, .. } = self.parameters;
        let (target, _) = self.teacher.infer(natural_images)?;
        let loss = kl_divergence(&target, attacked.logits, temperature, reduction)?;
        let loss = (loss * (temperature * temperature))?;
        if batch.epoch < self.begin {
            return Ok(loss);
        }
        let (of_attacked, _) = self.teacher.infer(attacked_images)?;
        let distrust = true_class_probabilities(&of_attacked, batch.labels)?.powf(beta)?.affine(-1.0, 1.0)?;
        let own = kl_divergences(natural.logits, attacked.logits, 1.0)?;
        loss + (weighted_mean(&own, Some(&distrust))? / classes_averaged(attacked.logits, reduction)?)?
    }

    fn teacher(&mut self) -> Option<&mut Network> {
        Some(&mut self.teacher)
    }
}

#[cfg(test)]
mod tests {
    use retort_spec::MethodName;

    use crate::golden::methods::{hold_method, method};

    #[test]
    fn three_steps_of_iad_are_pytorchs_before_and_after_the_student_trusts_itself() {
        // In training mode the last digits decide many signs of the attack.
        let eval = ("method.attack.batch_norm", "eval");
        let cases = [
            ("iad", vec![("method.begin", "0")], 3e-3),
            ("iad_eval", vec![("method.begin", "0"), eval], 1e-3),
            ("iad_before", vec![("method.begin", "1"), eval], 1e-3),
        ];
        for (name, settings, tolerance) in cases {
            hold_method(("later_methods", name), &method(MethodName::IAD, &settings), 2e-4, tolerance);
        }
    }
}
