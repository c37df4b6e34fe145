//! The classes that targeted attacks aim at.

use candle_core::Result;

use super::Target;
use crate::nn::Network;

/// How many classes there are beside an image's own.
///
/// # Errors
/// When the network's last layer has no weight.
pub(super) fn other_classes(network: &Network) -> Result<usize> {
    let [weight, _] = network.classifier();
    Ok(network.weights.parameters[weight].tensor.dim(0)?.saturating_sub(1))
}

/// For each image the class before which `rank` others have higher logits, its own aside; the last, where there are not as many.
///
/// # Errors
/// When the shapes do not fit.
pub(super) fn next_best_classes(target: &mut Target<'_>, rank: u64) -> Result<Vec<u8>> {
    let logits = target.network.infer(&target.natural)?.0.to_vec2::<f32>()?;
    Ok(logits.iter().zip(&target.labels).map(|(logits, label)| next_best(logits, *label, rank)).collect())
}

/// The class other than `label` before which `rank` others have higher logits; the last, where there are not as many.
fn next_best(logits: &[f32], label: u8, rank: u64) -> u8 {
    let mut others: Vec<usize> = (0..logits.len()).filter(|class| *class != usize::from(label)).collect();
    others.sort_by(|a, b| logits[*b].total_cmp(&logits[*a]));
    let place = usize::try_from(rank).unwrap_or(usize::MAX).min(others.len().saturating_sub(1));
    others.get(place).map_or(label, |class| *class as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_best_classes_are_tried_in_their_order_and_the_last_again() {
        let tried: Vec<u8> = (0..4).map(|rank| next_best(&[0.1, 0.9, 0.5, 0.7], 3, rank)).collect();
        assert_eq!(tried, [1, 2, 0, 0]);
    }
}
