//! Datasets on their way.

use crate::{dataset_form::DatasetForm, format};

/// A dataset that is being fetched or imported, or one that did not arrive.
#[derive(Clone, Debug, PartialEq)]
pub struct Arrival {
    /// The name under which it will be kept, of letters, digits and hyphens: it stands in addresses as it is.
    pub name: String,
    /// How it comes.
    pub kind: ArrivalKind,
    /// The name that people read: the dataset's title, or the name of the uploaded file.
    pub title: String,
    /// How far it is.
    pub state: ArrivalState,
    /// What its form held, for another attempt.
    pub form: DatasetForm,
}

/// How a dataset comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArrivalKind {
    /// It is downloaded from its official address.
    Fetch,
    /// It is read from an uploaded file.
    Import,
}

/// How far a dataset is.
#[derive(Clone, Debug, PartialEq)]
pub enum ArrivalState {
    /// Other imports come first.
    Waiting,
    /// Its process works; what it said last, and nothing before its first word.
    Working(Option<Step>),
    /// It did not arrive, and why.
    Failed(String),
}

/// What a process that fetches or imports does now.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// What is being done: `downloading`, `reading`.
    pub what: String,
    /// How much is done, in bytes or in images.
    pub done: u64,
    /// How much there is to do, where that is known.
    pub total: Option<u64>,
    /// Whether bytes are counted; else images are.
    pub in_bytes: bool,
    /// How much is done a second, once that can be told.
    pub rate: Option<f64>,
}

impl Arrival {
    /// Whether it is still on its way.
    pub fn is_active(&self) -> bool {
        !matches!(self.state, ArrivalState::Failed(_))
    }

    pub(crate) fn verb(&self) -> &'static str {
        match self.kind {
            ArrivalKind::Fetch => "fetched",
            ArrivalKind::Import => "imported",
        }
    }
}

impl Step {
    pub(crate) fn share(&self) -> Option<f64> {
        let total = self.total.filter(|total| *total > 0)?;
        Some((self.done as f64 / total as f64).min(1.0))
    }

    /// `Downloading: 82 MB of 170 MB · 5.1 MB a second · 17 s left`
    pub(crate) fn words(&self) -> String {
        let amount = |n: u64| if self.in_bytes { format::bytes(n) } else { format::count(n as usize) };
        let done = match self.total {
            Some(total) => format!("{} of {}", amount(self.done), amount(total)),
            None => amount(self.done),
        };
        let images = if self.in_bytes { "" } else { " images" };
        let mut words = format!("{}: {done}{images}", format::upper_first(&self.what));
        if let Some(rate) = self.rate.filter(|rate| *rate >= 1.0) {
            words = format!("{words} · {}{images} a second", amount(rate as u64));
            if let Some(left) = self.total.map(|total| total.saturating_sub(self.done)).filter(|left| *left > 0) {
                words = format!("{words} · {} left", format::duration(left as f64 / rate));
            }
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_says_how_much_is_done_how_fast_and_how_long_it_still_takes() {
        let step = Step {
            what: "downloading".into(),
            done: 82_000_000,
            total: Some(170_000_000),
            in_bytes: true,
            rate: Some(5_100_000.0),
        };
        assert_eq!(step.words(), "Downloading: 82 MB of 170 MB · 5.1 MB a second · 17 s left");
        let read = Step { what: "reading".into(), done: 1_200, total: None, in_bytes: false, rate: Some(310.4) };
        assert_eq!(read.words(), "Reading: 1,200 images · 310 images a second");
        assert_eq!((step.share().map(|share| (share * 100.0).round()), read.share()), (Some(48.0), None));
        assert_eq!(Step { rate: None, ..step }.words(), "Downloading: 82 MB of 170 MB");
    }
}
