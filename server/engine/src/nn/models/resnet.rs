//! Residual networks (He et al. 2016) in their CIFAR forms, with projection shortcuts (methods.md §6).

use candle_core::Result;

use super::{Model, one, three};
use crate::nn::{Activation, Bias, Builder, ConvNorm, Forward, Init, LinearLayer, Value};

struct Block {
    first: ConvNorm,
    second: ConvNorm,
    shortcut: Option<ConvNorm>,
}

/// A 3×3 stem, stages of basic blocks, global average pooling, a linear classifier.
pub(super) struct ResNet {
    stem: ConvNorm,
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
    let stem = ConvNorm::new(b, ["conv1", "bn1"], [3, width], three(1), family.init)?;
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
    let names = |i: usize| [format!("{name}.conv{i}"), format!("{name}.bn{i}")];
    let mut part = |names: [String; 2], channels, shape| {
        ConvNorm::new(b, names.each_ref().map(String::as_str), channels, shape, family.init)
    };
    let first = part(names(1), [inputs, outputs], three(stride))?;
    let second = part(names(2), [outputs, outputs], three(1))?;
    let is_same = stride == 1 && inputs == outputs;
    let names = [0, 1].map(|i| format!("{name}.{}.{i}", family.shortcut));
    let shortcut = (!is_same).then(|| part(names, [inputs, outputs], one(stride))).transpose()?;
    Ok(Block { first, second, shortcut })
}

impl Block {
    fn forward(&self, f: &mut Forward, x: &Value) -> Result<Value> {
        let y = f.conv_norm(&self.first, x, None, Activation::Relu)?;
        let shortcut = match &self.shortcut {
            Some(layer) => f.conv_norm(layer, x, None, Activation::Identity)?,
            None => x.clone(),
        };
        f.conv_norm(&self.second, &y, Some(&shortcut), Activation::Relu)
    }
}

impl Model for ResNet {
    fn features(&self, f: &mut Forward, images: &Value) -> Result<Value> {
        let mut x = f.conv_norm(&self.stem, images, None, Activation::Relu)?;
        for block in &self.blocks {
            x = block.forward(f, &x)?;
        }
        f.global_average_pool(&x)
    }

    fn classifier(&self) -> &LinearLayer {
        &self.classifier
    }
}
