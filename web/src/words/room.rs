//! How much room a text takes, and how it fits into less.

use std::{borrow::Cow, sync::LazyLock};

use ttf_parser::Face;
use unicode_normalization::char::is_combining_mark;
use unicode_segmentation::UnicodeSegmentation;

use super::latin;

/// The font of figures, which is wider than most: what has room in it has room in others.
static FACE: LazyLock<Option<Face>> = LazyLock::new(|| Face::parse(dejavu::sans::regular(), 0).ok());

/// The width of a text of a font size, in that size's units. A sign that the font lacks counts as a square.
pub fn width(text: &str, size: f64) -> f64 {
    let square = |sign| if is_combining_mark(sign) { 0.0 } else { 1.0 };
    size * text.chars().map(|sign| advance(sign).unwrap_or_else(|| square(sign))).sum::<f64>()
}

/// The width that a text may come to take: signs that the font lacks are written in Latin letters where no other font has them.
pub fn most_width(text: &str, size: f64) -> f64 {
    let most = |sign: char| {
        advance(sign).unwrap_or_else(|| width(&latin(sign), 1.0).max(width(sign.encode_utf8(&mut [0; 4]), 1.0)))
    };
    size * text.chars().map(most).sum::<f64>()
}

/// Whether the font of figures has all signs of a text.
pub fn is_in_font(text: &str) -> bool {
    text.is_ascii() || text.chars().all(|sign| advance(sign).is_some())
}

/// The width of a sign of size 1; none if the font lacks it. A mark takes no room beside its letter.
fn advance(sign: char) -> Option<f64> {
    let face = FACE.as_ref()?;
    let glyph = face.glyph_index(sign)?;
    let advance = if is_combining_mark(sign) { 0 } else { face.glyph_hor_advance(glyph)? };
    Some(f64::from(advance) / f64::from(face.units_per_em()))
}

/// A text that takes at most so much room: all of it, or its beginning with an ellipsis.
pub fn shortened(text: &str, room: f64, size: f64) -> Cow<'_, str> {
    if width(text, size) <= room {
        return Cow::Borrowed(text);
    }
    let most = room - width("…", size);
    let fits = |end: &usize| width(&text[..*end], size) <= most;
    let ends = text.grapheme_indices(true).map(|(start, sign)| start + sign.len());
    let end = ends.take_while(fits).last().unwrap_or(0);
    Cow::Owned(format!("{}…", text[..end].trim_end()))
}

/// A text in lines that take at most so much room each, broken between words where that is possible.
pub fn wrapped(text: &str, room: f64, size: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let fits = |line: &str, more: &str| width(line, size) + width(more, size) <= room;
    for word in text.split_whitespace() {
        if let Some(line) = lines.last_mut().filter(|line| fits(line, &format!(" {word}"))) {
            line.extend([" ", word]);
            continue;
        }
        lines.push(String::new());
        for sign in word.graphemes(true) {
            match lines.last_mut().filter(|line| line.is_empty() || fits(line, sign)) {
                Some(line) => line.push_str(sign),
                None => lines.push(sign.to_owned()),
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_as_wide_as_its_letters() {
        assert!(width("mmm", 11.0) > 2.0 * width("iii", 11.0));
        assert_eq!((width("犬犬", 11.0), width("e\u{301}", 11.0)), (22.0, width("e", 11.0)));
        assert_eq!((most_width("ε犬", 11.0), most_width("ARD", 11.0)), (width("εQuan ", 11.0), width("ARD", 11.0)));
        assert!(is_in_font("ε ✗ привет") && !is_in_font("犬"));
    }

    #[test]
    fn what_has_no_room_ends_with_an_ellipsis_between_letters() {
        assert_eq!(shortened("ARD", 40.0, 11.0), "ARD");
        let text = "e\u{301}".repeat(30);
        let short = shortened(&text, 40.0, 11.0);
        assert!(short.ends_with("e\u{301}…") && width(&short, 11.0) <= 40.0, "{short}");
        assert_eq!(shortened("wide", 1.0, 11.0), "…");
    }

    #[test]
    fn a_word_without_end_is_broken_into_lines() {
        let text = format!("KD and {} by hand", "x".repeat(91));
        let lines = wrapped(&text, 200.0, 13.0);
        assert!(lines.iter().all(|line| width(line, 13.0) <= 200.0) && lines.len() > 3, "{lines:?}");
        assert_eq!((lines[0].as_str(), lines.concat().matches('x').count()), ("KD and", 91));
        assert!(lines.last().unwrap().ends_with("by hand"));
        assert_eq!(wrapped("", 200.0, 13.0), [""; 0]);
    }
}
