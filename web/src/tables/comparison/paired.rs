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
        self.baseline = Some(baseline.title());
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

/// The counts of the seeds that both rows have, summed.
fn paired(row: &Row, baseline: &Row, attack: Option<&Attack>, right: &HashMap<i64, RightAnswers>) -> Option<Beside> {
    let mut sum = Paired { both: 0, only_first: 0, only_second: 0, neither: 0 };
    let mut seeds = 0;
    for seed in &row.seeds {
        let Some(other) = baseline.seeds.iter().find(|other| other.value == seed.value) else { continue };
        let (first, second) = (right.get(&seed.evaluation)?, right.get(&other.evaluation)?);
        if first.images != second.images {
            return None;
        }
        for (first, second) in first.of(attack)?.iter().zip(second.of(attack)?) {
            *match (first, second) {
                (true, true) => &mut sum.both,
                (true, false) => &mut sum.only_first,
                (false, true) => &mut sum.only_second,
                (false, false) => &mut sum.neither,
            } += 1;
        }
        seeds += 1;
    }
    (seeds > 0).then(|| Beside { difference: sum.difference(), p_value: sum.p_value() })
}
