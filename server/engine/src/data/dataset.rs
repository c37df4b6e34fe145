//! A dataset in memory, and balanced subsets of it.

use retort_spec::DatasetChoice;

use crate::{
    EngineError, Result,
    rng::{Purpose, Stream},
};

/// Height and width of every image, in pixels.
pub const SIDE: usize = 32;
/// Colour planes of every image: red, green, blue.
pub const CHANNELS: usize = 3;
/// Bytes of one image.
pub const IMAGE_BYTES: usize = CHANNELS * SIDE * SIDE;

/// The seed of every subset. It belongs to the datasets and not to a run, so that all runs see the same images.
const SUBSET_SEED: u64 = 0x5eed;

/// Images with their labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Split {
    /// N × 3 × 32 × 32 bytes: each image's red, green and blue plane, row by row.
    pub images: Vec<u8>,
    /// The class of each image, an index into [`Dataset::classes`].
    pub labels: Vec<u8>,
}

/// Labelled 32×32 colour images with a training and a test split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    /// The name that specs use.
    pub name: String,
    /// The name that people read.
    pub title: String,
    /// The names of the classes; a label is an index into them.
    pub classes: Vec<String>,
    /// Where the images come from.
    pub origin: String,
    /// The images to train on.
    pub train: Split,
    /// The images to test on.
    pub test: Split,
}

impl Split {
    /// How many images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The bytes of image `i`.
    ///
    /// # Panics
    /// When there is no image `i`.
    pub fn image(&self, i: usize) -> &[u8] {
        &self.images[i * IMAGE_BYTES..(i + 1) * IMAGE_BYTES]
    }

    pub(super) fn push(&mut self, label: u8, image: &[u8]) {
        self.images.extend_from_slice(image);
        self.labels.push(label);
    }
}

impl Dataset {
    /// The part of this dataset that `choice` asks for: all of a split, or a balanced subset of it.
    ///
    /// A subset holds equally many images of each class; where the number is not a multiple of the classes, the first
    /// classes get one more. Which images is drawn by a fixed seed, so the same number always means the same images,
    /// and a smaller subset lies within a larger one. The images keep their order.
    ///
    /// # Errors
    /// When a split or one of its classes has fewer images than asked for.
    pub fn choose(mut self, choice: &DatasetChoice) -> Result<Self> {
        for (i, (split, count)) in
            [(&mut self.train, choice.train_images), (&mut self.test, choice.test_images)].into_iter().enumerate()
        {
            let Some(count) = count.filter(|count| *count != split.len()) else { continue };
            let kind = ["training", "test"][i];
            let chosen = balanced_subset(split, &self.classes, count, i as u64)
                .map_err(|fault| EngineError::Data(format!("{count} {kind} images of {} {fault}", self.name)))?;
            let mut subset = Split::default();
            for i in chosen {
                subset.push(split.labels[i], split.image(i));
            }
            *split = subset;
        }
        Ok(self)
    }
}

/// The indices of `count` images in their order, equally many of each class.
fn balanced_subset(
    split: &Split,
    classes: &[String],
    count: usize,
    stream: u64,
) -> std::result::Result<Vec<usize>, String> {
    if count > split.len() {
        return Err(format!(
            "are asked for, but there are {}: ask for fewer, or leave the number out for all",
            split.len()
        ));
    }
    let mut chosen = Vec::with_capacity(count);
    for (label, class) in classes.iter().enumerate() {
        let wanted = count / classes.len() + usize::from(label < count % classes.len());
        let mut members: Vec<usize> = (0..split.len()).filter(|i| usize::from(split.labels[*i]) == label).collect();
        if members.len() < wanted {
            return Err(format!(
                "take {wanted} of the class “{class}”, which has {}: ask for at most {}",
                members.len(),
                members.len() * classes.len()
            ));
        }
        Stream::new(SUBSET_SEED, Purpose::Subset, stream, label as u64).shuffle_first(wanted, &mut members);
        chosen.extend_from_slice(&members[..wanted]);
    }
    chosen.sort_unstable();
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::testing::{class_counts, dataset};

    fn choice(train: Option<usize>, test: Option<usize>) -> DatasetChoice {
        DatasetChoice { name: "d".into(), train_images: train, test_images: test }
    }

    fn ids(split: &Split) -> Vec<&[u8]> {
        (0..split.len()).map(|i| split.image(i)).collect()
    }

    #[test]
    fn a_subset_is_balanced_and_the_first_classes_get_the_remainder() {
        let subset = dataset(3, 20, 5).choose(&choice(Some(11), None)).unwrap();
        assert_eq!(class_counts(&subset.train), [4, 4, 3]);
        assert_eq!(subset.test, dataset(3, 20, 5).test);
    }

    #[test]
    fn a_subset_keeps_the_order_and_lies_within_a_larger_one() {
        let all = dataset(3, 20, 5);
        let small = all.clone().choose(&choice(Some(12), None)).unwrap();
        let large = all.clone().choose(&choice(Some(30), None)).unwrap();
        let place = |images: &Split, i: usize| ids(images).iter().position(|id| *id == small.train.image(i));
        let places: Vec<_> = (0..12).map(|i| place(&all.train, i).unwrap()).collect();
        assert!(places.is_sorted());
        assert_ne!(places, (0..12).collect::<Vec<_>>());
        assert!((0..12).all(|i| place(&large.train, i).is_some()));
    }

    #[test]
    fn a_subset_is_always_the_same_one() {
        // Results name their subset by its size alone, so which images it holds must never change.
        let subset = dataset(2, 8, 4).choose(&choice(Some(6), Some(2))).unwrap();
        let first: Vec<u8> = ids(&subset.train).iter().chain(&ids(&subset.test)).map(|image| image[1]).collect();
        assert_eq!(first, [1, 2, 4, 5, 5, 7, 0, 1]);
    }

    #[test]
    fn more_images_than_there_are_is_refused_with_the_number_there_is() {
        let message = dataset(3, 20, 5).choose(&choice(None, Some(16))).unwrap_err().to_string();
        assert!(message.contains("16 test images of toy") && message.contains("there are 15"), "{message}");
    }

    #[test]
    fn a_class_that_is_too_small_is_named() {
        let mut uneven = dataset(2, 6, 6);
        uneven.train.labels.iter_mut().for_each(|label| *label = u8::from(*label == 1 || *label == 0));
        uneven.train.labels[0] = 0;
        let message = uneven.choose(&choice(Some(4), None)).unwrap_err().to_string();
        assert!(message.contains("take 2 of the class “class 0”, which has 1: ask for at most 2"), "{message}");
    }
}
