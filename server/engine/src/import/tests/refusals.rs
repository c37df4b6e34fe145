//! Weights that fit nothing, and numbers that no trained network has.

use candle_core::{DType, Device, Tensor};

use super::{
    super::*,
    kinds::ten_classes,
    names::{taken, tensors},
};
use crate::golden::network;

fn zeros(shape: &[usize]) -> Tensor {
    Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap()
}

/// What is done to a network's tensors.
type Change = Box<dyn Fn(&mut Vec<(String, Tensor)>)>;

/// Why a ResNet-8 is refused when this was done to its tensors.
fn refusal(change: impl Fn(&mut Vec<(String, Tensor)>)) -> String {
    let mut tensors = tensors(&network(Architecture::ResNet8));
    change(&mut tensors);
    taken(&tensors, &ten_classes("")).err().expect("it was taken").to_string()
}

fn set(tensors: &mut [(String, Tensor)], name: &str, tensor: Tensor) {
    tensors.iter_mut().find(|(key, _)| key == name).unwrap().1 = tensor;
}

#[test]
fn the_nearest_network_is_named_with_what_differs_and_what_that_means() {
    let drop = |what: &'static str| {
        move |tensors: &mut Vec<(String, Tensor)>| tensors.retain(|(name, _)| !name.contains(what))
    };
    let add = |name: &'static str, shape: &'static [usize]| {
        move |tensors: &mut Vec<(String, Tensor)>| tensors.push((name.into(), zeros(shape)))
    };
    let cases: [(Change, &str, &str); 9] = [
        (
            Box::new(|t| set(t, "conv1.weight", zeros(&[16, 3, 7, 7]))),
            "conv1.weight is [16, 3, 7, 7]",
            "as for ImageNet",
        ),
        (Box::new(|t| set(t, "conv1.weight", zeros(&[16, 1, 3, 3]))), "conv1.weight is [16, 1, 3, 3]", "three colours"),
        (Box::new(drop("running_")), "18 keys are missing: bn1.running_mean", "save net.state_dict()"),
        (Box::new(drop("downsample")), "10 keys are missing", "option A"),
        (Box::new(add("layer1.0.conv1.bias", &[16])), "1 key is unexpected: layer1.0.conv1.bias", "have biases"),
        (Box::new(add("fc.weight_g", &[10, 1])), "fc.weight_g", "remove_weight_norm"),
        (Box::new(add("layer1.1.conv1.weight", &[16, 16, 3, 3])), "layer1.1.conv1.weight", "layers more or fewer"),
        (Box::new(add("layer1.0.conv3.weight", &[64, 16, 1, 1])), "layer1.0.conv3.weight", "bottlenecks"),
        (Box::new(|t| set(t, "fc.weight", zeros(&[1, 64]))), "fc tells 1 classes apart", ""),
    ];
    for (change, differs, means) in cases {
        let message = refusal(change);
        for words in ["the nearest is ResNet-8, but", differs, means] {
            assert!(message.contains(words), "{words} is missing in {message}");
        }
    }
    let message = refusal(|tensors| *tensors = vec![("vit.weight".into(), zeros(&[3]))]);
    assert!(
        message.contains("no network of Retort (ResNet-8,") && message.contains("its only tensor is vit.weight"),
        "{message}"
    );
}

/// Why a ResNet-8 is refused whose norms' tensors were replaced by these.
fn with_norms(norms: impl Fn(&str, &str, Tensor) -> Vec<(String, Tensor)>) -> String {
    refusal(|tensors| {
        let layers: Vec<String> =
            tensors.iter().filter_map(|(name, _)| name.strip_suffix(".running_mean")).map(str::to_owned).collect();
        *tensors = std::mem::take(tensors)
            .into_iter()
            .flat_map(|(name, tensor)| match name.rsplit_once('.') {
                Some((layer, part)) if layers.iter().any(|norm| norm == layer) => norms(layer, part, tensor),
                _ => vec![(name, tensor)],
            })
            .collect();
    })
}

