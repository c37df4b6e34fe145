//! A model's classes, and those of a dataset that it is shown.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
};

use candle_core::{Device, Tensor};

use crate::{
    EngineError, Result,
    data::Dataset,
    nn::{ModelHeader, Network, load_model},
};

/// For each class of a dataset, its place among a model's; none where the model does not tell just these classes apart.
///
/// Names tell, in whatever order: a class keeps its meaning. Classes that are only numbered have their order alone.
pub fn class_order(of_model: &[String], of_dataset: &[String]) -> Option<Vec<usize>> {
    if of_model == of_dataset {
        return Some((0..of_model.len()).collect());
    }
    let places: HashMap<&String, usize> = of_model.iter().zip(0..).collect();
    let is_comparable = places.len() == of_model.len() && of_model.len() == of_dataset.len() && !are_numbered(of_model);
    let order: Vec<usize> = of_dataset.iter().map(|class| places.get(class).copied()).collect::<Option<_>>()?;
    let is_once = order.iter().collect::<HashSet<_>>().len() == order.len();
    (is_comparable && is_once).then_some(order)
}

/// Whether classes have no names, but their numbers in order.
pub(crate) fn are_numbered(classes: &[String]) -> bool {
    classes.iter().enumerate().all(|(place, class)| *class == place.to_string())
}

/// The model in the file at `path`, its answers in the order of the dataset's classes.
///
/// # Errors
/// When it cannot be read, or does not tell the dataset's classes apart: what to do.
pub(crate) fn load_for(path: &Path, dataset: &Dataset, device: &Device) -> Result<(Network, ModelHeader)> {
    let (mut network, mut header) = load_model(path, device)?;
    let Some(order) = class_order(&header.classes, &dataset.classes) else {
        return Err(EngineError::Model { path: path.to_owned(), fault: other_classes(path, &header, dataset) });
    };
    if header.classes != dataset.classes {
        put_in_order(&mut network, &order)?;
        header.classes.clone_from(&dataset.classes);
    }
    Ok((network, header))
}

/// Puts the rows of the last layer in another order.
fn put_in_order(network: &mut Network, order: &[usize]) -> Result<()> {
    let places: Vec<u32> = order.iter().map(|place| *place as u32).collect();
    for index in network.classifier() {
        let rows = &mut network.weights.parameters[index].tensor;
        *rows = rows.index_select(&Tensor::new(places.as_slice(), rows.device())?, 0)?;
    }
    Ok(())
}

/// Why a model does not tell a dataset's classes apart, and what to do.
fn other_classes(path: &Path, header: &ModelHeader, dataset: &Dataset) -> String {
    let (of_model, of_dataset, name) = (header.classes.len(), dataset.classes.len(), &dataset.name);
    let first = |classes: &[String]| classes.first().cloned().unwrap_or_default();
    if of_model == of_dataset && header.dataset.is_empty() {
        let are = if are_numbered(&header.classes) {
            format!("its {of_model} classes have no names, as it was imported with their number alone")
        } else {
            format!("its {of_model} classes ({} …) have other names than those of {name}", first(&header.classes))
        };
        return format!(
            "{are}: where they are those of {name} in the same order, say so on the model's page or by \
             `retort model classes {} --classes {name}`",
            path.display()
        );
    }
    let of = if header.dataset.is_empty() { String::new() } else { format!(" of {}", header.dataset) };
    format!(
        "it tells the {of_model} classes{of} apart ({} …), but the dataset {name} has {of_dataset} ({} …): use it on its own \
         classes",
        first(&header.classes),
        first(&dataset.classes)
    )
}

#[cfg(test)]
mod tests {
    use retort_spec::Architecture;

    use super::*;
    use crate::{
        golden::{images, network},
        nn::save_model,
        ops::testing,
    };

    fn names(all: &[&str]) -> Vec<String> {
        all.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn classes_are_the_same_by_their_names_and_numbered_ones_by_their_order_alone() {
        let order = |model: &[&str], dataset: &[&str]| class_order(&names(model), &names(dataset));
        assert_eq!(order(&["cat", "dog", "owl"], &["cat", "dog", "owl"]), Some(vec![0, 1, 2]));
        assert_eq!(order(&["cat", "dog", "owl"], &["owl", "cat", "dog"]), Some(vec![2, 0, 1]));
        assert_eq!(order(&["0", "1"], &["0", "1"]), Some(vec![0, 1]));
        assert_eq!(order(&["0", "1"], &["1", "0"]), None);
        assert_eq!(order(&["1", "0"], &["0", "1"]), Some(vec![1, 0]));
        for other in [&["cat", "dog"][..], &["cat", "dog", "dog"], &["cat", "dog", "fox"]] {
            assert_eq!(order(&["cat", "dog", "owl"], other), None);
            assert_eq!(order(other, &["cat", "dog", "owl"]), None);
        }
    }

    #[test]
    fn a_model_whose_classes_stand_in_another_order_answers_by_their_names() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("model.safetensors");
        let mut original = network(Architecture::ResNet8);
        let classes: Vec<String> = (0..10).map(|class| format!("class {class}")).collect();
        let header = ModelHeader {
            architecture: Architecture::ResNet8,
            normaliser: None,
            classes: classes.clone(),
            dataset: "letters".into(),
            method: "ard".into(),
            seed: 0,
            epoch: None,
        };
        save_model(&path, &original, &header).unwrap();
        let order = [3, 1, 4, 0, 5, 9, 2, 6, 8, 7];
        let other_order = Dataset {
            name: "letters again".into(),
            classes: order.map(|place: usize| classes[place].clone()).into(),
            ..Dataset::default()
        };
        let (mut ordered, header) = load_for(&path, &other_order, &Device::Cpu).unwrap();
        assert_eq!(header.classes, other_order.classes);
        let images = images("images", 3);
        let of = |network: &mut Network| testing::values(&network.infer(&images).unwrap().0);
        let (found, logits) = (of(&mut ordered), of(&mut original));
        for (image, row) in found.chunks(10).enumerate() {
            assert_eq!(row, order.map(|place| logits[image * 10 + place]));
        }
        let other = Dataset { classes: names(&["a", "b"]), ..other_order };
        let fault = load_for(&path, &other, &Device::Cpu).err().unwrap().to_string();
        assert!(fault.contains("the 10 classes of letters apart (class 0 …)"), "{fault}");
    }
}
