//! Images with what models answer to them.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::{Analysis, Parameters, Record, TeachersPart, expect_images};
use crate::Problem;

/// Images with what each model answers to them, to the attacked ones, and what the attack changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gallery {
    /// Only images of these classes; of all if there are none.
    pub classes: Vec<String>,
    /// How many images.
    pub images: usize,
    /// Only those attacked images that one of the first two models answers rightly and the other wrongly.
    pub differ: bool,
}

/// How many images a gallery can have.
pub const GALLERY_IMAGES: RangeInclusive<usize> = 1..=60;

/// How many classes a title names.
const NAMED_CLASSES: usize = 3;

impl Gallery {
    /// Images unless said otherwise.
    pub const IMAGES: usize = 10;

    pub(super) const RECORD: Record = Record {
        id: "gallery",
        title: "Adversarial images",
        summary: "ten, with what each student answers",
        usual: Some(|| Analysis::Gallery(Self { classes: Vec::new(), images: Self::IMAGES, differ: false })),
        teacher: TeachersPart::None,
        shows_surrogates: false,
    };
}

impl Parameters for Gallery {
    fn title(&self) -> String {
        match self.classes.len() {
            _ if self.differ => "images that two models differ on".into(),
            0 => "adversarial images".into(),
            count if count > NAMED_CLASSES => format!("adversarial images of {count} classes"),
            _ => format!("adversarial images of {}", self.classes.join(", ")),
        }
    }

    fn check(&self, problems: &mut Vec<Problem>) {
        expect_images(self.images, &GALLERY_IMAGES, problems);
    }

    fn classes(&self) -> Vec<(&'static str, &String)> {
        self.classes.iter().map(|class| ("classes", class)).collect()
    }

    fn classes_mut(&mut self) -> Vec<&mut String> {
        self.classes.iter_mut().collect()
    }

    fn least_models(&self) -> usize {
        if self.differ { 2 } else { 1 }
    }

    fn work(&self, _test: f64, models: f64) -> (f64, f64) {
        (self.images as f64, models)
    }
}

/// Attacked images. Their pictures are on a sheet beside: a row for each image with the natural one first, then for each
/// model what the attack changed and the attacked image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GalleryImages {
    /// The models.
    pub models: Vec<String>,
    /// By how much the changes are multiplied on the sheet; grey is no change.
    pub magnified: f64,
    /// The images.
    pub images: Vec<GalleryImage>,
}

impl GalleryImages {
    /// Pixels of a picture's side on the sheet.
    pub const PICTURE: usize = 32;
    /// Pixels from one picture to the next, to the right and down.
    pub const PITCH: usize = Self::PICTURE + 2;
}

/// One image of a gallery.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GalleryImage {
    /// Its place among the test images that were used.
    pub place: usize,
    /// Its class.
    pub class: String,
    /// By model: what it answers to the natural image, and to the one attacked on it.
    pub answers: Vec<[Answer; 2]>,
}

/// What a model takes an image for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The class.
    pub class: String,
    /// Its probability, in percent.
    pub confidence: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_names_few_classes_and_counts_many() {
        let of = |classes: &[&str]| {
            let classes = classes.iter().map(|class| (*class).to_owned()).collect();
            Gallery { classes, images: 10, differ: false }.title()
        };
        assert_eq!(of(&["cat", "dog"]), "adversarial images of cat, dog");
        assert_eq!(of(&["cat", "dog", "frog", "deer"]), "adversarial images of 4 classes");
    }
}
