//! `POST /models`: a file is streamed to disk, read by a process of its own, and kept as a model.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::Context;
use axum::{
    extract::{DefaultBodyLimit, Multipart, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Redirect, Response},
};
use retort_engine::import::{LARGEST_FILE, Wanted};
use retort_spec::{Architecture, Problem};
use retort_store::NewModel;
use retort_web::pages::ImportForm;
use tempfile::TempDir;

use super::super::{
    App, Shared,
    errors::{PageError, Result},
    multipart::{self, FORM, LONGEST_NAME},
    paging::Place,
};
use crate::{classes, disk::Reservation};

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
    DefaultBodyLimit::max((LARGEST_FILE + FORM) as usize)
}

/// Imports the file of the form and leads to the model, or shows the form with what is wrong.
pub async fn import(State(app): Shared, headers: HeaderMap, form: Multipart) -> Result<Response> {
    let room = multipart::reserve(&app.room, &app.uploads, &headers, LARGEST_FILE)?;
    let upload = receive(&app.uploads, form, room).await?;
    match app.keep(&upload).await? {
        Ok(id) => Ok(Redirect::to(&format!("/models/{id}")).into_response()),
        Err(problems) => {
            app.models_page(StatusCode::UNPROCESSABLE_ENTITY, Place::default(), upload.form, problems).await
        }
    }
}

/// Takes the form to a folder of its own.
async fn receive(uploads: &Path, mut form: Multipart, mut room: Reservation) -> Result<Upload> {
    let dir = TempDir::new_in(uploads).map_err(|e| PageError::internal(&e))?;
    let mut upload = Upload { form: ImportForm::default(), file_name: String::new(), has_file: false, dir };
    while let Some(field) = form.next_field().await.map_err(|e| multipart::unreadable(&e))? {
        match field.name().unwrap_or_default() {
            "title" => upload.form.title = multipart::text(field).await?,
            "architecture" => upload.form.architecture = multipart::text(field).await?,
            "classes" => upload.form.classes = multipart::text(field).await?,
            "file" => {
                upload.file_name = multipart::file_name(&field);
                upload.has_file = multipart::store(field, &upload.file(), LARGEST_FILE, &mut room).await? > 0;
            }
            other => return Err(multipart::unknown_field(other)),
        }
    }
    Ok(upload)
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
