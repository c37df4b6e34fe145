//! CIFAR-10 (Krizhevsky 2009): five binary files to train on and one to test on.

use std::borrow::Cow;

use super::{Archive, BinFile, Official};
use crate::{
    EngineError, Result,
    data::{
        dataset::{IMAGE_BYTES, Split},
        download::Checksum,
    },
};

const CLASSES: usize = NAMES.len();
/// A file's size: 10,000 labels and images.
const BYTES: usize = 10_000 * (1 + IMAGE_BYTES);

/// CIFAR-10 as it is published.
pub(in crate::data) static CIFAR10: Official = Official {
    name: "cifar10",
    title: "CIFAR-10",
    origin: "the official binary files (Krizhevsky 2009), checksums verified",
    change: None,
    archive: Archive {
        url: "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
        bytes: 170_052_171,
        checksum: Checksum::Sha256(Cow::Borrowed("c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd")),
    },
    names: "batches.meta.txt",
    classes: &NAMES,
    files: [
        Cow::Borrowed(&[
            BinFile::new("data_batch_1.bin", BYTES, "5dd7e06a14cb22eb9f671a540d1b7c25"),
            BinFile::new("data_batch_2.bin", BYTES, "5ea93a67294ea407fff1d09f752e9692"),
            BinFile::new("data_batch_3.bin", BYTES, "942cd6a4bcdd0dd3c604fbe906cb4421"),
            BinFile::new("data_batch_4.bin", BYTES, "ae636b3ba5c66a11e91e8cb52e771fcb"),
            BinFile::new("data_batch_5.bin", BYTES, "53f37980c15c3d472c316c40844f3f0d"),
        ]),
        Cow::Borrowed(&[BinFile::new("test_batch.bin", BYTES, "803d5f7f4d78ea53de84dbe85f74fb6d")]),
    ],
    decode: |file, bytes| records(file, bytes, 1, CLASSES),
};

/// The images of CIFAR's records: `label_bytes` bytes, of which the last is the label, and then the image.
pub(super) fn records(file: &BinFile, bytes: &[u8], label_bytes: usize, classes: usize) -> Result<Split> {
    let record = label_bytes + IMAGE_BYTES;
    if bytes.is_empty() || !bytes.len().is_multiple_of(record) {
        let (name, bytes) = (file.name, bytes.len());
        return Err(EngineError::Data(format!(
            "{name} has {bytes} bytes, which is no whole number of images of {record}: download it again"
        )));
    }
    let mut split = Split::default();
    for (i, record) in bytes.chunks_exact(record).enumerate() {
        let (labels, image) = record.split_at(label_bytes);
        let label = labels[label_bytes - 1];
        if usize::from(label) >= classes {
            let name = file.name;
            return Err(EngineError::Data(format!("{name}, image {i}: label {label} is not below {classes}")));
        }
        split.push(label, image);
    }
    Ok(split)
}

/// In label order, as its files name them.
const NAMES: [&str; 10] = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{
        official::tests::{miniature, read},
        testing::cifar10_files,
    };

    const RECORD: usize = 1 + IMAGE_BYTES;

    #[test]
    fn binary_files_read_back_as_the_images_that_were_written() {
        let files = cifar10_files(3);
        let dataset = read(&files, &miniature(&CIFAR10, &files)).unwrap();
        assert_eq!((dataset.train.len(), dataset.test.len()), (15, 3));
        assert_eq!(dataset.classes[9], "truck");
        for (f, (_, bytes)) in files[..5].iter().enumerate() {
            for i in 0..3 {
                let record = &bytes[i * RECORD..(i + 1) * RECORD];
                assert_eq!(dataset.train.labels[f * 3 + i], record[0]);
                assert_eq!(dataset.train.image(f * 3 + i), &record[1..]);
            }
        }
        assert_eq!(dataset.test.image(2), &files[5].1[2 * RECORD + 1..]);
    }

    #[test]
    fn a_label_that_no_class_has_is_refused() {
        let mut files = cifar10_files(2);
        files[0].1[RECORD] = 10;
        let message = read(&files, &miniature(&CIFAR10, &files)).unwrap_err().to_string();
        assert!(message.contains("data_batch_1.bin, image 1: label 10 is not below 10"), "{message}");
    }
}
