//! PGD adversarial training (Madry et al. 2018): of teachers, and as the fine-tuning AFT (methods.md §3).

use candle_core::{Result, Tensor};
use retort_spec::InnerAttack;

use super::{Batch, Objective, StudentOutput, attack_student};
use crate::{attacks::StartRange, loss::smoothed_cross_entropy, nn::Network};

/// Cross-entropy on images attacked by PGD from a start clipped to [0, 1].
pub(super) struct PgdAtObjective {
    attack: InnerAttack,
    label_smoothing: f64,
}

impl PgdAtObjective {
    pub(super) fn new(attack: &InnerAttack, label_smoothing: f64) -> Self {
        Self { attack: attack.clone(), label_smoothing }
    }
}

impl Objective for PgdAtObjective {
    fn inputs(&mut self, student: &mut Network, batch: &Batch) -> Result<Vec<Tensor>> {
        Ok(vec![attack_student(student, batch, &self.attack, StartRange::Image)?])
    }

    fn loss(&mut self, answers: &[StudentOutput], _inputs: &[Tensor], batch: &Batch) -> Result<Tensor> {
        smoothed_cross_entropy(answers[0].logits, batch.labels, self.label_smoothing)
    }
}
