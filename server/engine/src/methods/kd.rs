//! Knowledge distillation (Hinton et al. 2015; methods.md §1.1).

use candle_core::{Result, Tensor};
use retort_spec::Kd;

use super::{Batch, Objective, StudentOutput};
use crate::{
    loss::{cross_entropy, kl_divergence},
    nn::Network,
};

/// γ·CE(s(x), y) + α·T²·KL(t(x) ‖ s(x)) on natural images.
pub(crate) struct KdObjective {
    parameters: Kd,
    teacher: Network,
}

impl KdObjective {
    pub(crate) const fn new(parameters: Kd, teacher: Network) -> Self {
        Self { parameters, teacher }
    }
}

impl Objective for KdObjective {
    fn inputs(&mut self, _student: &mut Network, batch: &Batch) -> Result<Vec<Tensor>> {
        Ok(vec![batch.images.clone()])
    }

    fn loss(&mut self, answers: &[StudentOutput], inputs: &[Tensor], batch: &Batch) -> Result<Tensor> {
        let (teacher, _) = self.teacher.infer(&inputs[0])?;
        self.loss_of(&teacher, answers, batch.labels)
    }

    fn teacher(&mut self) -> Option<&mut Network> {
        Some(&mut self.teacher)
    }
}

impl KdObjective {
    /// The loss, given the teacher's logits.
    pub(crate) fn loss_of(&self, teacher: &Tensor, answers: &[StudentOutput], labels: &[u8]) -> Result<Tensor> {
        let Kd { temperature, alpha, gamma, reduction } = self.parameters;
        let student = answers[0].logits;
        let soft = kl_divergence(teacher, student, temperature, reduction)?;
        let loss = (soft * (alpha * temperature * temperature))?;
        if gamma == 0.0 {
            return Ok(loss);
        }
        loss + (cross_entropy(student, labels)? * gamma)?
    }
}
