//! The classes of the datasets that can be fetched, which a model may tell apart before its dataset is here.

/// A dataset's name, and its classes in label order as its files name them.
pub type Classes = (&'static str, &'static [&'static str]);

/// Of each dataset that can be fetched.
pub const CLASSES: [Classes; 3] = [("cifar10", &CIFAR10), ("cifar100", &CIFAR100), ("stl10", &STL10)];

const CIFAR10: [&str; 10] = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

const STL10: [&str; 10] = ["airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck"];

/// The fine ones.
const CIFAR100: [&str; 100] = [
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
    use super::{super::ALL, *};
    use crate::data::testing::{cifar10_files, stl10_files};

    #[test]
    fn each_dataset_that_can_be_fetched_has_as_many_different_classes_as_its_files_name() {
        for (official, (name, classes)) in ALL.iter().zip(CLASSES) {
            let different: std::collections::BTreeSet<_> = classes.iter().collect();
            assert_eq!((official.name, official.classes, different.len()), (name, classes.len(), classes.len()));
        }
        assert!(CIFAR100.is_sorted());
    }

    #[test]
    fn the_classes_are_those_of_the_files() {
        for (files, name, classes) in
            [(cifar10_files(1), "batches.meta.txt", &CIFAR10), (stl10_files(), "class_names.txt", &STL10)]
        {
            let (_, text) = files.iter().find(|(file, _)| file == name).unwrap();
            assert_eq!(String::from_utf8_lossy(text).split_whitespace().collect::<Vec<_>>(), classes);
        }
    }
}