#[test]
fn two_batch_norms_at_each_place_are_told_with_how_to_export_one() {
    let names = [["bns.0", "bns.1"], ["bn.0", "bn.1"], ["bn_adv", "bn_clean"], ["aux_bn.0", "main"]];
    for [one, other] in names {
        let message = with_norms(|layer, part, tensor| {
            [one, other].map(|norm| (format!("{layer}.{norm}.{part}"), tensor.clone())).into()
        });
        for words in
            [format!("bn1.{one} and bn1.{other}"), "two batch norms".into(), "under the name of a single".into()]
        {
            assert!(message.contains(&words), "{words} is missing in {message}");
        }
    }
    let message = with_norms(|layer, part, tensor| {
        ["", "_adv"].map(|end| (format!("{layer}{end}.{part}"), tensor.clone())).into()
    });
    assert!(message.contains("two batch norms at each place, such as bn1 and bn1_adv"), "{message}");
}

#[test]
fn batch_norms_that_lack_something_are_told() {
    assert!(with_norms(|_, _, _| vec![]).contains("It has no batch norms, and Retort's networks have one"));
    let affine_alone =
        with_norms(
            |layer, part, tensor| {
                if part.starts_with("running") { vec![] } else { vec![(format!("{layer}.{part}"), tensor)] }
            },
        );
    assert!(affine_alone.contains("save net.state_dict(), not net.parameters()"), "{affine_alone}");
    let of_groups =
        with_norms(
            |layer, part, tensor| {
                if part.starts_with("running") { vec![] } else { vec![(format!("{layer}.groups.{part}"), tensor)] }
            },
        );
    assert!(of_groups.contains("A network without them (GroupNorm,"), "{of_groups}");
    let statistics_alone =
        with_norms(
            |layer, part, tensor| {
                if part.starts_with("running") { vec![(format!("{layer}.{part}"), tensor)] } else { vec![] }
            },
        );
    assert!(statistics_alone.contains("(affine=False): add those that are missing"), "{statistics_alone}");
    let some = refusal(|tensors| tensors.retain(|(name, _)| !name.starts_with("layer1.0.bn")));
    assert!(some.contains("It lacks the batch norms layer1.0.bn1, layer1.0.bn2:"), "{some}");
}

#[test]
fn what_stands_beside_weights_is_told_for_what_it_is() {
    let add =
        |name: &'static str, shape: &'static [usize]| refusal(move |tensors| tensors.push((name.into(), zeros(shape))));
    for (name, shape, means) in [
        ("conv1.popup_scores", &[16, 3, 3, 3][..], "Pruning scores of HYDRA"),
        ("conv1.mask", &[16, 3, 3, 3], "multiply each weight by its mask"),
        ("layer1.0.relu1.weight", &[1], "PReLU"),
        ("conv1.gain", &[16, 1, 1, 1], "keep more than weights, such as conv1.gain"),
        ("layer1.0.conv1.alpha_w", &[1], "keep more than weights, such as layer1.0.conv1.alpha_w"),
        ("layer1.0.conv1.weight_fake_quant.scale", &[1], "Observers of training for quantisation"),
        ("fc.zero_point", &[1], "quantised to whole numbers"),
        ("features.0.0.weight", &[32, 3, 3, 3], "torchvision's MobileNetV2"),
    ] {
        let message = add(name, shape);
        assert!(message.contains(means), "{means} is missing in {message}");
        assert!(!message.contains("layers more or fewer") && !message.contains("three colours"), "{message}");
    }
}

#[test]
fn quantised_weights_are_told_whatever_their_type() {
    let message = refusal(|tensors| {
        for (name, tensor) in tensors.iter_mut().filter(|(_, tensor)| tensor.rank() >= 2) {
            *tensor = zeros(tensor.dims()).to_dtype(if name == "fc.weight" { DType::I64 } else { DType::U8 }).unwrap();
        }
    });
    assert!(message.contains("conv1.weight is of whole numbers, [16, 3, 3, 3]"), "{message}");
    assert!(message.contains("quantised to whole numbers") && !message.contains("wider"), "{message}");
}

