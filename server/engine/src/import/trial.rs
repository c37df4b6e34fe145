//! Which normaliser a network was trained behind, where nothing in its file tells: tried on images of its dataset.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use candle_core::Device;
use retort_spec::{LEVEL, Normaliser, Paired, RightCounts};
use serde::{Deserialize, Serialize};

use crate::{
    EngineError, Result,
    answers::answers,
    data::{Dataset, Split},
    loader::images,
    nn::{Network, load_model},
};

/// Test images of a trial, where time allows.
pub const TRIAL_IMAGES: usize = 100;

/// Images that are shown behind every normaliser before the clock is looked at.
const ROUND: usize = 20;

/// By how many standard deviations the best one must lie above guessing. It is the best of several, so that two would often be
/// chance.
const ABOVE_CHANCE: f64 = 3.0;

/// How a network does on images behind each of the usual normalisers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// The dataset.
    pub dataset: String,
    /// The classes that it tells apart.
    pub classes: usize,
    /// The test images that it was tried on, spread over the classes.
    pub images: usize,
    /// Without a normaliser, behind each with a name, and behind the network's own if that is another.
    pub tried: Vec<Tried>,
    /// The place of the one that the network has.
    pub own: usize,
    /// The place of the best one; of equally good ones the network's own, else the first.
    pub best: usize,
}

/// How a network does behind one normaliser.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tried {
    /// The normaliser; none for pixels as they are.
    pub normaliser: Option<Normaliser>,
    /// Images that were classified correctly.
    pub correct: usize,
    /// Images in all.
    pub of: usize,
    /// Whether the best one is better by more than the choice of images explains (`McNemar`'s exact test, 5 %).
    pub is_worse: bool,
}

/// Shows the model in a file test images of a dataset, spread over its classes, behind each usual normaliser, on the CPU.
///
/// It takes about as long as `8 × TRIAL_IMAGES` answers; once `patience` has passed, no more images are shown.
///
/// # Errors
/// When the file is no model of Retort's; when the dataset has not as many classes, or no test images.
pub fn try_normalisers(model: &Path, dataset: &Dataset, patience: Duration) -> Result<Trial> {
    let (mut network, _) = load_model(model, &Device::Cpu)?;
    try_on(&mut network, dataset, patience)
}

/// The trial of a network, which keeps its normaliser.
fn try_on(network: &mut Network, dataset: &Dataset, patience: Duration) -> Result<Trial> {
    let Dataset { name, classes, test, .. } = dataset;
    if classes.len() != network.classes || test.is_empty() {
        return Err(EngineError::Data(format!(
            "the network tells {} classes apart, and {name} has {} and {} test images: no normaliser can be tried on it",
            network.classes,
            classes.len(),
            test.len()
        )));
    }
    let kept = network.normaliser;
    let mut normalisers: Vec<Option<Normaliser>> = vec![None];
    normalisers.extend(Normaliser::PRESETS.map(|(_, preset)| Some(preset)));
    let own = normalisers.iter().position(|normaliser| *normaliser == kept).unwrap_or(normalisers.len());
    if own == normalisers.len() {
        normalisers.push(kept);
    }
    let right = right_answers(network, &normalisers, test, patience);
    network.normaliser = kept;
    Ok(Trial::of(dataset, &normalisers, own, &right?))
}

/// By normaliser: for each image whether the network is right behind it.
fn right_answers(
    network: &mut Network,
    normalisers: &[Option<Normaliser>],
    test: &Split,
    patience: Duration,
) -> Result<Vec<Vec<bool>>> {
    let started = Instant::now();
    let mut places = test.class_by_class((0..test.len()).collect());
    places.truncate(TRIAL_IMAGES);
    let mut right = vec![Vec::new(); normalisers.len()];
    for places in places.chunks(ROUND) {
        let images = images(test, places, &Device::Cpu)?;
        for (normaliser, right) in normalisers.iter().zip(&mut right) {
            network.normaliser = *normaliser;
            let answers = answers(&network.infer(&images)?.0)?;
            right.extend(answers.iter().zip(places).map(|(answer, place)| *answer == Some(test.labels[*place])));
        }
        if started.elapsed() >= patience {
            break;
        }
    }
    Ok(right)
}

