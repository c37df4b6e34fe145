//! Adversarially robust distillation (Goldblum et al. 2020; methods.md §1.2).

use candle_core::{Result, Tensor};
use retort_spec::{InnerAttack, Method, Reduction, SampleWeighting};

use super::{Answer, Batch, Objective, attack_student, sample_weights, weighted_mean};
use crate::{
    loss::{classes_averaged, cross_entropy, kl_divergences},
    nn::Network,
};

/// α·T²·KL(t(x) ‖ s(x̃)) + (1 − α)·CE(s(x), y): the teacher sees the natural x, the student x̃, attacked by PGD on its
/// cross-entropy. With sample weighting each image's KL counts by the teacher's confidence.
pub(crate) struct Ard {
    teacher: Network,
    attack: InnerAttack,
    temperature: f64,
    alpha: f64,
    reduction: Reduction,
    sample_weighting: SampleWeighting,
    passes_natural: bool,
}

impl Ard {
    pub(crate) fn new(teacher: Network, method: &Method) -> Result<Self> {
        let Method::Ard { attack, temperature, alpha, reduction, sample_weighting } = method else {
            candle_core::bail!("these are not ARD's parameters");
        };
        Ok(Self {
            teacher,
            attack: attack.clone(),
            temperature: *temperature,
            alpha: *alpha,
            reduction: *reduction,
            sample_weighting: *sample_weighting,
            passes_natural: method.student_passes() > 1,
        })
    }
}

impl Objective for Ard {
    fn inputs(&mut self, student: &mut Network, batch: &Batch) -> Result<Vec<Tensor>> {
        // As in the authors' code, the start is not clipped to [0, 1]; the first step does it.
        let attacked = attack_student(student, batch, &self.attack, false)?;
        // Their code passes the natural images too, at α = 1 for the running statistics alone.
        Ok(if self.passes_natural { vec![attacked, batch.images.clone()] } else { vec![attacked] })
    }

    fn loss(&mut self, answers: &[Answer], _inputs: &[Tensor], batch: &Batch) -> Result<Tensor> {
        let (teacher, _) = self.teacher.infer(&batch.images)?;
        self.loss_of(&teacher, answers, batch.labels)
    }

    fn teacher(&mut self) -> Option<&mut Network> {
        Some(&mut self.teacher)
    }
}

impl Ard {
    /// The loss, given the teacher's logits.
    pub(crate) fn loss_of(&self, teacher: &Tensor, answers: &[Answer], labels: &[u8]) -> Result<Tensor> {
        let student = answers[0].logits;
        let weights = sample_weights(self.sample_weighting, teacher, labels)?;
        let divergences = kl_divergences(teacher, student, self.temperature)?;
        let soft = (weighted_mean(&divergences, weights.as_ref())? / classes_averaged(student, self.reduction)?)?;
        let loss = (soft * (self.alpha * self.temperature * self.temperature))?;
        match answers.get(1) {
            Some(natural) if self.alpha < 1.0 => loss + (cross_entropy(natural.logits, labels)? * (1.0 - self.alpha))?,
            _ => Ok(loss),
        }
    }
}
