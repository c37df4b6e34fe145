//! Networks under the prefixes and names of other code.

use candle_core::{DType, Device, Tensor};

use super::{
    super::{
        names::{
            Family, Names,
            tables::{BLOCKS, CLASSIFIERS, PARTS, RESIDUAL, SHORTCUTS, STEMS},
        },
        *,
    },
    kinds::ten_classes,
};
use crate::{
    golden::{Golden, images, network},
    ops::testing,
};

/// The tensors of a network, in order.
pub fn tensors(network: &Network) -> Vec<(String, Tensor)> {
    let all = network.weights.parameters.iter().chain(&network.weights.buffers);
    all.map(|weight| (weight.name.clone(), weight.tensor.clone())).collect()
}

/// A safetensors file of these tensors.
pub fn file(tensors: &[(String, Tensor)]) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    let bytes = safetensors::serialize(tensors.iter().map(|(name, tensor)| (name, tensor.clone())), None).unwrap();
    fs::write(file.path(), bytes).unwrap();
    file
}

/// Reads tensors as whatever network they fit.
pub fn taken(tensors: &[(String, Tensor)], wanted: &Wanted) -> Result<(Network, ModelHeader, Vec<String>)> {
    read(file(tensors).path(), wanted)
}

/// The network's tensors under other names.
fn renamed(network: &Network, names: &Names, classifier: &str) -> Vec<(String, Tensor)> {
    let renaming = names.renaming(network.architecture, classifier);
    let name = |own: &str| {
        let (layer, part) = own.rsplit_once('.').unwrap();
        format!("{}.{part}", renaming[layer])
    };
    tensors(network).into_iter().map(|(own, tensor)| (name(&own), tensor)).collect()
}

fn assert_same(found: &Network, expected: &Network, what: &str) {
    assert_eq!(found.architecture, expected.architecture, "{what}");
    for ((name, found), (_, expected)) in tensors(found).iter().zip(tensors(expected)) {
        assert_eq!(testing::values(found), testing::values(&expected), "{what}: {name}");
    }
}

#[test]
fn a_network_of_each_family_answers_120_images_as_pytorch_does() {
    let (answers, images) = (Golden::read("imports"), images("images", 120));
    for id in ["resnet8", "resnet18", "preactresnet18", "preactresnet18-bn", "wrn-16-2", "mobilenetv2"] {
        let original = network(id.parse().unwrap());
        let (mut found, ..) = taken(&tensors(&original), &ten_classes("")).unwrap();
        assert_same(&found, &original, id);
        answers.hold(id, &testing::values(&found.infer(&images).unwrap().0), 2e-4);
    }
}

#[test]
fn a_wrn_28_10_of_robustbench_comes_in_with_its_normaliser_and_answers_as_pytorch_does() {
    let original = network(Architecture::Wrn28x10);
    let own = tensors(&original);
    // TRADES' file, from which most of theirs come, has a block that no image passes.
    let unused =
        own.iter().filter(|(name, _)| name.starts_with("block1.")).map(|(name, t)| (format!("sub_{name}"), t.clone()));
    let pair = [("mu", [0.4914f32, 0.4822, 0.4465]), ("sigma", [0.2471, 0.2435, 0.2616])];
    let pair =
        pair.map(|(name, v)| (name.to_owned(), Tensor::new(&v, &Device::Cpu).unwrap().reshape((1, 3, 1, 1)).unwrap()));
    let all = own.iter().cloned().chain(unused).chain(pair);
    let file: Vec<_> = all.map(|(name, tensor)| (format!("module.{name}"), tensor)).collect();
    let (mut found, header, notes) = taken(&file, &ten_classes("")).unwrap();
    assert_eq!(header.architecture, Architecture::Wrn28x10);
    assert!(notes.iter().any(|note| note.contains("module.mu and module.sigma")), "{notes:?}");
    let logits = found.infer(&images("images", 4)).unwrap().0;
    Golden::read("robustbench").hold("wrn-28-10", &testing::values(&logits), 1e-4);
}

