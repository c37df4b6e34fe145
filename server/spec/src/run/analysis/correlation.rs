//! Differences between the logits of the teacher and those of other models (Figures 3 and 4).

use serde::{Deserialize, Serialize};

use super::{AdversarialImages, Analysis, Parameters, Record, TeachersPart, is_default};
use crate::Problem;

/// Differences between the logits of the first model, the teacher, and those of each other one, by class and class: on
/// natural images, and on adversarial ones (Figures 3 and 4). The default is the paper's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Correlation {
    /// What is compared.
    #[serde(default, skip_serializing_if = "is_default")]
    pub statistic: LogitStatistic,
    /// Shared: images that are attacked on the other model are shown to both. White-box: each sees its own.
    #[serde(default, skip_serializing_if = "is_default")]
    pub adversarial: AdversarialImages,
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

impl std::str::FromStr for LogitStatistic {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "correlation" => Ok(Self::Correlation),
            "class-mean" => Ok(Self::ClassMean),
            other => Err(format!("there is no statistic “{other}”: choose correlation or class-mean")),
        }
    }
}

impl Correlation {
    pub(super) const RECORD: Record = Record {
        id: "correlation",
        title: "Correlation differences",
        summary: "the teacher's logits less each student's, by class and class",
        usual: Some(|| Analysis::Correlation(Self::default())),
        teacher: TeachersPart::Reference,
        shows_surrogates: false,
    };
}

impl Parameters for Correlation {
    fn title(&self) -> String {
        let what = match self.statistic {
            LogitStatistic::Correlation => "logit correlations",
            LogitStatistic::ClassMean => "class-mean logits",
        };
        format!("{what}{}", self.adversarial.remark())
    }

    fn check(&self, _problems: &mut Vec<Problem>) {}

    fn classes(&self) -> Vec<(&'static str, &String)> {
        Vec::new()
    }

    fn classes_mut(&mut self) -> Vec<&mut String> {
        Vec::new()
    }

    fn least_models(&self) -> usize {
        2
    }

    fn work(&self, test: f64, models: f64) -> (f64, f64) {
        (test, if self.adversarial == AdversarialImages::Shared { models - 1.0 } else { models })
    }
}

/// Differences between two models' logits by class and class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CorrelationMaps {
    /// The names of the classes.
    pub classes: Vec<String>,
    /// The model whose values the others' are taken from.
    pub teacher: String,
    /// Whether its logits are the same for every image, so that no difference means anything; earlier versions did not look.
    #[serde(default, skip_serializing_if = "is_default")]
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
    #[serde(default, skip_serializing_if = "is_default")]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_papers_correlation_is_written_as_before_it_had_variants() {
        let text = serde_json::to_string(&Analysis::Correlation(Correlation::default())).unwrap();
        assert_eq!(text, r#"{"name":"correlation"}"#);
    }
}
