//! What it means that tensors fit no network, where that is a known case.

use super::{
    fit::{Named, SEPARATORS},
    miss::{Miss, WHOLE, listed},
    names::CLASSIFIERS,
    others, shown,
};

/// Fewest convolutions of which a rule over a whole network speaks.
const FEW: usize = 3;

/// What the keys of weights that are kept in parts end with, what they are, and how they are put together. The first that
/// is there tells.
const IN_PARTS: [(&str, &str, &str); 5] = [
    ("weight_u", "spectral norm", "torch.nn.utils.remove_spectral_norm(layer)"),
    ("weight_g", "weight norm", "torch.nn.utils.remove_weight_norm(layer)"),
    ("weight_mask", "pruning", "torch.nn.utils.prune.remove(layer, \"weight\")"),
    ("original0", "a parametrisation", "torch.nn.utils.parametrize.remove_parametrizations(layer, \"weight\")"),
    ("weight.original", "a parametrisation", "torch.nn.utils.parametrize.remove_parametrizations(layer, \"weight\")"),
];

/// What the tensors of Flax and TensorFlow are called.
const FOREIGN: [&str; 3] = ["kernel", "moving_mean", "moving_variance"];

/// What the tensors in the state of PyTorch's optimisers are called.
const OF_OPTIMISERS: [&str; 7] =
    ["momentum_buffer", "exp_avg", "exp_avg_sq", "max_exp_avg_sq", "square_avg", "sum", "step"];

const NO_NAMES: &str = "Its tensors have no names, as in a list of a network's parameters or of their averages: load them into the \
    network, and save its state dict";
const NO_STATISTICS: &str = "It holds no running means and variances of its batch norms, which the answers depend on: save \
    net.state_dict(), not net.parameters() or net.named_parameters(). A network without them (GroupNorm, LayerNorm, \
    track_running_stats=False) cannot be imported";
const NO_NORMS: &str = "It has no batch norms, and Retort's networks have one beside each convolution: where they were fused \
    into the convolutions, save the network before that. A network without them cannot be imported";
const NOT_AFFINE: &str = "Its batch norms have no weights and biases (affine=False): add those that are missing to the state \
    dict, weights of 1 and biases of 0, which compute the same";

const MOBILENET: &str = "Its names are those of torchvision's MobileNetV2, which has ReLU6, no expansion in its first block and no \
    convolutions around blocks; Retort's MobileNetV2 is that of kuangliu's code, and ARD's";
const QUANTISED: &str = "Its weights are quantised to whole numbers: in the code that wrote it, make floats of them, number times \
    scale or weight.dequantize(), and save those";
const OBSERVED: &str = "Observers of training for quantisation stand beside its weights: save the network as it was before \
    torch.ao.quantization prepared it";
const HYDRA: &str = "Pruning scores of HYDRA stand beside its weights (popup_scores): multiply each weight by the mask of its largest \
    scores, by the share that the code keeps, and save the weights alone";
const MASKED: &str = "Masks stand beside its weights: multiply each weight by its mask, and save the weights alone";
const OPTIMISER: &str = "It is the state of an optimiser, which has no weights: look for the file or the key of the network that \
    was saved beside it";
const PRELU: &str = "Its activations have weights (as PReLU has), and those of Retort's networks, ReLU, have none";

/// What it means, a sentence without its full stop; none where it is no known case.
pub fn of(tensors: &[Named], nearest: Option<&Miss>) -> Option<String> {
    of_keys(tensors).or_else(|| nearest.map_or_else(|| others::of(tensors), |nearest| of_miss(tensors, nearest)))
}

