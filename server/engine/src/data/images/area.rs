//! Other sizes made 32×32.

use crate::data::dataset::{CHANNELS, SIDE};

/// The red, green and blue plane, 32×32 each, of `width` × `height` pixels that lie row by row with their three colours
/// side by side.
///
/// Each axis is divided into 32 equal parts, whatever the image's proportions. A pixel is the mean over its rectangle,
/// to the nearest byte; pixels that lie in it by a part count by that part. So an image that is larger by whole numbers
/// becomes the means of its blocks, one of 32×32 stays as it is, and in a smaller one pixels are repeated or mixed with
/// a neighbour.
///
/// # Panics
/// When there are not so many pixels.
pub(in crate::data) fn planes(pixels: &[u8], width: usize, height: usize) -> Vec<u8> {
    let mut planes = vec![0; CHANNELS * SIDE * SIDE];
    if (width, height) == (SIDE, SIDE) {
        for (i, pixel) in pixels.chunks_exact(CHANNELS).enumerate() {
            for (channel, value) in pixel.iter().enumerate() {
                planes[channel * SIDE * SIDE + i] = *value;
            }
        }
        return planes;
    }
    let (columns, rows): (Vec<_>, Vec<_>) = (shares(width).collect(), shares(height).collect());
    // The weights along an axis add up to its length.
    let area = (width * height) as u64;
    for (y, row) in rows.iter().enumerate() {
        for (x, column) in columns.iter().enumerate() {
            let mut sums = [0_u64; CHANNELS];
            for (from_y, weight_y) in row {
                for (from_x, weight_x) in column {
                    let at = (from_y * width + from_x) * CHANNELS;
                    for (sum, value) in sums.iter_mut().zip(&pixels[at..at + CHANNELS]) {
                        *sum += weight_y * weight_x * u64::from(*value);
                    }
                }
            }
            for (channel, sum) in sums.into_iter().enumerate() {
                planes[channel * SIDE * SIDE + y * SIDE + x] = ((sum + area / 2) / area) as u8;
            }
        }
    }
    planes
}

/// For each of 32 equal parts of an axis: which of its `length` pixels lie in it, and by how many 32ths of a pixel.
fn shares(length: usize) -> impl Iterator<Item = Vec<(usize, u64)>> {
    (0..SIDE).map(move |part| {
        // Counted in 32ths of a pixel, a part is `length` long and a pixel 32.
        let (begin, end) = (part * length, (part + 1) * length);
        let inside = |pixel: usize| end.min((pixel + 1) * SIDE) - begin.max(pixel * SIDE);
        (begin / SIDE..end.div_ceil(SIDE)).map(|pixel| (pixel, inside(pixel) as u64)).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(width: usize, height: usize, value: impl Fn(usize, usize) -> u8) -> Vec<u8> {
        (0..width * height).flat_map(|i| [value(i % width, i / width), 7, 200]).collect()
    }

    #[test]
    fn the_size_that_is_wanted_stays_as_it_is() {
        let planes = planes(&image(32, 32, |x, y| (x * 8 + y) as u8), 32, 32);
        assert_eq!((planes[5 * 32 + 9], planes[1024], planes[2048]), (9 * 8 + 5, 7, 200));
    }

    #[test]
    fn a_size_larger_by_whole_numbers_becomes_the_means_of_its_blocks() {
        // Blocks of 2 × 3: the columns of a block are 10 and 21, so the mean is 15.5 and is rounded up.
        let planes = planes(&image(64, 96, |x, _| if x % 2 == 0 { 10 } else { 21 }), 64, 96);
        assert!(planes[..1024].iter().all(|value| *value == 16));
    }

    #[test]
    fn pixels_that_lie_in_two_parts_count_by_their_share_in_each() {
        // 48 columns become 32: a part holds one pixel and half of another.
        let planes = planes(&image(48, 32, |x, _| [0, 90, 150][x % 3]), 48, 32);
        assert_eq!(planes[..2], [30, 130]);
    }

    #[test]
    fn the_mean_of_an_image_does_not_change_in_any_size() {
        for (width, height) in [(28, 28), (1, 1), (224, 224), (33, 500), (7, 90)] {
            let planes = planes(&image(width, height, |_, _| 93), width, height);
            assert!(planes[..1024].iter().all(|value| *value == 93), "{width}×{height}");
        }
    }
}
