//! MobileNetV2 (Sandler et al. 2018) in the CIFAR form that ARD uses: stride 1 in the first stages, plain ReLU, a
//! shortcut around every block of stride 1 (methods.md §6).

use candle_core::Result;

use super::{Model, one, three};
use crate::{
    nn::{Activation, Bias, Builder, ConvNorm, Forward, Init, LinearLayer, Value},
    ops::Conv2d,
};

/// An inverted residual: 1×1 expansion, 3×3 depthwise, 1×1 projection without ReLU.
struct Block {
    expand: ConvNorm,
    depthwise: ConvNorm,
    project: ConvNorm,
    shortcut: Shortcut,
}

enum Shortcut {
    /// Around a stride there is none.
    None,
    Identity,
    Projection(ConvNorm),
}

/// A 3×3 stem, seven stages of inverted residuals, a 1×1 convolution to 1,280 features, a linear classifier.
pub(super) struct MobileNetV2 {
    stem: ConvNorm,
    blocks: Vec<Block>,
    last: ConvNorm,
    classifier: LinearLayer,
}

/// Expansion, outputs, blocks and first stride of each stage.
const STAGES: [[usize; 4]; 7] =
    [[1, 16, 1, 1], [6, 24, 2, 1], [6, 32, 3, 2], [6, 64, 4, 2], [6, 96, 3, 1], [6, 160, 3, 2], [6, 320, 1, 1]];
const FEATURES: usize = 1280;

/// The network under the names of ARD's code.
pub(super) fn build(b: &mut Builder, classes: usize) -> Result<MobileNetV2> {
    let mut width = 32;
    let stem = ConvNorm::new(b, ["conv1", "bn1"], [3, width], three(1), Init::Uniform)?;
    let mut blocks = Vec::new();
    for [expansion, outputs, count, first_stride] in STAGES {
        for i in 0..count {
            let stride = if i == 0 { first_stride } else { 1 };
            blocks.push(block(b, &format!("layers.{}", blocks.len()), (width, expansion, outputs), stride)?);
            width = outputs;
        }
    }
    let last = ConvNorm::new(b, ["conv2", "bn2"], [width, FEATURES], one(1), Init::Uniform)?;
    Ok(MobileNetV2 { stem, blocks, last, classifier: LinearLayer::new(b, "linear", FEATURES, classes, Bias::Uniform)? })
}

fn block(
    b: &mut Builder,
    name: &str,
    (inputs, expansion, outputs): (usize, usize, usize),
    stride: usize,
) -> Result<Block> {
    let wide = inputs * expansion;
    let depthwise = Conv2d { groups: wide, ..three(stride) };
    let mut part = |i: usize, channels, shape| {
        ConvNorm::new(b, [&format!("{name}.conv{i}"), &format!("{name}.bn{i}")], channels, shape, Init::Uniform)
    };
    let expand = part(1, [inputs, wide], one(1))?;
    let depthwise = part(2, [wide, wide], depthwise)?;
    let project = part(3, [wide, outputs], one(1))?;
    let shortcut = if stride != 1 {
        Shortcut::None
    } else if inputs == outputs {
        Shortcut::Identity
    } else {
        let [conv, norm] = [0, 1].map(|i| format!("{name}.shortcut.{i}"));
        Shortcut::Projection(ConvNorm::new(b, [&conv, &norm], [inputs, outputs], one(1), Init::Uniform)?)
    };
    Ok(Block { expand, depthwise, project, shortcut })
}

impl Block {
    fn forward(&self, f: &mut Forward, x: &Value) -> Result<Value> {
        let y = f.conv_norm(&self.expand, x, None, Activation::Relu)?;
        let y = f.conv_norm(&self.depthwise, &y, None, Activation::Relu)?;
        let shortcut = match &self.shortcut {
            Shortcut::None => None,
            Shortcut::Identity => Some(x.clone()),
            Shortcut::Projection(layer) => Some(f.conv_norm(layer, x, None, Activation::Identity)?),
        };
        f.conv_norm(&self.project, &y, shortcut.as_ref(), Activation::Identity)
    }
}

impl Model for MobileNetV2 {
    fn features(&self, f: &mut Forward, images: &Value) -> Result<Value> {
        let mut x = f.conv_norm(&self.stem, images, None, Activation::Relu)?;
        for block in &self.blocks {
            x = block.forward(f, &x)?;
        }
        let x = f.conv_norm(&self.last, &x, None, Activation::Relu)?;
        f.global_average_pool(&x)
    }

    fn classifier(&self) -> &LinearLayer {
        &self.classifier
    }
}
