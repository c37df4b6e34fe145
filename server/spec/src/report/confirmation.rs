//! Whether figures that were computed elsewhere were found again.

use crate::Accuracy;

/// What became of a reported figure when the same model was shown the same images under the same attack again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Confirmation {
    /// What was reported.
    pub reported: Accuracy,
    /// What was found.
    pub found: Accuracy,
    /// Images that were answered with the same class both times, or both times with none.
    pub same_answers: usize,
    /// Images that were right both times, or wrong both times.
    pub same_verdicts: usize,
}

/// How well a figure was found again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agreement {
    /// Every image got the same answer.
    ToTheBit,
    /// The accuracies are at most [`Confirmation::MOST_POINTS`] apart, and at least [`Confirmation::LEAST_VERDICTS`] of the
    /// verdicts are the same: what another processor's last digits make of a figure.
    Within,
    /// It is another figure.
    Not,
}

impl Confirmation {
    /// The largest distance of two accuracies that still confirm each other, in percentage points.
    pub const MOST_POINTS: f64 = 0.3;
    /// The least share of images with the same verdict.
    pub const LEAST_VERDICTS: f64 = 0.99;

    /// Compares what was answered to the same images, of these classes, twice; none where they are of different numbers.
    pub fn of(labels: &[u8], reported: &[Option<u8>], found: &[Option<u8>]) -> Option<Self> {
        if reported.len() != labels.len() || found.len() != labels.len() {
            return None;
        }
        let is_right = |answers: &[Option<u8>], image: usize| answers[image] == Some(labels[image]);
        let count = |holds: &dyn Fn(usize) -> bool| (0..labels.len()).filter(|image| holds(*image)).count();
        let accuracy =
            |answers: &[Option<u8>]| Accuracy { correct: count(&|image| is_right(answers, image)), n: labels.len() };
        Some(Self {
            reported: accuracy(reported),
            found: accuracy(found),
            same_answers: count(&|image| reported[image] == found[image]),
            same_verdicts: count(&|image| is_right(reported, image) == is_right(found, image)),
        })
    }

    /// How well it was found again.
    pub fn agreement(&self) -> Agreement {
        let points = (self.reported.percent() - self.found.percent()).abs();
        if self.same_answers == self.reported.n {
            Agreement::ToTheBit
        } else if points <= Self::MOST_POINTS + 1e-9
            && self.same_verdicts as f64 >= Self::LEAST_VERDICTS * self.reported.n as f64
        {
            Agreement::Within
        } else {
            Agreement::Not
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A thousand images of class 1, of which so many are answered with 1, so many with 2, and the others not at all.
    fn answers(ones: usize, twos: usize) -> Vec<Option<u8>> {
        (0..1_000).map(|i| if i < ones { Some(1) } else { (i < ones + twos).then_some(2) }).collect()
    }

    #[test]
    fn a_figure_is_confirmed_to_the_bit_only_by_the_same_answer_to_every_image() {
        let labels = [1; 1_000];
        let agreement =
            |found: &[Option<u8>]| Confirmation::of(&labels, &answers(500, 500), found).unwrap().agreement();
        assert_eq!(agreement(&answers(500, 500)), Agreement::ToTheBit);
        // The same verdicts by another wrong answer.
        assert_eq!(agreement(&answers(500, 499)), Agreement::Within);
        assert_eq!(agreement(&answers(503, 497)), Agreement::Within);
        assert_eq!(agreement(&answers(497, 503)), Agreement::Within);
        assert_eq!(agreement(&answers(504, 496)), Agreement::Not);
        // The same accuracy on other images.
        let mut turned = answers(500, 500);
        turned.reverse();
        assert_eq!(agreement(&turned), Agreement::Not);
    }

    #[test]
    fn answers_to_other_images_confirm_nothing() {
        assert_eq!(Confirmation::of(&[1; 3], &[None; 3], &[None; 2]), None);
        let none = Confirmation::of(&[1; 3], &[None; 3], &[None; 3]).unwrap();
        assert_eq!((none.agreement(), none.found.correct), (Agreement::ToTheBit, 0));
    }
}
