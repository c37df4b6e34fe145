//! What differs between two versions of a page.

use std::time::{Duration, Instant};

use similar::{Algorithm, DiffOp, capture_diff_slices_deadline};

/// A stretch that both versions have costs about so many bytes to name; a shorter one is rather sent.
const SHORTEST: usize = 16;
/// The longest that is looked for the smallest difference; after that a larger one does.
const LONGEST: Duration = Duration::from_millis(20);

/// A stretch of the earlier version, and what follows it in the later one: where it starts and its length, in bytes, and a text.
pub type Part = (usize, usize, String);

/// The parts that make `new` of `old`.
pub fn between(old: &str, new: &str) -> Vec<Part> {
    let (old, new) = (pieces(old), pieces(new));
    let deadline = Instant::now() + LONGEST;
    let mut parts: Vec<Part> = Vec::new();
    let mut at = 0;
    for op in capture_diff_slices_deadline(Algorithm::Myers, &old, &new, Some(deadline)) {
        let length: usize = old[op.old_range()].iter().map(|piece| piece.len()).sum();
        let following = || new[op.new_range()].iter().copied();
        match (op, parts.last_mut()) {
            (DiffOp::Equal { .. }, Some((_, _, text))) if length < SHORTEST => text.extend(following()),
            (DiffOp::Equal { .. }, _) => parts.push((at, length, String::new())),
            (_, Some((_, _, text))) => text.extend(following()),
            (_, None) => parts.push((0, 0, following().collect())),
        }
        at += length;
    }
    parts
}

/// A text in the pieces that stay or change as one: a tag, an attribute, a word, a point of a line.
fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::with_capacity(text.len() / 6);
    let mut start = 0;
    for (at, byte) in text.bytes().enumerate() {
        // Before the one and behind the others there is never the midst of a letter.
        let end = match byte {
            b'<' => at,
            b' ' | b'\n' | b'>' => at + 1,
            _ => continue,
        };
        if end > start {
            pieces.push(&text[start..end]);
            start = end;
        }
    }
    pieces.extend(Some(&text[start..]).filter(|rest| !rest.is_empty()));
    pieces
}

/// The later version.
#[cfg(test)]
pub fn applied(old: &str, parts: &[Part]) -> String {
    parts.iter().fold(String::new(), |new, (start, length, text)| new + &old[*start..start + length] + text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_make_the_later_version() {
        let page = "<p class=\"a\">Épochs 3 of 10</p>\n<polyline points=\"1,2 3,4 5,6\"/>".repeat(50);
        for (old, new) in [
            (page.clone(), page.replace("3 of 10", "4 of 10")),
            (page.clone(), page.replace("5,6", "5,6 7,8")),
            (page.clone(), String::new()),
            (String::new(), page.clone()),
            (page.clone(), format!("<b>ü</b>{page}")),
            (page.clone(), page.clone()),
        ] {
            assert_eq!(applied(&old, &between(&old, &new)), new);
        }
    }

    #[test]
    fn what_stays_is_not_sent() {
        let old = format!("<p>{}</p>", "word ".repeat(1_000));
        assert_eq!(between(&old, &old), [(0, old.len(), String::new())]);
        let new = format!("<p>{}other {}</p>", "word ".repeat(500), "word ".repeat(500));
        let sent: usize = between(&old, &new).iter().map(|part| part.2.len()).sum();
        assert_eq!(sent, "other ".len());
    }
}
