//! An attack carried through, for tests.

use candle_core::Tensor;

use super::{Attacker, Course, Images, Memory, Try};
use crate::nn::Network;

/// The images at these places.
pub(crate) fn only((natural, labels, indices): (&Tensor, &[u8], &[usize]), places: &[usize]) -> Images {
    let at: Vec<u32> = places.iter().map(|place| *place as u32).collect();
    Images {
        natural: natural.index_select(&Tensor::new(at, natural.device()).unwrap(), 0).unwrap(),
        labels: places.iter().map(|place| labels[*place]).collect(),
        indices: places.iter().map(|place| indices[*place]).collect(),
    }
}

/// What the network answers to each image: the first answer that is not its label and that a try finds, else its label. So many
/// images are tried at once; `indices` are their places in their split.
pub(crate) fn answers(
    attacker: &mut Attacker<'_>,
    network: &mut Network,
    (natural, labels, indices): (&Tensor, &[u8], &[usize]),
    batch_size: usize,
) -> Vec<Option<u8>> {
    let mut found: Vec<Option<u8>> = labels.iter().copied().map(Some).collect();
    let (mut course, mut memory) = (Course::new((0..labels.len()).collect()), Memory::new());
    while course.attempt < attacker.tries() && course.standing() > 0 {
        let batch = course.next(batch_size).to_vec();
        let images = only((natural, labels, indices), &batch);
        let with = Try { attempt: course.attempt, memory: &mut memory };
        for (place, answer) in batch.iter().zip(attacker.answers(network, images, with).unwrap()) {
            found[*place] = answer;
        }
        course.advance(batch.len(), |place| found[place] == Some(labels[place]));
    }
    found
}
