//! TRADES (Zhang et al. 2019; methods.md §3.2).

use candle_core::{Result, Tensor};
use retort_spec::{Reduction, Trades};

use super::{Batch, Objective, StudentOutput, attack_divergence};
use crate::{
    attacks::Iterative,
    loss::{kl_divergence, smoothed_cross_entropy},
    nn::{Network, Want},
};

/// CE(s(x), y) + β·KL(s(x) ‖ s(x̃)), batch mean; the gradient flows through both answers. x̃ climbs that KL.
///
/// The natural and the attacked images are a pass each, so each has batch statistics of its own. The authors' code passes the
/// natural images twice, which counts them twice in the running statistics and changes nothing else.
pub(crate) struct TradesObjective {
    parameters: Trades,
}

impl TradesObjective {
    pub(crate) const fn new(parameters: Trades) -> Self {
        Self { parameters }
    }
}

impl Objective for TradesObjective {
    fn inputs(&mut self, student: &mut Network, batch: &Batch) -> Result<Vec<Tensor>> {
        let natural = &batch.images;
        let target =
            student.forward(natural, Iterative::from(&self.parameters.attack).statistics, Want::Nothing)?.logits;
        let attacked = attack_divergence(student, batch, &self.parameters.attack, &target)?;
        Ok(vec![natural.clone(), attacked])
    }

    fn loss(&mut self, answers: &[StudentOutput], _inputs: &[Tensor], batch: &Batch) -> Result<Tensor> {
        self.loss_of(answers, batch.labels)
    }
}

impl TradesObjective {
    /// The loss of the natural and the attacked answers.
    pub(crate) fn loss_of(&self, answers: &[StudentOutput], labels: &[u8]) -> Result<Tensor> {
        let [natural, attacked] = answers else { candle_core::bail!("TRADES learns from two answers") };
        let divergence = kl_divergence(natural.logits, attacked.logits, 1.0, Reduction::BatchMean)?;
        let labelled = smoothed_cross_entropy(natural.logits, labels, self.parameters.label_smoothing)?;
        labelled + (divergence * self.parameters.beta)?
    }
}
