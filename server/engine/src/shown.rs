//! Names from files in messages.

/// A name from a file, as it may stand in a message: without control characters, and not too long.
pub(crate) fn shown(name: &str) -> String {
    let mut letters = name.chars();
    let mut text = String::new();
    for letter in letters.by_ref().take(80) {
        // Quotes stand in the names of callbacks, and are read best as they are.
        if matches!(letter, '\'' | '"') { text.push(letter) } else { text.extend(letter.escape_debug()) }
    }
    if letters.next().is_some() { text + "…" } else { text }
}
