//! What the layers of each family are called in the code of others.

use super::{Doubt, Names};

const TWO: &[[&str; 2]] = &[["conv1", "bn1"], ["conv2", "bn2"]];
const THREE: &[[&str; 2]] = &[["conv1", "bn1"], ["conv2", "bn2"], ["conv3", "bn3"]];
const USUAL_STEM: [&str; 2] = ["conv1", "bn1"];

pub const RESIDUAL: Names = Names {
    stem: USUAL_STEM,
    block: "layer{s}.{i}",
    parts: TWO,
    shortcut: ["shortcut.0", "shortcut.1"],
    last: ["", ""],
    classifier: "linear",
    doubt: None,
};
pub const CIFAR: Names = Names { shortcut: ["downsample.0", "downsample.1"], classifier: "fc", ..RESIDUAL };
pub const PRE_ACTIVATION: Names =
    Names { stem: ["conv1", ""], shortcut: ["shortcut.0", ""], last: ["", "bn"], ..RESIDUAL };
pub const WIDE: Names = Names {
    stem: ["conv1", ""],
    block: "block{s}.layer.{i}",
    shortcut: ["convShortcut", ""],
    last: ["", "bn1"],
    classifier: "fc",
    ..RESIDUAL
};
pub const INVERTED: Names = Names { block: "layers.{n}", parts: THREE, last: ["conv2", "bn2"], ..RESIDUAL };

/// What the last layer is called.
pub const CLASSIFIERS: [&str; 14] = [
    "fc",
    "linear",
    "classifier",
    "head",
    "logits",
    "output",
    "out",
    "last_linear",
    "final",
    "final_layer",
    "head.fc",
    "classifier.0",
    "classifier.1",
    "fc.0",
];

/// The stems of residual networks.
pub const STEMS: [[&str; 2]; 17] = [
    USUAL_STEM,
    ["conv1.0", "conv1.1"],
    ["stem.0", "stem.1"],
    ["stem.conv", "stem.bn"],
    ["stem.conv", "stem.norm"],
    ["stem.conv1", "stem.bn1"],
    ["conv1", "norm1"],
    ["init_conv", "init_bn"],
    ["conv0", "bn0"],
    ["conv", "bn"],
    ["conv_1", "bn_1"],
    ["conv_1_3x3", "bn_1"],
    ["prep.0", "prep.1"],
    ["pre.0", "pre.1"],
    ["init_block.conv", "init_block.bn"],
    ["0", "1"],
    ["embedder.embedder.convolution", "embedder.embedder.normalization"],
];

/// The blocks of residual networks.
pub const BLOCKS: [&str; 22] = [
    "layer{s}.{i}",
    "layers.{z}.{i}",
    "layer{z}.{i}",
    "layer_{s}.{i}",
    "stage{s}.{i}",
    "stage_{s}.{i}",
    "stages.{z}.{i}",
    "stages.{z}.blocks.{i}",
    "conv{t}_x.{i}",
    "block{s}.{i}",
    "blocks.{z}.{i}",
    "group{s}.{i}",
    "res{s}.{i}",
    "layer{s}.layers.{i}",
    "layer{s}.block{I}",
    "stage{s}.unit{I}",
    "layers.{n}",
    "blocks.{n}",
    "{t}.{i}",
    "{u}.{i}",
    "{v}.{i}",
    "encoder.stages.{z}.layers.{i}",
];

/// The layers of blocks of residual networks.
pub const PARTS: [&[[&str; 2]]; 14] = [
    TWO,
    &[["conv1", "norm1"], ["conv2", "norm2"]],
    &[["conv_1", "bn_1"], ["conv_2", "bn_2"]],
    &[["conv_a", "bn_a"], ["conv_b", "bn_b"]],
    &[["residual_function.0", "residual_function.1"], ["residual_function.3", "residual_function.4"]],
    &[["residual.0", "residual.1"], ["residual.3", "residual.4"]],
    &[["left.0", "left.1"], ["left.3", "left.4"]],
    &[["block.0", "block.1"], ["block.3", "block.4"]],
    &[["conv1.0", "conv1.1"], ["conv2.0", "conv2.1"]],
    &[["conv1.conv", "conv1.bn"], ["conv2.conv", "conv2.bn"]],
    &[["body.conv1.conv", "body.conv1.bn"], ["body.conv2.conv", "body.conv2.bn"]],
    &[["convs.0", "bns.0"], ["convs.1", "bns.1"]],
    &[["layers.0", "layers.1"], ["layers.3", "layers.4"]],
    &[["layer.0.convolution", "layer.0.normalization"], ["layer.1.convolution", "layer.1.normalization"]],
];

