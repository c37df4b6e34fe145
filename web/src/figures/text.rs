//! Words in a drawing.

use std::fmt::Write;

use crate::words::{escape, is_in_font, shortened, shown};

/// Writes a text element that takes at most so much room at a font size. Words that are longer end with an ellipsis there, and
/// are whole where a pointer rests on them. An element with signs that the font of figures lacks remembers its room and size,
/// as the signs may come to be written in letters that take more.
pub(crate) fn text(svg: &mut String, attributes: &str, words: &str, room: f64, size: f64) {
    let words = shown(words);
    let short = shortened(&words, room, size);
    let remembered = if is_in_font(&short) { String::new() } else { format!(" {ROOM}\"{room:.1} {size}\"") };
    let element = format!("<text {attributes}{remembered}>{}</text>", escape(&short));
    let _ = if short == words {
        write!(svg, "{element}")
    } else {
        write!(svg, "<g><title>{}</title>{element}</g>", escape(&words))
    };
}

/// What an element remembers its room and size in.
const ROOM: &str = "data-room=";

/// A drawing with every sign written as `write` does, its texts again in the room that they have.
pub(super) fn rewritten(svg: &str, write: impl Fn(char) -> String) -> String {
    let write = |text: &str| text.chars().map(&write).collect::<String>();
    let mut pieces = svg.split("<text ");
    let mut out = pieces.next().map(write).unwrap_or_default();
    for piece in pieces {
        out.push_str("<text ");
        let (attributes, rest) = piece.split_once('>').unwrap_or((piece, ""));
        let (words, rest) = rest.split_once('<').unwrap_or((rest, ""));
        let words = write(words);
        let words = match room_of(attributes) {
            Some((room, size)) => escape(&shortened(&unescape(&words), room, size)),
            None => words,
        };
        let _ = write!(out, "{attributes}>{words}<{}", write(rest));
    }
    out
}

fn room_of(attributes: &str) -> Option<(f64, f64)> {
    let (room, size) = attributes.split_once(ROOM)?.1.split('"').nth(1)?.split_once(' ')?;
    Some((room.parse().ok()?, size.parse().ok()?))
}

/// What [`escape`] was given.
fn unescape(text: &str) -> String {
    text.replace("&quot;", "\"").replace("&gt;", ">").replace("&lt;", "<").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_without_room_are_whole_where_a_pointer_rests() {
        let of = |words: &str| {
            let mut svg = String::new();
            text(&mut svg, r#"x="1""#, words, 60.0, 11.0);
            svg
        };
        assert_eq!(of("a < b"), r#"<text x="1">a &lt; b</text>"#);
        let long = of("a\u{1} & far more than has room");
        assert!(
            long.starts_with("<g><title>a⟨U+0001⟩ &amp; far more than has room</title><text x=\"1\">a⟨U"),
            "{long}"
        );
        assert!(long.ends_with("…</text></g>"), "{long}");
    }

    #[test]
    fn words_in_other_letters_have_the_room_that_they_had() {
        let mut svg = "<svg viewBox=\"0 0 1 1\">".to_owned();
        for words in ["犬<", "犬犬犬犬", "KD"] {
            text(&mut svg, r#"x="1""#, words, 60.0, 11.0);
        }
        svg.push_str("</svg>");
        let other = rewritten(&svg, |sign| if sign == '犬' { "Quan ".into() } else { sign.into() });
        assert_eq!(
            other,
            "<svg viewBox=\"0 0 1 1\"><text x=\"1\" data-room=\"60.0 11\">Quan &lt;</text>\
             <text x=\"1\" data-room=\"60.0 11\">Quan Qu…</text><text x=\"1\">KD</text></svg>"
        );
    }
}
