//! t-SNE maps of penultimate features (Figure 5).

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::{AdversarialImages, Parameters, Record, TeachersPart, expect_images, is_default};
use crate::{DatasetChoice, KnownDataset, Problem};

/// t-SNE maps of penultimate features: natural images of two classes, and adversarial images of the first that are to be
/// taken for the second (Figure 5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Features {
    /// The class whose images are attacked: the paper's truck.
    pub attacked: String,
    /// The class that they are to be taken for: the paper's bird.
    pub target: String,
    /// Images of each kind: the first test images of the class.
    pub images: usize,
    /// On which model they are attacked.
    pub adversarial: AdversarialImages,
}

/// How many images of each kind t-SNE can map: three kinds together must be more than three times its perplexity of 30, and
/// more than a picture shows would only take time.
pub const FEATURE_IMAGES: RangeInclusive<usize> = 31..=500;

/// Seconds of a map for each pair of its points.
const TSNE_SECONDS: f64 = 1e-6;

impl Features {
    /// Images of each kind unless said otherwise, as the paper has them.
    pub const IMAGES: usize = 100;

    pub(super) const RECORD: Record = Record {
        id: "features",
        title: "Features",
        summary: "t-SNE maps of two classes and of adversarial images between them",
        usual: None,
        teacher: TeachersPart::Shown,
        shows_surrogates: true,
    };
}

impl Parameters for Features {
    fn title(&self) -> String {
        format!("features of {} and {}{}", self.attacked, self.target, self.adversarial.remark())
    }

    fn check(&self, problems: &mut Vec<Problem>) {
        expect_images(self.images, &FEATURE_IMAGES, problems);
        if self.attacked == self.target {
            problems.push(Problem::new("target", "choose another class than the attacked one"));
        }
    }

    fn classes(&self) -> Vec<(&'static str, &String)> {
        vec![("attacked", &self.attacked), ("target", &self.target)]
    }

    fn classes_mut(&mut self) -> Vec<&mut String> {
        vec![&mut self.attacked, &mut self.target]
    }

    fn fault_of_images(&self, choice: &DatasetChoice, dataset: &KnownDataset) -> Option<String> {
        let (least, classes) = (*FEATURE_IMAGES.start(), dataset.classes.len().max(1));
        let is_enough = match choice.test_images {
            // Equally many of each class are drawn.
            Some(images) => images / classes >= least,
            // Of a whole dataset only its images can tell how many a class has; two classes are mapped.
            None => dataset.test >= 2 * least,
        };
        let needed = least * classes;
        (!is_enough).then(|| {
            if needed <= dataset.test {
                format!("maps of features need {least} test images of a class: use {needed} test images")
            } else {
                format!(
                    "maps of features need {least} test images of a class, and {} has {} in all: leave the maps out",
                    dataset.name, dataset.test
                )
            }
        })
    }

    /// A thousand iterations of t-SNE over all pairs of points (`retort bench tsne`).
    fn seconds_of_model(&self) -> f64 {
        let points = 3.0 * self.images as f64;
        TSNE_SECONDS * points * points
    }

    fn work(&self, _test: f64, models: f64) -> (f64, f64) {
        (self.images as f64, if self.adversarial == AdversarialImages::Shared { 1.0 } else { models })
    }
}

/// t-SNE maps of several models' features of the same images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FeatureMaps {
    /// The class whose images are attacked.
    pub attacked: String,
    /// The class that they are to be taken for.
    pub target: String,
    /// The model that the adversarial images were made on; none where each model has its own.
    pub made_on: Option<String>,
    /// A map for each model.
    pub maps: Vec<FeatureMap>,
}

/// One model's map, and figures of its features that do not depend on the map.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FeatureMap {
    /// The model.
    pub model: String,
    /// Places in the plane: the natural images of the attacked class, those of the target, then the adversarial images.
    pub points: Vec<[f32; 2]>,
    /// How many points are of each of the three kinds.
    pub counts: [usize; 3],
    /// Adversarial images that the model takes for the target.
    pub fooled: usize,
    /// Natural images of the attacked class that it takes for the target anyway; earlier versions did not count them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mistaken: Option<usize>,
    /// The mean silhouette of the natural images by their class, from −1 to 1 (Rousseeuw 1987).
    pub silhouette: f64,
    /// Adversarial images most of whose 10 nearest natural images are of their own class.
    pub among_own: usize,
    /// Distances of the centroids, in units of that between the natural classes: of the adversarial images to their own
    /// class, and to the target.
    pub centroid_distances: [f64; 2],
    /// Whether the natural images all have the same features (see [`Variety::EQUAL_FEATURES`](crate::Variety)), so that the
    /// other figures mean nothing; earlier versions did not look.
    #[serde(default, skip_serializing_if = "is_default")]
    pub is_collapsed: bool,
}
