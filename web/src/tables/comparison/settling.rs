//! What would settle the differences from the baseline that are open.

use retort_spec::{LEVEL, OverSeeds, images_to_settle, seeds_to_settle};

use super::{Column, ComparisonTable, Row};
use crate::format;

/// A difference that no test carries yet, and what would settle it.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenDifference {
    /// The row's name, and the baseline's.
    pub names: [String; 2],
    /// The row's key.
    pub key: String,
    /// In which column.
    pub column: String,
    /// The difference in words, with its p-value: `+1.20 points, p = 0.310`.
    pub found: String,
    /// How many more test images would settle it for these models; none where nothing was seen, or it would take too many.
    pub more_images: Option<usize>,
    /// How many more seeds would settle it for the methods, or let them be tested at all; none where the seeds so far do not tell,
    /// or it would take too many.
    pub more_seeds: Option<usize>,
    /// Whether there are too few seeds for any test of the methods.
    pub has_too_few_seeds: bool,
}

/// Seeds beyond so many are not asked for.
const MOST_SEEDS: usize = 50;

impl ComparisonTable {
    /// The differences from the baseline that are open under the attack that leaves each row the least.
    pub fn open_differences(&self) -> Vec<OpenDifference> {
        let Some(baseline) = &self.baseline else { return Vec::new() };
        self.rows().filter_map(|row| self.open_difference(row, baseline)).collect()
    }

    fn open_difference(&self, row: &Row, baseline: &str) -> Option<OpenDifference> {
        let attacked = self.columns.iter().zip(&row.cells).filter(|(column, _)| column.attack().is_some());
        let tested = attacked.filter_map(|(column, cell)| Some((column, cell.as_ref()?)));
        let (column, cell) = tested.min_by(|a, b| a.1.mean.total_cmp(&b.1.mean))?;
        let against = cell.against.filter(|_| !cell.is_significant())?;
        // The least of a family of p-values must be so small.
        let level = LEVEL / against.tests.max(1) as f64;
        let more = |needed: usize, there: usize| needed.saturating_sub(there).max(1);
        let images = images_to_settle(against.difference, against.deviation, level);
        let seeds = against.over_seeds.and_then(|over| match over.deviation {
            _ if over.seeds < OverSeeds::LEAST => Some(more(OverSeeds::LEAST, over.seeds)),
            // Where all are alike there is no p-value, and no number of seeds to tell.
            Some(deviation) if over.p_value.is_some() => {
                Some(more(seeds_to_settle(over.difference, deviation, LEVEL)?, over.seeds))
            }
            _ => None,
        });
        // Over seeds it may be settled already.
        let is_settled = against.over_seeds.and_then(|over| over.p_value).is_some_and(|p| p < LEVEL);
        Some(OpenDifference {
            names: [self.name(row), baseline.to_owned()],
            key: row.key.clone(),
            column: Column::title(column),
            found: format!("{} points, {}", against.difference(), against.p_value()),
            more_images: images.map(|images| more(images, cell.images)),
            more_seeds: seeds.filter(|seeds| *seeds <= MOST_SEEDS && !is_settled),
            has_too_few_seeds: against.over_seeds.is_some_and(|over| over.seeds < OverSeeds::LEAST),
        })
    }
}

impl OpenDifference {
    /// In a sentence.
    pub fn sentence(&self) -> String {
        let Self { names: [row, baseline], column, found, more_images, more_seeds, has_too_few_seeds, .. } = self;
        let images = more_images.map(|n| {
            format!(
                "about {} would settle it for these models",
                format::plural(n, "more test image", "more test images")
            )
        });
        let seeds = more_seeds.map(|n| {
            let seeds = format::plural(n, "more seed", "more seeds");
            let does = if *has_too_few_seeds { "would let the methods be tested" } else { "for the methods" };
            format!("{seeds} {does}")
        });
        let no_images = "no number of images in reach would settle it for these models";
        let settles = match (images.as_deref().unwrap_or(no_images), seeds) {
            (images, Some(seeds)) => format!("{images}; {seeds}"),
            (images, None) => images.to_owned(),
        };
        format!("Under {column} {row} and {baseline} are not told apart ({found}): {settles}.")
    }
}
