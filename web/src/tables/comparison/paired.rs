//! Tests of rows against each other, image by image.

use retort_spec::{OverSeeds, Paired, holm};

use super::{Beside, Cell, ComparisonTable, Row, Seed};

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
        for (column, cell) in baseline.cells.iter().enumerate() {
            let Some(cell) = cell else { continue };
            let others = self.groups.iter_mut().flat_map(|group| &mut group.rows).filter(|row| row.key != key);
            let mut rows: Vec<&mut Row> = others.filter(|row| row.cells[column].is_some()).collect();
            let own = |row: &Row| row.cells[column].as_ref().and_then(|own| own.compare(cell));
            let tests: Vec<Option<Paired>> = rows.iter().map(|row| own(row)).collect();
            let p_values: Vec<f64> = tests.iter().flatten().map(|paired| paired.p_value).collect();
            let mut adjusted = holm(&p_values).into_iter();
            for (row, paired) in rows.iter_mut().zip(tests) {
                let over_seeds = row.over_seeds(&baseline, column);
                let Some(cell) = row.cells[column].as_mut() else { continue };
                cell.against = paired.and_then(|Paired { difference, deviation, p_value }| {
                    let (adjusted, tests) = (adjusted.next()?, p_values.len());
                    Some(Beside { difference, p_value, adjusted, tests, deviation, over_seeds })
                });
            }
        }
    }
}

impl Row {
    /// How its accuracies in a column differ from another row's over the seeds that both have.
    fn over_seeds(&self, other: &Self, column: usize) -> Option<OverSeeds> {
        let twin = |seed: &Seed| {
            let twin = other.seeds.iter().find(|twin| twin.value == seed.value)?;
            Some(seed.cells[column].as_ref()?.mean - twin.cells[column].as_ref()?.mean)
        };
        OverSeeds::of(&self.seeds.iter().filter_map(twin).collect::<Vec<f64>>())
    }
}
