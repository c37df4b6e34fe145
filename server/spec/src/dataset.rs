//! Which labelled images a run uses.

use serde::{Deserialize, Serialize};

use crate::Problem;

/// The name of the dataset that the program carries inside itself: a Fashion-MNIST subset.
pub const BUNDLED_DATASET: &str = "fashion-mnist-5k";

/// A dataset by name (or a folder's path), and how much of it to use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatasetChoice {
    /// The dataset's name, as `retort data list` prints it, or the path of a folder of images.
    pub name: String,
    /// Use this many training images, equally many of each class, drawn by the dataset's own fixed seed; all that are
    /// not held out if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_images: Option<usize>,
    /// Hold this many training images out of training, equally many of each class, drawn likewise: to choose among
    /// epochs without looking at the test images (methods.md §0, “Reported checkpoint”). None if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_images: Option<usize>,
    /// Use this many test images, drawn likewise; all if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_images: Option<usize>,
}

impl DatasetChoice {
    /// All of the dataset `name`.
    pub fn all_of(name: impl Into<String>) -> Self {
        Self { name: name.into(), train_images: None, validation_images: None, test_images: None }
    }

    /// How many images are trained on where the dataset has `there` training images.
    pub fn trained_on(&self, there: usize) -> usize {
        self.train_images.unwrap_or_else(|| there.saturating_sub(self.validation_images.unwrap_or(0)))
    }

    pub(crate) fn check(&self, field: &str, problems: &mut Vec<Problem>) {
        if self.name.trim().is_empty() {
            problems.push(Problem::new(field, "choose a dataset"));
        }
        for (name, count, otherwise) in [
            ("train_images", self.train_images, "all"),
            ("validation_images", self.validation_images, "none"),
            ("test_images", self.test_images, "all"),
        ] {
            if count.is_some_and(|n| n < 10) {
                problems.push(Problem::new(
                    format!("{field}.{name}"),
                    format!("use at least 10 images, or leave it empty for {otherwise}"),
                ));
            }
        }
    }
}

/// A dataset that is there, as far as a spec can be checked against it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownDataset<'a> {
    /// The name in specs.
    pub name: &'a str,
    /// The names of its classes.
    pub classes: &'a [String],
    /// How many training images.
    pub train: usize,
    /// How many test images.
    pub test: usize,
}

impl KnownDataset<'_> {
    /// Checks that a choice of its images can be had.
    pub(crate) fn check(&self, field: &str, choice: &DatasetChoice, problems: &mut Vec<Problem>) {
        let mut expect = |holds: bool, part: &str, message: String| {
            if !holds {
                problems.push(Problem::new(format!("{field}.{part}"), message));
            }
        };
        let Self { name, train, test, .. } = *self;
        let there = |wanted: Option<usize>, there: usize| wanted.is_none_or(|wanted| wanted <= there);
        let most = |there: usize, split: &str| format!("{name} has {there} {split} images: use at most so many");
        expect(there(choice.train_images, train), "train_images", most(train, "training"));
        expect(there(choice.test_images, test), "test_images", most(test, "test"));
        let Some(validation) = choice.validation_images else { return };
        // At least one image of each class is trained on.
        let held_out = train.saturating_sub(self.classes.len().max(1));
        let message = format!(
            "{name} has {train} training images, and {validation} of them held out leave too few to train on: use at most \
             {held_out}"
        );
        expect(validation <= held_out, "validation_images", message);
        let rest = train.saturating_sub(validation);
        let Some(wanted) = choice.train_images.filter(|wanted| *wanted <= train && validation <= held_out) else {
            return;
        };
        let message = format!("beside them {rest} images are left to train on, and {wanted} are asked for");
        expect(wanted <= rest, "validation_images", message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_absent_stays_absent_in_json() {
        let all = DatasetChoice::all_of("cifar10");
        assert_eq!(serde_json::to_string(&all).unwrap(), r#"{"name":"cifar10"}"#);
        assert_eq!(serde_json::from_str::<DatasetChoice>(r#"{"name":"cifar10"}"#).unwrap(), all);
        let held_out = DatasetChoice { validation_images: Some(1_000), ..all };
        let json = serde_json::to_string(&held_out).unwrap();
        assert_eq!(json, r#"{"name":"cifar10","validation_images":1000}"#);
        assert_eq!(serde_json::from_str::<DatasetChoice>(&json).unwrap(), held_out);
    }

    #[test]
    fn what_is_held_out_is_not_trained_on() {
        let all = DatasetChoice::all_of("cifar10");
        let held_out = DatasetChoice { validation_images: Some(1_000), ..all.clone() };
        let subset = DatasetChoice { train_images: Some(5_000), ..held_out.clone() };
        assert_eq!([all, held_out, subset].map(|choice| choice.trained_on(50_000)), [50_000, 49_000, 5_000]);
    }

    #[test]
    fn a_handful_of_images_is_refused_by_its_field() {
        let few = DatasetChoice {
            train_images: Some(9),
            validation_images: Some(9),
            test_images: Some(10),
            ..DatasetChoice::all_of("cifar10")
        };
        let mut problems = Vec::new();
        few.check("dataset", &mut problems);
        let said: Vec<_> = problems.iter().map(|p| (p.field.as_str(), p.message.as_str())).collect();
        assert_eq!(
            said,
            [
                ("dataset.train_images", "use at least 10 images, or leave it empty for all"),
                ("dataset.validation_images", "use at least 10 images, or leave it empty for none"),
            ]
        );
    }
}
