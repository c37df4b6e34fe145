//! Knowledge distillation (Hinton et al. 2015; methods.md §1.1).

use candle_core::{Result, Tensor};
use retort_spec::{Method, Reduction};

use super::{Answer, Batch, Objective};
use crate::{
    loss::{cross_entropy, kl_divergence},
    nn::Network,
};

/// γ·CE(s(x), y) + α·T²·KL(t(x) ‖ s(x)) on natural images.
pub(crate) struct Kd {
    teacher: Network,
    temperature: f64,
    alpha: f64,
    gamma: f64,
    reduction: Reduction,
}

impl Kd {
    pub(crate) fn new(teacher: Network, method: &Method) -> Result<Self> {
        let &Method::Kd { temperature, alpha, gamma, reduction } = method else {
            candle_core::bail!("these are not KD's parameters");
        };
        Ok(Self { teacher, temperature, alpha, gamma, reduction })
    }
}

impl Objective for Kd {
    fn inputs(&mut self, _student: &mut Network, batch: &Batch) -> Result<Vec<Tensor>> {
        Ok(vec![batch.images.clone()])
    }

    fn loss(&mut self, answers: &[Answer], inputs: &[Tensor], batch: &Batch) -> Result<Tensor> {
        let (teacher, _) = self.teacher.infer(&inputs[0])?;
        self.loss_of(&teacher, answers, batch.labels)
    }

    fn teacher(&mut self) -> Option<&mut Network> {
        Some(&mut self.teacher)
    }
}

impl Kd {
    /// The loss, given the teacher's logits.
    pub(crate) fn loss_of(&self, teacher: &Tensor, answers: &[Answer], labels: &[u8]) -> Result<Tensor> {
        let student = answers[0].logits;
        let soft = kl_divergence(teacher, student, self.temperature, self.reduction)?;
        let loss = (soft * (self.alpha * self.temperature * self.temperature))?;
        if self.gamma == 0.0 {
            return Ok(loss);
        }
        loss + (cross_entropy(student, labels)? * self.gamma)?
    }
}
