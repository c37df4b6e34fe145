//! Indirect gradient distillation (Lee et al. 2023; methods.md §4), on top of AdaAD.

use candle_core::{Result, Tensor};
use retort_spec::{Adaad, Igdm, Reduction};

use super::{Batch, Objective, StudentOutput, adaad::AdaadObjective};
use crate::{loss::kl_divergence, nn::Network};

/// AdaAD's loss + a·(epoch/epochs)·KL(t(x + βδ) − t(x − γδ) ‖ s(x + βδ) − s(x − γδ)), δ = x̃ − x, of differences of logits.
pub(crate) struct IgdmObjective {
    parameters: Igdm,
    host: AdaadObjective,
    /// Epochs over which the weight grows.
    epochs: usize,
}

impl IgdmObjective {
    pub(crate) fn new(parameters: Igdm, teacher: Network, epochs: usize) -> Self {
        let Igdm { attack, alpha, reduction, .. } = parameters.clone();
        Self { parameters, host: AdaadObjective::new(Adaad { attack, alpha, reduction }, teacher), epochs }
    }
}

impl Objective for IgdmObjective {
    fn inputs(&mut self, student: &mut Network, batch: &Batch) -> Result<Vec<Tensor>> {
        let [natural, attacked] = self.host.images(student, batch)?;
        let way = (&attacked - &natural)?;
        let ahead = (&natural + (&way * self.parameters.ahead)?)?;
        let behind = (&natural - (&way * self.parameters.behind)?)?;
        Ok(vec![natural, attacked, ahead, behind])
    }

    fn loss(&mut self, answers: &[StudentOutput], inputs: &[Tensor], batch: &Batch) -> Result<Tensor> {
        let [natural, attacked, ahead, behind] = answers else { candle_core::bail!("IGDM learns from four answers") };
        let teacher = self.host.teacher_mut();
        let targets: Vec<Tensor> = inputs.iter().map(|images| Ok(teacher.infer(images)?.0)).collect::<Result<_>>()?;
        let [natural_target, attacked_target, ahead_target, behind_target] = targets.as_slice() else {
            candle_core::bail!("IGDM makes four kinds of images")
        };
        let loss = self.host.loss_of([natural.logits, attacked.logits], [natural_target, attacked_target])?;
        let (of_teacher, of_student) = ((ahead_target - behind_target)?, (ahead.logits - behind.logits)?);
        // Epochs are counted from 1.
        let grown = (batch.epoch + 1) as f64 / self.epochs.max(1) as f64;
        let change = kl_divergence(&of_teacher, &of_student, 1.0, Reduction::BatchMean)?;
        loss + (change * (self.parameters.weight * grown))?
    }

    fn teacher(&mut self) -> Option<&mut Network> {
        Some(self.host.teacher_mut())
    }
}

#[cfg(test)]
mod tests {
    use retort_spec::MethodName;

    use crate::golden::methods::{hold_method, method};

    #[test]
    fn three_steps_of_igdm_are_pytorchs() {
        // The networks' gradients nearly cancel in places, where the last digits decide a sign.
        hold_method(("later_methods", "igdm"), &method(MethodName::IGDM, &[]), 5e-4, 3e-3);
    }
}
