//! Some of the images of a batch: those that an attack still works on.

use candle_core::{Result, Tensor};

use crate::nn::Network;

/// The items at these places, which ascend.
pub(super) fn at<'a, T>(items: &'a mut [T], places: &[usize]) -> Vec<&'a mut T> {
    let mut places = places.iter().peekable();
    let is_next = |(place, _): &(usize, &mut T)| places.next_if_eq(&place).is_some();
    items.iter_mut().enumerate().filter(is_next).map(|(_, item)| item).collect()
}

/// So many images of the `shape` of a batch, for a network to look at.
///
/// # Errors
/// When the pixels are not as many.
pub(super) fn stack(pixels: Vec<f32>, count: usize, shape: &[usize], network: &Network) -> Result<Tensor> {
    Tensor::from_vec(pixels, [&[count], &shape[1..]].concat(), network.device())
}
