//! A gallery of adversarial images as a drawing to take along.

use std::fmt::Write;

use base64::{Engine, engine::general_purpose::STANDARD};
use retort_spec::{Answer, Gallery, GalleryImage};

use super::{Figure, chart::escape};

const PITCH: usize = Gallery::PITCH;
const PICTURE: usize = Gallery::PICTURE;

/// The side of a picture in the drawing, the gap behind it, and the widths of the first column and of a model's.
const SIDE: f64 = 56.0;
const GAP: f64 = 8.0;
const FIRST: f64 = 150.0;
const MODEL: f64 = 300.0;
/// The heights of the heads and of a row, and of a line of text.
const HEAD: f64 = 44.0;
const ROW: f64 = SIDE + GAP;
const LINE: f64 = 16.0;

/// An answer in words: the class and its confidence in percent, behind a cross if it is wrong.
pub(crate) fn answer_words(answer: &Answer, class: &str) -> String {
    // A cross too, for those who cannot tell red.
    let cross = if answer.class == class { "" } else { "✗ " };
    format!("{cross}{} {:.0}\u{a0}%", answer.class, answer.confidence)
}

/// Draws a gallery: a row for each image; for each model what the attack changed, the attacked image, and both answers.
pub(super) fn gallery_figure(title: String, caption: String, gallery: &Gallery, sheet: &[u8]) -> Figure {
    let (models, images) = (gallery.models.len(), gallery.images.len());
    let (width, height) = (GAP + FIRST + models as f64 * MODEL, HEAD + images as f64 * ROW + GAP);
    let (sheet_width, sheet_height) = ((1 + 2 * models) * PITCH, images * PITCH);
    let mut svg = format!(
        r#"<svg class="panels" viewBox="0 0 {width} {height}"><defs><image id="sheet" width="{sheet_width}" height="{sheet_height}" image-rendering="optimizeSpeed" href="data:image/png;base64,{}"/></defs>"#,
        STANDARD.encode(sheet)
    );
    text(&mut svg, "head", GAP, HEAD - 24.0, "Natural image");
    for (place, model) in gallery.models.iter().enumerate() {
        let x = column(place);
        text(&mut svg, "head", x, HEAD - 24.0, model);
        text(&mut svg, "", x, HEAD - 9.0, &format!("change × {:.0}, attacked image", gallery.magnified));
    }
    for (row, image) in gallery.images.iter().enumerate() {
        draw_row(&mut svg, row, image);
    }
    svg.push_str("</svg>");
    Figure { title, svg, caption }
}

fn column(model: usize) -> f64 {
    GAP + FIRST + model as f64 * MODEL
}

fn draw_row(svg: &mut String, row: usize, image: &GalleryImage) {
    let y = HEAD + row as f64 * ROW;
    let (upper, lower) = (y + SIDE / 2.0 - 4.0, y + SIDE / 2.0 - 4.0 + LINE);
    picture(svg, [GAP, y], row, 0);
    text(svg, "name", GAP + SIDE + GAP, upper, &image.class);
    text(svg, "", GAP + SIDE + GAP, lower, &format!("image {}", image.place));
    for (model, [natural, attacked]) in image.answers.iter().enumerate() {
        let x = column(model);
        picture(svg, [x, y], row, 2 * model + 1);
        picture(svg, [x + SIDE + GAP, y], row, 2 * model + 2);
        let words = x + 2.0 * (SIDE + GAP);
        text(svg, "name", words, upper, &format!("natural: {}", answer_words(natural, &image.class)));
        text(svg, "name", words, lower, &format!("attacked: {}", answer_words(attacked, &image.class)));
    }
}

/// The piece of the sheet that shows one picture.
fn picture(svg: &mut String, [x, y]: [f64; 2], row: usize, column: usize) {
    let _ = write!(
        svg,
        r##"<svg x="{x}" y="{y}" width="{SIDE}" height="{SIDE}" viewBox="{} {} {PICTURE} {PICTURE}"><use href="#sheet"/></svg>"##,
        column * PITCH,
        row * PITCH
    );
}

fn text(svg: &mut String, class: &str, x: f64, y: f64, words: &str) {
    let class = if class.is_empty() { String::new() } else { format!(r#" class="{class}""#) };
    let _ = write!(svg, r#"<text{class} x="{x}" y="{y}">{}</text>"#, escape(words));
}

#[cfg(test)]
mod tests {
    use resvg::tiny_skia::Pixmap;

    use super::*;
    use crate::figures::FigureFormat;

    #[test]
    fn a_gallery_shows_its_pictures_beside_their_answers_in_every_format() {
        // Natural, change and attacked: three pictures of one colour each.
        let mut sheet = Pixmap::new(3 * PITCH as u32, PITCH as u32).unwrap();
        let colours = [[200, 40, 40, 255], [40, 200, 40, 255], [40, 40, 200, 255]];
        for (place, pixel) in sheet.data_mut().chunks_exact_mut(4).enumerate() {
            pixel.copy_from_slice(&colours[place % (3 * PITCH) / PITCH]);
        }
        let answer = |class: &str| Answer { class: class.into(), confidence: 61.6 };
        let image = GalleryImage { class: "cat".into(), place: 7, answers: vec![[answer("cat"), answer("<dog>")]] };
        let gallery = Gallery { models: vec!["ARD".into()], magnified: 16.0, images: vec![image] };
        let figure = gallery_figure("Images".into(), "Found.".into(), &gallery, &sheet.encode_png().unwrap());
        for words in [">ARD<", ">image 7<", ">natural: cat 62\u{a0}%<", ">attacked: ✗ &lt;dog&gt; 62\u{a0}%<"] {
            assert!(figure.svg.contains(words), "{words}: {}", figure.svg);
        }
        let pixels = Pixmap::decode_png(&FigureFormat::Png.write(&figure).unwrap()).unwrap();
        let shows = |[r, g, b, _]: [u8; 4]| {
            pixels.pixels().iter().filter(|p| [p.red(), p.green(), p.blue()] == [r, g, b]).count()
        };
        // Three pixels for each unit of the drawing.
        let area = (9.0 * SIDE * SIDE) as usize;
        assert!(colours.into_iter().all(|colour| shows(colour) * 10 > area * 9), "{:?}", colours.map(shows));
        assert!(FigureFormat::Pdf.write(&figure).unwrap().starts_with(b"%PDF-1."));
    }
}
