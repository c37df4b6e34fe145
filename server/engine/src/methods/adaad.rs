//! Adaptive adversarial distillation (Huang et al. 2023; methods.md §4).

use candle_core::{Result, Tensor};
use retort_spec::{Adaad, InnerAttack};

use super::{Batch, Objective, StudentOutput, noise_start};
use crate::{
    attacks::Iterative,
    loss::{kl_divergence, kl_gradient, kl_target_gradient},
    nn::{Network, Statistics, Want},
};

/// α·KL(t(x̃) ‖ s(x̃)) + (1 − α)·KL(t(x) ‖ s(x)): x̃ climbs KL(t(x̃) ‖ s(x̃)) through both networks.
pub(crate) struct AdaadObjective {
    parameters: Adaad,
    teacher: Network,
}

impl AdaadObjective {
    pub(crate) const fn new(parameters: Adaad, teacher: Network) -> Self {
        Self { parameters, teacher }
    }

    /// The images as they are, then where the networks disagree.
    pub(super) fn images(&mut self, student: &mut Network, batch: &Batch) -> Result<[Tensor; 2]> {
        let attacked = attack_disagreement(student, &mut self.teacher, batch, &self.parameters.attack)?;
        Ok([batch.images.clone(), attacked])
    }

    /// The loss by the student's answers to both, and the teacher's logits of both.
    pub(super) fn loss_of(&self, answers: [&Tensor; 2], teacher: [&Tensor; 2]) -> Result<Tensor> {
        let Adaad { alpha, reduction, .. } = self.parameters;
        let ([natural, attacked], [natural_target, attacked_target]) = (answers, teacher);
        let loss = (kl_divergence(attacked_target, attacked, 1.0, reduction)? * alpha)?;
        if alpha == 1.0 {
            return Ok(loss);
        }
        loss + (kl_divergence(natural_target, natural, 1.0, reduction)? * (1.0 - alpha))?
    }

    pub(super) const fn teacher_mut(&mut self) -> &mut Network {
        &mut self.teacher
    }
}

impl Objective for AdaadObjective {
    fn inputs(&mut self, student: &mut Network, batch: &Batch) -> Result<Vec<Tensor>> {
        // As in the authors' code the natural images pass at every α, for the running statistics.
        Ok(self.images(student, batch)?.to_vec())
    }

    fn loss(&mut self, answers: &[StudentOutput], inputs: &[Tensor], _batch: &Batch) -> Result<Tensor> {
        let ([natural, attacked], [natural_images, attacked_images]) = (answers, inputs) else {
            candle_core::bail!("AdaAD learns from two answers")
        };
        let targets = [self.teacher.infer(natural_images)?.0, self.teacher.infer(attacked_images)?.0];
        self.loss_of([natural.logits, attacked.logits], targets.each_ref())
    }

    fn teacher(&mut self) -> Option<&mut Network> {
        Some(&mut self.teacher)
    }
}

/// PGD that climbs the divergence of the student's answers from the teacher's to the same images, out of the noise beside them.
fn attack_disagreement(
    student: &mut Network,
    teacher: &mut Network,
    batch: &Batch,
    attack: &InnerAttack,
) -> Result<Tensor> {
    let by = Iterative::from(attack);
    by.climb(&batch.images, noise_start(batch)?, |images| {
        let target = teacher.forward(images, Statistics::Running, Want::Input)?;
        let answer = student.forward(images, by.statistics, Want::Input)?;
        let slopes =
            [kl_target_gradient(&target.logits, &answer.logits)?, kl_gradient(&target.logits, &answer.logits)?];
        let [of_target, of_answer] = slopes;
        target.input_gradient(Some(of_target), None)? + answer.input_gradient(Some(of_answer), None)?
    })
}

#[cfg(test)]
mod tests {
    use retort_spec::MethodName;

    use crate::golden::methods::{hold_method, method};

    #[test]
    fn three_steps_of_adaad_are_pytorchs_by_default_and_with_natural_images() {
        let natural = vec![("method.alpha", "0.5"), ("method.reduction", "batch_mean")];
        for (name, settings) in [("adaad", vec![]), ("adaad_natural", natural)] {
            hold_method(("later_methods", name), &method(MethodName::ADAAD, &settings), 5e-4, 1e-3);
        }
    }
}
