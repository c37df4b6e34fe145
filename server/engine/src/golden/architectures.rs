//! Every network's answers, input gradients, and training pass (tools/golden/architectures.py).

use retort_spec::Architecture;

use super::{Golden, images, labels, network, values};
use crate::{
    loss::cross_entropy_gradient,
    nn::{Statistics, Want},
    ops::testing,
};

/// Relative to the largest number. Winograd's transforms round about ten times as coarsely as a plain sum does, and a hundred
/// layers add up.
const TOLERANCE: f32 = 2e-4;
/// Every so many numbers of an input gradient are stored.
const STRIDE: usize = 13;

#[test]
fn logits_features_and_input_gradients_are_pytorchs() {
    let golden = Golden::read("architectures");
    for architecture in Architecture::ALL {
        let (mut network, id) = (network(architecture), architecture.id());
        let n = if id.ends_with("-10") { 1 } else { 2 };
        let pass = network.forward(&images("images", n), Statistics::Running, Want::Input).unwrap();
        golden.hold(&format!("{id}.logits"), &testing::values(&pass.logits), TOLERANCE);
        golden.hold(&format!("{id}.features"), &testing::values(&pass.features), TOLERANCE);
        let slope = cross_entropy_gradient(&pass.logits, &labels("labels", n, 10)).unwrap();
        let gradient = pass.input_gradient(Some(slope), None).unwrap();
        let some: Vec<f32> = testing::values(&gradient).into_iter().step_by(STRIDE).collect();
        golden.hold(&format!("{id}.input_gradient"), &some, 10.0 * TOLERANCE);
        let norm = testing::dot(&gradient, &gradient).sqrt() as f32;
        golden.hold(&format!("{id}.input_gradient_norm"), &[norm], TOLERANCE);
    }
}

#[test]
fn a_training_pass_has_pytorchs_logits_gradients_and_running_statistics() {
    let golden = Golden::read("architectures");
    for id in ["resnet8", "resnet18", "preactresnet18-bn", "wrn-16-2", "mobilenetv2"] {
        let mut network = network(id.parse().unwrap());
        let pass = network.forward(&images("batch", 8), Statistics::Batch, Want::Parameters).unwrap();
        golden.hold(&format!("{id}.training.logits"), &testing::values(&pass.logits), TOLERANCE);
        let slope = (cross_entropy_gradient(&pass.logits, &labels("batch labels", 8, 10)).unwrap() / 8.0).unwrap();
        let gradients = pass.backward(Some(slope), None).unwrap();
        let mut named: Vec<_> = network.weights.parameters.iter().map(|p| &p.name).zip(&gradients).collect();
        named.sort_unstable_by_key(|(name, _)| *name);
        let mut sizes = Vec::new();
        let mut probes = Vec::new();
        for (name, gradient) in named {
            let gradient = testing::values(gradient.as_ref().unwrap());
            let probe = values(&format!("probe.{name}"), gradient.len());
            sizes.push(gradient.iter().map(|g| f64::from(g.abs())).sum::<f64>() as f32);
            probes.push(gradient.iter().zip(probe).map(|(g, p)| f64::from(g * p)).sum::<f64>() as f32);
        }
        golden.hold(&format!("{id}.training.gradient_sizes"), &sizes, 5.0 * TOLERANCE);
        // A probe adds numbers of both signs, so it is held against the sum of their sizes. PyTorch's own single precision is
        // off from its double precision by 2e-4 of that, as slopes near 0 open or shut a ReLU. A gradient that is 0 but for
        // rounding, as of a bias in front of another batch norm, has hardly any size. MobileNetV2's 57 normalisations
        // amplify all of it.
        let expected = golden.numbers(&format!("{id}.training.gradient_probes"));
        let largest = sizes.iter().copied().fold(0f32, f32::max);
        for ((found, expected), size) in probes.iter().zip(expected).zip(&sizes) {
            let rounding = if id == "mobilenetv2" { 20.0 } else { 5.0 } * TOLERANCE;
            let most = rounding * (size + 1e-4 * largest);
            assert!((found - expected).abs() <= most, "{id}: {found}, expected {expected} to within {most}");
        }
        let statistics = golden.0.keys().filter_map(|key| key.strip_prefix(&format!("{id}.training.")));
        let mut compared = 0;
        for key in statistics.filter(|key| key.contains("running")) {
            let buffer = network.weights.buffers.iter().find(|b| b.name == *key).unwrap();
            golden.hold(&format!("{id}.training.{key}"), &testing::values(&buffer.tensor), TOLERANCE);
            compared += 1;
        }
        assert_eq!(compared, 4, "{id}");
    }
}
