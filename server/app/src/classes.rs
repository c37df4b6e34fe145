//! The classes of a model that is imported, as people name them.

use retort_engine::{
    data::DatasetInfo,
    import::{MOST_CLASSES, Wanted},
};
use retort_spec::Architecture;

/// What `text` asks for: the classes of a dataset by its name, or that many numbered ones.
///
/// # Errors
/// In words, when it is neither.
pub fn wanted(architecture: Architecture, text: &str, datasets: &[DatasetInfo]) -> Result<Wanted, String> {
    let text = text.trim();
    if let Some(dataset) = datasets.iter().find(|dataset| dataset.name == text && dataset.fault.is_none()) {
        return Ok(Wanted { architecture, classes: dataset.classes.clone(), dataset: dataset.name.clone() });
    }
    match text.parse::<usize>() {
        Ok(n) if (2..=MOST_CLASSES).contains(&n) => {
            let classes = (0..n).map(|class| class.to_string()).collect();
            Ok(Wanted { architecture, classes, dataset: String::new() })
        }
        Ok(n) => Err(format!("a model tells 2 to 1,000 classes apart, not {n}")),
        Err(_) => {
            let known: Vec<_> = datasets.iter().map(|dataset| dataset.name.as_str()).collect();
            Err(format!("“{text}” is no dataset here: name one of {}, or a number of classes", known.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn datasets() -> Vec<DatasetInfo> {
        let dir = tempfile::tempdir().unwrap();
        retort_engine::data::Library::new(dir.path()).list().unwrap()
    }

    #[test]
    fn classes_are_those_of_a_dataset_or_numbers() {
        let of = |text: &str| wanted(Architecture::ResNet8, text, &datasets());
        let named = of(retort_spec::BUNDLED_DATASET).unwrap();
        assert_eq!((named.classes.len(), named.dataset.as_str()), (10, retort_spec::BUNDLED_DATASET));
        let numbered = of(" 3 ").unwrap();
        assert_eq!((numbered.classes, numbered.dataset), (vec!["0".into(), "1".into(), "2".into()], String::new()));
        assert!(of("1").unwrap_err().contains("2 to 1,000"));
        let message = of("imagenet").unwrap_err();
        assert!(message.contains("imagenet") && message.contains(retort_spec::BUNDLED_DATASET), "{message}");
    }
}
