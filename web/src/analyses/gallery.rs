//! Images with what models answer to them.

use std::fmt::Write;

use retort_spec::{Analysis, GALLERY_IMAGES, Gallery, GalleryImage, GalleryImages};

use super::{
    About, AnalysisForm, Chosen, Found,
    gallery_figure::{answer_words, gallery_figure},
};
use crate::{Template, figures::Figure, format, words::escape};

#[derive(Template)]
#[template(path = "analyses/gallery_form.html")]
struct Form<'a> {
    classes: &'a [String],
}

pub(super) const FORM: AnalysisForm = AnalysisForm {
    summary: "Show images with what each model answers to them, attacked and not",
    button: "Show images",
    fields: |classes| Form { classes }.render(),
    read: |chosen: &Chosen| {
        Ok(Analysis::Gallery(Gallery {
            classes: chosen.all("class").filter(|class| !class.is_empty()).map(str::to_owned).collect(),
            images: chosen.images()?,
            differ: chosen.one("differ") == "true",
        }))
    },
    has_signs: false,
};

/// What was found.
#[derive(Template)]
#[template(path = "analyses/gallery.html")]
pub(super) struct FoundGallery<'a> {
    pub about: About<'a>,
    pub chosen: &'a Gallery,
    pub gallery: &'a GalleryImages,
    /// The sheet of the pictures, as PNG.
    pub sheet: Option<&'a [u8]>,
}

/// An image of a gallery.
struct GalleryRow {
    picture: String,
    class: String,
    place: usize,
    cells: Vec<GalleryCell>,
}

/// An image as one model sees it.
struct GalleryCell {
    natural: String,
    natural_is_right: bool,
    change: String,
    picture: String,
    attacked: String,
    attacked_is_right: bool,
}

impl Found for FoundGallery<'_> {
    fn finding(&self) -> String {
        finding(self.chosen, self.gallery)
    }

    fn html(&self) -> askama::Result<String> {
        self.render()
    }

    fn figure(&self, title: String, caption: String) -> Option<Figure> {
        gallery_figure(title, caption, self.gallery, self.sheet?)
    }

    fn has_figure(&self) -> bool {
        self.sheet.is_some()
    }
}

impl FoundGallery<'_> {
    /// The rows of a gallery's table.
    fn rows(&self) -> Vec<GalleryRow> {
        const PITCH: usize = GalleryImages::PITCH;
        let gallery = self.gallery;
        let (width, height) = ((1 + 2 * gallery.models.len()) * PITCH, gallery.images.len() * PITCH);
        // The piece of the sheet that shows one picture.
        let picture = |row: usize, column: usize, words: &str| {
            format!(
                r#"<svg class="picture" viewBox="{} {} 32 32" role="img" aria-label="{}"><image href="/runs/{}/gallery.png" width="{width}" height="{height}"/></svg>"#,
                column * PITCH,
                row * PITCH,
                escape(words),
                self.about.run
            )
        };
        let row = |(row, image): (usize, &GalleryImage)| GalleryRow {
            picture: picture(row, 0, &image.class),
            class: image.class.clone(),
            place: image.place,
            cells: image
                .answers
                .iter()
                .enumerate()
                .map(|(model, [natural, attacked])| GalleryCell {
                    natural: answer_words(natural, &image.class),
                    natural_is_right: natural.class == image.class,
                    change: picture(row, 2 * model + 1, "what the attack changed"),
                    picture: picture(row, 2 * model + 2, "attacked image"),
                    attacked: answer_words(attacked, &image.class),
                    attacked_is_right: attacked.class == image.class,
                })
                .collect(),
        };
        gallery.images.iter().enumerate().map(row).collect()
    }
}

/// How many of the images each model answers wrongly, before and after they are attacked; and how the images were chosen, as
/// that says which models must be wrong.
fn finding(chosen: &Gallery, gallery: &GalleryImages) -> String {
    let wrong = |model: usize, attacked: usize| {
        gallery.images.iter().filter(|image| image.answers[model][attacked].class != image.class).count()
    };
    let counts = gallery.models.iter().enumerate();
    let counts: Vec<_> =
        counts.map(|(place, model)| format!("{model} {} → {}", wrong(place, 0), wrong(place, 1))).collect();
    let mut words = String::new();
    let (Gallery { images, differ, .. }, found) = (chosen, gallery.images.len());
    if let (true, [one, other, ..]) = (differ, gallery.models.as_slice()) {
        words = format!("Chosen where {one} or {other}, but not both, answers the attacked image rightly. ");
    }
    if found < *images {
        let _ = write!(words, "No more than {found} of the {images} that were asked for are there. ");
    }
    let images = format::plural(gallery.images.len(), "image", "images");
    format!("{words}Wrong answers to {images}, natural → attacked: {}.", counts.join(", "))
}

#[cfg(test)]
mod tests {
    use retort_spec::Answer;

    use super::*;

    #[test]
    fn a_gallery_says_how_its_images_were_chosen_and_what_was_wrong_before() {
        let answer = |class: &str| Answer { class: class.into(), confidence: 50.0 };
        let image = |answers: [[&str; 2]; 2]| GalleryImage {
            class: "cat".into(),
            place: 0,
            answers: answers.map(|pair| pair.map(answer)).to_vec(),
        };
        let images = vec![image([["cat", "cat"], ["dog", "dog"]]), image([["cat", "cat"], ["cat", "dog"]])];
        let gallery = GalleryImages { models: vec!["ARD".into(), "KD".into()], images, magnified: 16.0 };
        let chosen = |differ, images| Gallery { classes: vec![], images, differ };
        let plain = "Wrong answers to 2 images, natural → attacked: ARD 0 → 0, KD 1 → 2.";
        assert_eq!(finding(&chosen(false, 2), &gallery), plain);
        assert_eq!(
            finding(&chosen(true, 10), &gallery),
            format!(
                "Chosen where ARD or KD, but not both, answers the attacked image rightly. No more than 2 of the 10 that were \
                 asked for are there. {plain}"
            )
        );
    }
}
