//! The order in which an attack tries many images.

use serde::{Deserialize, Serialize};

/// Try by try over the images that still stand, in batches. An outcome does not depend on their size, nor on where one leaves off.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Course {
    /// The try.
    pub attempt: usize,
    /// The images that stood when it began, and how many of them have had it.
    standing: Vec<usize>,
    tried: usize,
}

impl Course {
    /// That of an attack on these images which has not begun.
    pub(crate) fn new(standing: Vec<usize>) -> Self {
        Self { attempt: 0, standing, tried: 0 }
    }

    /// The images whose turn is next, at most `most`; empty where all have had this try.
    pub(crate) fn next(&self, most: usize) -> &[usize] {
        let rest = &self.standing[self.tried.min(self.standing.len())..];
        &rest[..rest.len().min(most)]
    }

    /// Notes that the next `count` images have had this try. Behind the last of them the next try begins, of those that stand.
    pub(crate) fn advance(&mut self, count: usize, stands: impl Fn(usize) -> bool) {
        self.tried += count;
        if self.tried >= self.standing.len() {
            self.standing.retain(|image| stands(*image));
            self.attempt += 1;
            self.tried = 0;
        }
    }

    /// How many images stood when this try began.
    pub(crate) const fn standing(&self) -> usize {
        self.standing.len()
    }

    /// How many images have not had this try.
    pub(crate) fn waiting(&self) -> usize {
        self.standing.len().saturating_sub(self.tried)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_try_goes_over_the_images_that_stood_behind_the_one_before() {
        let mut course = Course::new(vec![2, 3, 5, 7, 11]);
        let mut seen = Vec::new();
        while course.attempt < 3 && course.standing() > 0 {
            let batch = course.next(2).to_vec();
            seen.push((course.attempt, batch.clone(), course.waiting()));
            course.advance(batch.len(), |image| image % 2 == 1 && image > 3);
        }
        let expected: Vec<(usize, Vec<usize>, usize)> = vec![
            (0, vec![2, 3], 5),
            (0, vec![5, 7], 3),
            (0, vec![11], 1),
            (1, vec![5, 7], 3),
            (1, vec![11], 1),
            (2, vec![5, 7], 3),
            (2, vec![11], 1),
        ];
        assert_eq!(seen, expected);
    }
}
