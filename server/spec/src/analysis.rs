//! Analyses: what is computed from trained models to be looked at, and what comes out (methods.md §7).

use serde::{Deserialize, Serialize};

use crate::{Attack, DatasetChoice, DeviceName, ModelRef, PixelDistance, Problem};

/// An analysis of some models on the test images of a dataset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnalyseSpec {
    /// What is computed.
    pub analysis: Analysis,
    /// The models, in the order of the panels.
    pub models: Vec<AnalysedModel>,
    /// The dataset, whose test images are used.
    pub dataset: DatasetChoice,
    /// The radius of the ℓ∞ ball of adversarial images, made by PGD-20 with steps of ε/4.
    pub eps: PixelDistance,
    /// The seed of random starts and of t-SNE.
    pub seed: u64,
    /// Where it computes.
    pub device: DeviceName,
}

/// A model with its name in the figure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnalysedModel {
    /// What a panel calls it, such as `GACD`.
    pub name: String,
    /// The model.
    pub model: ModelRef,
}

/// What an analysis computes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Analysis {
    /// t-SNE maps of penultimate features: natural images of two classes, and adversarial images of the first that are to be
    /// taken for the second (Figure 5).
    Features {
        /// The class whose images are attacked: the paper's truck.
        attacked: String,
        /// The class that they are to be taken for: the paper's bird.
        target: String,
        /// Images of each kind: the first test images of the class.
        images: usize,
        /// On which model they are attacked.
        adversarial: AdversarialImages,
    },
    /// Differences of the correlations between logits: those of the first model, the teacher, less those of each other one,
    /// on natural images and on images attacked on the other one (Figures 3 and 4).
    Correlation {},
    /// Images with what each model answers to them, to the attacked ones, and what the attack changed.
    Gallery {
        /// Only images of these classes; of all if there are none.
        classes: Vec<String>,
        /// How many images.
        images: usize,
        /// Only those attacked images that one of the first two models answers rightly and the other wrongly.
        differ: bool,
    },
}

/// The model that adversarial images are made on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AdversarialImages {
    /// The first of the models: the same images for all (the paper's figure).
    #[default]
    Shared,
    /// Each model itself.
    WhiteBox,
}

/// What an analysis found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case")]
pub enum AnalysisResult {
    /// Of [`Analysis::Features`].
    Features(FeatureMaps),
    /// Of [`Analysis::Correlation`].
    Correlation(CorrelationMaps),
    /// Of [`Analysis::Gallery`].
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
    /// The mean silhouette of the natural images by their class, from −1 to 1 (Rousseeuw 1987).
    pub silhouette: f64,
    /// Adversarial images most of whose 10 nearest natural images are of their own class.
    pub among_own: usize,
    /// Distances of the centroids, in units of that between the natural classes: of the adversarial images to their own
    /// class, and to the target.
    pub centroid_distances: [f64; 2],
}

/// Differences of logit correlations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CorrelationMaps {
    /// The names of the classes.
    pub classes: Vec<String>,
    /// The model whose correlations the others' are taken from.
    pub teacher: String,
    /// How many images the correlations are over.
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
    /// On images attacked on the model.
    pub adversarial: Difference,
}

/// The teacher's correlations less a model's.
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

impl Analysis {
    /// What it is of, in a few words: `features of truck and bird`.
    pub fn title(&self) -> String {
        match self {
            Self::Features { attacked, target, adversarial, .. } => {
                let how = if *adversarial == AdversarialImages::WhiteBox { ", white-box" } else { "" };
                format!("features of {attacked} and {target}{how}")
            }
            Self::Correlation {} => "logit correlations".into(),
            Self::Gallery { differ: true, .. } => "images that two models differ on".into(),
            Self::Gallery { classes, .. } if classes.is_empty() => "adversarial images".into(),
            Self::Gallery { classes, .. } => format!("adversarial images of {}", classes.join(", ")),
        }
    }

    /// How many models it needs at least.
    pub const fn least_models(&self) -> usize {
        match self {
            Self::Correlation {} | Self::Gallery { differ: true, .. } => 2,
            Self::Features { .. } | Self::Gallery { .. } => 1,
        }
    }
}

impl AnalyseSpec {
    /// The attack that makes its adversarial images.
    pub fn attack(&self) -> Attack {
        Attack::pgd(20).with_eps(self.eps)
    }

    pub(crate) fn check(&self, problems: &mut Vec<Problem>) {
        problems.extend(self.eps.fault().map(|fault| Problem::new("eps", fault)));
        let mut expect = |holds: bool, field: &str, message: &str| {
            if !holds {
                problems.push(Problem::new(field, message));
            }
        };
        let least = self.analysis.least_models();
        let enough = if least == 1 { "choose from 1 to 8 models" } else { "choose from 2 to 8 models" };
        expect((least..=8).contains(&self.models.len()), "models", enough);
        match &self.analysis {
            Analysis::Features { attacked, target, images, .. } => {
                expect(attacked != target, "target", "choose another class than the attacked one");
                expect((35..=500).contains(images), "images", "must be from 35 to 500, for neighbours of t-SNE");
            }
            Analysis::Correlation {} => {}
            Analysis::Gallery { images, .. } => expect((1..=60).contains(images), "images", "must be from 1 to 60"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_analysis_of_one_class_against_itself_or_of_too_few_models_is_refused_by_field() {
        let spec = |analysis, models: usize| AnalyseSpec {
            analysis,
            models: vec![AnalysedModel { name: "KD".into(), model: ModelRef::Run(1) }; models],
            dataset: DatasetChoice::all_of("cifar10"),
            eps: PixelDistance::levels(8.0),
            seed: 1,
            device: DeviceName::Cpu,
        };
        let fields = |spec: &AnalyseSpec| {
            let mut problems = Vec::new();
            spec.check(&mut problems);
            problems.into_iter().map(|p| p.field).collect::<Vec<_>>()
        };
        let features = |target: &str, images| Analysis::Features {
            attacked: "truck".into(),
            target: target.into(),
            images,
            adversarial: AdversarialImages::Shared,
        };
        assert_eq!(fields(&spec(features("bird", 100), 4)), [""; 0]);
        assert_eq!(fields(&spec(features("truck", 5), 0)), ["models", "target", "images"]);
        assert_eq!(fields(&spec(Analysis::Correlation {}, 1)), ["models"]);
    }
}
