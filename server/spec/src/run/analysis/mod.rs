//! Analyses: what is computed from trained models to be looked at, and what comes out (methods.md §7).

mod result;

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::{Attack, DatasetChoice, DeviceName, ModelRef, PixelDistance, Problem};

pub use self::result::{
    AnalysisResult, Answer, CorrelationMap, CorrelationMaps, Difference, FeatureMap, FeatureMaps, Gallery, GalleryImage,
};

/// Models that one analysis can be of.
const MOST_MODELS: usize = 8;

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
    /// Differences between the logits of the first model, the teacher, and those of each other one, by class and class: on
    /// natural images, and on adversarial ones (Figures 3 and 4).
    Correlation {
        /// What is compared.
        #[serde(default, skip_serializing_if = "is_default")]
        statistic: LogitStatistic,
        /// Shared: images that are attacked on the other model are shown to both. White-box: each sees its own.
        #[serde(default, skip_serializing_if = "is_default")]
        adversarial: AdversarialImages,
    },
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

/// What of two models' logits is compared, by class and class (methods.md §7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogitStatistic {
    /// Pearson's correlation between the logits of two classes over all images (the paper's figures).
    #[default]
    Correlation,
    /// The mean logit of one class over the images of the other; differences are divided by 3 and the diagonal is left out,
    /// as a widely copied notebook does.
    ClassMean,
}

/// Spares a stored spec the values that say nothing, so that it stays as it was before they could be chosen.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// How many images of each kind t-SNE can map: three kinds together must be more than three times its perplexity of 30, and
/// more than a picture shows would only take time.
pub const FEATURE_IMAGES: RangeInclusive<usize> = 31..=500;

/// How many images a gallery can have.
pub const GALLERY_IMAGES: RangeInclusive<usize> = 1..=60;

/// How many classes a title names.
const NAMED_CLASSES: usize = 3;

impl Analysis {
    /// The paper's correlation differences.
    pub fn correlation() -> Self {
        Self::Correlation { statistic: LogitStatistic::default(), adversarial: AdversarialImages::default() }
    }

    /// What it is of, in a few words: `features of truck and bird`.
    pub fn title(&self) -> String {
        match self {
            Self::Features { attacked, target, adversarial, .. } => {
                let how = if *adversarial == AdversarialImages::WhiteBox { ", white-box" } else { "" };
                format!("features of {attacked} and {target}{how}")
            }
            Self::Correlation { statistic, adversarial } => {
                let what = match statistic {
                    LogitStatistic::Correlation => "logit correlations",
                    LogitStatistic::ClassMean => "class-mean logits",
                };
                let how = if *adversarial == AdversarialImages::WhiteBox { ", white-box" } else { "" };
                format!("{what}{how}")
            }
            Self::Gallery { differ: true, .. } => "images that two models differ on".into(),
            Self::Gallery { classes, .. } if classes.is_empty() => "adversarial images".into(),
            Self::Gallery { classes, .. } if classes.len() > NAMED_CLASSES => {
                format!("adversarial images of {} classes", classes.len())
            }
            Self::Gallery { classes, .. } => format!("adversarial images of {}", classes.join(", ")),
        }
    }

    /// Checks everything but its models.
    pub(crate) fn check(&self, problems: &mut Vec<Problem>) {
        let mut expect_images = |images: &usize, range: RangeInclusive<usize>| {
            if !range.contains(images) {
                let message = format!("must be from {} to {}", range.start(), range.end());
                problems.push(Problem::new("images", message));
            }
        };
        match self {
            Self::Features { images, .. } => expect_images(images, FEATURE_IMAGES),
            Self::Correlation { .. } => {}
            Self::Gallery { images, .. } => expect_images(images, GALLERY_IMAGES),
        }
        if matches!(self, Self::Features { attacked, target, .. } if attacked == target) {
            problems.push(Problem::new("target", "choose another class than the attacked one"));
        }
    }

    /// The classes that it names.
    pub fn classes(&self) -> Vec<&str> {
        match self {
            Self::Features { attacked, target, .. } => vec![attacked, target],
            Self::Correlation { .. } => Vec::new(),
            Self::Gallery { classes, .. } => classes.iter().map(String::as_str).collect(),
        }
    }

    /// How many models it needs at least.
    pub const fn least_models(&self) -> usize {
        match self {
            Self::Correlation { .. } | Self::Gallery { differ: true, .. } => 2,
            Self::Features { .. } | Self::Gallery { .. } => 1,
        }
    }
}

impl AnalyseSpec {
    /// The attack that makes its adversarial images.
    pub fn attack(&self) -> Attack {
        Attack::pgd(20).with_eps(self.eps)
    }

    /// What is wrong with the number of its models, if anything is.
    pub(crate) fn fault_of_models(&self) -> Option<String> {
        let (least, count) = (self.analysis.least_models(), self.models.len());
        let is_enough = (least..=MOST_MODELS).contains(&count);
        (!is_enough)
            .then(|| format!("{} can be of {least} to {MOST_MODELS} models, not of {count}", self.analysis.title()))
    }

    pub(crate) fn check(&self, problems: &mut Vec<Problem>) {
        problems.extend(self.eps.fault().map(|fault| Problem::new("eps", fault)));
        problems.extend(self.fault_of_models().map(|fault| Problem::new("models", fault)));
        for (i, AnalysedModel { name, .. }) in self.models.iter().enumerate() {
            if name.trim().is_empty() || self.models[..i].iter().any(|other| other.name == *name) {
                let message = format!("“{name}” names no model, or two: a panel needs a name of its own");
                problems.push(Problem::new("models", message));
            }
        }
        self.analysis.check(problems);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_analysis_of_one_class_against_itself_or_of_too_few_models_is_refused_by_field() {
        let spec = |analysis, models: usize| AnalyseSpec {
            analysis,
            models: (0..models)
                .map(|id| AnalysedModel { name: format!("KD {id}"), model: ModelRef::Run(id as i64) })
                .collect(),
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
        assert_eq!(fields(&spec(features("truck", 5), 0)), ["models", "images", "target"]);
        let correlation: Analysis = serde_json::from_str(r#"{"name": "correlation"}"#).unwrap();
        let mut correlation = spec(correlation, 2);
        assert_eq!(fields(&correlation), [""; 0]);
        correlation.models[1].name = "KD 0".into();
        assert_eq!(fields(&correlation), ["models"]);
        correlation.models.pop();
        assert_eq!(fields(&correlation), ["models"]);
    }

    #[test]
    fn the_papers_correlation_is_written_as_before_it_had_variants() {
        let text = serde_json::to_string(&Analysis::correlation()).unwrap();
        assert_eq!(text, r#"{"name":"correlation"}"#);
    }

    #[test]
    fn a_title_names_few_classes_and_counts_many() {
        let of = |classes: &[&str]| {
            let classes = classes.iter().map(|class| (*class).to_owned()).collect();
            Analysis::Gallery { classes, images: 10, differ: false }.title()
        };
        assert_eq!(of(&["cat", "dog"]), "adversarial images of cat, dog");
        assert_eq!(of(&["cat", "dog", "frog", "deer"]), "adversarial images of 4 classes");
    }
}
