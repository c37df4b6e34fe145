//! `POST /models`: a file is streamed to disk, read by a process of its own, and kept as a model.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::Context;
use axum::{
    extract::{DefaultBodyLimit, Multipart, State, multipart::Field, multipart::MultipartError},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use retort_engine::import::{LARGEST_FILE, Wanted};
use retort_spec::{Architecture, Problem};
use retort_store::NewModel;
use retort_web::pages::ImportForm;
use tempfile::TempDir;
use tokio::{fs::File, io::AsyncWriteExt};

use super::super::{
    App, Shared,
    errors::{PageError, Result},
    paging::Place,
};
use crate::{classes, disk};

/// Bytes of a text field.
const LARGEST_TEXT: usize = 4_096;
/// Characters of a title or a file's name.
const LONGEST_NAME: usize = 200;

/// What was sent.
struct Upload {
    form: ImportForm,
    /// What the browser called the file.
    file_name: String,
    /// Whether a file with anything in it was sent.
    has_file: bool,
    /// The folder of the file and of what becomes of it; removed with this value.
    dir: TempDir,
}

/// The largest request that is taken: a file with the form's texts around it.
pub fn body_limit() -> DefaultBodyLimit {
    DefaultBodyLimit::max(LARGEST_FILE as usize + (1 << 20))
}

/// Imports the file of the form and leads to the model, or shows the form with what is wrong.
pub async fn import(State(app): Shared, headers: HeaderMap, form: Multipart) -> Result<Response> {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let needed = disk::FLOOR.saturating_add(announced.unwrap_or(LARGEST_FILE));
    if let Some(free) = disk::free(&app.uploads).filter(|free| *free < needed) {
        let message = format!("The disk has {} MiB free, and {} MiB are needed.", free >> 20, needed >> 20);
        return Err(PageError::no_room(message));
    }
    let upload = receive(&app.uploads, form).await?;
    match app.keep(&upload).await? {
        Ok(id) => Ok(Redirect::to(&format!("/models/{id}")).into_response()),
        Err(problems) => {
            app.models_page(StatusCode::UNPROCESSABLE_ENTITY, Place::default(), upload.form, problems).await
        }
    }
}

/// Takes the form to a folder of its own.
async fn receive(uploads: &Path, mut form: Multipart) -> Result<Upload> {
    let dir = TempDir::new_in(uploads).map_err(|e| PageError::internal(&e))?;
    let mut upload = Upload { form: ImportForm::default(), file_name: String::new(), has_file: false, dir };
    while let Some(field) = form.next_field().await.map_err(|e| unreadable(&e))? {
        match field.name().unwrap_or_default() {
            "title" => upload.form.title = text(field).await?,
            "architecture" => upload.form.architecture = text(field).await?,
            "classes" => upload.form.classes = text(field).await?,
            "file" => {
                upload.file_name =
                    label(field.file_name().filter(|name| !name.is_empty()).unwrap_or("a nameless file"));
                upload.has_file = store(field, &upload.file()).await? > 0;
            }
            other => return Err(PageError::bad_request(format!("The form has no field “{}”.", label(other)))),
        }
    }
    Ok(upload)
}

async fn text(mut field: Field<'_>) -> Result<String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = field.chunk().await.map_err(|e| unreadable(&e))? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > LARGEST_TEXT {
            return Err(PageError::bad_request("A text in the form is far too long."));
        }
    }
    String::from_utf8(bytes).map_err(|_| PageError::bad_request("A text in the form is not UTF-8."))
}

/// Writes a field to a file as it comes; returns its bytes.
async fn store(mut field: Field<'_>, path: &Path) -> Result<u64> {
    let failed = |e: io::Error| PageError::internal(&format!("keeping what was uploaded: {e}"));
    let mut file = File::create(path).await.map_err(failed)?;
    let mut bytes = 0;
    while let Some(chunk) = field.chunk().await.map_err(|e| unreadable(&e))? {
        bytes += chunk.len() as u64;
        if bytes > LARGEST_FILE {
            return Err(PageError::too_large("Files of at most 2 GiB are read."));
        }
        file.write_all(&chunk).await.map_err(failed)?;
    }
    file.flush().await.map_err(failed)?;
    Ok(bytes)
}

fn unreadable(e: &MultipartError) -> PageError {
    match e.status() {
        StatusCode::PAYLOAD_TOO_LARGE => PageError::too_large("Files of at most 2 GiB are read."),
        _ => PageError::bad_request(format!(
            "The upload broke off, or it is not the form of an import: {}.",
            e.body_text()
        )),
    }
}

/// A file's name as words: without the folders that some browsers send, control characters, or undue length.
fn label(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    last.chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect()
}

impl Upload {
    fn file(&self) -> PathBuf {
        self.dir.path().join("upload")
    }
}

impl App {
    /// Reads what was uploaded and keeps it; returns the model's id, or what is wrong.
    async fn keep(&self, upload: &Upload) -> Result<std::result::Result<i64, Vec<Problem>>> {
        let mut problems = Vec::new();
        let form = &upload.form;
        let architecture = form.architecture.parse::<Architecture>();
        let architecture = architecture.map_err(|fault| problems.push(Problem::new("architecture", fault)));
        let datasets = self.machine.datasets().await?;
        // The classes are looked at in any case, so that every fault is told at once.
        let wanted = classes::wanted(&form.classes, &datasets);
        let wanted = wanted.map(|wanted| Wanted { architecture: architecture.ok(), ..wanted });
        let wanted = wanted.map_err(|fault| problems.push(Problem::new("classes", fault)));
        if !upload.has_file {
            problems.push(Problem::new("file", "choose a file with something in it"));
        }
        let (Ok(wanted), true) = (wanted, problems.is_empty()) else { return Ok(Err(problems)) };
        let made = upload.dir.path().join("model.safetensors");
        let report = match self.reader.import(&upload.file(), wanted, &made).await {
            Ok(report) => report,
            Err(e) => {
                // The name of the file that the server made says nothing to anybody.
                let message = format!("{e:#}").replace(&format!("{}: ", upload.file().display()), "");
                return Ok(Err(vec![Problem::new("file", format!("{}: {message}", upload.file_name))]));
            }
        };
        let title: String = form.title.trim().chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect();
        let about = NewModel {
            title: if title.is_empty() { upload.file_name.clone() } else { title },
            file_name: upload.file_name.clone(),
            architecture: report.header.architecture,
            classes: report.header.classes,
            dataset: report.header.dataset,
            method: report.header.method,
            parameters: report.parameters,
            bytes: report.bytes,
            notes: report.notes,
        };
        let pending = self.store.add_model(&about).await?;
        // Without the row the file is nobody's, and the next model of this id replaces it.
        put(&made, &self.control.model_file(pending.id)).context("keeping the model")?;
        let id = pending.id;
        pending.keep().await?;
        Ok(Ok(id))
    }
}

/// Renames a synced file into another folder, so that it stays there after a power cut.
fn put(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    to.parent().map_or(Ok(()), |dir| fs::File::open(dir)?.sync_all())
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
