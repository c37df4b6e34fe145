//! Adversarially robust distillation (Goldblum et al. 2020; methods.md §1.2).

use candle_core::{Result, Tensor};
use retort_spec::Ard;

use super::{Batch, Objective, StudentOutput, attack_student, sample_weights, weighted_mean};
use crate::{
    attacks::StartRange,
    loss::{classes_averaged, cross_entropy, kl_divergences},
    nn::Network,
};

/// α·T²·KL(t(x) ‖ s(x̃)) + (1 − α)·CE(s(x), y): the teacher sees the natural x, the student x̃, attacked by PGD on its
/// cross-entropy. With sample weighting each image's KL counts by the teacher's confidence.
pub(crate) struct ArdObjective {
    parameters: Ard,
    teacher: Network,
    passes_natural: bool,
}

impl ArdObjective {
    pub(crate) fn new(parameters: Ard, teacher: Network) -> Self {
        let passes_natural = parameters.passes_natural();
        Self { parameters, teacher, passes_natural }
    }
}

impl Objective for ArdObjective {
    fn inputs(&mut self, student: &mut Network, batch: &Batch) -> Result<Vec<Tensor>> {
        // As in the authors' code, the start is not clipped to [0, 1]; the first step does it.
        let attacked = attack_student(student, batch, &self.parameters.attack, StartRange::Ball)?;
        // Their code passes the natural images too, at α = 1 for the running statistics alone.
        Ok(if self.passes_natural { vec![attacked, batch.images.clone()] } else { vec![attacked] })
    }

    fn loss(&mut self, answers: &[StudentOutput], _inputs: &[Tensor], batch: &Batch) -> Result<Tensor> {
        let (teacher, _) = self.teacher.infer(&batch.images)?;
        self.loss_of(&teacher, answers, batch.labels)
    }

    fn teacher(&mut self) -> Option<&mut Network> {
        Some(&mut self.teacher)
    }
}

impl ArdObjective {
    /// The loss, given the teacher's logits.
    pub(crate) fn loss_of(&self, teacher: &Tensor, answers: &[StudentOutput], labels: &[u8]) -> Result<Tensor> {
        let &Ard { temperature, alpha, reduction, sample_weighting, .. } = &self.parameters;
        let student = answers[0].logits;
        let weights = sample_weights(sample_weighting, teacher, labels)?;
        let divergences = kl_divergences(teacher, student, temperature)?;
        let soft = (weighted_mean(&divergences, weights.as_ref())? / classes_averaged(student, reduction)?)?;
        let loss = (soft * (alpha * temperature * temperature))?;
        match answers.get(1) {
            Some(natural) if alpha < 1.0 => loss + (cross_entropy(natural.logits, labels)? * (1.0 - alpha))?,
            _ => Ok(loss),
        }
    }
}
