//! What people call the parts of a dataset.

/// A part of a dataset, by what it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    Train,
    Test,
    Validation,
}

const WORDS: [(Part, &[&str]); 3] = [
    (Part::Train, &["train", "training", "trainset"]),
    (Part::Test, &["test", "testing", "testset"]),
    (Part::Validation, &["val", "valid", "validation", "valset"]),
];
/// What code shortens these words to in the names of arrays, where a folder of this name may be anything: `data_tr`, `Xte`.
const SHORT: [(Part, &[&str]); 3] = [
    (Part::Train, &["tr", "trn", "xtr", "ytr"]),
    (Part::Test, &["te", "tst", "xte", "yte"]),
    (Part::Validation, &["va", "xva", "yva"]),
];
/// What people write beside such a word: `Test images`, `train_set`.
const FILLERS: [&str; 8] = ["set", "images", "image", "imgs", "data", "dataset", "split", "folder"];

impl Part {
    /// The part that a folder of this name is, where the name says that and nothing else: `Train`, `test_images`.
    pub fn named(name: &str) -> Option<Self> {
        let words: Vec<String> = words(name).filter(|word| !FILLERS.contains(&word.as_str())).collect();
        if let [word] = words.as_slice() { part_of(word, &WORDS) } else { None }
    }

    /// The part that a name mentions, where it mentions one only: `seg_train`, `x_train`, `cifar10-test-00000`.
    pub fn mentioned(name: &str) -> Option<Self> {
        only_part(name, &WORDS)
    }

    /// The part that the name of an array mentions, be it shortened: `y_test`, `data_tr`, `Xte`.
    pub fn of_array(name: &str) -> Option<Self> {
        only_part(name, &WORDS).or_else(|| only_part(name, &SHORT))
    }

    /// The word for its images: `training images`.
    pub const fn images(self) -> &'static str {
        match self {
            Self::Train => "training images",
            Self::Test => "test images",
            Self::Validation => "validation images",
        }
    }
}

/// The part that the words of a name mention, where they mention one only.
fn only_part(name: &str, of: &[(Part, &[&str])]) -> Option<Part> {
    let mut parts = words(name).filter_map(|word| part_of(&word, of));
    let first = parts.next()?;
    parts.all(|part| part == first).then_some(first)
}

fn part_of(word: &str, of: &[(Part, &[&str])]) -> Option<Part> {
    // A number tells parts of the same kind apart: `train2017`, `test1`.
    let word = word.trim_end_matches(|c: char| c.is_ascii_digit());
    of.iter().find(|(_, words)| words.contains(&word)).map(|(part, _)| *part)
}

/// The words of a name in small letters. They end at any other sign, and where a small letter is followed by a capital.
pub(super) fn words(name: &str) -> impl Iterator<Item = String> {
    let mut spaced = String::new();
    let mut before = ' ';
    for letter in name.chars() {
        if before.is_lowercase() && letter.is_uppercase() {
            spaced.push(' ');
        }
        spaced.extend(letter.to_lowercase());
        before = letter;
    }
    let words: Vec<String> = spaced.split(|c: char| !c.is_alphanumeric()).map(str::to_owned).collect();
    words.into_iter().filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_a_part_when_its_name_says_nothing_else() {
        for (name, part) in [
            ("train", Some(Part::Train)),
            ("Train", Some(Part::Train)),
            ("TRAINING", Some(Part::Train)),
            ("train_set", Some(Part::Train)),
            ("TrainImages", Some(Part::Train)),
            ("Test data", Some(Part::Test)),
            ("testing", Some(Part::Test)),
            ("val", Some(Part::Validation)),
            ("valid", Some(Part::Validation)),
            ("train2017", Some(Part::Train)),
            ("test1", Some(Part::Test)),
            ("freight train", None),
            ("trains", None),
            ("data", None),
            ("train-test", None),
        ] {
            assert_eq!(Part::named(name), part, "{name}");
        }
    }

    #[test]
    fn a_name_mentions_a_part_beside_other_words() {
        for (name, part) in [
            ("seg_train", Some(Part::Train)),
            ("x_test", Some(Part::Test)),
            ("train-00000-of-00001.parquet", Some(Part::Train)),
            ("xTrain", Some(Part::Train)),
            ("train_test", None),
            ("images", None),
        ] {
            assert_eq!(Part::mentioned(name), part, "{name}");
        }
    }

    #[test]
    fn an_arrays_name_may_shorten_the_part() {
        for (name, part) in [
            ("data_tr", Some(Part::Train)),
            ("Xtr", Some(Part::Train)),
            ("data_te", Some(Part::Test)),
            ("yTe", Some(Part::Test)),
            ("tr_test", Some(Part::Test)),
            ("tr_te", None),
            ("tree", None),
        ] {
            assert_eq!(Part::of_array(name), part, "{name}");
        }
        assert_eq!(Part::named("tr"), None, "a class may be called so, as Turkish is");
    }
}
