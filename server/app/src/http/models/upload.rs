//! `POST /models`: a file is streamed to disk and looked into by a process of its own; then it waits for a decision.

use std::path::Path;

use axum::{
    extract::{DefaultBodyLimit, Multipart, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Redirect, Response},
};
use retort_engine::import::LARGEST_FILE;
use retort_spec::Problem;
use tempfile::TempDir;

use super::{
    super::{
        App, Shared,
        errors::{PageError, Result},
        multipart::{self, FORM},
        paging::Place,
    },
    waiting::{FILE, in_words},
};
use crate::disk::Reservation;

/// The largest request that is taken: a file with the form's texts around it.
pub fn body_limit() -> DefaultBodyLimit {
    DefaultBodyLimit::max((LARGEST_FILE + FORM) as usize)
}

/// Takes the file of the form and leads to what it is, or shows the form with what is wrong.
pub async fn upload(State(app): Shared, headers: HeaderMap, form: Multipart) -> Result<Response> {
    let room = multipart::reserve(&app.room, &app.uploads, &headers, LARGEST_FILE)?;
    let problem = match receive(&app.uploads, form, room).await? {
        Some((file_name, dir)) => match app.look_into(file_name, dir).await {
            Ok(token) => return Ok(Redirect::to(&format!("/models/uploads/{token}")).into_response()),
            Err(problem) => problem,
        },
        None => Problem::new("file", "choose a file with something in it"),
    };
    app.models_page(StatusCode::UNPROCESSABLE_ENTITY, Place::default(), vec![problem]).await
}

/// Takes the form's file to a folder of its own, with what the browser called it; none where there is nothing in it.
async fn receive(uploads: &Path, mut form: Multipart, mut room: Reservation) -> Result<Option<(String, TempDir)>> {
    let mut file = None;
    while let Some(field) = form.next_field().await.map_err(|e| multipart::unreadable(&e))? {
        match field.name().unwrap_or_default() {
            "file" => {
                let dir = TempDir::new_in(uploads).map_err(|e| PageError::internal(&e))?;
                let file_name = multipart::file_name(&field);
                let bytes = multipart::store(field, &dir.path().join(FILE), LARGEST_FILE, &mut room).await?;
                file = (bytes > 0).then_some((file_name, dir));
            }
            other => return Err(multipart::unknown_field(other)),
        }
    }
    Ok(file)
}

impl App {
    /// Lets a file wait once it is known what it is; returns its token, or what is wrong with it.
    async fn look_into(&self, file_name: String, dir: TempDir) -> std::result::Result<String, Problem> {
        let file = dir.path().join(FILE);
        let wrong = |fault: anyhow::Error| Problem::new("file", in_words(&fault, &file, &file_name));
        let description = self.reader.describe(&file).await.map_err(wrong)?;
        self.waiting.add(dir, file_name.clone(), description).map_err(wrong)
    }
}
