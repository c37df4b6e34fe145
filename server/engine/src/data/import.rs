//! A dataset that was read from what a person brought.

use std::collections::{BTreeSet, HashSet};

use super::{
    dataset::{Dataset, IMAGE_BYTES, Split},
    report::{ClassCount, ImportReport},
};
use crate::{EngineError, Result};

/// Labels are bytes.
pub(super) const MAX_CLASSES: usize = 256;
/// Names that a sentence lists.
const LISTED: usize = 5;

/// A dataset, and what became of the files that it was read from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Import {
    pub dataset: Dataset,
    pub report: ImportReport,
}

impl Import {
    /// Says whether files are those that the makers of the dataset `title` published; only then it is called so.
    pub fn tell_official(&mut self, is_official: bool, title: &str, origin: &str) {
        if is_official {
            title.clone_into(&mut self.dataset.title);
            origin.clone_into(&mut self.dataset.origin);
            self.report.notes.push(format!("These are the official files of {title}: every checksum holds."));
        } else {
            self.report.notes.push(format!("These are not the official files of {title}: no checksum holds."));
        }
    }

    /// Counts the images of each class into the report, and says which classes have none.
    pub fn count(&mut self) {
        let Dataset { classes, train, test, .. } = &self.dataset;
        let counts = |split: &Split| {
            let mut counts = vec![0; classes.len()];
            split.labels.iter().for_each(|label| counts[usize::from(*label)] += 1);
            counts
        };
        self.report.classes = classes
            .iter()
            .zip(counts(train).into_iter().zip(counts(test)))
            .map(|(class, (train, test))| ClassCount { class: class.clone(), train, test })
            .collect();
        let trained: HashSet<&[u8]> = train.images.chunks_exact(IMAGE_BYTES).collect();
        let leaked = test.images.chunks_exact(IMAGE_BYTES).filter(|image| trained.contains(image)).count();
        if leaked > 0 {
            self.report.notes.push(format!(
                "{leaked} of {} test images are training images too, byte for byte: accuracies on them tell nothing about new \
                 images.",
                test.len()
            ));
        }
        let of = |is_meant: fn(&ClassCount) -> bool| -> Vec<String> {
            self.report.classes.iter().filter(|count| is_meant(count)).map(|count| count.class.clone()).collect()
        };
        for (classes, lack) in [
            (of(|count| count.train + count.test == 0), "images of {}: no network can learn them from this dataset"),
            (of(|count| count.train == 0 && count.test > 0), "training images of {}, which are tested all the same"),
            (of(|count| count.train > 0 && count.test == 0), "test images of {}: no accuracy tells of them"),
        ] {
            if !classes.is_empty() {
                self.report.notes.push(format!("There are no {}.", lack.replace("{}", &some(&classes))));
            }
        }
    }
}

/// Some classes by their names, of which there is at least one: `the class “cat”`, `3 classes (“cat”, “dog”, “owl”)`.
pub(super) fn some(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().take(LISTED).map(|name| format!("“{name}”")).collect();
    match names {
        [_] => format!("the class {}", quoted[0]),
        names => {
            format!("{} classes ({}{})", names.len(), quoted.join(", "), if names.len() > LISTED { ", …" } else { "" })
        }
    }
}

/// Refuses fewer classes than two and more than there are labels.
pub(super) fn check_class_count(classes: &[String]) -> Result<()> {
    let fault = match classes {
        [] => "there are no classes".to_owned(),
        [class] => {
            format!("there is one class only, “{class}”: a network learns to tell classes apart, so give it two")
        }
        classes if classes.len() > MAX_CLASSES => format!(
            "there are {} classes; at most {MAX_CLASSES} are possible, since a label takes one byte",
            classes.len()
        ),
        _ => return Ok(()),
    };
    Err(EngineError::Data(fault))
}

/// Refuses test images of classes that no training image has, where the classes are those that occur among the labels of the
/// training and the test images: one that is only tested is a label gone wrong.
pub(super) fn check_trained(classes: &[String], parts: &[Vec<u8>]) -> Result<()> {
    let [train, tests @ ..] = parts else { return Ok(()) };
    let mut is_trained = vec![false; classes.len()];
    for label in train {
        is_trained[usize::from(*label)] = true;
    }
    let is_untrained = |label: &usize| !is_trained[*label] && tests.iter().flatten().any(|l| usize::from(*l) == *label);
    let untrained: Vec<String> = (0..classes.len()).filter(is_untrained).map(|label| classes[label].clone()).collect();
    if untrained.is_empty() {
        return Ok(());
    }
    Err(EngineError::Data(format!(
        "there are test images of {}, but none to train on: add some, or take these test images out",
        some(&untrained)
    )))
}