/// The shortcuts of residual networks.
pub const SHORTCUTS: [[&str; 2]; 13] = [
    ["shortcut.0", "shortcut.1"],
    ["downsample.0", "downsample.1"],
    ["identity_conv.conv", "identity_conv.bn"],
    ["shortcut.conv", "shortcut.bn"],
    ["downsample.conv", "downsample.bn"],
    ["downsample.conv", "downsample.norm"],
    ["skip.0", "skip.1"],
    ["projection.0", "projection.1"],
    ["proj.0", "proj.1"],
    ["right.0", "right.1"],
    ["conv_shortcut", "bn_shortcut"],
    ["shortcut_conv", "shortcut_bn"],
    ["shortcut.convolution", "shortcut.normalization"],
];

pub const DEEPMIND: Doubt = Some(
    "the names are those of DeepMind's code (Gowal et al. 2020, Rebuffi et al. 2021), whose published networks have SiLU \
     in place of ReLU, and which pads a convolution of stride 2 on one side alone; Retort's network has ReLU and pads both \
     sides, so its answers are not those of a network of that code",
);
pub const RAW_SHORTCUT: Doubt = Some(
    "in code with these names the shortcut mostly starts from a block's input, in Retort's network from the input behind \
     batch norm and ReLU: the keys cannot tell, and the answers differ",
);

/// Wide networks of other code.
pub const WIDE_OTHERS: [Names; 6] = [
    Names { last: ["", "bn"], ..WIDE },
    Names { block: "block{s}.{i}", ..WIDE },
    Names {
        stem: ["init_conv", ""],
        block: "layer.{z}.block.{i}",
        parts: &[["conv_0", "batchnorm_0"], ["conv_1", "batchnorm_1"]],
        shortcut: ["shortcut", ""],
        last: ["", "batchnorm"],
        classifier: "logits",
        doubt: DEEPMIND,
    },
    Names {
        stem: ["init_block", ""],
        block: "stage{s}.unit{I}",
        parts: &[["body.conv1.conv", "body.conv1.bn"], ["body.conv2.conv", "body.conv2.bn"]],
        shortcut: ["identity_conv", ""],
        last: ["", "post_activ.bn"],
        classifier: "output",
        doubt: None,
    },
    Names { block: "layer{s}.{i}", shortcut: ["shortcut.0", ""], classifier: "linear", doubt: RAW_SHORTCUT, ..WIDE },
    Names { block: "layer{s}.{i}", shortcut: ["downsample.0", ""], doubt: RAW_SHORTCUT, ..WIDE },
];

/// Pre-activation networks of other code.
pub const PRE_ACTIVATION_OTHERS: [Names; 5] = [
    Names { last: ["", "bn1"], ..PRE_ACTIVATION },
    Names { last: ["", "bn_final"], ..PRE_ACTIVATION },
    Names { shortcut: ["shortcut", ""], ..PRE_ACTIVATION },
    Names { shortcut: ["downsample.0", ""], doubt: RAW_SHORTCUT, ..PRE_ACTIVATION },
    Names {
        stem: ["conv_2d", ""],
        block: "layer_{z}.{i}",
        parts: &[["conv_2d_1", "batchnorm_0"], ["conv_2d_2", "batchnorm_1"]],
        shortcut: ["shortcut", ""],
        last: ["", "batchnorm"],
        classifier: "logits",
        doubt: DEEPMIND,
    },
];

pub const INVERTED_OTHERS: [Names; 1] = [Names { shortcut: ["downsample.0", "downsample.1"], ..INVERTED }];
