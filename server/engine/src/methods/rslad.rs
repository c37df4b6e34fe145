//! Robust soft-label adversarial distillation (Zi et al. 2021; methods.md §4).

use candle_core::{Result, Tensor};
use retort_spec::Rslad;

use super::{Batch, Objective, StudentOutput, attack_divergence};
use crate::{loss::kl_divergence, nn::Network};

/// w·KL(t(x) ‖ s(x̃)) + (1 − w)·KL(t(x) ‖ s(x)), no true labels: x̃ climbs KL(t(x) ‖ s(x̃)) out of the noise beside x.
///
/// The authors' code adds 10⁻⁵ inside of the teacher's logarithm, which moves the number of the loss by less than that and no
/// gradient.
pub(crate) struct RsladObjective {
    parameters: Rslad,
    teacher: Network,
    /// The teacher's logits of the natural images in hand.
    soft_labels: Option<Tensor>,
}

impl RsladObjective {
    pub(crate) const fn new(parameters: Rslad, teacher: Network) -> Self {
        Self { parameters, teacher, soft_labels: None }
    }
}

impl Objective for RsladObjective {
    fn inputs(&mut self, student: &mut Network, batch: &Batch) -> Result<Vec<Tensor>> {
        let (teacher, _) = self.teacher.infer(&batch.images)?;
        let attacked = attack_divergence(student, batch, &self.parameters.attack, &teacher)?;
        self.soft_labels = Some(teacher);
        // As in the authors' code the attacked images pass first, which the running statistics remember least.
        Ok(vec![attacked, batch.images.clone()])
    }

    fn loss(&mut self, answers: &[StudentOutput], _inputs: &[Tensor], _batch: &Batch) -> Result<Tensor> {
        let (Some(teacher), [attacked, natural]) = (&self.soft_labels, answers) else {
            candle_core::bail!("RSLAD learns from two answers, once it has made the images")
        };
        let Rslad { attacked_weight, loss_weight, reduction, .. } = self.parameters;
        let divergence = |of: &StudentOutput| kl_divergence(teacher, of.logits, 1.0, reduction);
        let attacked = (divergence(attacked)? * attacked_weight)?;
        (attacked + (divergence(natural)? * (1.0 - attacked_weight))?)? * loss_weight
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
    fn three_steps_of_rslad_are_pytorchs_by_default_and_with_the_weight_of_a_hundred_classes() {
        for (name, settings) in [("rslad", vec![]), ("rslad_weighted", vec![("method.loss_weight", "10")])] {
            hold_method(("rslad", name), &method(MethodName::RSLAD, &settings), 2e-4, 1e-3);
        }
    }
}
