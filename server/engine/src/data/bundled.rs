//! The dataset that the program carries inside itself: 5,000 images of Fashion-MNIST (assets/ORIGIN.md).

use image::{GrayImage, ImageFormat};
use retort_spec::BUNDLED_DATASET;

use super::dataset::{CHANNELS, Dataset, SIDE, Split};
use crate::{EngineError, Result};

const SHEET: &[u8] = include_bytes!("../../assets/fashion-mnist-5k.png");

/// Tiles of the sheet, counted row by row: first the training images class by class, then the test images.
const TILE: usize = 28;
const COLUMNS: usize = 100;
const TRAIN_PER_CLASS: usize = 400;
const TEST_PER_CLASS: usize = 100;

const CLASSES: [&str; 10] =
    ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"];

/// What is known of the bundled dataset without decoding it: title, origin, checksum, numbers of images, classes.
pub(super) const TITLE: &str = "Fashion-MNIST, 5k subset";
pub(super) const ORIGIN: &str = "4,000 training and 1,000 test images of Fashion-MNIST (Zalando Research, MIT licence), \
                                 split by Retort, padded to 32×32, grey as three equal channels";
pub(super) const SHA256: &str = "c126a2571cf63d9d951380c1e29f05f63cce90339d2f6f6671faa8e6f5ee9a83";
pub(super) const TRAIN: usize = TRAIN_PER_CLASS * CLASSES.len();
pub(super) const TEST: usize = TEST_PER_CLASS * CLASSES.len();

pub(super) fn classes() -> Vec<String> {
    CLASSES.map(str::to_owned).to_vec()
}

/// The bundled dataset.
pub(super) fn load() -> Result<Dataset> {
    let sheet = image::load_from_memory_with_format(SHEET, ImageFormat::Png)
        .map_err(|e| EngineError::Data(format!("{BUNDLED_DATASET}, inside this program, cannot be decoded: {e}")))?
        .into_luma8();
    let split = |first: usize, per_class: usize| {
        let mut split = Split::default();
        for i in 0..per_class * CLASSES.len() {
            split.push((i / per_class) as u8, &image(&sheet, first + i));
        }
        split
    };
    Ok(Dataset {
        name: BUNDLED_DATASET.into(),
        title: TITLE.into(),
        classes: classes(),
        origin: ORIGIN.into(),
        train: split(0, TRAIN_PER_CLASS),
        validation: Split::default(),
        test: split(TRAIN, TEST_PER_CLASS),
    })
}

/// One tile with a black border, its grey as red, green and blue.
fn image(sheet: &GrayImage, tile: usize) -> Vec<u8> {
    const BORDER: usize = (SIDE - TILE) / 2;
    let width = COLUMNS * TILE;
    let corner = tile / COLUMNS * TILE * width + tile % COLUMNS * TILE;
    let mut plane = vec![0; SIDE * SIDE];
    for y in 0..TILE {
        let row = &sheet.as_raw()[corner + y * width..][..TILE];
        plane[(BORDER + y) * SIDE + BORDER..][..TILE].copy_from_slice(row);
    }
    plane.repeat(CHANNELS)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use sha2::{Digest, Sha256};

    use super::*;
    use crate::data::{IMAGE_BYTES, stored::hex, testing::class_counts};

    #[test]
    fn the_bundled_dataset_has_400_training_and_100_test_images_of_each_class() {
        let dataset = load().unwrap();
        for (split, per_class) in [(&dataset.train, 400), (&dataset.test, 100)] {
            assert_eq!(split.images.len(), split.len() * IMAGE_BYTES);
            assert_eq!(class_counts(split), [per_class; 10]);
        }
    }

    #[test]
    fn no_image_occurs_twice_in_or_across_the_splits() {
        let dataset = load().unwrap();
        let images = |split: &Split| split.images.chunks(IMAGE_BYTES).map(<[u8]>::to_vec).collect::<Vec<_>>();
        let all: HashSet<_> = images(&dataset.train).into_iter().chain(images(&dataset.test)).collect();
        assert_eq!(all.len(), 5_000);
    }

    #[test]
    fn its_images_are_those_that_the_tool_took_from_the_package_in_a_black_border() {
        let dataset = load().unwrap();
        let mut hash = Sha256::new();
        for split in [&dataset.train, &dataset.test] {
            for i in 0..split.len() {
                let (image, inside) = (split.image(i), |p: usize| (2..30).contains(&p));
                let (red, rest) = image.split_at(SIDE * SIDE);
                assert_eq!([red, red].concat(), rest);
                for (p, value) in red.iter().enumerate() {
                    if inside(p / SIDE) && inside(p % SIDE) {
                        hash.update([*value]);
                    } else {
                        assert_eq!(*value, 0);
                    }
                }
            }
        }
        // Printed by tools/make_bundled_dataset.py.
        assert_eq!(hex(&hash.finalize()), "c61e5a99583d7828f79e1097418ce4c12375b8ed7f9aa68495c8fb7434c4ea9f");
    }
}
