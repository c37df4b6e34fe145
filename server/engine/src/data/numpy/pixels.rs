//! Images in an array.

use super::array;
use crate::data::{
    dataset::{CHANNELS, IMAGE_BYTES, SIDE},
    images::{self, Change},
};

/// Images that are looked at to tell how the colours of flat rows lie.
const LOOKED_AT: usize = 64;

/// Whether 3,072 numbers a row that were read as three planes are rather the colours of pixels side by side: neighbours in an
/// image are alike, and by the wrong reading they are of different colours or places.
pub(super) fn are_side_by_side(planes: &[u8]) -> bool {
    let looked_at = &planes[..planes.len().min(LOOKED_AT * IMAGE_BYTES)];
    let steps = |distance: usize| -> u64 {
        let images = looked_at.chunks_exact(IMAGE_BYTES);
        images.flat_map(|image| image.iter().zip(&image[distance..]).map(|(a, b)| u64::from(a.abs_diff(*b)))).sum()
    };
    steps(CHANNELS) + steps(CHANNELS * SIDE) < steps(1) + steps(SIDE)
}

/// Makes planes of the colours of pixels side by side.
pub(super) fn take_apart(images: &mut [u8]) {
    for image in images.chunks_exact_mut(IMAGE_BYTES) {
        let side_by_side = image.to_vec();
        for (i, number) in side_by_side.into_iter().enumerate() {
            image[i % CHANNELS * SIDE * SIDE + i / CHANNELS] = number;
        }
    }
}

/// How the pixels of images lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pixels {
    pub width: usize,
    pub height: usize,
    /// 1 for grey or 3 for RGB.
    pub channels: usize,
    /// Whether each colour is a plane of its own, and not one beside the other in each pixel.
    pub is_planar: bool,
}

impl Pixels {
    /// How those of an array of this shape lie; none where it holds no images.
    pub fn of(shape: &[usize]) -> Option<Self> {
        let (width, height, channels, is_planar) = match *shape {
            // The rows of CIFAR's own arrays.
            [_, IMAGE_BYTES] => (SIDE, SIDE, CHANNELS, true),
            [_, height, width] => (width, height, 1, false),
            [_, height, width, channels @ (1 | CHANNELS)] => (width, height, channels, false),
            [_, channels @ (1 | CHANNELS), height, width] => (width, height, channels, true),
            _ => return None,
        };
        (width > 0 && height > 0).then_some(Self { width, height, channels, is_planar })
    }

    /// One image as red, green and blue planes of 32×32.
    pub fn planes(self, image: &[u8]) -> Vec<u8> {
        let area = self.width * self.height;
        let channel = |c: usize| if self.channels == 1 { 0 } else { c };
        let at = |pixel: usize, c: usize| if self.is_planar { c * area + pixel } else { pixel * self.channels + c };
        let rgb: Vec<u8> = (0..area * CHANNELS).map(|i| image[at(i / CHANNELS, channel(i % CHANNELS))]).collect();
        images::planes(&rgb, self.width, self.height)
    }
}

/// Images of floats, which go from 0 to 1 or are the whole numbers from 0 to 255: the whole array tells which.
#[derive(Default)]
pub(super) struct Floats {
    /// The planes of all images so far by either reading, and why the array cannot be read so.
    unit: Reading,
    whole: Reading,
}

#[derive(Default)]
struct Reading {
    planes: Vec<u8>,
    fault: Option<String>,
}

impl Reading {
    fn add(&mut self, bytes: impl FnOnce() -> Result<Vec<u8>, String>, planes: impl Fn(&[u8]) -> Vec<u8>) {
        if self.fault.is_none() {
            match bytes() {
                Ok(bytes) => self.planes.extend(planes(&bytes)),
                Err(fault) => *self = Self { planes: Vec::new(), fault: Some(fault) },
            }
        }
    }
}

impl Floats {
    /// Adds an image, whose planes are made of bytes by `planes`.
    ///
    /// # Errors
    /// When the array is neither, in words that follow its name.
    pub fn add(&mut self, width: usize, image: &[u8], planes: impl Fn(&[u8]) -> Vec<u8>) -> Result<(), String> {
        self.unit.add(|| array::pixels(width, image), &planes);
        let whole = || array::small_numbers('f', width, image).ok_or_else(String::new);
        self.whole.add(whole, &planes);
        match (&self.unit.fault, &self.whole.fault) {
            (Some(fault), Some(_)) => Err(fault.clone()),
            _ => Ok(()),
        }
    }

    /// The planes of all images, and what was done to them.
    pub fn planes(self) -> (Vec<u8>, Change) {
        if self.unit.fault.is_none() {
            (self.unit.planes, Change::Floats)
        } else {
            (self.whole.planes, Change::WholeFloats)
        }
    }
}
