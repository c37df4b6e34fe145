//! A dataset that was read from what a person brought.

use super::{
    dataset::{Dataset, Split},
    report::{ClassCount, ImportReport},
};

/// A dataset, and what became of the files that it was read from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Import {
    pub dataset: Dataset,
    pub report: ImportReport,
}

impl Import {
    /// Says whether files are those that the makers of the dataset `title` published; only then it is called so.
    pub fn tell_official(&mut self, is_official: bool, title: &str, origin: &str) {
        if is_official {
            title.clone_into(&mut self.dataset.title);
            origin.clone_into(&mut self.dataset.origin);
            self.report.notes.push(format!("These are the official files of {title}: every checksum holds."));
        } else {
            self.report.notes.push(format!("These are not the official files of {title}: no checksum holds."));
        }
    }

    /// Counts the images of each class into the report.
    pub fn count(&mut self) {
        let Dataset { classes, train, test, .. } = &self.dataset;
        let counts = |split: &Split| {
            let mut counts = vec![0; classes.len()];
            split.labels.iter().for_each(|label| counts[usize::from(*label)] += 1);
            counts
        };
        self.report.classes = classes
            .iter()
            .zip(counts(train).into_iter().zip(counts(test)))
            .map(|(class, (train, test))| ClassCount { class: class.clone(), train, test })
            .collect();
    }
}
