//! Networks whose answers would be others than their tensors tell, as PyTorch wrote them (tools/golden/imports.py).

use std::{collections::BTreeSet, fs};

use retort_spec::Normaliser;

use super::{
    super::*,
    golden,
    kinds::{ten_classes, unpacked_from},
};

/// Networks that were saved whole, and what is asked about their layers.
const LAYERS: [(&str, &str); 12] = [
    ("eps.pt", "its layer bn1 and 8 more have an eps of 0.001, and Retort's of 0.00001"),
    ("pool.pt", "its layer maxpool is of the class MaxPool2d, and Retort's network has no such layer"),
    ("dilation.pt", "its layer layer3.0.conv2 has a dilation of 2, and Retort's of 1"),
    ("stride.pt", "its layer layer2.0.conv1 has a stride of 1, and Retort's of 2"),
    ("padding.pt", "its layer conv1 has a padding mode of reflect, and Retort's of zeros"),
    ("instance.pt", "its layer 0 is of the class InstanceNorm2d, and"),
    ("softmax.pt", "its layer 1 is of the class Softmax, and"),
    ("own.pt", "its layer 0 is of the class Stretch, and"),
    ("hook.pt", "it has a forward hook, and what that computes is lost"),
    ("forward.pt", "it has a forward of its own, and what that computes is lost"),
    ("activation.pt", "its layer layer1.0 has the activation silu, and what that computes is lost"),
    ("activation-name.pt", "it has the activation leaky_relu, and what that computes is lost"),
];

/// Files with a normaliser outside of the network's dictionary, and the names that they have for it.
const BESIDE: [(&str, [&str; 2]); 7] = [
    ("beside-module.pt", ["normalizer.mean", "normalizer.std"]),
    ("beside-state.pt", ["normalizer.mean", "normalizer.std"]),
    ("beside-dict.pt", ["normalize.mean", "normalize.std"]),
    ("beside-lists.pt", ["mean", "std"]),
    ("beside-args.pt", ["args.mean", "args.std"]),
    ("beside-data.pt", ["hyper_parameters.data.mean", "hyper_parameters.data.std"]),
    ("beside-adam.pt", ["norm.mean", "norm.std"]),
];
const OF_TEACHER: &str = "of-teacher.pt";

fn asked(name: &str, wanted: &Wanted) -> String {
    let file = unpacked_from("questions", name);
    let out = tempfile::NamedTempFile::new().unwrap();
    import(file.path(), wanted, out.path()).err().unwrap_or_else(|| panic!("{name} was taken")).to_string()
}

fn taken(name: &str, wanted: &Wanted) -> Report {
    let file = unpacked_from("questions", name);
    let out = tempfile::NamedTempFile::new().unwrap();
    import(file.path(), wanted, out.path()).unwrap_or_else(|fault| panic!("{name}: {fault}"))
}

#[test]
fn a_layer_that_computes_something_else_than_retorts_must_be_confirmed() {
    for (name, words) in LAYERS {
        let message = asked(name, &ten_classes(""));
        assert!(message.contains(words) && message.contains("--despite-doubt"), "{name}: {message}");
        let notes = taken(name, &Wanted { despite_doubt: true, ..ten_classes("") }).notes.join(" ");
        assert!(notes.contains(&format!("It was taken although {words}")), "{name}: {notes}");
    }
}

#[test]
fn a_normaliser_anywhere_beside_the_network_is_asked_about() {
    for (name, [mean, std]) in BESIDE {
        let message = asked(name, &ten_classes(""));
        let words = format!("beside the weights stand {mean} and {std} (cifar10 = ");
        assert!(message.contains(&words) && message.contains("--normaliser"), "{name}: {message}");
        let own = Wanted { normaliser: NormaliserChoice::Given(Normaliser::PRESETS[0].1), ..ten_classes("") };
        assert_eq!(taken(name, &own).header.normaliser, Some(Normaliser::PRESETS[0].1), "{name}");
    }
}

#[test]
fn a_normaliser_beside_another_network_is_that_ones_alone() {
    let message = asked(OF_TEACHER, &ten_classes("teacher"));
    assert!(message.contains("beside the weights stand teacher.mean and teacher.std (cifar10 = 0.4914 "), "{message}");
    assert_eq!(taken(OF_TEACHER, &ten_classes("student")).header.normaliser, None);
}

#[test]
fn every_stored_question_is_asked() {
    let stored: BTreeSet<_> =
        fs::read_dir(golden("questions")).unwrap().map(|file| file.unwrap().file_name()).collect();
    let names = LAYERS.map(|(name, _)| name).into_iter().chain(BESIDE.map(|(name, _)| name)).chain([OF_TEACHER]);
    assert_eq!(stored, names.map(|name| format!("{name}.gz").into()).collect());
}
