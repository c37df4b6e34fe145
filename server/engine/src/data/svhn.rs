//! SVHN's cropped digits (Netzer et al. 2011): `train_32x32.mat`, `test_32x32.mat`.

use super::{
    content::Content,
    dataset::{CHANNELS, Dataset, IMAGE_BYTES, SIDE, Split},
    import::Import,
    listing::Listing,
    matlab::{self, Variable},
    official::Checksums,
    progress::Watch,
    report::{self, ImportReport},
    source::BY_NUMPY,
    split_name::Part,
};
use crate::{EngineError, Result};

const TITLE: &str = "SVHN";
const ORIGIN: &str = "the cropped digits of the official files (Netzer et al. 2011), checksums verified";
/// Bytes of the largest file that is read.
const MAX_FILE_BYTES: usize = 2 << 30;
/// MD5 of the official files, as torchvision has them.
const OFFICIAL: [(Part, &str); 2] =
    [(Part::Train, "e26dedcc434d2e4c54c9b2d4a06d8373"), (Part::Test, "eb5a983be6a315427106f1b164d9cef3")];

/// The numbers of the MATLAB files.
pub(super) fn find(listing: &Listing) -> Vec<usize> {
    listing.files().filter(|(.., content)| *content == Content::Matlab).map(|(i, ..)| i).collect()
}

/// Reads the MATLAB files of these numbers, by what their names mention.
///
/// # Errors
/// When a part is there twice, or a file is damaged or holds no digits of 32×32.
pub(super) fn read(listing: &Listing, files: &[usize], watch: &mut Watch<'_>) -> Result<Import> {
    let mut report = ImportReport { kind: "SVHN's MATLAB files".into(), ..ImportReport::default() };
    let mut chosen: [Option<usize>; 2] = [None, None];
    for i in files {
        let entry = &listing.entries[*i];
        let place = match Part::mentioned(entry.file_name()) {
            Some(Part::Train) => 0,
            Some(Part::Test | Part::Validation) => 1,
            None if files.len() == 1 => 0,
            None => {
                report::count(
                    &mut report.left_out,
                    "MATLAB files that are named neither train nor test",
                    &entry.name(),
                );
                continue;
            }
        };
        if let Some(other) = chosen[place].replace(*i) {
            let (other, this) = (listing.entries[other].name(), entry.name());
            return Err(EngineError::Data(format!("{other} and {this} are the same part of a dataset: keep one")));
        }
    }
    let (mut checksums, mut splits) = (Checksums::default(), [Split::default(), Split::default()]);
    let wanted: Vec<usize> = chosen.into_iter().flatten().collect();
    listing.read(&wanted, watch, &mut |entries, member| {
        let bytes = member.read(MAX_FILE_BYTES)?;
        for entry in entries {
            let place = usize::from(chosen[1] == Some(*entry));
            let name = listing.entries[*entry].name();
            checksums.add(&name, &bytes, OFFICIAL[place].1, None);
            splits[place] = split(&bytes).map_err(|fault| EngineError::Data(format!("{name} {fault}")))?;
        }
        Ok(())
    })?;
    let [train, test] = splits;
    if train.is_empty() {
        return Err(EngineError::Data(
            "there is a MATLAB file to test on but none to train on, train_32x32.mat".into(),
        ));
    }
    let classes = (0..10).map(|digit| digit.to_string()).collect();
    let mut import = Import { dataset: Dataset { classes, train, test, ..Dataset::default() }, report };
    let is_official = wanted.len() == 2 && checksums.are_official(TITLE, "download it again")?;
    import.tell_official(is_official, TITLE, ORIGIN);
    import.report.notes.push("SVHN writes the label 10 for the digit 0; here it is the class 0.".into());
    Ok(import)
}

/// The images `X`, 32 × 32 × 3 × N, and the labels `y` of one file.
fn split(bytes: &[u8]) -> Result<Split, String> {
    let variables = matlab::variables(bytes)?;
    let find = |name: &str| -> Result<&Variable, String> {
        variables.iter().find(|v| v.name == name).ok_or_else(|| {
            format!("has no variable {name}, which SVHN's files have: if it is another dataset, {BY_NUMPY}")
        })
    };
    let (images, labels) = (find("X")?, find("y")?);
    let pixels = images.bytes().filter(|_| images.dimensions.starts_with(&[SIDE, SIDE, CHANNELS]));
    let (pixels, []) = pixels.ok_or("has an X that is not of bytes, 32 × 32 × 3 × N")?.as_chunks::<IMAGE_BYTES>()
    else {
        return Err("is damaged: X does not hold whole images".into());
    };
    let labels = labels.small_numbers().filter(|labels| labels.iter().all(|label| *label <= 10));
    let labels = labels.ok_or("has a y with labels that are not 1 to 10")?;
    if labels.len() != pixels.len() {
        return Err(format!("has {} images and {} labels", pixels.len(), labels.len()));
    }
    let mut split = Split::default();
    for (image, label) in pixels.iter().zip(labels) {
        split.push(label % 10, &planes(image));
    }
    Ok(split)
}

/// Planes that lie column by column, made row by row.
fn planes(image: &[u8; IMAGE_BYTES]) -> Vec<u8> {
    let pixel = |i: usize| {
        let (plane, row, column) = (i / (SIDE * SIDE), i / SIDE % SIDE, i % SIDE);
        image[plane * SIDE * SIDE + column * SIDE + row]
    };
    (0..IMAGE_BYTES).map(pixel).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{matlab::tests::file, testing::import_files};

    /// A file of images whose first plane counts the rows, with these labels.
    fn digits(labels: &[f64]) -> Vec<u8> {
        let image: Vec<u8> = (0..IMAGE_BYTES).map(|i| if i < SIDE * SIDE { (i % SIDE) as u8 } else { 9 }).collect();
        let doubles: Vec<u8> = labels.iter().flat_map(|label| label.to_le_bytes()).collect();
        let n = labels.len();
        file(&[("X", &[32, 32, 3, n], 9, 2, &image.repeat(n)), ("y", &[n, 1], 6, 9, &doubles)], true)
    }

    fn files() -> Vec<(String, Vec<u8>)> {
        vec![
            ("train_32x32.mat".into(), digits(&[1.0, 10.0, 9.0])),
            ("test_32x32.mat".into(), digits(&[10.0, 2.0])),
            ("extra_32x32.mat".into(), digits(&[3.0])),
        ]
    }

    #[test]
    fn digits_come_row_by_row_with_the_label_10_as_0() {
        let import = import_files(&files()).unwrap();
        assert_eq!((&import.dataset.train.labels[..], &import.dataset.test.labels[..]), (&[1, 0, 9][..], &[0, 2][..]));
        let image = import.dataset.train.image(0);
        assert_eq!((image[0], image[31], image[32], image[1023], image[1024]), (0, 0, 1, 31, 9));
        assert_eq!(import.dataset.classes[3], "3");
    }

    #[test]
    fn the_extra_part_is_left_out_and_said() {
        let report = import_files(&files()).unwrap().report;
        assert_eq!(report.left_out[0].examples, ["extra_32x32.mat"]);
        assert!(report.notes[0].contains("not the official files of SVHN"), "{:?}", report.notes);
    }

    #[test]
    fn a_label_that_no_digit_has_is_refused() {
        let mut files = files();
        files[1].1 = digits(&[11.0]);
        let message = import_files(&files).unwrap_err().to_string();
        assert!(message.contains("test_32x32.mat has a y with labels"), "{message}");
    }
}