/// What the keys tell, whatever network is nearest: it may be far only because of this.
fn of_keys(tensors: &[Named]) -> Option<String> {
    let ends = |end: &str| tensors.iter().any(|(key, _)| key.ends_with(end));
    if let Some((_, what, way)) = IN_PARTS.iter().find(|(end, ..)| ends(end)) {
        return Some(format!(
            "A weight of it is kept in parts ({what}): put it together before saving, for each such layer by {way}"
        ));
    }
    let has = |words: &[&str]| tensors.iter().any(|(key, _)| words.iter().any(|word| key.contains(word)));
    if has(&["fake_quant", "activation_post_process"]) {
        return Some(OBSERVED.into());
    }
    let is_of_optimiser =
        |(key, _): &Named| key.rsplit(SEPARATORS).next().is_some_and(|name| OF_OPTIMISERS.contains(&name));
    if !tensors.is_empty() && tensors.iter().all(is_of_optimiser) {
        return Some(OPTIMISER.into());
    }
    if ends("zero_point") || has(&["_packed_params"]) {
        return Some(QUANTISED.into());
    }
    if has(&["features.1.conv.", "features.0.0.weight"]) {
        return Some(MOBILENET.into());
    }
    let name = |key: &str| {
        key.rsplit(SEPARATORS).next().and_then(|name| name.split(':').next()).unwrap_or_default().to_owned()
    };
    if tensors.iter().any(|(key, _)| FOREIGN.contains(&name(key).as_str())) {
        return Some(
            "Its names are those of Flax or TensorFlow, whose tensors lie in another order: save it under PyTorch's names, with \
             the kernels of convolutions (height, width, inputs, outputs) permuted by (3, 2, 0, 1) and that of the last layer \
             transposed"
                .into(),
        );
    }
    let convolutions = tensors.iter().filter(|(_, tensor)| tensor.shape.len() == 4 && tensor.is_float()).count();
    if convolutions >= FEW && tensors.iter().all(lies_as_in_jax) {
        return Some(
            "The kernels of its convolutions lie in JAX's and TensorFlow's order (height, width, inputs, outputs): permute each \
             by (3, 2, 0, 1), and transpose the last layer where its order is (inputs, outputs)"
                .into(),
        );
    }
    let norms: Vec<&str> = tensors.iter().filter_map(|(key, _)| key.strip_suffix("running_mean")).collect();
    if convolutions >= FEW && 2 * norms.len() > 3 * convolutions {
        let [one, other] = [norms[0], norms[1]].map(|norm| shown(norm.trim_end_matches('.')));
        return Some(format!(
            "It has two batch norms at each place, such as {one} and {other} (one for clean and one for adversarial images, as \
             AdvProp has them), and Retort's networks have one. Export one of them: make a state dict in which the weight, \
             bias, running_mean and running_var of that one stand under the name of a single norm, bn1.weight and so on, and \
             leave the other's out"
        ));
    }
    if convolutions < FEW || !norms.is_empty() {
        return None;
    }
    let is_number = |name: &str| name.bytes().all(|c| c.is_ascii_digit());
    let is_norms = |(key, tensor): &Named| key.ends_with("weight") && tensor.shape.len() == 1;
    let meaning = if tensors.iter().all(|(key, _)| key.split(SEPARATORS).all(is_number)) {
        NO_NAMES
    } else if tensors.iter().any(is_norms) {
        NO_STATISTICS
    } else {
        NO_NORMS
    };
    Some(meaning.into())
}

/// Whether a tensor is a kernel in the order (height, width, inputs, outputs), or none of a convolution.
fn lies_as_in_jax((_, tensor): &Named) -> bool {
    match tensor.shape.as_slice() {
        [height, width, inputs, outputs] => height == width && [1, 3].contains(height) && inputs.max(outputs) > &7,
        _ => true,
    }
}

/// What the differences from the nearest network tell.
fn of_miss(tensors: &[Named], miss: &Miss) -> Option<String> {
    let Miss { missing, unexpected, shaped, .. } = miss;
    let all = |names: &[String], words: &[&str]| {
        !names.is_empty() && names.iter().all(|name| words.iter().any(|word| name.contains(word)))
    };
    let any = |names: &[String], words: &[&str]| names.iter().any(|name| words.iter().any(|word| name.contains(word)));
    let is_stem = |shape: &[usize]| matches!(shape, [_, 1..=4, ..]) && shape.len() == 4;
    let is_first = |(key, tensor): &&Named| key.ends_with("weight") && is_stem(&tensor.shape);
    let stem = tensors.iter().find(is_first).map(|(_, tensor)| tensor.shape.as_slice());
    let has_no_others = unexpected.is_empty() && shaped.is_empty();
    let meaning = if any(shaped, &[WHOLE]) {
        QUANTISED
    } else if let Some(more) = beside_weights(tensors, miss) {
        return Some(more);
    } else if let (true, Some(layer)) = (is_of_last_layer(missing) && is_of_last_layer(unexpected), unexpected.last()) {
        return Some(format!(
            "Its last layer is no matrix ({layer}), as where it is a convolution of 1×1: save that as one, by .flatten(1)"
        ));
    } else if has_no_others && is_of_last_layer(missing) {
        return Some(no_last_layer(tensors));
    } else if all(missing, &["running_mean", "running_var"]) {
        NO_STATISTICS
    } else if matches!(stem, Some([_, _, 7, 7])) {
        "Its first convolution is 7×7, as for ImageNet's images: Retort's networks are for images of 32×32, with a first \
         convolution of 3×3"
    } else if matches!(stem, Some([_, channels, ..]) if *channels != 3) {
        "Its first convolution is not for images of three colours, which Retort's networks take"
    } else if all(missing, &["shortcut", "downsample", "Shortcut", "skip"]) && shaped.is_empty() {
        "Its shortcuts have no parameters: they pad with zeros (option A of He et al. 2016), where Retort's networks have \
         convolutions (option B); such a network cannot be imported"
    } else if any(unexpected, &["conv3", "bn3"]) {
        "Its blocks have three convolutions each (bottlenecks, as of ResNet-50), and those of Retort's residual networks two"
    } else if all(unexpected, &[".bias"]) && missing.is_empty() && shaped.is_empty() {
        "Its convolutions have biases, and those of Retort's networks have none"
    } else if unexpected.is_empty() && missing.is_empty() && shaped.len() > 4 {
        "It is wider or narrower than Retort's networks"
    } else if has_no_others && is_of_norms(tensors, missing) {
        NOT_AFFINE
    } else if let Some(norms) = lacking_norms(missing).filter(|_| has_no_others) {
        return Some(format!(
            "It lacks the batch norms {}: a network without them cannot be imported, and where they have other names than its \
             other norms, give them the same",
            listed(&norms)
        ));
    } else if shaped.is_empty() && miss.faults() > 0 && missing.is_empty() != unexpected.is_empty() {
        "It has layers more or fewer than Retort's networks"
    } else {
        return None;
    };
    Some(meaning.into())
}

