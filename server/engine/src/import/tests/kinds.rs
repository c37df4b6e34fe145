//! Every kind of checkpoint that is taken, as PyTorch wrote it (tools/golden/imports.py): its answers to 120 images are
//! PyTorch's.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::Read,
};

use super::{super::*, golden};
use crate::{
    golden::{Golden, images},
    ops::testing,
};

/// Relative to the largest logit: every kernel rounds otherwise than PyTorch's.
const TOLERANCE: f32 = 2e-4;

/// File, the answers that are expected, and which of its networks is asked for.
const KINDS: [(&str, &str, &str); 27] = [
    ("model-wideres-epoch75.pt", "levels", ""),
    ("lightning.ckpt", "levels", ""),
    ("madry.pt", "levels normalised", ""),
    ("compiled.pt", "levels", ""),
    ("averages.pth.tar", "levels", "state_dict"),
    ("averages.pth.tar", "average", "state_dict_ema"),
    ("averaged.pt", "levels", ""),
    ("list.pt", "levels", ""),
    ("tuple.pt", "levels", ""),
    ("whole.pt", "levels", ""),
    ("whole-normalised.pt", "levels normalised", ""),
    ("whole-lists.pt", "levels normalised", ""),
    ("parts.pt", "levels", ""),
    ("bf16.pt", "levels", ""),
    ("fp64.pt", "levels", ""),
    ("fp8.pt", "levels", ""),
    ("views.pt", "levels", ""),
    ("channels-last.pt", "levels", ""),
    ("parameters.pt", "levels", ""),
    ("history.pt", "levels", ""),
    ("legacy.pth", "levels", ""),
    ("legacy-whole.pth", "levels", ""),
    ("pruned.pt", "levels", ""),
    ("slashes.pt", "levels", ""),
    ("arrays.pt", "levels", ""),
    ("arrays.pkl", "levels", ""),
    ("nested.pkl", "levels", ""),
];

/// A golden file of a kind, unpacked under its own name.
pub fn unpacked(name: &str) -> tempfile::NamedTempFile {
    unpacked_from("kinds", name)
}

/// A golden file of this folder, unpacked.
pub fn unpacked_from(folder: &str, name: &str) -> tempfile::NamedTempFile {
    let packed = File::open(golden(folder).join(format!("{name}.gz"))).unwrap();
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(packed).read_to_end(&mut bytes).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), bytes).unwrap();
    file
}

/// What an import asks for that names ten classes and, where it is not empty, the weights.
pub fn ten_classes(weights: &str) -> Wanted {
    let classes = (0..10).map(|class| class.to_string()).collect();
    Wanted { classes, weights: Some(weights.into()).filter(|path: &String| !path.is_empty()), ..Wanted::default() }
}

#[test]
fn every_kind_that_pytorch_writes_answers_120_images_as_pytorch_does() {
    let answers = Golden::read("imports");
    let images = images("images", 120);
    for (name, expected, weights) in KINDS {
        let (mut network, header, _) = read(unpacked(name).path(), &ten_classes(weights)).unwrap();
        assert_eq!(header.architecture, Architecture::ResNet8, "{name}");
        answers.hold(expected, &testing::values(&network.infer(&images).unwrap().0), TOLERANCE);
    }
    let stored: BTreeSet<_> = fs::read_dir(golden("kinds")).unwrap().map(|file| file.unwrap().file_name()).collect();
    let tried: BTreeSet<_> = KINDS.iter().map(|(name, ..)| format!("{name}.gz").into()).collect();
    assert_eq!(stored, tried);
}

#[test]
fn what_stands_around_and_beside_the_weights_is_told() {
    let told = |name: &str| {
        let found = describe(unpacked(name).path()).unwrap();
        let [one] = found.candidates.as_slice() else { panic!("{found:?}") };
        one.clone()
    };
    let madry = told("madry.pt");
    assert_eq!((madry.path.as_str(), madry.prefix.as_str()), ("model.module.model", "module.model."));
    assert_eq!(madry.normaliser_keys.unwrap(), ["module.normalizer.new_mean", "module.normalizer.new_std"]);
    assert_eq!(
        (madry.left_out, madry.same_as),
        (vec!["module.attacker (58 tensors)".into()], vec!["model.module.attacker.model".to_owned()])
    );
    assert_eq!(madry.beside, ["optimizer", "epoch"]);
    assert_eq!(told("averaged.pt").left_out, ["n_averaged"]);
    assert_eq!(told("compiled.pt").prefix, "_orig_mod.module.");
    assert_eq!(told("history.pt").beside, ["history", "rng", "args", "folder"]);
    let format = |name: &str| describe(unpacked(name).path()).unwrap().format;
    assert_eq!((format("legacy.pth"), format("whole.pt")), (Format::PyTorchLegacy, Format::PyTorch));
    assert_eq!((format("arrays.pkl"), format("arrays.pt")), (Format::NumPy, Format::PyTorch));
    assert_eq!(told("pruned.pt").pruned, 10);
}
