//! Multi-teacher adversarial robustness distillation (Zhao et al. 2022; methods.md §4).

use candle_core::{Device, Result, Tensor};
use retort_spec::{Mtard, Schedule};

use super::{Batch, Objective, StudentOutput, noise_start};
use crate::{
    attacks::{Iterative, cross_entropy_pgd},
    loss::kl_divergence,
    nn::{Named, Network},
};

/// `w_a·KL(t_robust(x̃)` ‖ s(x̃)) + `w_n·KL(t_natural(x)` ‖ s(x)). In each step the weights go a little towards the shares of the
/// relative losses L̂ = L/L(first step): `w_n ← w_n − r(w_n − L̂_n^b/(L̂_n^b + L̂_a^b))`, `w_a = 1 − w_n`. Weights do not learn: the
/// gradient knows them as numbers.
pub(crate) struct MtardObjective {
    parameters: Mtard,
    /// The robust one, and the natural one.
    teachers: [Network; 2],
    schedule: Schedule,
    balance: Balance,
}

/// How the two losses weigh.
#[derive(Clone, Copy)]
struct Balance {
    /// The weight of natural images.
    natural: f64,
    /// The losses of the first step on attacked and on natural images; none before.
    first: Option<[f64; 2]>,
}

impl MtardObjective {
    pub(crate) const fn new(parameters: Mtard, teachers: [Network; 2], schedule: Schedule) -> Self {
        Self { parameters, teachers, schedule, balance: Balance { natural: 0.5, first: None } }
    }
}

impl Balance {
    /// After a step with these losses on attacked and on natural images.
    fn after(self, losses: [f64; 2], rate: f64, power: f64) -> Self {
        let first = self.first.unwrap_or(losses);
        let relative = |side: usize| (losses[side] / first[side]).powf(power);
        let [attacked, natural] = [relative(0), relative(1)];
        let share = natural / (attacked + natural);
        // A loss of nothing has no relative size: the weights stay where they are.
        let natural = if share.is_finite() { self.natural - rate * (self.natural - share) } else { self.natural };
        Self { natural, first: Some(first) }
    }
}

impl Objective for MtardObjective {
    fn inputs(&mut self, student: &mut Network, batch: &Batch) -> Result<Vec<Tensor>> {
        let pgd = Iterative::from(&self.parameters.attack);
        let attacked = cross_entropy_pgd(student, &batch.images, batch.labels, pgd, noise_start(batch)?)?;
        // As in the authors' code the attacked images pass first, which the running statistics remember least.
        Ok(vec![attacked, batch.images.clone()])
    }

    fn loss(&mut self, answers: &[StudentOutput], inputs: &[Tensor], batch: &Batch) -> Result<Tensor> {
        let (2, 2) = (answers.len(), inputs.len()) else { candle_core::bail!("MTARD learns from two answers") };
        let Mtard { balance_rate, balance_power, loss_weight, reduction, .. } = self.parameters;
        let mut divergences = Vec::new();
        for ((teacher, images), answer) in self.teachers.iter_mut().zip(inputs).zip(answers) {
            let (target, _) = teacher.infer(images)?;
            divergences.push(kl_divergence(&target, answer.logits, 1.0, reduction)?);
        }
        let [attacked, natural] = divergences.as_slice() else { candle_core::bail!("MTARD has two teachers") };
        let number = |loss: &Tensor| Ok::<_, candle_core::Error>(f64::from(loss.to_scalar::<f32>()?));
        let epoch = usize::try_from(batch.epoch).unwrap_or(usize::MAX);
        let slowed = self.schedule.learning_rate_at(epoch, 0.0) / self.schedule.learning_rate;
        self.balance = self.balance.after([number(attacked)?, number(natural)?], balance_rate * slowed, balance_power);
        let weighed = ((attacked * (1.0 - self.balance.natural))? + (natural * self.balance.natural)?)?;
        weighed * loss_weight
    }

    fn teachers(&mut self) -> Vec<&mut Network> {
        self.teachers.iter_mut().collect()
    }

    fn state(&self) -> Vec<Named> {
        let [attacked, natural] = self.balance.first.unwrap_or_default();
        let values = [self.balance.natural, f64::from(u8::from(self.balance.first.is_some())), attacked, natural];
        Tensor::new(&values, &Device::Cpu).into_iter().map(|tensor| Named { name: BALANCE.into(), tensor }).collect()
    }

    fn restore(&mut self, state: Vec<Named>) -> Result<()> {
        let Some(named) = state.iter().find(|named| named.name == BALANCE) else {
            candle_core::bail!("the checkpoint lacks {BALANCE}")
        };
        let [natural, has_first, of_attacked, of_natural] = named.tensor.to_vec1::<f64>()?[..] else {
            candle_core::bail!("{BALANCE} of the checkpoint is not of four numbers")
        };
        self.balance = Balance { natural, first: (has_first > 0.0).then_some([of_attacked, of_natural]) };
        Ok(())
    }
}

/// What a checkpoint calls the weights and first losses.
const BALANCE: &str = "balance";

#[cfg(test)]
mod tests {
    use retort_spec::MethodName;

    use super::*;
    use crate::golden::methods::{hold_method, method};

    #[test]
    fn three_steps_of_mtard_are_pytorchs_by_default_and_when_the_weights_move_fast() {
        let fast = vec![("method.balance_rate", "0.5"), ("method.balance_power", "2"), ("method.loss_weight", "10")];
        for (name, settings) in [("mtard", vec![]), ("mtard_fast", fast)] {
            hold_method(("later_methods", name), &method(MethodName::MTARD, &settings), 2e-4, 1e-3);
        }
    }

    #[test]
    fn the_teacher_whose_loss_has_fallen_less_gains_weight_and_a_loss_of_nothing_moves_none() {
        let begun = Balance { natural: 0.5, first: None }.after([2.0, 4.0], 0.5, 1.0);
        assert_eq!((begun.natural, begun.first), (0.5, Some([2.0, 4.0])));
        // A quarter of the first loss on attacked images is left, and three quarters on natural ones.
        let moved = begun.after([0.5, 3.0], 0.5, 1.0);
        assert!((moved.natural - 0.625).abs() < 1e-12, "{}", moved.natural);
        assert!((moved.after([0.0, 0.0], 0.5, 1.0).natural - moved.natural).abs() < 1e-12);
    }
}
