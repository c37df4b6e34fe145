//! Networks of the field that Retort does not have, known by their names.

use retort_spec::Architecture;

use super::fit::Named;

/// Fewest convolutions of a VGG.
const VGG: usize = 6;

/// Which network it is, in a sentence without its full stop; none where it cannot be told.
pub fn of(tensors: &[Named]) -> Option<String> {
    let has = |words: &[&str]| tensors.iter().any(|(key, _)| words.iter().any(|word| key.contains(word)));
    let it = if has(&["cls_token", "pos_embed", "patch_embed", "attn.qkv", "self_attention"]) {
        "a vision transformer".to_owned()
    } else if has(&["denselayer", "denseblock"]) {
        "a DenseNet".to_owned()
    } else if let Some(wide) = wide(tensors) {
        format!("a {wide}")
    } else {
        let is_convolution =
            |(key, tensor): &&Named| tensor.shape.len() == 4 && numbers(key, "features.", ".weight").is_some();
        let convolutions = tensors.iter().filter(is_convolution).count();
        if convolutions < VGG {
            return None;
        }
        format!("a VGG of {convolutions} convolutions")
    };
    Some(format!("It is {it}, and Retort's networks are {}", Architecture::ALL.map(Architecture::title).join(", ")))
}

/// The name of a wide residual network by Zagoruyko's names, of any depth and width: blocks of two convolutions in three
/// groups, of which the first has 16 channels times the width.
fn wide(tensors: &[Named]) -> Option<String> {
    let of_block = |key: &str| numbers(key.rsplit("block1.").next()?.trim_start_matches("layer."), "", ".conv1.weight");
    let is_first = |(key, _): &&Named| key.contains("block1.") && !key.contains("sub_block1");
    let blocks = tensors.iter().filter(is_first).filter_map(|(key, tensor)| Some((of_block(key)?, tensor)));
    let blocks: Vec<_> = blocks.collect();
    let depth = 6 * (blocks.iter().map(|(block, _)| *block).max()? + 1) + 4;
    let width = blocks.first()?.1.shape.first()? / 16;
    Some(format!("WRN-{depth}-{width}"))
}

/// The number that stands between two texts in a key.
fn numbers(key: &str, front: &str, end: &str) -> Option<usize> {
    let (_, rest) = if front.is_empty() { ("", key) } else { key.rsplit_once(front)? };
    rest.strip_suffix(end)?.parse().ok()
}
