//! What has to be said of a row's models beside their accuracies: that they have collapsed, or gave no answers.

use retort_spec::{Attack, MaskingCheck};

use crate::{RunRow, Score, format};

/// What a row's evaluations say of its models.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remarks {
    /// Seeds that were evaluated.
    seeds: usize,
    /// By seed that has collapsed: how, to follow the model's name.
    collapsed: Vec<String>,
    /// By attack under which some images were not answered: a sentence.
    unanswered: Vec<String>,
    /// That PGD stands far above AutoAttack: a sentence.
    masked: Option<String>,
}

impl Remarks {
    /// Of the evaluations of each seed.
    pub(super) fn of(seeds: &[Vec<&RunRow>]) -> Self {
        let evaluated = seeds.iter().filter(|runs| runs.iter().any(|run| !run.scores.is_empty()));
        let collapse = |runs: &Vec<&RunRow>| runs.iter().find_map(|run| run.collapse());
        let mut unanswered: Vec<String> = Vec::new();
        for said in seeds.iter().flatten().flat_map(|run| &run.scores).filter_map(Score::unanswered_words) {
            if !unanswered.contains(&said) {
                unanswered.push(said);
            }
        }
        let masked = seeds.iter().flatten().find_map(|run| masked(&run.scores));
        Self { seeds: evaluated.count(), collapsed: seeds.iter().filter_map(collapse).collect(), unanswered, masked }
    }

    /// Whether the model of every seed has collapsed, so that the row cannot be the best of anything.
    pub const fn are_of_a_collapse(&self) -> bool {
        !self.collapsed.is_empty() && self.collapsed.len() == self.seeds
    }

    /// How it has collapsed: `answers “cat” to every test image`, `in 1 of 3 seeds answers …`.
    pub fn collapse(&self) -> Option<String> {
        let first = self.collapsed.first()?;
        let same = self.collapsed.iter().all(|how| how == first);
        let how = if same { first.clone() } else { format!("{first}, or the like") };
        Some(match self.seeds {
            seeds if seeds > 1 => format!("in {} of {seeds} seeds {how}", format::count(self.collapsed.len())),
            _ => how,
        })
    }

    /// Each in a sentence, for a line below the row.
    pub fn sentences(&self) -> Vec<String> {
        let rank = if self.are_of_a_collapse() { " It is left out of what is best." } else { "" };
        let collapse = self.collapse().map(|how| match self.seeds {
            seeds if seeds > 1 => format!("Collapsed: {how}.{rank}"),
            _ => format!("Collapsed: it {how}.{rank}"),
        });
        collapse.into_iter().chain(self.unanswered.iter().cloned()).chain(self.masked.clone()).collect()
    }
}

/// That a model's accuracy under PGD is far above that under AutoAttack, in a sentence; nothing where it is not.
fn masked(scores: &[Score]) -> Option<String> {
    let attacked = || scores.iter().filter_map(|score| Some((score.attack.as_ref()?, score)));
    let (attack, auto) = attacked().find(|(attack, _)| attack.is_auto_attack())?;
    let pgd = attacked().filter(|(pgd, _)| matches!(pgd, Attack::Pgd(_)) && pgd.eps() == attack.eps());
    let (_, pgd) = pgd.min_by_key(|(_, score)| score.accuracy.correct)?;
    let above = pgd.accuracy.percent() - auto.accuracy.percent();
    (above > MaskingCheck::BEYOND_PGD).then(|| {
        let above = format::percent(above);
        format!("{} leaves {above} points more than AutoAttack: gradients may be masked.", pgd.name())
    })
}

#[cfg(test)]
mod tests {
    use retort_spec::Accuracy;

    use super::*;

    #[test]
    fn pgd_far_above_autoattack_is_a_sign_of_masking_and_a_little_is_none() {
        let score = |id: &str, correct| Score {
            attack: Some(id.parse().unwrap()),
            accuracy: Accuracy { correct, n: 1_000 },
            unanswered: 0,
            standing: Vec::new(),
            variety: None,
        };
        let said = |pgd| masked(&[score("pgd-20", pgd), score("pgd-7", pgd + 20), score("autoattack", 366)]);
        assert_eq!(said(606).unwrap(), "PGD-20 leaves 24.00 points more than AutoAttack: gradients may be masked.");
        assert_eq!(said(426), None);
        assert_eq!(masked(&[score("pgd-20", 606)]), None);
    }
}
