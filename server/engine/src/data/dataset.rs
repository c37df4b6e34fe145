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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
    /// Training images that were held out of training, to choose among epochs; none unless they were asked for.
    pub validation: Split,
    /// The images to test on.
    pub test: Split,
}

impl Dataset {
    /// The share of its largest class, from 0 to 1, in training or in test, where it is larger: what a network gets right that
    /// gives one answer always.
    pub fn largest_share(&self) -> f64 {
        let of = |split: &Split| {
            let mut counts = vec![0_usize; self.classes.len()];
            for label in &split.labels {
                if let Some(count) = counts.get_mut(usize::from(*label)) {
                    *count += 1;
                }
            }
            counts.into_iter().max().unwrap_or(0) as f64 / split.len().max(1) as f64
        };
        of(&self.train).max(of(&self.test))
    }
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

    /// These images so that each class has its turn: the first of every class, then the second, and so on.
    pub(crate) fn class_by_class(&self, places: Vec<usize>) -> Vec<usize> {
        let mut seen = [0usize; 256];
        let turn = |place: usize| {
            let class = usize::from(self.labels[place]);
            seen[class] += 1;
            (seen[class], class, place)
        };
        let mut turns: Vec<_> = places.into_iter().map(turn).collect();
        turns.sort_unstable();
        turns.into_iter().map(|(_, _, place)| place).collect()
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

    /// The images of these numbers, in this order.
    pub(super) fn pick(&self, chosen: &[usize]) -> Self {
        let mut picked = Self::default();
        for i in chosen {
            picked.push(self.labels[*i], self.image(*i));
        }
        picked
    }

    /// Keeps the images of these numbers, which are all or in their order.
    fn keep(&mut self, chosen: &[usize]) {
        if chosen.len() < self.len() {
            *self = self.pick(chosen);
        }
    }
}

impl Dataset {
    /// The part of this dataset that `choice` asks for: all of a split, or a balanced subset of it.
    ///
    /// A subset holds equally many images of each class; where the number is not a multiple of the classes, the first
    /// classes get one more. A fixed seed puts the images of each class in an order of their own, and training and test
    /// subsets take them from its beginning, the validation images from its end. So the same number always means the
    /// same images, whatever else is asked for, and a smaller subset lies within a larger one. The images of a subset
    /// keep the order that they have in the dataset.
    ///
    /// # Errors
    /// When a split or one of its classes has fewer images than asked for, or when none would be left of
    /// a class to train on.
    pub fn choose(mut self, choice: &DatasetChoice) -> Result<Self> {
        let refuse = |count: usize, kind: &str, fault: &str| {
            EngineError::Data(format!("{count} {kind} images of {} {fault}", self.name))
        };
        let draw = |pool: &mut Pool<'_>, count: Option<usize>, kind: &str| match count {
            Some(count) => pool.take(count, End::First).map_err(|fault| refuse(count, kind, &fault)),
            None => Ok(pool.rest()),
        };
        let (mut train, mut test) = (Pool::new(&self.train, &self.classes, 0), Pool::new(&self.test, &self.classes, 1));
        let mut validation = Vec::new();
        if let Some(count) = choice.validation_images {
            validation = train.take(count, End::Last).map_err(|fault| refuse(count, "validation", &fault))?;
            if let Some(class) = train.exhausted() {
                let fault = format!("leave none of the class “{class}” to train on: ask for fewer");
                return Err(refuse(count, "validation", &fault));
            }
        }
        let train = draw(&mut train, choice.train_images, "training")?;
        let test = draw(&mut test, choice.test_images, "test")?;
        self.validation = self.train.pick(&validation);
        self.train.keep(&train);
        self.test.keep(&test);
        Ok(self)
    }
}

/// The images of a split that are still to be had: their numbers by class, each class in the order of its seed.
struct Pool<'a> {
    classes: &'a [String],
    order: Vec<Vec<usize>>,
    /// Said of what is left once something was taken.
    beside: &'static str,
}

/// Where a subset is taken from the order of a class.
#[derive(Clone, Copy)]
enum End {
    First,
    Last,
}

impl<'a> Pool<'a> {
    fn new(split: &Split, classes: &'a [String], stream: u64) -> Self {
        let mut order = vec![Vec::new(); classes.len()];
        for (i, label) in split.labels.iter().enumerate() {
            order[usize::from(*label)].push(i);
        }
        for (label, members) in order.iter_mut().enumerate() {
            Stream::new(SUBSET_SEED, Purpose::Subset, stream, label as u64).shuffle(members);
        }
        Self { classes, order, beside: "" }
    }

    fn len(&self) -> usize {
        self.order.iter().map(Vec::len).sum()
    }

