//! Tests of rows against each other, image by image.

use retort_spec::{Paired, holm};

use super::{Beside, Cell, ComparisonTable};

impl Cell {
    /// How it compares to another accuracy; none unless the answers to the same images are there for both.
    pub(super) fn compare(&self, other: &Self) -> Option<Paired> {
        let (own, other) = (self.answers.as_ref()?, other.answers.as_ref()?);
        if own.images == other.images { Paired::of(&own.right, &other.right) } else { None }
    }
}

impl ComparisonTable {
    /// Compares every other row with the one of this key, where both have answers to the same images.
    pub(super) fn test_against(&mut self, key: &str) {
        let Some(baseline) = self.rows().find(|row| row.key == key).cloned() else { return };
        self.baseline = Some(self.name(&baseline));
        for (column, baseline) in baseline.cells.iter().enumerate() {
            let Some(baseline) = baseline else { continue };
            let others = self.groups.iter_mut().flat_map(|group| &mut group.rows).filter(|row| row.key != key);
            let mut cells: Vec<&mut Cell> = others.filter_map(|row| row.cells[column].as_mut()).collect();
            let tests: Vec<Option<Paired>> = cells.iter().map(|cell| cell.compare(baseline)).collect();
            let p_values: Vec<f64> = tests.iter().flatten().map(|paired| paired.p_value).collect();
            let mut adjusted = holm(&p_values).into_iter();
            for (cell, paired) in cells.iter_mut().zip(tests) {
                cell.against = paired.and_then(|Paired { difference, p_value }| {
                    Some(Beside { difference, p_value, adjusted: adjusted.next()? })
                });
            }
        }
    }
}
