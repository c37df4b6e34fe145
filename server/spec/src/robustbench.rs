//! What RobustBench publishes of models (Croce et al. 2021, arXiv:2010.09670), to stand beside what is measured here.

use std::sync::LazyLock;

use serde::Deserialize;

/// Models of its ℓ∞ leaderboard for CIFAR-10 that are of architectures which Retort has, a line each, from the `model_info` of
/// github.com/RobustBench/robustbench.
const MODELS: &str = include_str!("../data/robustbench.csv");

/// A model with its published figures.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct PublishedModel {
    /// What it is called: RobustBench's name of the model, or the title of its paper.
    pub id: String,
    /// The architecture as it is published.
    pub architecture: String,
    /// The radius as it is published.
    pub eps: String,
    /// The natural accuracy, in percent.
    pub natural: f64,
    /// The accuracy under AutoAttack, in percent.
    pub autoattack: f64,
    /// Where it was published.
    pub link: String,
}

/// One file of RobustBench's `model_info`, whose figures are texts.
#[derive(Deserialize)]
struct ModelInfo {
    name: String,
    architecture: String,
    eps: String,
    clean_acc: String,
    /// Earlier files call it `AA`.
    #[serde(alias = "AA")]
    autoattack_acc: String,
    #[serde(default)]
    link: String,
}

impl PublishedModel {
    /// All that are known here.
    pub fn all() -> &'static [Self] {
        static ALL: LazyLock<Vec<PublishedModel>> = LazyLock::new(|| {
            csv::Reader::from_reader(MODELS.as_bytes()).deserialize().filter_map(Result::ok).collect()
        });
        &ALL
    }

    /// The model that a title names, however it is spelt: `Carmon2019Unlabeled.pt`, `carmon2019-unlabeled of RobustBench`. Of several
    /// the one with the longest name.
    pub fn named_in(title: &str) -> Option<&'static Self> {
        let plain = |text: &str| -> String {
            text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
        };
        let title = plain(title);
        // One called “Standard” is named by its whole title alone: it is a word of many.
        let is_named = |id: &str| if id.bytes().any(|b| b.is_ascii_digit()) { title.contains(id) } else { title == id };
        let named = Self::all().iter().filter(|model| is_named(&plain(&model.id)));
        named.max_by_key(|model| model.id.len())
    }

    /// Reads a file of RobustBench's `model_info`.
    ///
    /// # Errors
    /// In words, when it is none.
    pub fn from_json(text: &str) -> Result<Self, String> {
        let info: ModelInfo =
            serde_json::from_str(text).map_err(|fault| format!("it is no model_info of RobustBench: {fault}"))?;
        let percent = |field: &str, value: &str| match value.trim().parse::<f64>() {
            Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(percent),
            _ => Err(format!("its {field} is “{value}”, which is no percentage")),
        };
        Ok(Self {
            natural: percent("clean_acc", &info.clean_acc)?,
            autoattack: percent("autoattack_acc", &info.autoattack_acc)?,
            id: info.name,
            architecture: info.architecture,
            eps: info.eps,
            link: info.link,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_read_and_bears_a_robust_accuracy_below_the_natural_one() {
        assert_eq!(PublishedModel::all().len(), MODELS.lines().count() - 1);
        for model in PublishedModel::all() {
            assert!(model.autoattack < model.natural && model.natural < 100.0, "{model:?}");
            assert!(model.link.starts_with("https://"), "{model:?}");
        }
    }

    #[test]
    fn a_model_is_known_by_its_name_in_a_title_however_it_is_spelt() {
        let named = |title| PublishedModel::named_in(title).map(|model| model.id.as_str());
        assert_eq!(named("Carmon2019Unlabeled.pt"), Some("Carmon2019Unlabeled"));
        assert_eq!(named("carmon2019-unlabeled, best"), Some("Carmon2019Unlabeled"));
        assert_eq!(named("Wu2020Adversarial_extra"), Some("Wu2020Adversarial_extra"));
        assert_eq!(named("Wu2020Adversarial"), Some("Wu2020Adversarial"));
        assert_eq!(named("Standard.pt"), None);
        assert_eq!(named("Standard"), Some("Standard"));
        assert_eq!(named("our standard teacher"), None);
    }

    #[test]
    fn a_file_of_model_info_is_read_and_another_is_refused_in_words() {
        let text = r#"{"link": "https://arxiv.org/abs/1905.13736", "name": "Unlabeled Data", "authors": "", "venue": "NeurIPS 2019",
            "additional_data": true, "number_forward_passes": 1, "dataset": "cifar10", "architecture": "WideResNet-28-10",
            "eps": "8/255", "clean_acc": "89.69", "reported": "62.5", "autoattack_acc": "59.53"}"#;
        let model = PublishedModel::from_json(text).unwrap();
        assert_eq!((model.natural, model.autoattack, model.eps.as_str()), (89.69, 59.53, "8/255"));
        assert_eq!(PublishedModel::from_json(&text.replace("autoattack_acc", "AA")).unwrap(), model);
        let fault = PublishedModel::from_json(&text.replace("59.53", "n/a")).unwrap_err();
        assert!(fault.contains("autoattack_acc is “n/a”"), "{fault}");
        assert!(PublishedModel::from_json("{}").unwrap_err().contains("no model_info"));
    }
}