#[test]
fn every_architecture_is_told_by_its_own_keys_alone() {
    for architecture in Architecture::ALL {
        // One number stands for all of a tensor's, and takes no memory.
        let outline = Network::outline(architecture, 7).unwrap();
        let mut dictionary = super::super::contents::Dictionary::default();
        for (name, tensor) in tensors(&outline) {
            let (shape, place) = (tensor.dims().to_vec(), super::super::contents::Place::Bytes { start: 0, length: 0 });
            let (strides, mask) = (shape.clone(), None);
            let declared =
                super::super::contents::Declared { dtype: DType::F32, strides, shape, offset: 0, place, mask };
            dictionary.tensors.insert(name, declared);
        }
        let found = Outlines::new(&Architecture::ALL).unwrap().search(&dictionary);
        let fits: Vec<_> = found.fits.iter().map(|fit| (fit.architecture, fit.classes)).collect();
        assert_eq!((fits, found.nears.len()), (vec![(architecture, 7)], 0));
    }
}

#[test]
fn any_prefix_comes_off_and_wrappers_do_wherever_they_stand() {
    let original = network(Architecture::ResNet8);
    for prefix in
        ["module.", "_orig_mod.module.", "model.", "net.", "basic_net.", "backbone.", "module.model.", "a.b.c.d.", "1."]
    {
        let moved: Vec<_> = tensors(&original).into_iter().map(|(name, t)| (format!("{prefix}{name}"), t)).collect();
        let (found, _, notes) = taken(&moved, &ten_classes("")).unwrap();
        assert_same(&found, &original, prefix);
        assert!(notes[0] == format!("The prefix {prefix} was taken off the keys."), "{notes:?}");
    }
    let inside = |name: &str| name.replace("layer2.0", "layer2.0._orig_mod").replace("fc.", "module.fc.");
    let inside: Vec<_> = tensors(&original).into_iter().map(|(name, t)| (inside(&name), t)).collect();
    assert_same(&taken(&inside, &ten_classes("")).unwrap().0, &original, "wrappers inside");
    // The body under a prefix, the last layer beside it.
    let apart =
        |name: &str| if name.starts_with("fc.") { name.replace("fc.", "head.") } else { format!("encoder.{name}") };
    let apart: Vec<_> = tensors(&original).into_iter().map(|(name, t)| (apart(&name), t)).collect();
    assert_same(&taken(&apart, &ten_classes("")).unwrap().0, &original, "head beside the body");
}

#[test]
fn names_may_be_separated_by_slashes() {
    let original = network(Architecture::ResNet8);
    for prefix in ["", "net/"] {
        let moved = |name: &str| format!("{prefix}{}", name.replace('.', "/"));
        let moved: Vec<_> = tensors(&original).into_iter().map(|(name, t)| (moved(&name), t)).collect();
        assert_same(&taken(&moved, &ten_classes("")).unwrap().0, &original, prefix);
        let found = describe(file(&moved).path()).unwrap();
        assert_eq!(found.candidates[0].path, prefix.trim_end_matches('/'));
    }
}

#[test]
fn a_last_layer_under_an_unknown_name_is_taken_where_it_is_the_only_matrix() {
    let original = network(Architecture::ResNet8);
    let other: Vec<_> =
        tensors(&original).into_iter().map(|(name, t)| (name.replace("fc.", "verdict.1."), t)).collect();
    assert_same(&taken(&other, &ten_classes("")).unwrap().0, &original, "one matrix");
    let two =
        [&other[..], &[("doubt.weight".into(), Tensor::zeros((2, 64), DType::F32, &Device::Cpu).unwrap())]].concat();
    assert!(taken(&two, &ten_classes("")).err().unwrap().to_string().contains("linear.weight"));
}

