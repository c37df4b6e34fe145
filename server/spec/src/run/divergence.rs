//! When a training is given up because it has diverged.

use serde::{Deserialize, Serialize};

use crate::{Accuracy, Problem};

/// Rules by which a training ends as diverged instead of burning the rest of its budget. A loss that is no finite number ends it
/// whatever the rules are, as the weights behind it are lost. They hold in each stage that trains the whole network.
///
/// The default has no rules, which is how earlier versions trained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DivergenceRules {
    /// After so many epochs in a row at chance: neither the training nor the natural accuracy is above the share of the largest
    /// class by more than its 95 % interval. Where the classifier is not trained, there is no accuracy to judge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chance_epochs: Option<usize>,
    /// When an epoch's mean loss so far is more than this many times that of the stage's first epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss_factor: Option<f64>,
}

/// What is known of an epoch that is done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EpochAccuracies {
    /// On the images of training, as they were shown.
    pub train: Accuracy,
    /// On natural test images.
    pub natural: Accuracy,
    /// The share of the largest class: what always answering it gets right, from 0 to 1.
    pub chance: f64,
}

/// What the rules remember of a stage. It is kept in checkpoints, so that a resumed training is judged as one that was never
/// interrupted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Watched {
    /// The mean loss of the stage's first epoch.
    first_loss: Option<f64>,
    /// Epochs in a row at chance.
    at_chance: usize,
}

impl DivergenceRules {
    /// The rules of new comparisons: ten epochs at chance, or ten times the loss of the first epoch.
    pub const fn usual() -> Self {
        Self { chance_epochs: Some(10), loss_factor: Some(10.0) }
    }

    /// Whether there is no rule.
    pub const fn are_none(&self) -> bool {
        self.chance_epochs.is_none() && self.loss_factor.is_none()
    }

    pub(crate) fn check(&self, field: &str, problems: &mut Vec<Problem>) {
        if self.chance_epochs == Some(0) {
            problems
                .push(Problem::new(format!("{field}.chance_epochs"), "must be 1 or more, or empty for no such rule"));
        }
        // Losses of equal epochs differ; only what is well above them tells of an explosion.
        if self.loss_factor.is_some_and(|factor| !(2.0..=1e9).contains(&factor)) {
            let message = "must be from 2 to 1,000,000,000, or empty for no such rule";
            problems.push(Problem::new(format!("{field}.loss_factor"), message));
        }
    }

    /// Judges the mean `loss` over so much of epoch `epoch`, counted from 1, as was trained; says why it has exploded, if it has.
    pub fn judge_loss(&self, watched: &Watched, epoch: usize, loss: f64) -> Option<String> {
        let (factor, first) = (self.loss_factor?, watched.first_loss?);
        (loss > factor * first).then(|| {
            format!(
                "The loss exploded: in epoch {epoch} it is {}, more than {factor} times that of the stage's first epoch ({}). Lower \
                 the learning rate; the rule is one of the comparison's.",
                shown(loss),
                shown(first)
            )
        })
    }

    /// Takes note of the end of epoch `epoch`, counted from 1; says why the network does not learn, if that is so.
    pub fn end_epoch(
        &self,
        watched: &mut Watched,
        epoch: usize,
        loss: f64,
        accuracies: Option<EpochAccuracies>,
    ) -> Option<String> {
        watched.first_loss.get_or_insert(loss);
        let accuracies = accuracies?;
        watched.at_chance = if accuracies.are_at_chance() { watched.at_chance + 1 } else { 0 };
        let most = self.chance_epochs?;
        (watched.at_chance >= most).then(|| {
            let EpochAccuracies { train, natural, chance } = accuracies;
            let epochs = if most == 1 { "an epoch".to_owned() } else { format!("{most} epochs in a row") };
            format!(
                "The network does not learn: after epoch {epoch} its accuracy has been at chance ({:.2} %) for {epochs}, in \
                 training {:.2} %, natural {:.2} %. Lower the learning rate, or attack less strongly; the rule is one of the \
                 comparison's.",
                100.0 * chance,
                train.percent(),
                natural.percent()
            )
        })
    }
}

