//! STL-10 (Coates, Ng and Lee 2011): its labelled images, made 32×32.

use std::borrow::Cow;

use super::{Archive, BinFile, Official};
use crate::{
    EngineError, Result,
    data::{
        dataset::{CHANNELS, SIDE, Split},
        download::Checksum,
    },
};

/// Height and width of the published images.
const LARGE: usize = 96;
const LARGE_BYTES: usize = CHANNELS * LARGE * LARGE;
/// Each pixel is made of a square of so many pixels a side.
const SQUARE: usize = LARGE / SIDE;

/// STL-10 as it is published.
pub(in crate::data) static STL10: Official = Official {
    name: "stl10",
    title: "STL-10",
    origin: "the labelled images of the official binary files (Coates, Ng and Lee 2011), checksums verified, \
             96×96 made 32×32 by the mean of each 3×3 pixels",
    change: Some(
        "The images were made 32×32 from 96×96: each pixel is the mean of 3×3. Images without labels were left out.",
    ),
    archive: Archive {
        url: "http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz",
        bytes: 2_640_397_119,
        checksum: Checksum::Md5(Cow::Borrowed("91f7769df0f17e558f3565bffb0c7dfb")),
    },
    names: "class_names.txt",
    classes: &NAMES,
    files: [
        Cow::Borrowed(&[
            BinFile::new("train_X.bin", 5_000 * LARGE_BYTES, "918c2871b30a85fa023e0c44e0bee87f"),
            BinFile::new("train_y.bin", 5_000, "5a34089d4802c674881badbb80307741"),
        ]),
        Cow::Borrowed(&[
            BinFile::new("test_X.bin", 8_000 * LARGE_BYTES, "7f263ba9f9e0b06b93213547f721ac82"),
            BinFile::new("test_y.bin", 8_000, "36f9794fa4beb8a2c72628de14fa638e"),
        ]),
    ],
    decode,
};

fn decode(file: &BinFile, bytes: &[u8]) -> Result<Split> {
    if file.name.ends_with("_y.bin") {
        let labels = bytes.iter().enumerate().map(|(i, label)| match *label {
            // The published labels count from 1.
            1..=10 => Ok(label - 1),
            _ => Err(EngineError::Data(format!("{}, image {i}: label {label} is not one of 1 to 10", file.name))),
        });
        return Ok(Split { images: Vec::new(), labels: labels.collect::<Result<_>>()? });
    }
    if bytes.is_empty() || !bytes.len().is_multiple_of(LARGE_BYTES) {
        let (name, bytes) = (file.name, bytes.len());
        let fault =
            format!("{name} has {bytes} bytes, which is no whole number of images of {LARGE_BYTES}: download it again");
        return Err(EngineError::Data(fault));
    }
    let planes = bytes.chunks_exact(LARGE * LARGE);
    Ok(Split { images: planes.flat_map(reduce).collect(), labels: Vec::new() })
}

/// A published plane, column by column, made 32×32, row by row: each pixel the mean of a square, to the nearest byte.
fn reduce(plane: &[u8]) -> impl Iterator<Item = u8> {
    (0..SIDE * SIDE).map(|pixel| {
        let (top, left) = (pixel / SIDE * SQUARE, pixel % SIDE * SQUARE);
        let columns = (left..left + SQUARE).map(|x| &plane[x * LARGE + top..][..SQUARE]);
        let sum: usize = columns.flatten().map(|value| usize::from(*value)).sum();
        ((sum + SQUARE * SQUARE / 2) / (SQUARE * SQUARE)) as u8
    })
}

/// In label order, as its files name them.
const NAMES: [&str; 10] = ["airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{
        official::tests::{miniature, read},
        testing::stl10_files,
    };

    #[test]
    fn labels_count_from_one_and_belong_to_the_images_in_their_order() {
        let files = stl10_files();
        let dataset = read(&files, &miniature(&STL10, &files)).unwrap();
        assert_eq!((&dataset.train.labels[..], &dataset.test.labels[..]), (&[0, 9, 4][..], &[2, 1][..]));
        assert_eq!(dataset.classes[7], "monkey");
        let red = |split: &Split| (0..split.len()).map(|i| split.image(i)[0]).collect::<Vec<_>>();
        assert_eq!((red(&dataset.train), red(&dataset.test)), (vec![10, 11, 12], vec![20, 21]));
    }

    #[test]
    fn planes_are_column_by_column() {
        // A column of the first plane runs down its rows, 0 to 95, and all columns are the same; a column of the second
        // plane has one value, its own number.
        let rows = (0..96).cycle().take(96 * 96);
        let columns = (0..96).flat_map(|x| [x; 96]);
        let image: Vec<u8> = rows.chain(columns).chain([7; 96 * 96]).collect();
        let file = BinFile::new("train_X.bin", LARGE_BYTES, "");
        let small = decode(&file, &image).unwrap().images;
        for (y, x) in [(0, 0), (0, 31), (31, 0), (5, 20)] {
            let pixel = [0, 1, 2].map(|plane| usize::from(small[plane * 1024 + y * 32 + x]));
            assert_eq!(pixel, [3 * y + 1, 3 * x + 1, 7], "row {y}, column {x}");
        }
    }

    #[test]
    fn a_pixel_is_the_mean_of_its_square_to_the_nearest_byte() {
        for (values, mean) in
            [([4, 0, 0], 0), ([5, 0, 0], 1), ([255, 255, 255], 85), ([255, 255, 253], 85), ([0, 13, 0], 1)]
        {
            let mut plane = vec![0; LARGE * LARGE];
            // Rows 3 to 5 of columns 93 to 95: the second row's last pixel.
            for (column, value) in (93..).zip(values) {
                plane[column * LARGE + 4] = value;
            }
            let small: Vec<u8> = reduce(&plane).collect();
            assert_eq!(small[63], mean, "{values:?}");
            assert_eq!(small.iter().filter(|value| **value > 0).count(), usize::from(mean > 0));
        }
        assert!(reduce(&[255; LARGE * LARGE]).all(|value| value == 255));
    }

    #[test]
    fn a_label_outside_1_to_10_is_refused() {
        for wrong in [0, 11] {
            let mut files = stl10_files();
            files[1].1[2] = wrong;
            let message = read(&files, &miniature(&STL10, &files)).unwrap_err().to_string();
            assert!(
                message.contains(&format!("train_y.bin, image 2: label {wrong} is not one of 1 to 10")),
                "{message}"
            );
        }
    }

    #[test]
    fn the_unlabelled_images_in_the_archive_are_passed_over() {
        // They are larger than anything that is read, and come before what is needed last.
        let mut files = stl10_files();
        let official = miniature(&STL10, &files);
        let whole = read(&files, &official).unwrap();
        files.insert(2, ("unlabeled_X.bin".into(), vec![1; 300_000]));
        files.push(("fold_indices.txt".into(), vec![b'0'; 20_000]));
        assert_eq!(read(&files, &official).unwrap(), whole);
    }
}
