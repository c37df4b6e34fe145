//! Whether an imported model has the normaliser that it was trained behind.

use std::{path::Path, time::Duration};

use retort_engine::{
    data::Library,
    import::{Trial, try_normalisers},
};

/// How long images are shown at most: the largest network is through with all of them on two cores.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a trial of the usual normalisers on the test images of a dataset says of a model, in sentences; nothing without a
/// dataset. `is_from_keys` tells that the model's own normaliser stood in its file.
pub fn said(model: &Path, dataset: &str, library: &Library, is_from_keys: bool) -> Option<String> {
    if dataset.is_empty() {
        return None;
    }
    let trial = library.load(dataset).and_then(|dataset| try_normalisers(model, &dataset, PATIENCE));
    Some(match trial {
        Ok(trial) => words(&trial, is_from_keys),
        Err(fault) => format!("It was not shown any images of {dataset} to see which normaliser fits: {fault}."),
    })
}

/// What was found, and what to do where another normaliser fits clearly better.
fn words(trial: &Trial, is_from_keys: bool) -> String {
    let found = trial.sentence();
    let Some(better) = trial.better() else { return found };
    let to_do = if is_from_keys {
        "Its normaliser stands in the file, so look up how it was trained before you trust its numbers.".to_owned()
    } else {
        let name = better.normaliser.map_or_else(|| "none".into(), |normaliser| normaliser.to_string());
        format!("Import it again with the normaliser {name} (--normaliser {name} on the command line).")
    };
    format!("{found} {to_do}")
}

#[cfg(test)]
mod tests {
    use retort_engine::import::Tried;
    use retort_spec::Normaliser;

    use super::*;

    fn trial(own: usize) -> Trial {
        let tried = |normaliser, correct, is_worse| Tried { normaliser, correct, of: 100, is_worse };
        let tried = vec![tried(None, 21, true), tried(Some(Normaliser::PRESETS[0].1), 93, false)];
        Trial { dataset: "cifar10".into(), classes: 10, images: 100, tried, own, best: 1 }
    }

    #[test]
    fn a_normaliser_that_fits_clearly_better_comes_with_how_to_import_with_it() {
        let told = words(&trial(0), false);
        assert!(
            told.starts_with("The model is right on 93 of 100 test images of cifar10 with cifar10's mean"),
            "{told}"
        );
        assert!(told.ends_with("with the normaliser cifar10 (--normaliser cifar10 on the command line)."), "{told}");
        assert!(words(&trial(0), true).ends_with("before you trust its numbers."));
        assert!(!words(&trial(1), false).contains("Import it again"));
    }

    #[test]
    fn nothing_is_tried_without_a_dataset_and_a_fault_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let (library, model) = (Library::new(dir.path()), dir.path().join("model.safetensors"));
        assert_eq!(said(&model, "", &library, false), None);
        let told = said(&model, retort_spec::BUNDLED_DATASET, &library, false).unwrap();
        assert!(told.starts_with("It was not shown any images of fashion-mnist-5k to see which"), "{told}");
    }
}
