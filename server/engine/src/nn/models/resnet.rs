//! Residual networks (He et al. 2016) in their CIFAR forms, with projection shortcuts (methods.md §6).

use candle_core::Result;

use super::{Model, one, three};
use crate::nn::{BatchNormLayer, Bias, Builder, ConvLayer, Forward, Init, LinearLayer, Value};

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
    Ok(ResNet { stem, blocks, classifier: LinearLayer::new(b, family.classifier, width, classes, Bias::Uniform)? })
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
        let [name, norm] = [0, 1].map(|i| format!("{name}.{}.{i}", family.shortcut));
        let conv = ConvLayer::new(b, &name, inputs, outputs, one(stride), family.init)?;
        Some((conv, BatchNormLayer::new(b, &norm, outputs)?))
    } else {
        None
    };
    Ok(Block { conv1, bn1, conv2, bn2, shortcut })
}

impl Block {
    fn forward(&self, f: &mut Forward, x: &Value) -> Result<Value> {
        let y = f.conv_norm(&self.conv1, &self.bn1, x, None, true)?;
        let shortcut = match &self.shortcut {
            Some((conv, bn)) => f.conv_norm(conv, bn, x, None, false)?,
            None => x.clone(),
        };
        f.conv_norm(&self.conv2, &self.bn2, &y, Some(&shortcut), true)
    }
}

impl Model for ResNet {
    fn features(&self, f: &mut Forward, images: &Value) -> Result<Value> {
        let mut x = f.conv_norm(&self.stem.0, &self.stem.1, images, None, true)?;
        for block in &self.blocks {
            x = block.forward(f, &x)?;
        }
        f.global_average_pool(&x)
    }

    fn classifier(&self) -> &LinearLayer {
        &self.classifier
    }
}