/// What stands in a whole network's layers and is no layer; none where layers are there that the network does not have.
fn beside_weights(tensors: &[Named], miss: &Miss) -> Option<String> {
    let Miss { missing, unexpected, shaped, .. } = miss;
    let all = |is_so: &dyn Fn(&str) -> bool| unexpected.iter().all(|key| is_so(key));
    if unexpected.is_empty() || !missing.is_empty() || !shaped.is_empty() {
        return None;
    }
    let is_of_layer = |(key, tensor): &Named| {
        key.ends_with("weight") && tensor.shape.len() == 4 || key.ends_with("running_mean") || key.ends_with("bias")
    };
    let has_layers = tensors.iter().any(|named| is_of_layer(named) && unexpected.contains(&shown(named.0)));
    if has_layers {
        None
    } else if all(&|key| key.contains("popup_scores")) {
        Some(HYDRA.into())
    } else if all(&|key| key.ends_with("mask")) {
        Some(MASKED.into())
    } else if all(&|key| key.ends_with("weight") && ["relu", "act"].iter().any(|word| key.contains(word))) {
        Some(PRELU.into())
    } else {
        Some(format!(
            "Its layers keep more than weights, such as {}, and what that computes would be lost",
            unexpected[0]
        ))
    }
}

/// Whether all that is missing is of the last layer.
fn is_of_last_layer(missing: &[String]) -> bool {
    let layer =
        |key: &String| key.rsplit_once('.').map(|(layer, _)| layer.rsplit('.').next().unwrap_or(layer).to_owned());
    !missing.is_empty()
        && missing.iter().all(|key| layer(key).is_some_and(|layer| CLASSIFIERS.contains(&layer.as_str())))
}

fn no_last_layer(tensors: &[Named]) -> String {
    let is_matrix = |(_, tensor): &&Named| tensor.shape.len() == 2 && tensor.is_float();
    let matrices: Vec<String> = tensors.iter().filter(is_matrix).map(|(key, _)| shown(key)).collect();
    if matrices.is_empty() {
        return "It has no last layer. Where that stands elsewhere in the file, as classifier.fc, put it beside these under the name \
            fc; else train one that tells the classes apart, and save both"
            .into();
    }
    format!(
        "It cannot be told which of {} is its last layer: name the one that tells its classes apart fc. Where none does, as in a \
         projection head, leave these out and put the last layer that stands elsewhere in the file beside the network, as fc",
        listed(&matrices)
    )
}

/// Whether all that is missing is of norms that are there.
fn is_of_norms(tensors: &[Named], missing: &[String]) -> bool {
    let is_there = |layer: &str| tensors.iter().any(|(key, _)| key.ends_with(&format!("{layer}.running_mean")));
    !missing.is_empty() && missing.iter().all(|key| key.rsplit_once('.').is_some_and(|(layer, _)| is_there(layer)))
}

/// The norms of which all that is missing consists; none where other things are missing too.
fn lacking_norms(missing: &[String]) -> Option<Vec<String>> {
    let norms: Vec<String> =
        missing.iter().filter_map(|key| key.strip_suffix(".running_mean")).map(str::to_owned).collect();
    let is_of_one =
        |key: &String| key.rsplit_once('.').is_some_and(|(layer, _)| norms.iter().any(|norm| norm == layer));
    (!norms.is_empty() && missing.iter().all(is_of_one)).then_some(norms)
}
