//! Test images out of training images, for datasets that have none.

use super::dataset::{Dataset, Split};
use crate::{
    EngineError, Result,
    rng::{Purpose, Stream},
};

/// As for subsets, the same images are held out wherever and whenever this is done.
const SEED: u64 = 0x5eed;
/// The streams of subsets are 0 and 1.
const STREAM: u64 = 2;

/// Makes `percent` of each class's training images test images, at least one. A fixed seed chooses them.
///
/// # Errors
/// When a class has one image only.
pub(super) fn hold_out(dataset: &mut Dataset, percent: u8) -> Result<()> {
    let mut is_test = vec![false; dataset.train.len()];
    for (label, class) in dataset.classes.iter().enumerate() {
        let labels = dataset.train.labels.iter().enumerate();
        let mut members: Vec<usize> = labels.filter(|(_, l)| usize::from(**l) == label).map(|(i, _)| i).collect();
        if members.len() == 1 {
            return Err(EngineError::Data(format!(
                "the class “{class}” has one image only, so none can be held out to test on: add some"
            )));
        }
        Stream::new(SEED, Purpose::Subset, STREAM, label as u64).shuffle(&mut members);
        let count = (members.len() * usize::from(percent) + 50) / 100;
        members.iter().take(count.clamp(1, members.len().max(2) - 1)).for_each(|i| is_test[*i] = true);
    }
    let of = |wanted: bool| -> Split {
        let chosen: Vec<usize> = (0..is_test.len()).filter(|i| is_test[*i] == wanted).collect();
        dataset.train.pick(&chosen)
    };
    (dataset.test, dataset.train) = (of(true), of(false));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::testing::{class_counts, dataset};

    #[test]
    fn each_class_gives_its_share_and_no_image_is_lost_or_doubled() {
        let whole = dataset(3, 20, 0);
        let mut held = whole.clone();
        hold_out(&mut held, 20).unwrap();
        assert_eq!((class_counts(&held.train), class_counts(&held.test)), (vec![16; 3], vec![4; 3]));
        let mut images: Vec<&[u8]> = [&held.train, &held.test].iter().flat_map(|s| s.images.chunks(3_072)).collect();
        let mut all: Vec<&[u8]> = whole.train.images.chunks(3_072).collect();
        images.sort_unstable();
        all.sort_unstable();
        assert_eq!(images, all);
    }

    #[test]
    fn the_same_images_are_held_out_each_time_and_not_the_first_ones() {
        let held = || {
            let mut held = dataset(2, 30, 0);
            hold_out(&mut held, 10).unwrap();
            held.test
        };
        assert_eq!(held(), held());
        let numbers: Vec<u8> = (0..6).map(|i| held().image(i)[1]).collect();
        assert_ne!(numbers, [0, 0, 1, 1, 2, 2]);
    }

    #[test]
    fn small_classes_keep_an_image_on_both_sides_and_a_single_image_is_refused() {
        for percent in [1, 90] {
            let mut held = dataset(2, 2, 0);
            hold_out(&mut held, percent).unwrap();
            assert_eq!((held.train.len(), held.test.len()), (2, 2));
        }
        let message = hold_out(&mut dataset(2, 1, 0), 20).unwrap_err().to_string();
        assert!(message.contains("“class 0” has one image only"), "{message}");
    }
}
