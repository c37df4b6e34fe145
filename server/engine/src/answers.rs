//! Where logits become answers. A logit that is not finite is no answer, and never a class.

use std::collections::BTreeSet;

use candle_core::{Result, Tensor};
use retort_spec::Accuracy;

use crate::{EngineError, nn::is_finite};

/// Images that a message lists; more are only counted.
const LISTED: usize = 8;

/// The class of each row's largest logit, the first of equal ones; none where one of the row's logits is not finite.
///
/// # Errors
/// When the logits are no matrix.
pub(crate) fn answers(logits: &Tensor) -> Result<Vec<Option<u8>>> {
    let answer = |row: &Vec<f32>| {
        let mut best = 0;
        for (class, logit) in row.iter().enumerate() {
            if *logit > row[best] {
                best = class;
            }
        }
        row.iter().all(|logit| logit.is_finite()).then_some(best as u8)
    };
    Ok(logits.to_vec2::<f32>()?.iter().map(answer).collect())
}

/// How many answers are their labels; no answer is none.
pub(crate) fn accuracy(answers: &[Option<u8>], labels: &[u8]) -> Accuracy {
    Accuracy { correct: correct(answers, labels).len(), n: labels.len() }
}

/// The places of the answers that are their labels.
pub(crate) fn correct(answers: &[Option<u8>], labels: &[u8]) -> Vec<usize> {
    (0..labels.len()).filter(|i| answers[*i] == Some(labels[*i])).collect()
}

/// How many rows, all of whose logits are finite, have none above that of their label.
///
/// # Errors
/// When the logits are no matrix.
pub(crate) fn led_by_label(logits: &Tensor, labels: &[u8]) -> Result<usize> {
    let leads = |(row, label): &(&Vec<f32>, &u8)| {
        row.iter().all(|logit| logit.is_finite() && *logit <= row[usize::from(**label)])
    };
    Ok(logits.to_vec2::<f32>()?.iter().zip(labels).filter(leads).count())
}

/// The rows that hold a number that is not finite in any of these matrices, which have the same rows, in ascending order.
///
/// # Errors
/// When one is no matrix.
pub(crate) fn broken_rows(matrices: &[&Tensor]) -> Result<Vec<usize>> {
    let mut broken = BTreeSet::new();
    for matrix in matrices {
        if !is_finite(matrix)? {
            let rows = matrix.to_vec2::<f32>()?;
            broken.extend((0..rows.len()).filter(|place| rows[*place].iter().any(|v| !v.is_finite())));
        }
    }
    Ok(broken.into_iter().collect())
}

/// In words, how many of so many images are meant, and which, counted from 0: `12 of 1000 test images (image 0, 3, 4, …)`.
pub(crate) fn counted(places: &[usize], of: usize, what: &str) -> String {
    let first: Vec<String> = places.iter().take(LISTED).map(usize::to_string).collect();
    let more = if places.len() > LISTED { ", …" } else { "" };
    format!("{} of {of} {what} (image {}{more})", places.len(), first.join(", "))
}

/// That a model gives these images numbers that are not finite, so that nothing can be measured.
pub(crate) fn not_finite(model: &str, places: &[usize], of: usize, what: &str) -> EngineError {
    EngineError::NotFinite(format!(
        "{model} answers {} with numbers that are not finite, so nothing can be measured of it: if it was imported, look at \
         its logits in the program that made it; if it was trained here, train it again with a lower learning rate",
        counted(places, of, what)
    ))
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    fn logits(rows: &[[f32; 3]]) -> Tensor {
        Tensor::from_vec(rows.concat(), (rows.len(), 3), &Device::Cpu).unwrap()
    }

    #[test]
    fn a_logit_that_is_not_finite_is_no_answer_wherever_it_stands() {
        let mut rows = vec![[0.0, 2.0, 1.0], [1.0, 1.0, 0.0]];
        for broken in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            rows.extend([[broken, 2.0, 1.0], [0.0, broken, 1.0], [0.0, 2.0, broken], [broken; 3]]);
        }
        let logits = logits(&rows);
        let found = answers(&logits).unwrap();
        assert_eq!(found[..2], [Some(1), Some(0)]);
        assert!(found[2..].iter().all(Option::is_none) && found.len() == 14, "{found:?}");
        for label in 0..3 {
            let right = led_by_label(&logits, &[label; 14]).unwrap();
            // Of equal logits each counts as the label's.
            assert_eq!(right, [1, 2, 0][usize::from(label)], "{label}");
        }
        assert_eq!(broken_rows(&[&logits.zeros_like().unwrap(), &logits]).unwrap(), (2..14).collect::<Vec<_>>());
    }

    #[test]
    fn a_message_names_the_first_images_and_counts_the_others() {
        let few = not_finite("m.safetensors", &[0, 7], 50, "test images").to_string();
        assert!(few.starts_with("m.safetensors answers 2 of 50 test images (image 0, 7) with numbers"), "{few}");
        let many = counted(&(10..30).collect::<Vec<_>>(), 100, "test images");
        assert_eq!(many, "20 of 100 test images (image 10, 11, 12, 13, 14, 15, 16, 17, …)");
    }
}
