//! How varied a model's answers and features are over many images: what tells that it has collapsed.

use serde::{Deserialize, Serialize};

/// What a model made of many images, without an attack.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Variety {
    /// How many images.
    pub images: usize,
    /// How many of them are of the most frequent class.
    pub of_one_class: usize,
    /// How many were given the most frequent answer.
    pub with_one_answer: usize,
    /// That answer: the name of a class.
    pub answer: String,
    /// The relative variance of the features over the images, as [`Variety::EQUAL_FEATURES`] is meant.
    pub feature_variance: f64,
}

impl Variety {
    /// Below so large a relative variance features count as equal: the variance of each feature over the images, summed over
    /// the features, as a share of the sum of their mean squares. It is 0 if all images have the same features, and 1 if they
    /// lie around nought. Those of a network that has learnt anything lie above 0.01; rounding of single precision makes less
    /// than 1e-12.
    pub const EQUAL_FEATURES: f64 = 1e-6;
    /// The share of images that must have been given the same answer to say that the model gives only one.
    pub const ONE_ANSWER: f64 = 0.99;
    /// The share of images that the most frequent class may have at most, as a right model would give one answer to more.
    pub const ONE_CLASS: f64 = 0.9;
    /// Fewer images tell nothing.
    pub const LEAST_IMAGES: usize = 20;

    /// Whether every image has almost the same features.
    pub fn has_equal_features(&self) -> bool {
        self.images >= Self::LEAST_IMAGES && self.feature_variance < Self::EQUAL_FEATURES
    }

    /// Whether almost every image, of more than one class, is answered alike.
    pub fn has_one_answer(&self) -> bool {
        let share = |count: usize| count as f64 / self.images as f64;
        self.images >= Self::LEAST_IMAGES
            && share(self.with_one_answer) >= Self::ONE_ANSWER
            && share(self.of_one_class) <= Self::ONE_CLASS
    }

    /// How the model has collapsed, to follow its name: `answers “cat” to every test image`; none if it has not.
    pub fn collapse(&self) -> Option<String> {
        let answers = || {
            let share = 100.0 * self.with_one_answer as f64 / self.images as f64;
            match self.with_one_answer {
                all if all == self.images => format!("answers “{}” to every test image", self.answer),
                _ => format!("answers “{}” to {share:.1}\u{a0}% of the test images", self.answer),
            }
        };
        match (self.has_equal_features(), self.has_one_answer()) {
            (true, true) => Some(format!("has the same features for every image and {}", answers())),
            (true, false) => Some("has the same features for every image".into()),
            (false, true) => Some(answers()),
            (false, false) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variety() -> Variety {
        Variety { images: 1_000, of_one_class: 100, with_one_answer: 180, answer: "cat".into(), feature_variance: 0.3 }
    }

    #[test]
    fn one_answer_to_images_of_many_classes_is_a_collapse_and_to_those_of_one_class_is_none() {
        assert_eq!(variety().collapse(), None);
        let all = Variety { with_one_answer: 1_000, ..variety() };
        assert_eq!(all.collapse().unwrap(), "answers “cat” to every test image");
        let nearly = Variety { with_one_answer: 990, ..variety() };
        assert_eq!(nearly.collapse().unwrap(), "answers “cat” to 99.0\u{a0}% of the test images");
        assert_eq!(Variety { with_one_answer: 989, ..variety() }.collapse(), None);
        assert_eq!(Variety { of_one_class: 901, ..all.clone() }.collapse(), None);
        // Ten images may well be of one class as a model sees them.
        assert_eq!(Variety { images: 10, of_one_class: 1, with_one_answer: 10, ..variety() }.collapse(), None);
    }

    #[test]
    fn features_that_hardly_differ_are_a_collapse() {
        let equal = Variety { feature_variance: 9e-7, ..variety() };
        assert_eq!(equal.collapse().unwrap(), "has the same features for every image");
        assert_eq!(Variety { feature_variance: 1e-6, ..variety() }.collapse(), None);
        let both = Variety { with_one_answer: 1_000, feature_variance: 0.0, ..variety() };
        assert_eq!(
            both.collapse().unwrap(),
            "has the same features for every image and answers “cat” to every test image"
        );
    }
}
