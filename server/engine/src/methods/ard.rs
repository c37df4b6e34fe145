//! Adversarially robust distillation (Goldblum et al. 2020; methods.md §1.2).

use candle_core::{Result, Tensor};
use retort_spec::{InnerAttack, Reduction};

use super::{Answer, Batch, Objective, attack_student};
use crate::{loss::kl_divergence, nn::Network};

/// T²·KL(t(x) ‖ s(x̃)): the teacher sees the natural x, the student x̃, attacked by PGD on its cross-entropy. This is the
/// published α = 1, at which the authors' second term, on true labels, has no weight.
pub(super) struct Ard {
    teacher: Network,
    attack: InnerAttack,
    temperature: f64,
    reduction: Reduction,
}

impl Ard {
    pub(super) fn new(teacher: Network, attack: &InnerAttack, temperature: f64, reduction: Reduction) -> Self {
        Self { teacher, attack: attack.clone(), temperature, reduction }
    }
}

impl Objective for Ard {
    fn inputs(&mut self, student: &mut Network, batch: &Batch) -> Result<Tensor> {
        // As in the authors' code, the start is not clipped to [0, 1]; the first step does it.
        attack_student(student, batch, &self.attack, false)
    }

    fn loss(&mut self, answer: &Answer, _inputs: &Tensor, batch: &Batch) -> Result<Tensor> {
        let (teacher, _) = self.teacher.infer(&batch.images)?;
        let soft = kl_divergence(&teacher, answer.logits, self.temperature, self.reduction)?;
        soft * (self.temperature * self.temperature)
    }
}
