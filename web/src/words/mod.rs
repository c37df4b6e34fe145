//! Titles, names and classes of any script on their way out. What nobody would see, such as control characters and those that
//! turn the direction of writing, stands there as what it is: `⟨U+202E⟩`.

mod hidden;
mod latin;
mod room;

use std::{
    borrow::Cow,
    fmt::{self, Write},
};

use askama::filters::{Escaper, Html as Markup};

pub use latin::latin;
pub(crate) use room::{is_in_font, most_width, shortened, width, wrapped};

/// A text in one line, with a mark in place of each sign that nobody would see.
pub fn shown(text: &str) -> Cow<'_, str> {
    marked(text, "")
}

/// The same of a text of several lines.
pub fn shown_in_lines(text: &str) -> Cow<'_, str> {
    marked(text, "\n\t")
}

/// A text with a mark for each sign that nobody would see, but for those of `kept`.
fn marked<'a>(text: &'a str, kept: &str) -> Cow<'a, str> {
    let is_marked = |(sign, hidden): (char, bool)| hidden && !kept.contains(sign);
    // Most texts are plain.
    if text.bytes().all(|b| matches!(b, b' '..=b'~')) || !hidden::signs(text).any(is_marked) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for (sign, hidden) in hidden::signs(text) {
        if is_marked((sign, hidden)) {
            let _ = write!(out, "⟨{}⟩", code_point(sign));
        } else {
            out.push(sign);
        }
    }
    Cow::Owned(out)
}

/// The name of a sign by its number: `U+202E`.
pub(crate) fn code_point(sign: char) -> String {
    format!("U+{:04X}", u32::from(sign))
}

/// JSON that says the same with escapes in place of the signs that nobody would see. They stand in its strings alone.
pub fn json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (sign, hidden) in hidden::signs(text) {
        if hidden && sign != '\n' {
            out.extend(sign.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
        } else {
            out.push(sign);
        }
    }
    out
}

/// A text as XML and HTML hold it, in elements and in attributes.
pub(crate) fn escape(text: &str) -> String {
    shown(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// How templates write every text: as HTML, with a mark for each sign that nobody would see.
#[derive(Clone, Copy, Debug, Default)]
pub struct Html;

impl Escaper for Html {
    fn write_escaped_str<W: fmt::Write>(&self, dest: W, text: &str) -> fmt::Result {
        Markup.write_escaped_str(dest, &shown(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_would_see_is_shown_as_what_it_is() {
        for (text, said) in [
            ("a\u{1}b", "a⟨U+0001⟩b"),
            ("line\nline\t", "line⟨U+000A⟩line⟨U+0009⟩"),
            ("\u{7f}\u{85}", "⟨U+007F⟩⟨U+0085⟩"),
            ("evil\u{202e}gpj.exe", "evil⟨U+202E⟩gpj.exe"),
            ("\u{2066}x\u{2069}\u{200e}\u{200f}", "⟨U+2066⟩x⟨U+2069⟩⟨U+200E⟩⟨U+200F⟩"),
            ("ca\u{200b}t", "ca⟨U+200B⟩t"),
            ("ca\u{200d}t", "ca⟨U+200D⟩t"),
            ("\u{feff}cat", "⟨U+FEFF⟩cat"),
            ("a\u{fe01}", "a⟨U+FE01⟩"),
            ("a\u{e0101}", "a⟨U+E0101⟩"),
            ("\u{e0063}at", "⟨U+E0063⟩at"),
            ("\u{fff9}\u{fffe}\u{1ffff}", "⟨U+FFF9⟩⟨U+FFFE⟩⟨U+1FFFF⟩"),
            ("\u{e123}", "⟨U+E123⟩"),
        ] {
            assert_eq!(shown(text), said);
        }
        assert_eq!(shown_in_lines("a\n\tb\u{1b}[31m"), "a\n\tb⟨U+001B⟩[31m");
    }

    #[test]
    fn what_a_script_or_an_emoji_needs_stays() {
        for text in [
            "golden retriever",
            "été, Ελληνικά, привет, 犬, 한국어",
            "می\u{200c}خواهم",
            "क\u{94d}\u{200d}ष",
            "👩\u{200d}🔬 ❤\u{fe0f} 1\u{fe0f}⃣",
            "👩🏽\u{200d}❤\u{fe0f}\u{200d}👨🏻",
            "🏴\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}",
            "葛\u{e0100}",
            "ភាសា\u{200b}ខ្មែរ",
            "\u{1820}\u{180b}",
            "e\u{301} x\u{30c}",
        ] {
            assert_eq!(shown(text), text);
            assert!(matches!(shown(text), Cow::Borrowed(_)));
        }
    }

    #[test]
    fn tags_that_name_no_region_are_shown() {
        let hidden: String = "🏴".chars().chain("attack at dawn".chars().map(tag)).collect();
        assert!(shown(&hidden).contains("⟨U+E0061⟩"), "{}", shown(&hidden));
    }

    fn tag(letter: char) -> char {
        char::from_u32(0xe0000 + u32::from(letter)).unwrap()
    }

    #[test]
    fn json_says_the_same_without_a_hidden_sign() {
        let value = serde_json::json!({ "a\u{202e}": ["\u{1}\u{7f}\u{feff}\u{e0001}", "犬 🐕"] });
        let text = json(&format!("{value:#}"));
        assert!(
            text.contains(r"a\u202e") && text.contains(r"\u0001\u007f\ufeff\udb40\udc01") && text.contains("犬 🐕")
        );
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }

    #[test]
    fn xml_holds_any_text() {
        assert_eq!(escape("<a b=\"&\">\u{0}\u{202e}"), "&lt;a b=&quot;&amp;&quot;&gt;⟨U+0000⟩⟨U+202E⟩");
    }
}