    /// Takes `count` images, equally many of each class, and returns their numbers in order; or says why it cannot.
    fn take(&mut self, count: usize, end: End) -> std::result::Result<Vec<usize>, String> {
        let (there, beside, classes) = (self.len(), self.beside, self.classes.len());
        if count > there {
            return Err(format!(
                "are asked for, but there are {there}{beside}: ask for fewer, or leave the number out"
            ));
        }
        // Once something was taken, what is left need not be balanced.
        if count == there && beside.is_empty() {
            let all = self.rest();
            self.order.iter_mut().for_each(Vec::clear);
            return Ok(all);
        }
        let mut taken = Vec::with_capacity(count);
        for (label, (class, members)) in self.classes.iter().zip(&mut self.order).enumerate() {
            let wanted = count / classes + usize::from(label < count % classes);
            let Some(left) = members.len().checked_sub(wanted) else {
                let has = members.len();
                return Err(format!(
                    "take {wanted} of the class “{class}”, which has {has}{beside}: ask for at most {}",
                    has * classes
                ));
            };
            taken.extend(match end {
                End::First => members.drain(..wanted),
                End::Last => members.drain(left..),
            });
        }
        self.beside = " beside the validation images";
        taken.sort_unstable();
        Ok(taken)
    }

    /// A class of which nothing is left.
    fn exhausted(&self) -> Option<&'a String> {
        self.classes.iter().zip(&self.order).find(|(_, members)| members.is_empty()).map(|(class, _)| class)
    }

    /// The numbers of all images that are left, in order.
    fn rest(&self) -> Vec<usize> {
        let mut rest = self.order.concat();
        rest.sort_unstable();
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::testing::{class_counts, dataset};

    fn choice(train: Option<usize>, test: Option<usize>) -> DatasetChoice {
        DatasetChoice { train_images: train, test_images: test, ..DatasetChoice::all_of("d") }
    }

    fn held_out(validation: usize, train: Option<usize>) -> DatasetChoice {
        DatasetChoice { validation_images: Some(validation), ..choice(train, None) }
    }

    fn ids(split: &Split) -> Vec<&[u8]> {
        (0..split.len()).map(|i| split.image(i)).collect()
    }

    #[test]
    fn each_class_has_its_turn() {
        let split = Split { images: vec![], labels: vec![0, 0, 0, 1, 1, 2] };
        assert_eq!(split.class_by_class(vec![0, 1, 2, 3, 4, 5]), [0, 3, 5, 1, 4, 2]);
        assert_eq!(split.class_by_class(vec![1, 2, 4]), [1, 4, 2]);
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

    #[test]
    fn validation_images_are_balanced_and_all_others_are_trained_on() {
        let all = dataset(3, 20, 5);
        let split = all.clone().choose(&held_out(11, None)).unwrap();
        assert_eq!((class_counts(&split.validation), class_counts(&split.train)), (vec![4, 4, 3], vec![16, 16, 17]));
        let (train, validation) = (ids(&split.train), ids(&split.validation));
        assert!(validation.iter().all(|id| !train.contains(id)));
        assert!(ids(&all.train).iter().all(|id| train.contains(id) || validation.contains(id)));
        assert_eq!(split.test, all.test);
        assert!(all.clone().choose(&choice(Some(30), None)).unwrap().validation.is_empty());
    }

    #[test]
    fn a_training_subset_of_all_that_is_left_is_balanced_or_refused() {
        let message = dataset(3, 20, 5).choose(&held_out(11, Some(49))).unwrap_err().to_string();
        assert!(
            message.contains("take 17 of the class “class 0”, which has 16 beside the validation images"),
            "{message}"
        );
        assert_eq!(dataset(3, 20, 5).choose(&held_out(12, Some(48))).unwrap().train.len(), 48);
    }

    #[test]
    fn neither_do_validation_images_depend_on_the_subset_nor_the_subset_on_them() {
        let all = dataset(3, 20, 5);
        let whole = all.clone().choose(&held_out(12, None)).unwrap();
        for train in [12, 30, 48] {
            let split = all.clone().choose(&held_out(12, Some(train))).unwrap();
            assert_eq!((split.train.len(), &split.validation), (train, &whole.validation));
            assert!(ids(&split.train).iter().all(|id| !ids(&split.validation).contains(id)));
            assert_eq!(split.train, all.clone().choose(&choice(Some(train), None)).unwrap().train);
        }
        let more = all.choose(&held_out(24, None)).unwrap();
        assert!(ids(&whole.validation).iter().all(|id| ids(&more.validation).contains(id)));
    }

    #[test]
    fn validation_images_are_always_the_same_ones() {
        let split = dataset(2, 8, 4).choose(&held_out(4, Some(4))).unwrap();
        let of = |split: &Split| ids(split).iter().map(|image| (image[0], image[1])).collect::<Vec<_>>();
        assert_eq!(of(&split.validation), [(1, 2), (0, 6), (1, 6), (0, 7)]);
    }

    #[test]
    fn more_than_can_be_held_out_is_refused() {
        let refusal = |choice| dataset(3, 20, 5).choose(&choice).unwrap_err().to_string();
        for (choice, words) in [
            (held_out(61, None), "61 validation images of toy are asked for, but there are 60: ask for fewer"),
            (held_out(60, None), "60 validation images of toy leave none of the class “class 0” to train on"),
            (
                held_out(12, Some(49)),
                "49 training images of toy are asked for, but there are 48 beside the validation images",
            ),
            (held_out(13, Some(46)), "take 16 of the class “class 0”, which has 15 beside the validation images"),
        ] {
            let message = refusal(choice);
            assert!(message.contains(words), "{message}");
        }
    }
}
