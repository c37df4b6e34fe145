//! Which images the models of a row got right.

use std::{collections::HashMap, sync::Arc};

use retort_spec::{Attack, RightCounts};

/// Which test images an evaluation's model got right, without an attack and under each.
#[derive(Clone, Debug, PartialEq)]
pub struct RightAnswers {
    /// What tells the images apart from others: two evaluations of the same images have the same.
    pub images: u64,
    /// By attack, none for the natural images: whether each image's answer was right.
    pub under: Vec<(Option<Attack>, Vec<bool>)>,
}

impl RightAnswers {
    fn of(&self, attack: Option<&Attack>) -> Option<&[bool]> {
        // A surrogate differs from seed to seed; its column does not.
        let same = |other: &Option<Attack>| other.as_ref().map(Attack::key) == attack.map(Attack::key);
        self.under.iter().find(|(of, _)| same(of)).map(|(_, right)| right.as_slice())
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
