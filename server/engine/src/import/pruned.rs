//! Weights that pruning by `torch.nn.utils.prune` keeps apart from their masks: their product is what the network computes
//! with.

use super::contents::Dictionary;

const VALUES: &str = "_orig";
const MASK: &str = "_mask";

/// Gives each such weight its mask, under the weight's own name.
pub fn put_together(dictionary: &mut Dictionary) {
    let tensors = &mut dictionary.tensors;
    let names: Vec<String> = tensors.keys().filter_map(|key| key.strip_suffix(VALUES)).map(str::to_owned).collect();
    for name in names {
        let (values, mask) = (format!("{name}{VALUES}"), format!("{name}{MASK}"));
        // Spectral norm has the values, too, and no mask.
        if tensors.get(&mask).is_none_or(|mask| tensors[&values].shape != mask.shape) {
            continue;
        }
        if let (Some(mut weight), Some(mask)) = (tensors.remove(&values), tensors.remove(&mask)) {
            weight.mask = Some(Box::new(mask));
            // A network that was saved whole has the product, too, as its last answer left it.
            tensors.insert(name, weight);
        }
    }
}
