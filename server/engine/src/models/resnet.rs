//! Residual networks (He et al. 2016) in their CIFAR forms, with projection shortcuts (methods.md §6).

use candle_core::Result;

use super::Model;
use crate::{
    nn::{BatchNormLayer, Builder, ConvLayer, Forward, Init, LinearLayer, Value},
    ops::Conv2d,
};

struct Block {
    conv1: ConvLayer,
    bn1: BatchNormLayer,
    conv2: ConvLayer,
    bn2: BatchNormLayer,
    shortcut: Option<(ConvLayer, BatchNormLayer)>,
}

/// A 3×3 stem, stages of basic blocks, global average pooling, a linear classifier.
pub(super) struct ResNet {
    stem: (ConvLayer, BatchNormLayer),
    blocks: Vec<Block>,
    classifier: LinearLayer,
}

/// What differs between the two families but for their sizes.
struct Family {
    widths: &'static [usize],
    blocks: usize,
    init: Init,
    shortcut: &'static str,
    classifier: &'static str,
}

/// CIFAR ResNet of depth 6n + 2: widths 16, 32, 64, Kaiming initialisation by fan-out (RepDistiller's form).
pub(super) fn cifar(b: &mut Builder, depth: usize, classes: usize) -> Result<ResNet> {
    let family = Family {
        widths: &[16, 32, 64],
        blocks: (depth - 2) / 6,
        init: Init::KaimingFanOut,
        shortcut: "downsample",
        classifier: "fc",
    };
    build(b, &family, classes)
}

/// ResNet-18: widths 64 to 512, two blocks a stage, PyTorch's default initialisation (the form of ARD's code).
pub(super) fn resnet18(b: &mut Builder, classes: usize) -> Result<ResNet> {
    let family = Family {
        widths: &[64, 128, 256, 512],
        blocks: 2,
        init: Init::Uniform,
        shortcut: "shortcut",
        classifier: "linear",
    };
    build(b, &family, classes)
}

fn build(b: &mut Builder, family: &Family, classes: usize) -> Result<ResNet> {
    let mut width = family.widths[0];
    let conv1 = ConvLayer::new(b, "conv1", 3, width, three(1), family.init)?;
    let stem = (conv1, BatchNormLayer::new(b, "bn1", width)?);
    let mut blocks = Vec::new();
    for (stage, &outputs) in family.widths.iter().enumerate() {
        for i in 0..family.blocks {
            let stride = if stage > 0 && i == 0 { 2 } else { 1 };
            let name = format!("layer{}.{i}", stage + 1);
            blocks.push(block(b, family, &name, (width, outputs), stride)?);
            width = outputs;
        }
    }
    Ok(ResNet { stem, blocks, classifier: LinearLayer::new(b, family.classifier, width, classes)? })
}

fn block(
    b: &mut Builder,
    family: &Family,
    name: &str,
    (inputs, outputs): (usize, usize),
    stride: usize,
) -> Result<Block> {
    let conv1 = ConvLayer::new(b, &format!("{name}.conv1"), inputs, outputs, three(stride), family.init)?;
    let bn1 = BatchNormLayer::new(b, &format!("{name}.bn1"), outputs)?;
    let conv2 = ConvLayer::new(b, &format!("{name}.conv2"), outputs, outputs, three(1), family.init)?;
    let bn2 = BatchNormLayer::new(b, &format!("{name}.bn2"), outputs)?;
    let shortcut = if stride != 1 || inputs != outputs {
        let one = Conv2d { kernel: 1, stride, padding: 0 };
        let conv = ConvLayer::new(b, &format!("{name}.{}.0", family.shortcut), inputs, outputs, one, family.init)?;
        Some((conv, BatchNormLayer::new(b, &format!("{name}.{}.1", family.shortcut), outputs)?))
    } else {
        None
    };
    Ok(Block { conv1, bn1, conv2, bn2, shortcut })
}

const fn three(stride: usize) -> Conv2d {
    Conv2d { kernel: 3, stride, padding: 1 }
}

impl Block {
    fn forward(&self, f: &mut Forward, x: &Value) -> Result<Value> {
        let y = f.conv(&self.conv1, x)?;
        let y = f.batch_norm(&self.bn1, &y, None, true)?;
        let y = f.conv(&self.conv2, &y)?;
        let shortcut = match &self.shortcut {
            Some((conv, bn)) => {
                let s = f.conv(conv, x)?;
                f.batch_norm(bn, &s, None, false)?
            }
            None => x.clone(),
        };
        f.batch_norm(&self.bn2, &y, Some(&shortcut), true)
    }
}