#[test]
fn the_names_of_other_code_are_read_and_told() {
    let original = network(Architecture::ResNet8);
    // Each name of each part once, beside the usual names of the others.
    let mut ways: Vec<Names> = STEMS.map(|stem| Names { stem, ..RESIDUAL }).into();
    ways.extend(BLOCKS.map(|block| Names { block, ..RESIDUAL }));
    ways.extend(PARTS.map(|parts| Names { parts, ..RESIDUAL }));
    ways.extend(SHORTCUTS.map(|shortcut| Names { shortcut, ..RESIDUAL }));
    for names in ways {
        let (found, _, notes) = taken(&renamed(&original, &names, "fc"), &ten_classes(""))
            .unwrap_or_else(|fault| panic!("{names:?}: {fault}"));
        assert_same(&found, &original, &format!("{names:?}"));
        let is_other = renamed(&original, &names, "fc").iter().zip(tensors(&original)).any(|(a, b)| a.0 != b.0);
        assert_eq!(
            notes.iter().any(|note| note.contains("other names than in Retort")),
            is_other,
            "{names:?} {notes:?}"
        );
    }
    for classifier in CLASSIFIERS {
        let found = taken(&renamed(&original, &RESIDUAL, classifier), &ten_classes("")).unwrap().0;
        assert_same(&found, &original, classifier);
    }
    for id in ["preactresnet18-bn", "wrn-16-2", "mobilenetv2"] {
        let original = network(id.parse().unwrap());
        for names in Family::of(original.architecture).schemes(&|_| true) {
            let wanted = Wanted { despite_doubt: true, ..ten_classes("") };
            let (found, _, notes) = taken(&renamed(&original, &names, names.classifier), &wanted)
                .unwrap_or_else(|fault| panic!("{names:?}: {fault}"));
            assert_same(&found, &original, &format!("{names:?}"));
            assert_eq!(
                names.doubt.is_some(),
                notes.iter().any(|note| note.contains("It was taken although")),
                "{notes:?}"
            );
        }
    }
}

#[test]
fn names_of_networks_that_compute_something_else_are_taken_only_when_that_is_confirmed() {
    let original = network(Architecture::Wrn16x2);
    let gowal = Family::Wide.schemes(&|_| true).into_iter().find(|names| names.stem[0] == "init_conv").unwrap();
    let tensors = renamed(&original, &gowal, "logits");
    let message = taken(&tensors, &ten_classes("")).err().unwrap().to_string();
    assert!(message.contains("SiLU in place of ReLU") && message.contains("--despite-doubt"), "{message}");
    assert!(describe(file(&tensors).path()).unwrap().candidates[0].doubt.is_some());
}

#[test]
fn a_last_layer_without_a_bias_has_one_of_zeros() {
    let original = network(Architecture::ResNet8);
    let without: Vec<_> = tensors(&original).into_iter().filter(|(name, _)| name != "fc.bias").collect();
    let message = taken(&without, &ten_classes("")).err().unwrap().to_string();
    assert!(message.contains("no bias, as where features and weights are normalised"), "{message}");
    let wanted = Wanted { despite_doubt: true, ..ten_classes("") };
    let (found, _, notes) = taken(&without, &wanted).unwrap();
    let bias = Tensor::zeros(10, DType::F32, &Device::Cpu).unwrap();
    assert_eq!(testing::values(&found.weights.parameters.last().unwrap().tensor), testing::values(&bias));
    assert!(notes.iter().any(|note| note.contains("no bias: it is 0")), "{notes:?}");
}

#[test]
fn a_pruned_network_is_taken_with_its_masks() {
    let original = network(Architecture::ResNet8);
    let mask = |tensor: &Tensor| {
        let ones: Vec<f32> = (0..tensor.elem_count()).map(|i| (i % 3 > 0).into()).collect();
        Tensor::from_vec(ones, tensor.dims(), &Device::Cpu).unwrap()
    };
    let is_pruned = |name: &str| name.ends_with("weight") && (name.contains("conv") || name.contains("fc"));
    let parts = tensors(&original).into_iter().flat_map(|(name, tensor)| {
        if is_pruned(&name) {
            let mask = mask(&tensor);
            vec![(format!("{name}_mask"), mask), (format!("{name}_orig"), tensor)]
        } else {
            vec![(name, tensor)]
        }
    });
    let parts: Vec<_> = parts.collect();
    let (found, _, notes) = taken(&parts, &ten_classes("")).unwrap();
    for ((name, found), (_, original)) in tensors(&found).iter().zip(tensors(&original)) {
        let expected = if is_pruned(name) { (&original * mask(&original)).unwrap() } else { original };
        assert_eq!(testing::values(found), testing::values(&expected), "{name}");
    }
    assert!(notes.contains(&"It was pruned: 8 of its tensors were multiplied by their masks.".to_owned()), "{notes:?}");
    assert_eq!(describe(file(&parts).path()).unwrap().candidates[0].left_out, [""; 0]);
}
