//! What analyses find.

use serde::{Deserialize, Serialize};

/// What an analysis found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case")]
pub enum AnalysisResult {
    /// Of [`Analysis::Features`](super::Analysis::Features).
    Features(FeatureMaps),
    /// Of [`Analysis::Correlation`](super::Analysis::Correlation).
    Correlation(CorrelationMaps),
    /// Of [`Analysis::Gallery`](super::Analysis::Gallery).
    Gallery(Gallery),
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
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_collapsed: bool,
}

/// Differences between two models' logits by class and class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CorrelationMaps {
    /// The names of the classes.
    pub classes: Vec<String>,
    /// The model whose values the others' are taken from.
    pub teacher: String,
    /// Whether its logits are the same for every image, so that no difference means anything; earlier versions did not look.
    #[serde(default, skip_serializing_if = "is_false")]
    pub teacher_is_collapsed: bool,
    /// How many images they are over.
    pub images: usize,
    /// A pair of maps for each other model.
    pub maps: Vec<CorrelationMap>,
}

/// The differences of one model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CorrelationMap {
    /// The model.
    pub model: String,
    /// On natural images.
    pub natural: Difference,
    /// On adversarial images.
    pub adversarial: Difference,
    /// Whether its logits are the same for every natural image, so that its differences mean nothing; earlier versions did not
    /// look.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_collapsed: bool,
}

/// The teacher's values less a model's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// By class and class, row after row.
    pub values: Vec<f32>,
    /// The mean of the absolute values off the diagonal.
    pub mean: f64,
    /// The largest absolute value.
    pub max: f64,
    /// The Frobenius norm.
    pub norm: f64,
}

/// Attacked images. Their pictures are on a sheet beside: a row for each image with the natural one first, then for each
/// model what the attack changed and the attacked image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gallery {
    /// The models.
    pub models: Vec<String>,
    /// By how much the changes are multiplied on the sheet; grey is no change.
    pub magnified: f64,
    /// The images.
    pub images: Vec<GalleryImage>,
}

impl Gallery {
    /// Pixels of a picture's side on the sheet.
    pub const PICTURE: usize = 32;
    /// Pixels from one picture to the next, to the right and down.
    pub const PITCH: usize = Self::PICTURE + 2;
}

/// One image of a gallery.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GalleryImage {
    /// Its place among the test images that were used.
    pub place: usize,
    /// Its class.
    pub class: String,
    /// By model: what it answers to the natural image, and to the one attacked on it.
    pub answers: Vec<[Answer; 2]>,
}

/// What a model takes an image for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The class.
    pub class: String,
    /// Its probability, in percent.
    pub confidence: f64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}