impl Model for ResNet {
    fn features(&self, f: &mut Forward, images: &Value) -> Result<Value> {
        let x = f.conv(&self.stem.0, images)?;
        let mut x = f.batch_norm(&self.stem.1, &x, None, true)?;
        for block in &self.blocks {
            x = block.forward(f, &x)?;
        }
        f.global_average_pool(&x)
    }

    fn classifier(&self) -> &LinearLayer {
        &self.classifier
    }
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
        ] {
            let network = |classes| Network::new(architecture, classes, 1, &Device::Cpu).unwrap().weights;
            assert_eq!((network(10).count(), network(100).count()), (ten, hundred), "{architecture}");
            assert_eq!(ten, architecture.parameters());
            let statistics: usize = network(10).buffers.iter().map(|b| b.tensor.elem_count()).sum();
            assert_eq!(statistics, buffers, "{architecture}");
        }
    }

    #[test]
    fn keys_are_those_of_pytorchs_state_dict() {
        let names = |architecture| {
            let weights = Network::new(architecture, 10, 1, &Device::Cpu).unwrap().weights;
            weights.parameters.iter().chain(&weights.buffers).map(|n| n.name.clone()).collect::<Vec<_>>()
        };
        let resnet18 = names(Architecture::ResNet18);
        for key in ["conv1.weight", "layer4.1.bn2.running_var", "layer2.0.shortcut.1.bias", "linear.bias"] {
            assert!(resnet18.iter().any(|n| n == key), "{key}");
        }
        let resnet8 = names(Architecture::ResNet8);
        for key in ["layer3.0.downsample.0.weight", "layer1.0.conv2.weight", "fc.weight"] {
            assert!(resnet8.iter().any(|n| n == key), "{key}");
        }
        assert!(!resnet8.iter().any(|n| n.starts_with("layer1.0.downsample")));
    }

    #[test]
    fn gradients_of_input_and_parameters_are_the_slopes_of_the_output() {
        let mut network = Network::new(Architecture::ResNet8, 10, 3, &Device::Cpu).unwrap();
        let images = testing::tensor(1, (3, 3, 32, 32)).abs().unwrap();
        let (dl, df) = (testing::tensor(2, (3, 10)), testing::tensor(3, (3, 64)));
        let loss = |network: &mut Network, images: &Tensor| {
            let pass = network.forward(images, Statistics::Batch, Want::Nothing).unwrap();
            testing::dot(&pass.logits, &dl) + testing::dot(&pass.features, &df)
        };
        let pass = network.forward(&images, Statistics::Batch, Want::Input).unwrap();
        let dx = pass.input_gradient(Some(dl.clone()), Some(df.clone())).unwrap();
        // Along the gradient itself the slope is its squared norm.
        let norm = testing::dot(&dx, &dx);
        let step = 1e-3 / norm.sqrt();
        let up = loss(&mut network, &(&images + (&dx * step).unwrap()).unwrap());
        let down = loss(&mut network, &(&images - (&dx * step).unwrap()).unwrap());
        assert!(((up - down) / (2.0 * step) / norm - 1.0).abs() < 2e-2, "{up} {down} {norm}");

        let pass = network.forward(&images, Statistics::Batch, Want::Parameters).unwrap();
        let gradients = pass.backward(Some(dl.clone()), Some(df.clone())).unwrap();
        for (index, gradient) in gradients.iter().enumerate() {
            let gradient = gradient.as_ref().unwrap();
            let norm = testing::dot(gradient, gradient);
            let step = 3e-3 / norm.sqrt();
            let before = network.weights.parameters[index].tensor.clone();
            let mut at = |sign: f64| {
                network.weights.parameters[index].tensor = (&before + (gradient * (sign * step)).unwrap()).unwrap();
                loss(&mut network, &images)
            };
            let slope = (at(1.0) - at(-1.0)) / (2.0 * step);
            let name = network.weights.parameters[index].name.clone();
            network.weights.parameters[index].tensor = before;
            assert!((slope / norm - 1.0).abs() < 5e-2, "{name}: {slope} against {norm}");
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
}