#[test]
fn kernels_in_the_order_of_jax_are_told_under_pytorchs_names_too() {
    let message = refusal(|tensors| {
        for (_, tensor) in tensors.iter_mut() {
            *tensor = match tensor.rank() {
                4 => tensor.permute((2, 3, 1, 0)).unwrap().contiguous().unwrap(),
                2 => tensor.t().unwrap().contiguous().unwrap(),
                _ => continue,
            };
        }
    });
    assert!(message.contains("by (3, 2, 0, 1), and transpose the last layer"), "{message}");
}

#[test]
fn a_body_without_a_last_layer_is_told_as_one() {
    let message = refusal(|tensors| tensors.retain(|(name, _)| !name.starts_with("fc.")));
    assert!(message.contains("It has no last layer"), "{message}");
    let message = refusal(|tensors| set(tensors, "fc.weight", zeros(&[10, 64, 1, 1])));
    assert!(message.contains("Its last layer is no matrix (fc.weight)"), "{message}");
    let message = refusal(|tensors| {
        for (name, _) in tensors.iter_mut() {
            *name = name.replace("fc.", "verdict.");
        }
        tensors.push(("doubt.weight".into(), zeros(&[2, 64])));
    });
    assert!(message.contains("which of doubt.weight, verdict.weight is its last layer"), "{message}");
}

#[test]
fn the_reason_comes_first_and_few_keys_after_it() {
    let message = refusal(|tensors| tensors.retain(|(name, _)| !name.contains("running_")));
    let [reason, keys] = ["save net.state_dict()", "18 keys are missing"].map(|words| message.find(words).unwrap());
    assert!(reason < keys && message.contains(" and 13 more"), "{message}");
}

#[test]
fn a_list_of_parameters_is_told_as_one() {
    let message = refusal(|tensors| {
        tensors.iter_mut().enumerate().for_each(|(i, (name, _))| *name = i.to_string());
    });
    assert!(message.contains("Its tensors have no names") && message.contains("save its state dict"), "{message}");
}

#[test]
fn weights_in_parts_are_told_even_where_the_first_convolution_is_one_of_them() {
    for (parts, way) in [
        (["weight_g", "weight_v"], "remove_weight_norm"),
        (["weight_orig", "weight_u"], "remove_spectral_norm"),
        (["parametrizations.weight.original0", "parametrizations.weight.original1"], "remove_parametrizations"),
    ] {
        let message = refusal(|tensors| {
            let weight = tensors.remove(tensors.iter().position(|(name, _)| name == "conv1.weight").unwrap()).1;
            tensors.extend(parts.map(|part| (format!("conv1.{part}"), weight.clone())));
        });
        assert!(message.contains("kept in parts") && message.contains(way), "{way} is missing in {message}");
    }
}

#[test]
fn the_names_of_flax_and_tensorflow_are_told_with_the_order_of_their_tensors() {
    for names in [["params/Conv_0/kernel", "params/BatchNorm_0/scale"], ["conv1.kernel:0", "bn1.gamma:0"]] {
        let message = refusal(|tensors| *tensors = names.map(|name| (name.into(), zeros(&[3, 3, 3, 16]))).into());
        assert!(
            message.contains("those of Flax or TensorFlow") && message.contains("permuted by (3, 2, 0, 1)"),
            "{message}"
        );
    }
}

#[test]
fn a_layer_on_the_way_of_images_is_not_left_out() {
    // A norm in front of the pooling under an unknown name, and a convolution in front of the network.
    let original = network(Architecture::PreActResNet18Bn);
    let other: Vec<_> = tensors(&original).into_iter().map(|(name, t)| (name.replace("bn.", "calm."), t)).collect();
    let other: Vec<_> =
        other.into_iter().map(|(name, t)| (name.replace("layer1.0.calm.", "layer1.0.bn."), t)).collect();
    let message = taken(&other, &ten_classes("")).err().expect("it was taken").to_string();
    assert!(message.contains("calm."), "{message}");
    assert!(
        refusal(|tensors| tensors.push(("colours.weight".into(), zeros(&[3, 3, 1, 1])))).contains("colours.weight")
    );
}

