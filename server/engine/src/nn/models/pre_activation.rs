//! Residual networks with batch norm and ReLU in front of each convolution and identity shortcuts around them (He et al.
//! 2016b): wide ones (Zagoruyko and Komodakis 2016) and PreActResNet-18 (methods.md §6).

use candle_core::Result;

use super::{Model, one, three};
use crate::nn::{Activation, BatchNormLayer, Bias, Builder, ConvLayer, ConvNorm, Forward, Init, LinearLayer, Value};

struct Block {
    bn1: BatchNormLayer,
    first: ConvNorm,
    conv2: ConvLayer,
    /// From the activated input, where the shape of the map changes.
    shortcut: Option<ConvLayer>,
}

/// A 3×3 stem, stages of blocks, batch norm and ReLU, global average pooling, a linear classifier.
pub(super) struct PreActivation {
    stem: ConvLayer,
    blocks: Vec<Block>,
    /// Absent in the form that pools the last sum as it is.
    last: Option<BatchNormLayer>,
    classifier: LinearLayer,
}

/// What differs between the two families but for their sizes.
struct Family<'a> {
    stem: usize,
    widths: &'a [usize],
    blocks: usize,
    init: Init,
    /// The name of block i of a stage, counted from 1.
    block: fn(usize, usize) -> String,
    shortcut: &'static str,
    last: Option<&'static str>,
    classifier: (&'static str, Bias),
}

/// WRN of depth 6n + 4: widths 16, 32 and 64 times `widen`, under the names of TRADES' code.
pub(super) fn wide(b: &mut Builder, (depth, widen): (usize, usize), classes: usize) -> Result<PreActivation> {
    let family = Family {
        stem: 16,
        widths: &[16 * widen, 32 * widen, 64 * widen],
        blocks: (depth - 4) / 6,
        init: Init::KaimingFanOut,
        block: |stage, i| format!("block{stage}.layer.{i}"),
        shortcut: "convShortcut",
        last: Some("bn1"),
        classifier: ("fc", Bias::Zero),
    };
    build(b, &family, classes)
}

/// PreActResNet-18: widths 64 to 512, two blocks a stage; with batch norm and ReLU in front of the pooling, if that has a name.
pub(super) fn resnet18(b: &mut Builder, last: Option<&'static str>, classes: usize) -> Result<PreActivation> {
    let family = Family {
        stem: 64,
        widths: &[64, 128, 256, 512],
        blocks: 2,
        init: Init::Uniform,
        block: |stage, i| format!("layer{stage}.{i}"),
        shortcut: "shortcut.0",
        last,
        classifier: ("linear", Bias::Uniform),
    };
    build(b, &family, classes)
}

fn build(b: &mut Builder, family: &Family, classes: usize) -> Result<PreActivation> {
    let init = family.init;
    let mut width = family.stem;
    let stem = ConvLayer::new(b, "conv1", [3, width], three(1), init)?;
    let mut blocks = Vec::new();
    for (stage, &outputs) in family.widths.iter().enumerate() {
        for i in 0..family.blocks {
            let stride = if stage > 0 && i == 0 { 2 } else { 1 };
            let block = (family.block)(stage + 1, i);
            let name = |part: &str| format!("{block}.{part}");
            blocks.push(Block {
                bn1: BatchNormLayer::new(b, &name("bn1"), width)?,
                first: ConvNorm::new(b, [&name("conv1"), &name("bn2")], [width, outputs], three(stride), init)?,
                conv2: ConvLayer::new(b, &name("conv2"), [outputs, outputs], three(1), init)?,
                shortcut: (width != outputs)
                    .then(|| ConvLayer::new(b, &name(family.shortcut), [width, outputs], one(stride), init))
                    .transpose()?,
            });
            width = outputs;
        }
    }
    let last = family.last.map(|name| BatchNormLayer::new(b, name, width)).transpose()?;
    let (name, bias) = family.classifier;
    Ok(PreActivation { stem, blocks, last, classifier: LinearLayer::new(b, name, width, classes, bias)? })
}

impl Block {
    fn forward(&self, f: &mut Forward, x: &Value) -> Result<Value> {
        let a = f.norm_relu(&self.bn1, x)?;
        let shortcut = match &self.shortcut {
            Some(conv) => f.conv(conv, &a, None)?,
            None => x.clone(),
        };
        let y = f.conv_norm(&self.first, &a, None, Activation::Relu)?;
        f.conv(&self.conv2, &y, Some(&shortcut))
    }
}

impl Model for PreActivation {
    fn features(&self, f: &mut Forward, images: &Value) -> Result<Value> {
        let mut x = f.conv(&self.stem, images, None)?;
        for block in &self.blocks {
            x = block.forward(f, &x)?;
        }
        if let Some(last) = &self.last {
            x = f.norm_relu(last, &x)?;
        }
        f.global_average_pool(&x)
    }

    fn classifier(&self) -> &LinearLayer {
        &self.classifier
    }
}
