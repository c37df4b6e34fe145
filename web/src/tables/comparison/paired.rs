//! Tests of rows against each other, image by image.

use std::{collections::HashMap, sync::Arc};

use retort_spec::{Attack, Paired, RightCounts, holm};

use super::{Beside, Cell, ComparisonTable};

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

/// The answers behind an accuracy.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answered {
    /// What tells the images apart from others.
    images: u64,
    /// By image: how many of the models are right.
    right: Arc<RightCounts>,
}

impl Answered {
    /// Counts what these evaluations' models got right; none unless all of their answers are there, to the same images.
    pub(super) fn of(
        evaluations: impl Iterator<Item = i64>,
        attack: Option<&Attack>,
        right: &HashMap<i64, Arc<RightAnswers>>,
    ) -> Option<Self> {
        let answers: Vec<&RightAnswers> =
            evaluations.map(|id| right.get(&id).map(Arc::as_ref)).collect::<Option<_>>()?;
        let images = answers.first()?.images;
        let models: Vec<&[bool]> = answers.iter().map(|answers| answers.of(attack)).collect::<Option<_>>()?;
        let are_the_same = answers.iter().all(|answers| answers.images == images);
        are_the_same.then_some(Self { images, right: RightCounts::of(&models)?.into() })
    }
}

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
