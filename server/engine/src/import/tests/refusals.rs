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
        message.contains("no network of Retort (ResNet-8,") && message.contains("tensors are vit.weight"),
        "{message}"
    );
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
