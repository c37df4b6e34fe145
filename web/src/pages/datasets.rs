//! `GET /datasets`, `GET /datasets/{name}`, and what `POST /datasets` answers when nothing could be imported.

use askama::Template;
use retort_spec::Problem;

use crate::{Arrival, Frame, Section, dataset_form::DatasetForm, format};

/// Classes whose samples are shown at once; those of the others unfold.
const SHOWN: usize = 10;

/// Classes whose images are listed at once; where there are more, their table unfolds.
const LISTED: usize = 20;

/// The datasets that are there, each with samples, and how to get others.
#[derive(Clone, Debug, Template)]
#[template(path = "datasets.html")]
pub struct DatasetsPage {
    /// The header.
    pub frame: Frame,
    /// The values in the form.
    pub form: DatasetForm,
    /// Why nothing was imported; empty before anything was sent.
    pub problems: Vec<Problem>,
    /// Bytes of the largest archive that is taken.
    pub largest: u64,
    /// The datasets, in the order of their list.
    pub datasets: Vec<DatasetCard>,
    /// How the samples of each lie on their sheet.
    pub sheet: SampleSheet,
    /// Imports that are on their way or failed.
    pub imports: Vec<Arrival>,
    /// What could be downloaded and is not there.
    pub downloads: Vec<Download>,
}

/// One dataset: there, on its way, or both where a new attempt failed beside it.
#[derive(Clone, Debug, Template)]
#[template(path = "dataset.html")]
pub struct DatasetPage {
    /// The header.
    pub frame: Frame,
    /// The name that specs use.
    pub name: String,
    /// How far it is on its way.
    pub arrival: Option<Arrival>,
    /// What it is, once it is there.
    pub dataset: Option<DatasetCard>,
    /// What its import did; none for the bundled dataset, and where no report was kept.
    pub report: Option<ReportView>,
    /// Whether the program carries it inside itself.
    pub is_bundled: bool,
    /// How its samples lie on their sheet.
    pub sheet: SampleSheet,
}

/// What an import took, left out and changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportView {
    /// The name of what was read.
    pub source: String,
    /// What that is, in words: `a zip archive`.
    pub container: String,
    /// What was found in it, in words: `images in folders`.
    pub kind: String,
    /// The classes in the order of the labels, each with its training and test images.
    pub classes: Vec<(String, usize, usize)>,
    /// What was not taken, and why.
    pub left_out: Vec<FindingView>,
    /// How images differ from what their files hold.
    pub changed: Vec<FindingView>,
    /// Whole sentences about the source.
    pub notes: Vec<String>,
}

/// Files with which the same was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FindingView {
    /// What they are and what was done, in the plural.
    pub what: String,
    /// How many there are.
    pub count: usize,
    /// The names of the first of them.
    pub examples: Vec<String>,
}

/// A dataset as the page shows it. Its sheet of samples is at `/datasets/NAME/samples.png`.
#[derive(Clone, Debug)]
pub struct DatasetCard {
    /// The name that specs use, of letters, digits and hyphens: it stands in addresses as it is.
    pub name: String,
    /// The name that people read.
    pub title: String,
    /// The names of the classes, in the order of the rows of its sheet.
    pub classes: Vec<String>,
    /// How many training images.
    pub train: usize,
    /// How many test images.
    pub test: usize,
    /// Where the images come from.
    pub origin: String,
    /// Why it cannot be used, and what to do.
    pub fault: Option<String>,
}

/// A sheet with a row of square images for each class; all lengths in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SampleSheet {
    /// Images in a row.
    pub columns: usize,
    /// Height and width of an image.
    pub side: usize,
    /// From one image to the next, to the right and down.
    pub pitch: usize,
}

/// A dataset that can be downloaded.
#[derive(Clone, Debug, PartialEq)]
pub struct Download {
    /// The name under which it is fetched.
    pub name: String,
    /// The name that people read.
    pub title: String,
    /// What is downloaded, in bytes.
    pub bytes: u64,
    /// Bytes that an earlier attempt left, with which the next one begins.
    pub here: u64,
    /// How far it is on its way.
    pub arrival: Option<Arrival>,
}

impl DatasetsPage {
    const SECTION: Section = Section::Datasets;

    fn wrong(&self, field: &str) -> String {
        let of_field: Vec<_> = self.problems.iter().filter(|p| p.field == field).map(|p| p.message.as_str()).collect();
        format::upper_first(&of_field.join("; "))
    }
}

impl DatasetPage {
    const SECTION: Section = Section::Datasets;

    fn title(&self) -> &str {
        self.dataset.as_ref().map_or(&self.name, |dataset| &dataset.title)
    }
}

impl ReportView {
    /// Each class with its training and test images.
    fn rows(&self) -> Vec<(&str, String, String)> {
        self.classes
            .iter()
            .map(|(class, train, test)| (class.as_str(), format::count(*train), format::count(*test)))
            .collect()
    }

    /// Training and test images of all classes.
    fn total(&self) -> (String, String) {
        let sum = |of: fn(&(String, usize, usize)) -> usize| format::count(self.classes.iter().map(of).sum());
        (sum(|class| class.1), sum(|class| class.2))
    }

    fn has_many_classes(&self) -> bool {
        self.classes.len() > LISTED
    }
}

impl FindingView {
    fn names(&self) -> String {
        let more = if self.count > self.examples.len() { ", …" } else { "" };
        self.examples.join(", ") + more
    }
}

impl DatasetCard {
    /// The classes with the numbers of their rows: those that are shown at once, and those that unfold.
    fn rows(&self) -> [Vec<(usize, &String)>; 2] {
        let mut shown: Vec<_> = self.classes.iter().enumerate().collect();
        let more = shown.split_off(SHOWN.min(shown.len()));
        [shown, more]
    }
}

impl SampleSheet {
    fn width(&self) -> usize {
        self.length(self.columns)
    }

    fn length(&self, images: usize) -> usize {
        images * self.pitch - (self.pitch - self.side)
    }
}

impl Download {
    fn size(&self) -> String {
        format::bytes(self.bytes)
    }

    fn verb(&self) -> &'static str {
        match (self.here, &self.arrival) {
            (0, None) => "Fetch",
            (0, Some(_)) => "Try again",
            _ => "Go on",
        }
    }

    fn is_active(&self) -> bool {
        self.arrival.as_ref().is_some_and(Arrival::is_active)
    }
}
