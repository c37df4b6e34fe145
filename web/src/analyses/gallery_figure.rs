//! A gallery of adversarial images as a drawing to take along.

use std::fmt::Write;

use base64::{Engine, engine::general_purpose::STANDARD};
use resvg::tiny_skia::{IntRect, Pixmap};
use retort_spec::{Answer, GalleryImage, GalleryImages};

use crate::{
    figures::{Figure, text},
    words::{most_width, shown},
};

/// The side of a picture in the drawing, and the gap behind it.
const SIDE: f64 = 56.0;
const GAP: f64 = 8.0;
/// The heights of the heads and of a row, of a line of text, the size of its letters, and the most that words take.
const HEAD: f64 = 44.0;
const ROW: f64 = SIDE + GAP;
const LINE: f64 = 16.0;
const LETTERS: f64 = 12.5;
const WORDS: f64 = 300.0;

/// An answer in words: the class and its confidence in percent, behind a cross if it is wrong.
pub(super) fn answer_words(answer: &Answer, class: &str) -> String {
    // A cross too, for those who cannot tell red.
    let cross = if answer.class == class { "" } else { "✗ " };
    format!("{cross}{} {:.0}\u{a0}%", answer.class, answer.confidence)
}

/// Draws a gallery: a row for each image; for each model what the attack changed, the attacked image, and both answers.
/// None of a sheet that is no PNG of its size.
pub(super) fn gallery_figure(title: String, caption: String, gallery: &GalleryImages, sheet: &[u8]) -> Option<Figure> {
    let sheet = Pixmap::decode_png(sheet).ok()?;
    let magnified = format!("change × {:.0}, attacked image", gallery.magnified);
    let classes = gallery.images.iter().map(|image| words_width(&image.class));
    let first = SIDE + GAP + classes.fold(words_width("Natural image") - SIDE, f64::max) + GAP;
    let mut columns = vec![GAP + first];
    for (model, name) in gallery.models.iter().enumerate() {
        let answers = gallery.images.iter().flat_map(|image| answers(image, model)).map(|words| words_width(&words));
        let below = 2.0 * (SIDE + GAP) + answers.fold(0.0, f64::max);
        let width = below.max(words_width(name)).max(words_width(&magnified));
        columns.push(columns[model] + width + 2.0 * GAP);
    }
    let (width, height) =
        (columns.last().copied().unwrap_or(first).ceil(), HEAD + gallery.images.len() as f64 * ROW + GAP);
    let mut svg = format!(r#"<svg class="panels" viewBox="0 0 {width} {height}">"#);
    text(&mut svg, "head", GAP, HEAD - 24.0, "Natural image");
    for (name, x) in gallery.models.iter().zip(&columns) {
        text(&mut svg, "head", *x, HEAD - 24.0, name);
        text(&mut svg, "", *x, HEAD - 9.0, &magnified);
    }
    for (row, image) in gallery.images.iter().enumerate() {
        let y = HEAD + row as f64 * ROW;
        let (upper, lower) = (y + SIDE / 2.0 - 4.0, y + SIDE / 2.0 - 4.0 + LINE);
        picture(&mut svg, &sheet, [GAP, y], [row, 0])?;
        text(&mut svg, "name", GAP + SIDE + GAP, upper, &image.class);
        text(&mut svg, "", GAP + SIDE + GAP, lower, &format!("image {}", image.place));
        for (model, x) in columns.iter().take(image.answers.len()).enumerate() {
            picture(&mut svg, &sheet, [*x, y], [row, 2 * model + 1])?;
            picture(&mut svg, &sheet, [x + SIDE + GAP, y], [row, 2 * model + 2])?;
            for (place, (words, y)) in answers(image, model).iter().zip([upper, lower]).enumerate() {
                let is_right = image.answers[model][place].class == image.class;
                text(&mut svg, if is_right { "name" } else { "name wrong" }, x + 2.0 * (SIDE + GAP), y, words);
            }
        }
    }
    svg.push_str("</svg>");
    Some(Figure { title, svg, caption })
}

/// What a model answers to an image, natural and attacked.
fn answers(image: &GalleryImage, model: usize) -> [String; 2] {
    let [natural, attacked] = &image.answers[model];
    [("natural", natural), ("attacked", attacked)]
        .map(|(which, answer)| format!("{which}: {}", answer_words(answer, &image.class)))
}

fn words_width(words: &str) -> f64 {
    most_width(&shown(words), LETTERS).min(WORDS)
}

/// One picture of the sheet. Each stands in the drawing by itself: what draws it would else decode the whole sheet for each.
fn picture(svg: &mut String, sheet: &Pixmap, [x, y]: [f64; 2], [row, column]: [usize; 2]) -> Option<()> {
    let [left, top] = [column, row].map(|place| (place * GalleryImages::PITCH) as i32);
    let side = GalleryImages::PICTURE as u32;
    let piece = sheet.clone_rect(IntRect::from_xywh(left, top, side, side)?)?.encode_png().ok()?;
    let _ = write!(
        svg,
        r#"<image x="{x}" y="{y}" width="{SIDE}" height="{SIDE}" image-rendering="optimizeSpeed" href="data:image/png;base64,{}"/>"#,
        STANDARD.encode(piece)
    );
    Some(())
}

fn text(svg: &mut String, class: &str, x: f64, y: f64, words: &str) {
    let class = if class.is_empty() { String::new() } else { format!(r#"class="{class}" "#) };
    text::text(svg, &format!(r#"{class}x="{x:.1}" y="{y}""#), words, WORDS, LETTERS);
}

#[cfg(test)]
mod tests {
    use resvg::tiny_skia::Pixmap;

    use super::*;
    use crate::figures::FigureFormat;

    #[test]
    fn a_gallery_shows_its_pictures_beside_their_answers_in_every_format() {
        // Natural, change and attacked: three pictures of one colour each.
        const PITCH: usize = GalleryImages::PITCH;
        let mut sheet = Pixmap::new(3 * PITCH as u32, PITCH as u32).unwrap();
        let colours = [[200, 40, 40, 255], [40, 200, 40, 255], [40, 40, 200, 255]];
        for (place, pixel) in sheet.data_mut().chunks_exact_mut(4).enumerate() {
            pixel.copy_from_slice(&colours[place % (3 * PITCH) / PITCH]);
        }
        let answer = |class: &str| Answer { class: class.into(), confidence: 61.6 };
        let image = GalleryImage { class: "cat".into(), place: 7, answers: vec![[answer("cat"), answer("<dog>")]] };
        let gallery = GalleryImages { models: vec!["ARD".into()], magnified: 16.0, images: vec![image] };
        let figure = gallery_figure("Images".into(), "Found.".into(), &gallery, &sheet.encode_png().unwrap()).unwrap();
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
        // A second row is not on the sheet.
        let two = GalleryImages { images: vec![gallery.images[0].clone(); 2], ..gallery };
        assert_eq!(gallery_figure(String::new(), String::new(), &two, &sheet.encode_png().unwrap()), None);
    }

    #[test]
    fn long_names_have_room() {
        let sheet =
            Pixmap::new(5 * GalleryImages::PITCH as u32, GalleryImages::PITCH as u32).unwrap().encode_png().unwrap();
        let answer = Answer { class: "a very long name of a class".into(), confidence: 100.0 };
        let image = |models| GalleryImage {
            class: "cat".into(),
            place: 0,
            answers: vec![[answer.clone(), answer.clone()]; models],
        };
        let width = |models: usize| {
            let gallery =
                GalleryImages { models: vec!["ARD".into(); models], magnified: 16.0, images: vec![image(models)] };
            let figure = gallery_figure(String::new(), String::new(), &gallery, &sheet).unwrap();
            figure.svg.split("viewBox=\"0 0 ").nth(1).unwrap().split(' ').next().unwrap().parse::<f64>().unwrap()
        };
        let column = width(2) - width(1);
        assert!(column > 2.0 * SIDE + words_width("attacked: ✗ a very long name of a class 100 %"), "{column}");
    }
}