impl Trial {
    fn of(dataset: &Dataset, normalisers: &[Option<Normaliser>], own: usize, right: &[Vec<bool>]) -> Self {
        let correct = |place: usize| right[place].iter().filter(|right| **right).count();
        let rank = |place: &usize| (correct(*place), *place == own, usize::MAX - place);
        let best = (0..right.len()).max_by_key(rank).unwrap_or(own);
        let counts = |place: usize| RightCounts::of(&[right[place].as_slice()]);
        let test = |place| Paired::of(&counts(best)?, &counts(place)?);
        let is_worse = |place| test(place).is_some_and(|paired| paired.p_value < LEVEL);
        let tried = normalisers.iter().enumerate().map(|(place, normaliser)| Tried {
            normaliser: *normaliser,
            correct: correct(place),
            of: right[place].len(),
            is_worse: is_worse(place),
        });
        Self {
            dataset: dataset.name.clone(),
            classes: dataset.classes.len(),
            images: right.first().map_or(0, Vec::len),
            tried: tried.collect(),
            own,
            best,
        }
    }

    /// Whether the best one is right more often than guessing.
    pub fn is_above_chance(&self) -> bool {
        let (n, chance) = (self.images as f64, 1.0 / self.classes.max(1) as f64);
        let most = n * chance + ABOVE_CHANCE * (n * chance * (1.0 - chance)).sqrt();
        self.tried[self.best].correct as f64 > most
    }

    /// The best one, where it fits clearly better than the one that the network has.
    pub fn better(&self) -> Option<&Tried> {
        (self.is_above_chance() && self.tried[self.own].is_worse).then(|| &self.tried[self.best])
    }

    /// What was found, in a sentence or two: which normaliser fits, which cannot be told from it, or that none does.
    pub fn sentence(&self) -> String {
        let Self { dataset, images, classes, .. } = self;
        let best = &self.tried[self.best];
        if !self.is_above_chance() {
            return format!(
                "With no usual normaliser the model is right on more than {} of {images} test images of {dataset}, and guessing \
                 among {classes} classes is right on {:.0}: its classes may stand in another order, or it is of other images.",
                best.correct,
                *images as f64 / *classes as f64
            );
        }
        let equal = self.tried.iter().enumerate().filter(|(place, tried)| *place != self.best && !tried.is_worse);
        let equal: Vec<String> = equal.map(|(_, tried)| format!("{} ({})", tried.name(), tried.correct)).collect();
        let mut words =
            format!("The model is right on {} of {images} test images of {dataset} with {}", best.correct, best.name());
        // What the model has now, and doing without, are what people compare with.
        let beside: Vec<&Tried> = [0, self.own].map(|place| &self.tried[place]).into_iter().collect();
        let mut said: Vec<String> = Vec::new();
        for tried in beside.into_iter().filter(|tried| tried.is_worse) {
            let one = format!("on {} with {}", tried.correct, tried.name());
            if !said.contains(&one) {
                said.push(one);
            }
        }
        if !said.is_empty() {
            words.extend([", ", &said.join(" and ")]);
        }
        words += ".";
        if !equal.is_empty() {
            words.extend([" So few images cannot tell that from ", &equal.join(" or "), "."]);
        }
        words
    }
}

