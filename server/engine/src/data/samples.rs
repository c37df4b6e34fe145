//! Sample images of a dataset on one sheet.

use std::io::Cursor;

use image::{ImageFormat, Rgba, RgbaImage};

use super::dataset::{SIDE, Split};
use crate::{EngineError, Result};

/// How many images of each class a sheet shows: the first of the training split, or all where there are fewer.
pub const SAMPLES: usize = 10;
/// Pixels from one image of a sheet to the next, to the right and down: the image and a gap.
pub const SAMPLE_PITCH: usize = SIDE + GAP;
const GAP: usize = 2;

/// The planes of some images of each class.
pub(super) type Rows = Vec<Vec<Vec<u8>>>;

/// The numbers of the first [`SAMPLES`] images of each class.
pub(super) fn first_of_each(labels: &[u8], classes: usize) -> Vec<Vec<usize>> {
    let mut rows = vec![Vec::with_capacity(SAMPLES); classes];
    for (i, label) in labels.iter().enumerate() {
        if let Some(row) = rows.get_mut(usize::from(*label)).filter(|row| row.len() < SAMPLES) {
            row.push(i);
        }
    }
    rows
}

/// The first [`SAMPLES`] images of each class.
pub(super) fn of_split(split: &Split, classes: usize) -> Rows {
    let image = |i| split.image(i).to_vec();
    first_of_each(&split.labels, classes).into_iter().map(|row| row.into_iter().map(image).collect()).collect()
}

/// A PNG with a row for each class and [`SAMPLES`] columns; gaps and what a class lacks are transparent.
pub(super) fn sheet(rows: &Rows) -> Result<Vec<u8>> {
    let length = |images: usize| (images * SAMPLE_PITCH - GAP) as u32;
    let mut sheet = RgbaImage::new(length(SAMPLES), length(rows.len()));
    for (y, row) in rows.iter().enumerate() {
        for (x, image) in row.iter().enumerate() {
            for pixel in 0..SIDE * SIDE {
                let [red, green, blue] = [0, 1, 2].map(|plane| image[plane * SIDE * SIDE + pixel]);
                let (x, y) = (x * SAMPLE_PITCH + pixel % SIDE, y * SAMPLE_PITCH + pixel / SIDE);
                sheet.put_pixel(x as u32, y as u32, Rgba([red, green, blue, u8::MAX]));
            }
        }
    }
    let mut png = Vec::new();
    sheet
        .write_to(&mut Cursor::new(&mut png), ImageFormat::Png)
        .map_err(|e| EngineError::Data(format!("the sheet of samples cannot be written as a PNG: {e}")))?;
    Ok(png)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::IMAGE_BYTES;

    #[test]
    fn a_row_takes_the_first_images_of_its_class() {
        let labels: Vec<u8> = (0..40).map(|i| i % 3).collect();
        let rows = first_of_each(&labels, 4);
        assert_eq!(rows[1], [1, 4, 7, 10, 13, 16, 19, 22, 25, 28]);
        assert_eq!(rows.iter().map(Vec::len).collect::<Vec<_>>(), [10, 10, 10, 0]);
        assert_eq!(first_of_each(&[7, 0], 1), [[1]]);
    }

    #[test]
    fn each_image_stands_in_its_row_and_column_and_the_rest_is_transparent() {
        let image = |red: u8| (0..IMAGE_BYTES).map(|i| if i < SIDE * SIDE { red } else { i as u8 }).collect();
        let png = sheet(&vec![vec![image(1), image(2)], vec![image(3)]]).unwrap();
        let sheet = image::load_from_memory(&png).unwrap().into_rgba8();
        assert_eq!(sheet.dimensions(), (10 * 34 - 2, 2 * 34 - 2));
        // Row 3, column 5 of an image: the other planes count the bytes.
        let inside = 3 * 32 + 5;
        for (corner, red) in [((0, 0), 1), ((34, 0), 2), ((0, 34), 3)] {
            assert_eq!(sheet.get_pixel(corner.0 + 5, corner.1 + 3).0, [red, inside, inside, 255]);
        }
        for (x, y) in [(32, 5), (5, 33), (34, 34), (70, 5)] {
            assert_eq!(sheet.get_pixel(x, y).0, [0; 4], "{x}, {y}");
        }
    }
}
