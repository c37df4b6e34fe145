//! Images as tensors, and batches of training images.

use candle_core::{Device, Tensor};

use crate::{
    Result,
    data::{CHANNELS, SIDE, Split},
    rng::{Purpose, Stream},
};

/// Zeros around an image before it is cropped.
const PADDING: i64 = 4;

/// The order of the training images in an epoch: a permutation drawn from the seed and the epoch.
pub(crate) fn order(images: usize, seed: u64, epoch: u64) -> Vec<u32> {
    let mut order: Vec<u32> = (0..images as u32).collect();
    Stream::new(seed, Purpose::Shuffle, epoch, 0).shuffle(&mut order);
    order
}

/// Images of a split as a tensor `[N, 3, 32, 32]` with values in [0, 1].
///
/// # Errors
/// When the device has no memory left.
pub(crate) fn images(split: &Split, indices: &[usize], device: &Device) -> Result<Tensor> {
    let mut values = Vec::with_capacity(indices.len() * CHANNELS * SIDE * SIDE);
    for index in indices {
        values.extend(split.image(*index).iter().map(|byte| f32::from(*byte) / 255.0));
    }
    Ok(Tensor::from_vec(values, (indices.len(), CHANNELS, SIDE, SIDE), device)?)
}

/// Images as a tensor `[N, 3, 32, 32]` with values in [0, 1]; with a stream, each is padded with 4 zeros, cropped to 32×32
/// at random and mirrored with probability ½ (methods.md §0).
pub(crate) fn batch(split: &Split, indices: &[u32], augment: Option<&mut Stream>, device: &Device) -> Result<Tensor> {
    let mut values = Vec::with_capacity(indices.len() * CHANNELS * SIDE * SIDE);
    match augment {
        None => {
            for index in indices {
                values.extend(split.image(*index as usize).iter().map(|byte| f32::from(*byte) / 255.0));
            }
        }
        Some(stream) => {
            for index in indices {
                let mut offset = || i64::from(stream.below(2 * PADDING as u32 + 1)) - PADDING;
                let (down, right) = (offset(), offset());
                crop(split.image(*index as usize), down, right, stream.below(2) == 1, &mut values);
            }
        }
    }
    Ok(Tensor::from_vec(values, (indices.len(), CHANNELS, SIDE, SIDE), device)?)
}

/// Appends the image moved by whole pixels, zeros coming in at the edges, then mirrored.
fn crop(image: &[u8], down: i64, right: i64, mirrored: bool, values: &mut Vec<f32>) {
    let side = SIDE as i64;
    for plane in image.chunks_exact(SIDE * SIDE) {
        for y in 0..side {
            for x in 0..side {
                let (from_y, from_x) = (y + down, (if mirrored { side - 1 - x } else { x }) + right);
                let inside = (0..side).contains(&from_y) && (0..side).contains(&from_x);
                values.push(if inside { f32::from(plane[(from_y * side + from_x) as usize]) / 255.0 } else { 0.0 });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split() -> Split {
        let images = (0..2 * 3072).map(|i| (i % 251) as u8).collect();
        Split { images, labels: vec![0, 1] }
    }

    #[test]
    fn an_epoch_visits_every_image_once_in_an_order_of_its_own() {
        let (first, second) = (order(100, 1, 0), order(100, 1, 1));
        assert_ne!(first, second);
        for mut order in [first, second] {
            order.sort_unstable();
            assert_eq!(order, (0..100).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_crop_moves_the_image_and_brings_in_zeros() {
        let split = split();
        let (mut moved, mut mirrored) = (Vec::new(), Vec::new());
        crop(split.image(1), 2, -3, false, &mut moved);
        crop(split.image(1), 0, 0, true, &mut mirrored);
        let pixel = |c: usize, y: usize, x: usize| f32::from(split.image(1)[(c * 32 + y) * 32 + x]) / 255.0;
        let at = |values: &[f32], c: usize, y: usize, x: usize| values[(c * 32 + y) * 32 + x];
        assert_eq!(at(&moved, 1, 5, 10), pixel(1, 7, 7));
        assert_eq!((at(&moved, 0, 0, 2), at(&moved, 2, 30, 9)), (0.0, 0.0));
        assert_eq!(at(&mirrored, 2, 4, 0), pixel(2, 4, 31));
    }

    #[test]
    fn augmentation_depends_on_its_stream_alone() {
        let split = split();
        let draw = |step| {
            let mut stream = Stream::new(1, Purpose::Augment, 0, step);
            batch(&split, &[0, 1], Some(&mut stream), &Device::Cpu).unwrap().flatten_all().unwrap()
        };
        let values = |t: Tensor| t.to_vec1::<f32>().unwrap();
        assert_eq!(values(draw(0)), values(draw(0)));
        assert_ne!(values(draw(0)), values(draw(1)));
    }
}
