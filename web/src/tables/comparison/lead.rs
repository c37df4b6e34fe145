//! Which of several accuracies is the highest, and whether the test carries that it is the best.

use retort_spec::{LEVEL, holm};

use super::Cell;
use crate::format;

/// Which of several accuracies of one column is the highest, and which of the others the test does not tell from it.
///
/// Where some are means over several seeds, those of a single one do not compete.
#[derive(Clone, Debug, PartialEq)]
pub struct Lead {
    /// The place of the highest.
    pub highest: usize,
    /// The places of the others that compete.
    pub others: Vec<usize>,
    /// Those of the others that the test does not tell from the highest, each with its p-value; none at all where answers for
    /// a test are missing.
    pub level: Option<Vec<(usize, f64)>>,
    /// Whether there are accuracies of a single seed that do not compete.
    pub leaves_out: bool,
}

impl Lead {
    /// Of these accuracies, each in its place; none without any.
    ///
    /// The highest is compared with every other, adjusted for their number (Holm). So the highest and what is not told from it
    /// are a set that holds the truly best with at least the confidence of one test (Gupta 1965).
    pub fn among(cells: &[Option<&Cell>]) -> Option<Self> {
        let most = cells.iter().flatten().map(|cell| cell.seeds()).max()?;
        let competing = || cells.iter().enumerate().filter_map(|(place, cell)| Some((place, (*cell)?)));
        let competing = || competing().filter(|(_, cell)| most == 1 || cell.seeds() > 1);
        // Of equal ones the first, as they stand in the table.
        let (highest, best) = competing().reduce(|best, next| if next.1.mean > best.1.mean { next } else { best })?;
        let others: Vec<(usize, &Cell)> = competing().filter(|(place, _)| *place != highest).collect();
        let p_values: Option<Vec<f64>> = others.iter().map(|(_, cell)| Some(best.compare(cell)?.p_value)).collect();
        let others: Vec<usize> = others.into_iter().map(|(place, _)| place).collect();
        let level = p_values.map(|p_values| {
            let adjusted = others.iter().copied().zip(holm(&p_values));
            adjusted.filter(|(_, p_value)| *p_value >= LEVEL).collect()
        });
        let leaves_out = most > 1 && cells.iter().flatten().any(|cell| cell.seeds() == 1);
        Some(Self { highest, others, level, leaves_out })
    }

    /// Whether the test tells the highest from every other one.
    pub fn is_best(&self) -> bool {
        !self.others.is_empty() && self.level.as_ref().is_some_and(Vec::is_empty)
    }

    /// Whether there are others, but no answers to test them by.
    pub const fn is_untested(&self) -> bool {
        !self.others.is_empty() && self.level.is_none()
    }

    /// The places of what may be called best: the highest with what is not told from it, or nothing where that is every one.
    pub fn best(&self) -> Vec<usize> {
        match &self.level {
            Some(level) if level.len() < self.others.len() => {
                std::iter::once(self.highest).chain(level.iter().map(|(place, _)| *place)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The places that are to be named as the highest: it alone, or untested all that are equal as they are printed.
    pub fn named(&self, cells: &[Option<&Cell>]) -> Vec<usize> {
        let shown = |place: usize| cells.get(place).copied().flatten().map(Cell::value);
        let equal =
            self.others.iter().copied().filter(|place| self.is_untested() && shown(*place) == shown(self.highest));
        let mut named: Vec<usize> = equal.chain([self.highest]).collect();
        named.sort_unstable();
        named
    }

    /// What is to be said of a highest that is not the best: `not tested`, `not distinguishable from KD (p = 0.310)`; nothing of
    /// one that is, or has no others. `name` names a place.
    pub fn remark(&self, name: impl Fn(usize) -> String) -> String {
        let Some(level) = &self.level else {
            return if self.others.is_empty() { String::new() } else { "not tested".into() };
        };
        let least = level.iter().map(|(_, p)| *p).fold(1.0, f64::min);
        let sign = if level.iter().all(|(_, p)| *p == least) { "=" } else { "≥" };
        let names: Vec<String> = level.iter().map(|(place, _)| name(*place)).collect();
        let from = match names.as_slice() {
            [] => return String::new(),
            [one] => one.clone(),
            names if names.len() > 2 && names.len() == self.others.len() => "any other".into(),
            [first, rest @ ..] if rest.len() > 2 => format!("{first} and {} others", rest.len()),
            names => format::list(names),
        };
        format!("not distinguishable from {from} (p {sign} {least:.3})")
    }
}
