//! CIFAR-100 (Krizhevsky 2009) with its fine labels: one binary file to train on and one to test on.

use std::borrow::Cow;

use super::{Archive, BinFile, Official, cifar10::records};
use crate::data::{dataset::IMAGE_BYTES, download::Checksum};

const CLASSES: usize = NAMES.len();
/// Each image has two labels: the coarse one, which is not used, and the fine one.
const LABEL_BYTES: usize = 2;
const RECORD: usize = LABEL_BYTES + IMAGE_BYTES;

/// CIFAR-100 as it is published.
pub(in crate::data) static CIFAR100: Official = Official {
    name: "cifar100",
    title: "CIFAR-100",
    origin: "the official binary files (Krizhevsky 2009), checksums verified, fine labels",
    change: Some("The labels are the fine ones, of 100 classes."),
    archive: Archive {
        url: "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
        bytes: 168_513_733,
        checksum: Checksum::Md5(Cow::Borrowed("03b5dce01913d631647c71ecec9e9cb8")),
    },
    names: "fine_label_names.txt",
    classes: &NAMES,
    files: [
        Cow::Borrowed(&[BinFile::new("train.bin", 50_000 * RECORD, "6172c7755cfe09b2fe270c85cebc1b15")]),
        Cow::Borrowed(&[BinFile::new("test.bin", 10_000 * RECORD, "4499cfba6c016c1be1438163640a0898")]),
    ],
    decode: |file, bytes| records(file, bytes, LABEL_BYTES, CLASSES),
};

/// The fine ones, in label order.
const NAMES: [&str; 100] = [
    "apple",
    "aquarium_fish",
    "baby",
    "bear",
    "beaver",
    "bed",
    "bee",
    "beetle",
    "bicycle",
    "bottle",
    "bowl",
    "boy",
    "bridge",
    "bus",
    "butterfly",
    "camel",
    "can",
    "castle",
    "caterpillar",
    "cattle",
    "chair",
    "chimpanzee",
    "clock",
    "cloud",
    "cockroach",
    "couch",
    "crab",
    "crocodile",
    "cup",
    "dinosaur",
    "dolphin",
    "elephant",
    "flatfish",
    "forest",
    "fox",
    "girl",
    "hamster",
    "house",
    "kangaroo",
    "keyboard",
    "lamp",
    "lawn_mower",
    "leopard",
    "lion",
    "lizard",
    "lobster",
    "man",
    "maple_tree",
    "motorcycle",
    "mountain",
    "mouse",
    "mushroom",
    "oak_tree",
    "orange",
    "orchid",
    "otter",
    "palm_tree",
    "pear",
    "pickup_truck",
    "pine_tree",
    "plain",
    "plate",
    "poppy",
    "porcupine",
    "possum",
    "rabbit",
    "raccoon",
    "ray",
    "road",
    "rocket",
    "rose",
    "sea",
    "seal",
    "shark",
    "shrew",
    "skunk",
    "skyscraper",
    "snail",
    "snake",
    "spider",
    "squirrel",
    "streetcar",
    "sunflower",
    "sweet_pepper",
    "table",
    "tank",
    "telephone",
    "television",
    "tiger",
    "tractor",
    "train",
    "trout",
    "tulip",
    "turtle",
    "wardrobe",
    "whale",
    "willow_tree",
    "wolf",
    "woman",
    "worm",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{
        official::tests::{miniature, read},
        testing::cifar100_files,
    };

    #[test]
    fn the_fine_label_is_the_label() {
        let files = cifar100_files(2);
        let dataset = read(&files, &miniature(&CIFAR100, &files)).unwrap();
        for (split, (_, bytes)) in [&dataset.train, &dataset.test].into_iter().zip(&files) {
            assert_eq!(split.len(), 2);
            for (i, record) in bytes.chunks_exact(3_074).enumerate() {
                assert_ne!(record[0], record[1]);
                assert_eq!(split.labels[i], record[1]);
                assert_eq!(split.image(i), &record[2..]);
            }
        }
        assert_eq!((dataset.classes.len(), dataset.classes[99].as_str()), (100, "class 99"));
    }

    #[test]
    fn a_fine_label_that_no_class_has_is_refused_and_the_coarse_one_does_not_matter() {
        let mut files = cifar100_files(2);
        files[1].1[RECORD] = 255;
        read(&files, &miniature(&CIFAR100, &files)).unwrap();
        files[1].1[RECORD + 1] = 100;
        let message = read(&files, &miniature(&CIFAR100, &files)).unwrap_err().to_string();
        assert!(message.contains("test.bin, image 1: label 100 is not below 100"), "{message}");
    }
}