/// A loss as it stands in a sentence.
fn shown(loss: f64) -> String {
    if loss < 1e6 { format!("{loss:.3}") } else { format!("{loss:.2e}") }
}

impl EpochAccuracies {
    fn are_at_chance(self) -> bool {
        let is_above = |accuracy: Accuracy| accuracy.interval()[0] > 100.0 * self.chance;
        !is_above(self.train) && !is_above(self.natural)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accuracies(train: usize, natural: usize) -> EpochAccuracies {
        let of = |correct| Accuracy { correct, n: 1_000 };
        EpochAccuracies { train: of(train), natural: of(natural), chance: 0.1 }
    }

    #[test]
    fn a_network_that_stays_at_chance_is_given_up_after_so_many_epochs_in_a_row() {
        let rules = DivergenceRules { chance_epochs: Some(3), ..DivergenceRules::default() };
        let mut watched = Watched::default();
        // The third epoch is well above chance on natural images, so that the count begins anew.
        let epochs = [(100, 100), (110, 95), (100, 200), (80, 110), (100, 100), (118, 100)];
        let told: Vec<bool> = epochs
            .into_iter()
            .enumerate()
            .map(|(i, (train, natural))| {
                rules.end_epoch(&mut watched, i + 1, 2.3, Some(accuracies(train, natural))).is_some()
            })
            .collect();
        assert_eq!(told, [false, false, false, false, false, true]);
        let said = rules.end_epoch(&mut watched, 7, 2.3, Some(accuracies(100, 101))).unwrap();
        assert!(
            said.contains("at chance (10.00 %) for 3 epochs in a row, in training 10.00 %, natural 10.10 %"),
            "{said}"
        );
        // An accuracy under attack that is above chance in training alone is enough.
        assert_eq!(rules.end_epoch(&mut watched, 8, 2.3, Some(accuracies(200, 100))), None);
        assert_eq!(DivergenceRules::default().end_epoch(&mut watched, 9, 2.3, Some(accuracies(0, 0))), None);
    }

    #[test]
    fn few_images_at_chance_are_not_told_from_a_network_that_learns_but_many_are() {
        let at = |correct, n| EpochAccuracies {
            train: Accuracy { correct, n },
            natural: Accuracy { correct, n },
            chance: 0.1,
        };
        assert!(at(2, 10).are_at_chance() && at(110, 1_000).are_at_chance());
        assert!(!at(130, 1_000).are_at_chance() && !at(5_500, 50_000).are_at_chance());
    }

    #[test]
    fn a_loss_that_explodes_is_told_by_the_first_epoch_of_its_stage() {
        let rules = DivergenceRules { loss_factor: Some(10.0), ..DivergenceRules::default() };
        let mut watched = Watched::default();
        // Nothing is known before the first epoch is done.
        assert_eq!(rules.judge_loss(&watched, 1, 1e30), None);
        assert_eq!(rules.end_epoch(&mut watched, 1, 2.0, None), None);
        assert_eq!(rules.judge_loss(&watched, 2, 20.0), None);
        let said = rules.judge_loss(&watched, 2, 20.1).unwrap();
        assert!(
            said.contains("in epoch 2 it is 20.100, more than 10 times that of the stage's first epoch (2.000)"),
            "{said}"
        );
        assert_eq!(DivergenceRules::default().judge_loss(&watched, 2, 1e30), None);
    }

    #[test]
    fn rules_that_would_end_every_training_are_refused() {
        let mut problems = Vec::new();
        DivergenceRules { chance_epochs: Some(0), loss_factor: Some(1.0) }.check("divergence", &mut problems);
        let fields: Vec<_> = problems.iter().map(|problem| problem.field.as_str()).collect();
        assert_eq!(fields, ["divergence.chance_epochs", "divergence.loss_factor"]);
        DivergenceRules { loss_factor: Some(f64::NAN), ..DivergenceRules::usual() }.check("divergence", &mut problems);
        assert_eq!(problems.len(), 3);
        DivergenceRules::usual().check("divergence", &mut problems);
        assert_eq!(problems.len(), 3);
    }
}
