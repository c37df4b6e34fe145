//! What the authors' code of AutoAttack warns of before it begins (methods.md §5.2), as far as it can be so here: every network
//! answers an image in one way, and none optimises while it answers.

use candle_core::{D, Result, Tensor};

use crate::{
    answers::counted,
    data::Split,
    loader::images,
    loss::dlr_gradient,
    nn::{Network, Statistics, Want},
};

/// How far probabilities may be from adding up to 1.
const SUM: f32 = 1e-5;
/// Images in one pass.
const BATCH: usize = 100;

/// What there is to say of a network before AutoAttack, by the images at these places, in sentences.
pub(super) fn of(network: &mut Network, split: &Split, places: &[usize]) -> crate::Result<Vec<String>> {
    let (mut flat, mut are_probabilities) = (Vec::new(), !places.is_empty());
    for batch in places.chunks(BATCH) {
        let labels: Vec<u8> = batch.iter().map(|place| split.labels[*place]).collect();
        let natural = images(split, batch, network.device())?;
        let pass = network.forward(&natural, Statistics::Running, Want::Input)?;
        are_probabilities &= sum_to_one(&pass.logits)?;
        let slope = dlr_gradient(&pass.logits, &labels)?;
        let steepest =
            pass.input_gradient(Some(slope), None)?.abs()?.flatten_from(1)?.max(D::Minus1)?.to_vec1::<f32>()?;
        flat.extend(batch.iter().zip(steepest).filter(|(_, steepest)| *steepest == 0.0).map(|(place, _)| *place));
    }
    let mut said = Vec::new();
    if are_probabilities {
        said.push(
            "the model answers with probabilities instead of logits, as all lie in [0, 1] and add up to 1: gradients vanish behind a \
             softmax, so evaluate the model without it."
                .into(),
        );
    }
    if !flat.is_empty() {
        let images = counted(&flat, split.len(), "test images");
        said.push(format!("on {images} the ratio of logits has no gradient: gradients may be masked."));
    }
    Ok(said)
}

fn sum_to_one(logits: &Tensor) -> Result<bool> {
    let is_distribution = |row: &Vec<f32>| {
        row.iter().all(|value| (0.0..=1.0).contains(value)) && (row.iter().sum::<f32>() - 1.0).abs() < SUM
    };
    Ok(logits.to_vec2::<f32>()?.iter().all(is_distribution))
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn probabilities_are_told_from_logits() {
        let rows = |values: &[f32]| Tensor::from_vec(values.to_vec(), (values.len() / 2, 2), &Device::Cpu).unwrap();
        assert!(sum_to_one(&rows(&[0.25, 0.75, 1.0, 0.0])).unwrap());
        assert!(!sum_to_one(&rows(&[0.25, 0.75, 0.5, 0.6])).unwrap());
        assert!(!sum_to_one(&rows(&[1.5, -0.5])).unwrap());
    }
}
