//! The accuracies of the models that one training left, each under every attack.

use crate::{RunRow, Score};

/// A table of accuracies: a row for each evaluation, a column for the natural accuracy and each attack.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelAccuracies<'a> {
    /// What the columns are, each by its first score.
    pub columns: Vec<&'a Score>,
    /// The evaluations with their scores in the order of the columns.
    pub rows: Vec<(&'a RunRow, Vec<Option<&'a Score>>)>,
}

impl<'a> ModelAccuracies<'a> {
    /// The table of these evaluations.
    pub fn of(evaluations: &'a [RunRow]) -> Self {
        let mut columns: Vec<&Score> = Vec::new();
        for score in evaluations.iter().flat_map(|run| &run.scores) {
            if !columns.iter().any(|column| column.describe() == score.describe()) {
                columns.push(score);
            }
        }
        // The natural accuracy stands first; evaluations of a model name their attacks in one order.
        columns.sort_by_key(|score| score.attack.is_some());
        let cell = |run: &'a RunRow, column: &Score| run.scores.iter().find(|s| s.describe() == column.describe());
        let rows = evaluations.iter().map(|run| (run, columns.iter().map(|column| cell(run, column)).collect()));
        Self { rows: rows.collect(), columns }
    }

    /// Which of a training's models an evaluation is of.
    pub fn model(run: &RunRow) -> &'static str {
        match &run.label.variant {
            variant if variant.is_averaged => "averaged weights",
            variant if variant.is_best_epoch => "best epoch",
            _ => "last epoch",
        }
    }
}
