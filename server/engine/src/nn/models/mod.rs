//! Architectures. Each is one file; adding one is that file and a line in [`build`].

mod mobilenet_v2;
mod pre_activation;
mod resnet;

use candle_core::Result;
use retort_spec::Architecture;

use crate::{
    nn::{Builder, Forward, LinearLayer, Value},
    ops::Conv2d,
};

/// A 3×3 convolution that keeps the size of the map, or halves it with a stride of 2.
const fn three(stride: usize) -> Conv2d {
    Conv2d { kernel: 3, stride, padding: 1, groups: 1 }
}

/// A 1×1 convolution.
const fn one(stride: usize) -> Conv2d {
    Conv2d { kernel: 1, stride, padding: 0, groups: 1 }
}

/// The body of a network.
pub trait Model: Send + Sync {
    /// The pooled vectors `[N, features]` in front of the classifier.
    ///
    /// # Errors
    /// When the shapes do not fit.
    fn features(&self, forward: &mut Forward, images: &Value) -> Result<Value>;

    /// The last layer.
    fn classifier(&self) -> &LinearLayer;
}

/// The layers of `architecture`, their weights collected by `builder`.
///
/// # Errors
/// When the device has no memory left.
pub fn build(architecture: Architecture, classes: usize, builder: &mut Builder) -> Result<Box<dyn Model>> {
    let b = builder;
    Ok(match architecture {
        Architecture::ResNet8 => Box::new(resnet::cifar(b, 8, classes)?),
        Architecture::ResNet20 => Box::new(resnet::cifar(b, 20, classes)?),
        Architecture::ResNet32 => Box::new(resnet::cifar(b, 32, classes)?),
        Architecture::ResNet56 => Box::new(resnet::cifar(b, 56, classes)?),
        Architecture::ResNet18 => Box::new(resnet::resnet18(b, classes)?),
        Architecture::PreActResNet18 => Box::new(pre_activation::resnet18(b, None, classes)?),
        Architecture::PreActResNet18Bn => Box::new(pre_activation::resnet18(b, Some("bn"), classes)?),
        Architecture::Wrn16x2 => Box::new(pre_activation::wide(b, (16, 2), classes)?),
        Architecture::Wrn34x2 => Box::new(pre_activation::wide(b, (34, 2), classes)?),
        Architecture::Wrn40x2 => Box::new(pre_activation::wide(b, (40, 2), classes)?),
        Architecture::Wrn28x10 => Box::new(pre_activation::wide(b, (28, 10), classes)?),
        Architecture::Wrn34x10 => Box::new(pre_activation::wide(b, (34, 10), classes)?),
        Architecture::MobileNetV2 => Box::new(mobilenet_v2::build(b, classes)?),
    })
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};
    use retort_spec::Architecture;

    use crate::{
        nn::{Network, Statistics, Want},
        ops::testing,
    };

    #[test]
    fn parameter_counts_are_those_of_the_published_networks() {
        for (architecture, ten, hundred, buffers) in [
            (Architecture::ResNet8, 78_042, 83_892, 672),
            (Architecture::ResNet20, 272_474, 278_324, 1_568),
            (Architecture::ResNet18, 11_173_962, 11_220_132, 9_600),
            (Architecture::Wrn16x2, 691_674, 703_284, 1_824),
            (Architecture::MobileNetV2, 2_296_922, 2_412_212, 35_088),
            (Architecture::ResNet32, 466_906, 472_756, 2_464),
            (Architecture::ResNet56, 855_770, 861_620, 4_256),
            (Architecture::PreActResNet18, 11_171_146, 11_217_316, 6_784),
            (Architecture::PreActResNet18Bn, 11_172_170, 11_218_340, 7_808),
            (Architecture::Wrn34x2, 1_855_578, 1_867_188, 4_512),
            (Architecture::Wrn40x2, 2_243_546, 2_255_156, 5_408),
            (Architecture::Wrn28x10, 36_479_194, 36_536_884, 17_952),
            (Architecture::Wrn34x10, 46_160_474, 46_218_164, 22_432),
        ] {
            let weights = Network::new(architecture, 10, 1, &Device::Cpu).unwrap().weights;
            assert_eq!((weights.count(), architecture.parameters()), (ten, ten), "{architecture}");
            // The classifier alone knows how many classes there are.
            let features = weights.parameters[weights.parameters.len() - 2].tensor.dim(1).unwrap();
            assert_eq!(ten + 90 * (features + 1), hundred, "{architecture}");
            let statistics: usize = weights.buffers.iter().map(|b| b.tensor.elem_count()).sum();
            assert_eq!(statistics, buffers, "{architecture}");
        }
    }

    #[test]
    fn keys_are_those_of_pytorchs_state_dict() {
        let some = |architecture, keys: &[&str], none: &[&str]| {
            let weights = Network::new(architecture, 10, 1, &Device::Cpu).unwrap().weights;
            let names: Vec<_> = weights.parameters.iter().chain(&weights.buffers).map(|n| n.name.as_str()).collect();
            for key in keys {
                assert!(names.contains(key), "{architecture}: {key}");
            }
            for prefix in none {
                assert!(!names.iter().any(|n| n.starts_with(prefix)), "{architecture}: {prefix}");
            }
        };
        let keys = ["conv1.weight", "layer4.1.bn2.running_var", "layer2.0.shortcut.1.bias", "linear.bias"];
        some(Architecture::ResNet18, &keys, &["layer1.0.shortcut"]);
        let keys = ["layer3.0.downsample.0.weight", "layer1.0.conv2.weight", "fc.weight"];
        some(Architecture::ResNet8, &keys, &["layer1.0.downsample"]);
        let keys = ["block1.layer.0.convShortcut.weight", "block3.layer.1.bn2.running_mean", "bn1.weight", "fc.bias"];
        some(Architecture::Wrn16x2, &keys, &["block1.layer.1.convShortcut"]);
        let keys = ["layer2.0.shortcut.0.weight", "layer1.0.bn1.weight", "layer4.1.conv2.weight", "linear.bias"];
        some(Architecture::PreActResNet18, &keys, &["bn.", "bn1.", "layer2.0.shortcut.1", "layer1.0.shortcut"]);
        some(Architecture::PreActResNet18Bn, &["bn.weight", "bn.running_var"], &["bn1."]);
        let keys = ["layers.0.shortcut.1.bias", "layers.16.conv2.weight", "conv2.weight", "linear.weight"];
        some(Architecture::MobileNetV2, &keys, &["layers.2.shortcut", "layers.17"]);
    }

    #[test]
    fn gradients_of_the_input_are_the_slopes_of_the_output_in_both_modes() {
        // The largest ones are made of the same blocks as smaller ones of their family.
        for architecture in Architecture::ALL.into_iter().filter(|a| a.mega_macs() < 1_000.0) {
            let mut network = Network::new(architecture, 10, 3, &Device::Cpu).unwrap();
            let images = testing::tensor(1, (2, 3, 32, 32)).abs().unwrap();
            // Passes in batch mode first, so that the running statistics are those of these images.
            for _ in 0..30 {
                network.forward(&images, Statistics::Batch, Want::Nothing).unwrap();
            }
            let features = network.infer(&images).unwrap().1;
            let (dl, df) = (testing::tensor(2, (2, 10)), testing::tensor(3, features.dims()));
            for statistics in [Statistics::Running, Statistics::Batch] {
                let pass = network.forward(&images, statistics, Want::Input).unwrap();
                let dx = pass.input_gradient(Some(dl.clone()), Some(df.clone())).unwrap();
                // Along the gradient itself the slope is its squared norm.
                let norm = testing::dot(&dx, &dx);
                let step = 1e-3 / norm.sqrt();
                let mut loss = |sign: f64| {
                    // What a pass in batch mode does to the running statistics is undone.
                    let buffers = network.weights.buffers.clone();
                    let moved = (&images + (&dx * (sign * step)).unwrap()).unwrap();
                    let pass = network.forward(&moved, statistics, Want::Nothing).unwrap();
                    network.weights.buffers = buffers;
                    testing::dot(&pass.logits, &dl) + testing::dot(&pass.features, &df)
                };
                let slope = (loss(1.0) - loss(-1.0)) / (2.0 * step);
                assert!((slope / norm - 1.0).abs() < 3e-2, "{architecture} {statistics:?}: {slope} against {norm}");
            }
        }
    }

    #[test]
    fn gradients_of_parameters_are_the_slopes_of_the_output() {
        for architecture in [Architecture::ResNet8, Architecture::Wrn16x2, Architecture::MobileNetV2] {
            let mut network = Network::new(architecture, 10, 3, &Device::Cpu).unwrap();
            let images = testing::tensor(1, (8, 3, 32, 32)).abs().unwrap();
            let dl = testing::tensor(2, (8, 10));
            let loss = |network: &mut Network| {
                let pass = network.forward(&images, Statistics::Batch, Want::Nothing).unwrap();
                testing::dot(&pass.logits, &dl)
            };
            let pass = network.forward(&images, Statistics::Batch, Want::Parameters).unwrap();
            let gradients = pass.backward(Some(dl.clone()), None).unwrap();
            // A dozen parameters, spread from the first to the last.
            for index in (0..gradients.len()).step_by(gradients.len() / 12 + 1).chain([gradients.len() - 1]) {
                let gradient = gradients[index].as_ref().unwrap();
                let norm = testing::dot(gradient, gradient);
                let step = 1e-3 / norm.sqrt();
                let before = network.weights.parameters[index].tensor.clone();
                let mut at = |sign: f64| {
                    let moved = (&before + (gradient * (sign * step)).unwrap()).unwrap();
                    network.weights.parameters[index].tensor = moved;
                    loss(&mut network)
                };
                let slope = (at(1.0) - at(-1.0)) / (2.0 * step);
                let name = network.weights.parameters[index].name.clone();
                network.weights.parameters[index].tensor = before;
                assert!((slope / norm - 1.0).abs() < 5e-2, "{architecture} {name}: {slope} against {norm}");
            }
        }
    }

    #[test]
    fn running_statistics_move_in_batch_mode_only() {
        let mut network = Network::new(Architecture::ResNet8, 10, 3, &Device::Cpu).unwrap();
        let images = testing::tensor(1, (4, 3, 32, 32)).abs().unwrap();
        let before = testing::values(&network.weights.buffers[0].tensor);
        network.forward(&images, Statistics::Running, Want::Input).unwrap();
        assert_eq!(testing::values(&network.weights.buffers[0].tensor), before);
        network.forward(&images, Statistics::Batch, Want::Nothing).unwrap();
        assert_ne!(testing::values(&network.weights.buffers[0].tensor), before);
        assert_eq!(network.weights.batches_tracked, 1);
    }

    #[test]
    fn an_image_is_answered_and_attacked_the_same_in_a_batch_of_any_size() {
        for architecture in [Architecture::ResNet8, Architecture::MobileNetV2] {
            let mut network = Network::new(architecture, 10, 3, &Device::Cpu).unwrap();
            let images = testing::tensor(1, (66, 3, 32, 32)).abs().unwrap();
            let slopes = testing::tensor(2, (66, 10));
            let mut answer = |n: usize| {
                let (images, slopes) = (images.narrow(0, 0, n).unwrap(), slopes.narrow(0, 0, n).unwrap());
                let pass = network.forward(&images, Statistics::Running, Want::Input).unwrap();
                let logits = testing::values(&pass.logits);
                (logits, testing::values(&pass.input_gradient(Some(slopes), None).unwrap()))
            };
            let (logits, gradient) = answer(66);
            for n in [1, 25, 26, 65] {
                let (some_logits, some_gradient) = answer(n);
                assert!(logits.starts_with(&some_logits), "{architecture}: logits in a batch of {n}");
                assert!(gradient.starts_with(&some_gradient), "{architecture}: gradients in a batch of {n}");
            }
        }
    }

    #[test]
    fn weights_that_change_are_packed_anew() {
        let mut network = Network::new(Architecture::ResNet8, 10, 3, &Device::Cpu).unwrap();
        let images = testing::tensor(1, (2, 3, 32, 32)).abs().unwrap();
        let gradient = |network: &mut Network| {
            let pass = network.forward(&images, Statistics::Running, Want::Input).unwrap();
            testing::values(
                &pass.input_gradient(Some(Tensor::ones_like(&testing::tensor(1, (2, 10))).unwrap()), None).unwrap(),
            )
        };
        let before = gradient(&mut network);
        assert_eq!(gradient(&mut network), before);
        // A weight, then a statistic that only the packed weights of the way back hold.
        let conv = network.weights.parameters.iter().position(|p| p.name == "layer1.0.conv1.weight").unwrap();
        let weight = &mut network.weights.parameters[conv].tensor;
        *weight = (&*weight * 1.5).unwrap();
        let moved = gradient(&mut network);
        assert_ne!(moved, before);
        let variance = network.weights.buffers.iter().position(|p| p.name == "layer1.0.bn1.running_var").unwrap();
        let statistic = &mut network.weights.buffers[variance].tensor;
        *statistic = (&*statistic * 2.0).unwrap();
        assert_ne!(gradient(&mut network), moved);
    }
}
