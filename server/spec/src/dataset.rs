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
    /// Use this many training images, equally many of each class, drawn by the dataset's own fixed seed; all if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_images: Option<usize>,
    /// Hold this many training images out of the training, equally many of each class, drawn likewise: to choose the best
    /// epoch by; none if absent.
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

    pub(crate) fn check(&self, field: &str, problems: &mut Vec<Problem>) {
        if self.name.trim().is_empty() {
            problems.push(Problem::new(field, "choose a dataset"));
        }
        let counts = [
            ("train_images", self.train_images),
            ("validation_images", self.validation_images),
            ("test_images", self.test_images),
        ];
        for (name, count) in counts {
            if count.is_some_and(|n| n < 10) {
                problems
                    .push(Problem::new(format!("{field}.{name}"), "use at least 10 images, or leave it empty for all"));
            }
        }
    }
}
