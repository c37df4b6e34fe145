//! Signs in Latin letters, for where there is no font that has them.

use super::{code_point, hidden::is_picture};

/// How a sign is written in ASCII: `Quan` for 犬, `[dog]` for its picture, `[U+10FFFD]` of what has no transcription, and
/// nothing of a mark that belongs to the letter before it. Signs that are words of their own end with a space.
pub fn latin(sign: char) -> String {
    match deunicode::deunicode_char(sign) {
        Some(letters) if is_picture(sign) && letters.contains(|c: char| c.is_ascii_alphabetic()) => {
            // Pictures of one name are numbered.
            format!("[{}]", letters.trim().trim_end_matches(|c: char| c.is_ascii_digit()))
        }
        Some(letters) => letters.into(),
        None => format!("[{}]", code_point(sign)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sign_has_a_transcription_in_ascii() {
        let of = |text: &str| text.chars().map(latin).collect::<String>();
        assert_eq!(of("犬 🐕"), "Quan  [dog]");
        assert_eq!(of("привет"), "privet");
        assert_eq!(of("e\u{301}"), "e");
        assert_eq!(of("\u{10fffd}"), "[U+10FFFD]");
        assert!(('\0'..=char::MAX).all(|sign| latin(sign).is_ascii()));
    }
}