/// The classes of labels that are names, in the order of text, and each part's labels as places among them.
///
/// # Errors
/// When all labels are the same, or one occurs among the test images alone, which are those of the second part.
pub(super) fn named_classes(parts: &[Vec<String>]) -> Result<(Vec<String>, Vec<Vec<u8>>)> {
    let classes: BTreeSet<&String> = parts.iter().flatten().collect();
    let classes: Vec<String> = classes.into_iter().cloned().collect();
    check_class_count(&classes)?;
    let place = |name: &String| classes.binary_search(name).unwrap_or_default() as u8;
    let labels: Vec<Vec<u8>> = parts.iter().map(|names| names.iter().map(place).collect()).collect();
    check_trained(&classes, &labels)?;
    Ok((classes, labels))
}

/// The classes of labels that are numbers without names: each number that occurs is one, and is called by it.
///
/// The labels of the `parts`, of which the first is to train on, become the places of their classes. Where numbers below the
/// highest do not occur, `notes` says so.
///
/// # Errors
/// When all labels are the same, or one occurs among the test images alone.
pub(super) fn numbered_classes(parts: &mut [Vec<u8>], notes: &mut Vec<String>) -> Result<Vec<String>> {
    let mut occurs = [false; MAX_CLASSES];
    parts.iter().flatten().for_each(|label| occurs[usize::from(*label)] = true);
    let numbers: Vec<u8> = (0..=u8::MAX).filter(|number| occurs[usize::from(*number)]).collect();
    let classes: Vec<String> = numbers.iter().map(u8::to_string).collect();
    check_class_count(&classes)?;
    notes.push("The classes have no names: they are called by their numbers.".into());
    let highest = numbers.last().copied().unwrap_or_default();
    if usize::from(highest) >= numbers.len() {
        let missing: Vec<String> = (0..highest).filter(|n| !occurs[usize::from(*n)]).map(|n| n.to_string()).collect();
        let more = if missing.len() > LISTED { ", …" } else { "" };
        notes.push(format!(
            "No image has the label {}{more}: the {} numbers that occur are the classes.",
            missing[..missing.len().min(LISTED)].join(", "),
            numbers.len()
        ));
        let place = |label: u8| numbers.binary_search(&label).unwrap_or_default() as u8;
        parts.iter_mut().flatten().for_each(|label| *label = place(*label));
    }
    check_trained(&classes, parts)?;
    Ok(classes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_no_image_has_are_no_classes_and_a_note_says_which() {
        let (mut parts, mut notes) = ([vec![7, 1, 2], vec![1]], Vec::new());
        assert_eq!(numbered_classes(&mut parts, &mut notes).unwrap(), ["1", "2", "7"]);
        assert_eq!(parts, [vec![2, 0, 1], vec![0]]);
        assert_eq!(notes[1], "No image has the label 0, 3, 4, 5, 6: the 3 numbers that occur are the classes.");
        let (mut parts, mut notes) = ([vec![1, 0, 2]], Vec::new());
        assert_eq!(numbered_classes(&mut parts, &mut notes).unwrap(), ["0", "1", "2"]);
        assert_eq!((parts, notes.len()), ([vec![1, 0, 2]], 1));
        assert!(numbered_classes(&mut [vec![3, 3]], &mut notes).unwrap_err().to_string().contains("“3”"));
        let fault = numbered_classes(&mut [vec![0, 1], vec![2]], &mut notes).unwrap_err().to_string();
        assert!(fault.contains("test images of the class “2”, but none to train on"), "{fault}");
    }

    /// An import of three classes with these labels.
    fn import(train: &[u8], test: &[u8]) -> Import {
        let split = |labels: &[u8]| Split { labels: labels.to_vec(), ..Split::default() };
        let classes = ["cat", "dog", "owl"].map(str::to_owned).to_vec();
        let dataset = Dataset { classes, train: split(train), test: split(test), ..Dataset::default() };
        Import { dataset, report: ImportReport::default() }
    }

    #[test]
    fn a_class_without_images_is_told() {
        let notes = |train: &[u8], test: &[u8]| {
            let mut import = import(train, test);
            import.count();
            import.report.notes
        };
        assert_eq!(notes(&[0, 1, 2], &[0, 1, 2]), [""; 0]);
        assert!(notes(&[0, 1], &[0, 1])[0].contains("no images of the class “owl”"));
        assert!(notes(&[0, 1, 2], &[1])[0].contains("no test images of 2 classes (“cat”, “owl”)"));
        assert!(notes(&[0, 1], &[0, 1, 2])[0].contains("no training images of the class “owl”, which are tested"));
    }
}
