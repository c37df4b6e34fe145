//! `GET /datasets`

use askama::Template;

use crate::{Frame, Section, format};

/// Classes whose samples are shown at once; those of the others unfold.
const SHOWN: usize = 10;

/// The datasets that are there, each with samples, and how to get others.
#[derive(Clone, Debug, Template)]
#[template(path = "datasets.html")]
pub struct DatasetsPage {
    /// The header.
    pub frame: Frame,
    /// The datasets, in the order of their list.
    pub datasets: Vec<DatasetCard>,
    /// How the samples of each lie on their sheet.
    pub sheet: SampleSheet,
    /// What could be downloaded and is not there.
    pub downloads: Vec<Download>,
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

/// A dataset that `retort data fetch` downloads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Download {
    /// The name under which it is fetched.
    pub name: String,
    /// The name that people read.
    pub title: String,
    /// What is downloaded, in bytes.
    pub bytes: u64,
}

impl DatasetsPage {
    const SECTION: Section = Section::Datasets;
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
}
