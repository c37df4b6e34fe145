//! Forms with a file in them: how their fields are taken.

use std::{io, path::Path};

use axum::{
    extract::{
        Multipart,
        multipart::{Field, MultipartError},
    },
    http::{HeaderMap, StatusCode, header},
};
use tempfile::TempDir;
use tokio::{fs::File, io::AsyncWriteExt};

use super::errors::{PageError, Result};
use crate::disk::{Reservation, Room};

/// Bytes of a text field.
const LARGEST_TEXT: usize = 4_096;
/// Characters of a title or a file's name.
pub const LONGEST_NAME: usize = 200;
/// Bytes of the form around its file.
pub const FORM: u64 = 1 << 20;

/// Reserves what a request announces, or what it may bring at most, on the disk that holds `dir`.
pub fn reserve(room: &Room, dir: &Path, headers: &HeaderMap, largest: u64) -> Result<Reservation> {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|bytes| bytes > largest.saturating_add(FORM)) {
        return Err(too_large(largest));
    }
    room.reserve(dir, announced.unwrap_or(largest)).map_err(PageError::no_room)
}

/// The text of a field.
pub async fn text(mut field: Field<'_>) -> Result<String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = field.chunk().await.map_err(|e| unreadable(&e))? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > LARGEST_TEXT {
            return Err(PageError::bad_request("A text in the form is far too long."));
        }
    }
    String::from_utf8(bytes).map_err(|_| PageError::bad_request("A text in the form is not UTF-8."))
}

/// Writes a field of at most `largest` bytes to a file as it comes, into the room that was reserved; returns its bytes.
pub async fn store(mut field: Field<'_>, path: &Path, largest: u64, room: &mut Reservation) -> Result<u64> {
    let failed = |e: io::Error| PageError::internal(&format!("keeping what was uploaded: {e}"));
    let mut file = File::create(path).await.map_err(failed)?;
    let mut bytes = 0;
    while let Some(chunk) = field.chunk().await.map_err(|e| unreadable(&e))? {
        bytes += chunk.len() as u64;
        if bytes > largest {
            return Err(too_large(largest));
        }
        file.write_all(&chunk).await.map_err(failed)?;
        room.fill(chunk.len() as u64);
    }
    file.flush().await.map_err(failed)?;
    Ok(bytes)
}

/// Takes the file of a form that has nothing else to a folder of its own, under `name`, with what the browser called it; none where
/// there is nothing in it.
pub async fn only_file(
    mut form: Multipart,
    uploads: &Path,
    (name, largest): (&str, u64),
    mut room: Reservation,
) -> Result<Option<(String, TempDir)>> {
    let mut file = None;
    while let Some(field) = form.next_field().await.map_err(|e| unreadable(&e))? {
        match field.name().unwrap_or_default() {
            "file" => {
                let dir = TempDir::new_in(uploads).map_err(|e| PageError::internal(&e))?;
                let own = file_name(&field);
                let bytes = store(field, &dir.path().join(name), largest, &mut room).await?;
                file = (bytes > 0).then_some((own, dir));
            }
            other => return Err(unknown_field(other)),
        }
    }
    Ok(file)
}

/// What the browser called the file of a field, as a label.
pub fn file_name(field: &Field<'_>) -> String {
    Some(label(field.file_name().unwrap_or_default())).filter(|name| !name.is_empty()).unwrap_or("file".into())
}

/// A field that the form does not have.
pub fn unknown_field(name: &str) -> PageError {
    PageError::bad_request(format!("The form has no field “{}”.", label(name)))
}

/// What came is not a form, or not all of it.
pub fn unreadable(e: &MultipartError) -> PageError {
    match e.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            PageError::too_large("Choose a smaller file; the form says how large it may be.")
        }
        _ => PageError::bad_request(format!(
            "The upload broke off, or it is not the form of an import: {}.",
            e.body_text()
        )),
    }
}

fn too_large(largest: u64) -> PageError {
    PageError::too_large(format!("Files of at most {} GiB are read.", largest >> 30))
}

/// A file's name as words: without the folders that some browsers send, control characters, or undue length.
pub fn label(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    last.chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_is_only_words() {
        assert_eq!(label("C:\\fakepath\\epoch=199.t7"), "epoch=199.t7");
        assert_eq!(label("../../etc/pass\nwd"), "passwd");
        assert_eq!(label(&"x".repeat(999)).len(), LONGEST_NAME);
    }
}
