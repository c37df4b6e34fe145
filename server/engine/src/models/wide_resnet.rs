//! Wide residual networks (Zagoruyko and Komodakis 2016): batch norm and ReLU in front of each convolution, identity
//! shortcuts around them (methods.md §6).

use candle_core::Result;

use super::{Model, one, three};
use crate::nn::{BatchNormLayer, Bias, Builder, ConvLayer, Forward, Init, LinearLayer, Value};

struct Block {
    bn1: BatchNormLayer,
    conv1: ConvLayer,
    bn2: BatchNormLayer,
    conv2: ConvLayer,
    /// From the activated input, where widths differ.
    shortcut: Option<ConvLayer>,
}

/// A 3×3 stem, three groups of blocks, batch norm, ReLU, global average pooling, a linear classifier.
pub(super) struct WideResNet {
    stem: ConvLayer,
    blocks: Vec<Block>,
    bn1: BatchNormLayer,
    classifier: LinearLayer,
}

/// WRN of depth 6n + 4: widths 16, 32 and 64 times `widen`, under the names of TRADES' code.
pub(super) fn build(b: &mut Builder, (depth, widen): (usize, usize), classes: usize) -> Result<WideResNet> {
    let init = Init::KaimingFanOut;
    let mut width = 16;
    let stem = ConvLayer::new(b, "conv1", 3, width, three(1), init)?;
    let mut blocks = Vec::new();
    for (group, base) in [16, 32, 64].into_iter().enumerate() {
        let outputs = base * widen;
        for i in 0..(depth - 4) / 6 {
            let stride = if group > 0 && i == 0 { 2 } else { 1 };
            let name = |part: &str| format!("block{}.layer.{i}.{part}", group + 1);
            blocks.push(Block {
                bn1: BatchNormLayer::new(b, &name("bn1"), width)?,
                conv1: ConvLayer::new(b, &name("conv1"), width, outputs, three(stride), init)?,
                bn2: BatchNormLayer::new(b, &name("bn2"), outputs)?,
                conv2: ConvLayer::new(b, &name("conv2"), outputs, outputs, three(1), init)?,
                shortcut: (width != outputs)
                    .then(|| ConvLayer::new(b, &name("convShortcut"), width, outputs, one(stride), init))
                    .transpose()?,
            });
            width = outputs;
        }
    }
    let bn1 = BatchNormLayer::new(b, "bn1", width)?;
    let classifier = LinearLayer::new(b, "fc", width, classes, Bias::Zero)?;
    Ok(WideResNet { stem, blocks, bn1, classifier })
}

impl Block {
    fn forward(&self, f: &mut Forward, x: &Value) -> Result<Value> {
        let a = f.norm_relu(&self.bn1, x)?;
        let shortcut = match &self.shortcut {
            Some(conv) => f.conv(conv, &a, None)?,
            None => x.clone(),
        };
        let y = f.conv_norm(&self.conv1, &self.bn2, &a, None, true)?;
        f.conv(&self.conv2, &y, Some(&shortcut))
    }
}

impl Model for WideResNet {
    fn features(&self, f: &mut Forward, images: &Value) -> Result<Value> {
        let mut x = f.conv(&self.stem, images, None)?;
        for block in &self.blocks {
            x = block.forward(f, &x)?;
        }
        let x = f.norm_relu(&self.bn1, &x)?;
        f.global_average_pool(&x)
    }

    fn classifier(&self) -> &LinearLayer {
        &self.classifier
    }
}
