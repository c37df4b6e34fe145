//! Tests of rows against a baseline, image by image.

use std::collections::HashMap;

use retort_spec::{Attack, Paired};

use super::{Beside, ComparisonTable, Row};

/// Which test images an evaluation's model got right, without an attack and under each.
#[derive(Clone, Debug, PartialEq)]
pub struct RightAnswers {
    /// What tells the images apart from others: two evaluations of the same images have the same.
    pub images: u64,
    /// By attack in the words of a page (none for the natural images): whether each image's answer was right.
    pub under: Vec<(Option<Attack>, Vec<bool>)>,
}

impl RightAnswers {
    fn of(&self, attack: Option<&Attack>) -> Option<&[bool]> {
        // A surrogate differs from seed to seed; its column does not.
        let same = |other: &Option<Attack>| other.as_ref().map(Attack::describe) == attack.map(Attack::describe);
        self.under.iter().find(|(of, _)| same(of)).map(|(_, right)| right.as_slice())
    }
}

impl ComparisonTable {
    /// Compares every other row with the one of this key, where both have answers to the same images.
    pub(super) fn test_against(&mut self, key: &str, right: &HashMap<i64, RightAnswers>) {
        let Some(baseline) = self.rows().find(|row| row.key == key).cloned() else { return };
        self.baseline = Some(self.name(&baseline));
        let columns = self.columns.clone();
        for row in self.groups.iter_mut().flat_map(|group| &mut group.rows).filter(|row| row.key != key) {
            for (i, column) in columns.iter().enumerate() {
                let against = paired(row, &baseline, column.as_ref(), right);
                if let Some(cell) = row.cells[i].as_mut() {
                    cell.against = against;
                }
            }
        }
    }
}

/// Compares two rows over the seeds that both have. An image counts once, for the row that more seeds get it right with: its
/// answers under several seeds are not independent. Of one seed that is `McNemar`'s test.
fn paired(row: &Row, baseline: &Row, attack: Option<&Attack>, right: &HashMap<i64, RightAnswers>) -> Option<Beside> {
    // By image: in how many seeds the row is right more often than the baseline.
    let mut ahead: Vec<i64> = Vec::new();
    let mut seeds = 0;
    for seed in &row.seeds {
        let Some(other) = baseline.seeds.iter().find(|other| other.value == seed.value) else { continue };
        let of = |evaluations: &[i64]| {
            evaluations.iter().find_map(|id| {
                let answers = right.get(id)?;
                Some((answers.images, answers.of(attack)?))
            })
        };
        let ((images, first), (others, second)) = (of(&seed.evaluations)?, of(&other.evaluations)?);
        if images != others {
            return None;
        }
        ahead.resize(first.len(), 0);
        for ((ahead, first), second) in ahead.iter_mut().zip(first).zip(second) {
            *ahead += i64::from(*first) - i64::from(*second);
        }
        seeds += 1;
    }
    if seeds == 0 || ahead.is_empty() {
        return None;
    }
    let count = |sign: i64| ahead.iter().filter(|ahead| ahead.signum() == sign).count();
    let images = Paired { both: 0, only_first: count(1), only_second: count(-1), neither: count(0) };
    let difference = 100.0 * ahead.iter().sum::<i64>() as f64 / (seeds * ahead.len()) as f64;
    Some(Beside { difference, p_value: images.p_value() })
}
