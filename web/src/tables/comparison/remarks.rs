//! What has to be said of a row's models beside their accuracies: that they have collapsed, or gave no answers.

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
        Self { seeds: evaluated.count(), collapsed: seeds.iter().filter_map(collapse).collect(), unanswered }
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
        collapse.into_iter().chain(self.unanswered.iter().cloned()).collect()
    }
}