impl Tried {
    /// The normaliser in words: `cifar10's mean and deviation`, `no normaliser`.
    pub fn name(&self) -> String {
        let is_named = |normaliser| Normaliser::PRESETS.iter().any(|(_, preset)| *preset == normaliser);
        match self.normaliser {
            None => "no normaliser".into(),
            Some(normaliser) if is_named(normaliser) => format!("{normaliser}'s mean and deviation"),
            Some(normaliser) => format!("its own normaliser, {normaliser}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use retort_spec::Architecture;

    use super::*;

    const NAMES: [&str; 7] = ["cifar10", "cifar100", "half", "cifar10-kuangliu", "imagenet", "svhn", "stl10"];

    fn dataset(classes: usize) -> Dataset {
        Dataset {
            name: "letters".into(),
            title: "Letters".into(),
            classes: (0..classes).map(|c| c.to_string()).collect(),
            origin: String::new(),
            train: Split::default(),
            validation: Split::default(),
            test: Split::default(),
        }
    }

    /// A trial of a hundred images of ten classes where each normaliser makes the first so many right: without one, then by
    /// name.
    fn trial(own: usize, correct: [usize; 8]) -> Trial {
        let mut normalisers: Vec<Option<Normaliser>> = vec![None];
        normalisers.extend(Normaliser::PRESETS.map(|(_, preset)| Some(preset)));
        let right: Vec<Vec<bool>> = correct.iter().map(|n| (0..100).map(|image| image < *n).collect()).collect();
        Trial::of(&dataset(10), &normalisers, own, &right)
    }

    #[test]
    fn the_normaliser_that_fits_clearly_better_is_named_with_what_the_model_does_without() {
        assert_eq!(Normaliser::PRESETS.map(|(name, _)| name), NAMES);
        let found = trial(0, [21, 93, 60, 40, 61, 60, 50, 60]);
        assert_eq!(found.better().unwrap().normaliser, Some(Normaliser::PRESETS[0].1));
        assert_eq!(
            found.sentence(),
            "The model is right on 93 of 100 test images of letters with cifar10's mean and deviation, on 21 with no \
             normaliser."
        );
    }

    #[test]
    fn what_cannot_be_told_apart_is_said_and_the_models_own_is_left_alone() {
        // One image apart, and three: p = 1 and 0.25.
        let found = trial(4, [21, 93, 90, 40, 92, 60, 50, 60]);
        assert_eq!((found.best, found.better()), (1, None));
        assert_eq!(
            found.sentence(),
            "The model is right on 93 of 100 test images of letters with cifar10's mean and deviation, on 21 with no \
             normaliser. So few images cannot tell that from cifar100's mean and deviation (90) or cifar10-kuangliu's mean and \
             deviation (92)."
        );
        // Of equally good ones it is the model's own.
        assert_eq!(trial(4, [21, 93, 90, 40, 93, 60, 50, 60]).best, 4);
    }

    #[test]
    fn a_model_that_guesses_with_every_normaliser_is_told_so() {
        let found = trial(0, [12, 10, 11, 19, 8, 10, 10, 10]);
        assert!(!found.is_above_chance() && found.better().is_none());
        let words = found.sentence();
        assert!(
            words.contains("more than 19 of 100") && words.contains("guessing among 10 classes is right on 10"),
            "{words}"
        );
        assert!(words.contains("classes may stand in another order"), "{words}");
        assert!(trial(0, [12, 10, 11, 20, 8, 10, 10, 10]).is_above_chance());
    }

    /// Images that a network behind `normaliser` answers as their labels say, of which it has at least two classes.
    fn labelled(network: &mut Network, normaliser: Normaliser) -> Dataset {
        let bytes = |i: usize| ((i * 7_919 + i / 3_072 * 104_729) % 256) as u8;
        let mut test = Split { images: (0..120 * 3_072).map(bytes).collect(), labels: vec![0; 120] };
        network.normaliser = Some(normaliser);
        let shown = images(&test, &(0..120).collect::<Vec<_>>(), &Device::Cpu).unwrap();
        test.labels = answers(&network.infer(&shown).unwrap().0).unwrap().into_iter().map(Option::unwrap).collect();
        network.normaliser = None;
        Dataset { test, ..dataset(10) }
    }

    #[test]
    fn a_network_is_right_on_every_image_behind_the_normaliser_that_it_learnt_with_and_keeps_its_own() {
        let mut network = Network::new(Architecture::ResNet8, 10, 3, &Device::Cpu).unwrap();
        let half = Normaliser::PRESETS[2].1;
        let dataset = labelled(&mut network, half);
        let patience = Duration::from_mins(5);
        let found = try_on(&mut network, &dataset, patience).unwrap();
        assert_eq!((found.images, found.tried.len(), found.own), (TRIAL_IMAGES, 8, 0));
        let fits = &found.tried[3];
        assert_eq!((fits.normaliser, fits.correct, fits.of, fits.is_worse), (Some(half), 100, 100, false));
        assert_eq!(network.normaliser, None);
        // One of its own is tried too, by its numbers.
        let own = Normaliser { mean: [0.1; 3], std: [3.0; 3] };
        network.normaliser = Some(own);
        let found = try_on(&mut network, &dataset, patience).unwrap();
        assert_eq!((found.tried.len(), found.own, found.tried[8].normaliser), (9, 8, Some(own)));
        assert_eq!(network.normaliser, Some(own));
    }

    #[test]
    fn a_trial_without_time_looks_at_one_round_of_images_and_says_how_many() {
        let mut network = Network::new(Architecture::ResNet8, 10, 3, &Device::Cpu).unwrap();
        let dataset = labelled(&mut network, Normaliser::PRESETS[2].1);
        let found = try_on(&mut network, &dataset, Duration::ZERO).unwrap();
        assert!(found.images == ROUND && found.tried.iter().all(|tried| tried.of == ROUND));
        assert!(found.sentence().contains(&format!("of {ROUND} test images")), "{}", found.sentence());
    }

    #[test]
    fn images_of_other_classes_are_refused() {
        let mut network = Network::new(Architecture::ResNet8, 10, 3, &Device::Cpu).unwrap();
        let refused = try_on(&mut network, &dataset(3), Duration::ZERO).unwrap_err().to_string();
        assert!(refused.contains("10 classes") && refused.contains("letters has 3"), "{refused}");
    }
}