#[test]
fn numbers_that_cannot_be_are_refused_by_name() {
    let with = |name: &'static str, value: f32, count: usize| {
        refusal(move |tensors| {
            let mut values = vec![0.5f32; 32];
            values[3..3 + count].fill(value);
            set(tensors, name, Tensor::new(values, &Device::Cpu).unwrap());
        })
    };
    assert!(with("layer2.0.bn1.running_var", f32::NAN, 1).contains("layer2.0.bn1.running_var (at place 3 of 32: NaN)"));
    let message = with("layer2.0.bn1.running_var", -1.0, 2);
    assert!(message.contains("(at place 3 of 32: -1, and a variance is never negative and 1 more)"), "{message}");
    assert!(with("layer2.0.bn2.weight", f32::INFINITY, 1).contains("layer2.0.bn2.weight (at place 3 of 32: infinity)"));
}

#[test]
fn a_network_whose_answers_are_no_numbers_is_refused() {
    let message = refusal(|tensors| set(tensors, "fc.weight", (zeros(&[10, 64]) + 3e38).unwrap()));
    assert!(
        message.contains("its answers to images are no numbers") && message.contains("3e38, in fc.weight"),
        "{message}"
    );
}

#[test]
fn the_state_of_an_optimiser_alone_is_told_as_one() {
    for name in ["momentum_buffer", "exp_avg"] {
        let message = refusal(|tensors| {
            for (i, (key, _)) in tensors.iter_mut().enumerate() {
                *key = format!("state.{i}.{name}");
            }
        });
        assert!(message.contains("It is the state of an optimiser, which has no weights"), "{message}");
    }
}

#[test]
fn a_parametrised_layer_is_told_with_how_to_put_it_together() {
    let message = refusal(|tensors| {
        let (key, _) = tensors.iter_mut().find(|(key, _)| key == "conv1.weight").unwrap();
        *key = "conv1.parametrizations.weight.original".into();
    });
    assert!(message.contains("kept in parts (a parametrisation)"), "{message}");
    assert!(message.contains("remove_parametrizations(layer, \"weight\")"), "{message}");
}

#[test]
fn networks_that_retort_does_not_have_are_told_by_their_names() {
    let wide = |blocks: usize, channels: usize| -> Vec<(String, Tensor)> {
        let conv = |i: usize| (format!("module.block1.layer.{i}.conv1.weight"), zeros(&[channels, 16, 3, 3]));
        (0..blocks).map(conv).chain([("module.bn1.running_mean".into(), zeros(&[64]))]).collect()
    };
    let many = |key: &dyn Fn(usize) -> String, shape: &[usize]| -> Vec<(String, Tensor)> {
        (0..13).map(|i| (key(i), zeros(shape))).chain([("features.1.running_mean".into(), zeros(&[64]))]).collect()
    };
    for (tensors, expected) in [
        (wide(4, 64), "It is a WRN-28-4, and Retort's networks are ResNet-8,"),
        (wide(11, 256), "It is a WRN-70-16,"),
        (many(&|i| format!("net.features.{}.weight", 3 * i), &[64, 64, 3, 3]), "It is a VGG of 13 convolutions"),
        (many(&|i| format!("blocks.{i}.attn.qkv.weight"), &[576, 192]), "It is a vision transformer"),
    ] {
        let message = refusal(|all| *all = tensors.clone());
        assert!(message.contains(expected), "{expected} is missing in {message}");
    }
}

#[test]
fn one_piece_of_several_is_told_by_its_name() {
    let dir = tempfile::tempdir().unwrap();
    for (name, is_piece) in [("model-00001-of-00002.safetensors", true), ("model-of-2.safetensors", false)] {
        let path = dir.path().join(name);
        std::fs::write(&path, "nothing").unwrap();
        let message = import(&path, &ten_classes(""), &dir.path().join("out")).err().unwrap().to_string();
        assert_eq!(message.contains("one of several pieces: put the tensors of all"), is_piece, "{message}");
    }
}
