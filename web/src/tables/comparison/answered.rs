//! Which images the models of a row got right.

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use retort_spec::{Accuracy, Attack, RightCounts};

use super::Column;

/// Which test images an evaluation's model got right, without an attack and under each.
#[derive(Clone, Debug, PartialEq)]
pub struct RightAnswers {
    /// What tells the images apart from others: two evaluations of the same images have the same.
    pub images: u64,
    /// By attack, none for the natural images: whether each image's answer was right.
    pub under: Vec<(Option<Attack>, Vec<bool>)>,
}

impl RightAnswers {
    /// Those in a column, of one model; none unless all of them are there.
    ///
    /// `evaluations` are those of the model, `attacks` what the worst case is over.
    pub(super) fn of<'a>(
        evaluations: &[i64],
        column: &Column,
        attacks: &[Attack],
        right: &'a HashMap<i64, Arc<Self>>,
    ) -> Option<Answers<'a>> {
        let answers: Vec<&Self> = evaluations.iter().filter_map(|id| right.get(id).map(Arc::as_ref)).collect();
        if *column != Column::WorstCase {
            return answers.into_iter().find_map(|answers| answers.under(column.attack()));
        }
        let under = |attack: Option<&Attack>| answers.iter().find_map(|answers| answers.under(attack));
        let mut worst = under(None)?;
        for attack in attacks {
            let next = under(Some(attack)).filter(|next| next.images == worst.images)?;
            worst.right.to_mut().iter_mut().zip(next.right.iter()).for_each(|(worst, right)| *worst &= right);
        }
        Some(worst)
    }

    fn under(&self, attack: Option<&Attack>) -> Option<Answers<'_>> {
        // A surrogate differs from seed to seed; its column does not.
        let same = |other: &Option<Attack>| other.as_ref().map(Attack::key) == attack.map(Attack::key);
        let (_, right) = self.under.iter().find(|(of, _)| same(of))?;
        Some(Answers { images: self.images, right: right.into() })
    }
}

/// Which images one model got right in a column.
pub(super) struct Answers<'a> {
    /// What tells the images apart from others.
    images: u64,
    right: Cow<'a, [bool]>,
}

impl Answers<'_> {
    pub fn accuracy(&self) -> Accuracy {
        Accuracy { correct: self.right.iter().filter(|right| **right).count(), n: self.right.len() }
    }
}

/// The answers behind an accuracy.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answered {
    /// What tells the images apart from others.
    pub images: u64,
    /// By image: how many of the models are right.
    pub right: Arc<RightCounts>,
}

impl Answered {
    /// Counts what models got right; none unless the answers of all are there, to the same images.
    pub(super) fn of(models: &[Option<Answers>]) -> Option<Self> {
        let answers: Vec<&Answers> = models.iter().map(Option::as_ref).collect::<Option<_>>()?;
        let images = answers.first()?.images;
        let models: Vec<&[bool]> = answers.iter().map(|answers| answers.right.as_ref()).collect();
        let are_the_same = answers.iter().all(|answers| answers.images == images);
        are_the_same.then_some(Self { images, right: RightCounts::of(&models)?.into() })
    }
}
