//! `POST /models`: a file is streamed to disk and looked into by a process of its own; then it waits for a decision.

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
        errors::Result,
        multipart::{self, FORM},
    },
    list::Query,
    waiting::{FILE, in_words},
};

/// The largest request that is taken: a file with the form's texts around it.
pub fn body_limit() -> DefaultBodyLimit {
    DefaultBodyLimit::max((LARGEST_FILE + FORM) as usize)
}

/// Takes the file of the form and leads to what it is, or shows the form with what is wrong.
pub async fn upload(State(app): Shared, headers: HeaderMap, form: Multipart) -> Result<Response> {
    let room = multipart::reserve(&app.room, &app.uploads, &headers, LARGEST_FILE)?;
    let problem = match multipart::only_file(form, &app.uploads, (FILE, LARGEST_FILE), room).await? {
        Some((file_name, dir)) => match app.look_into(file_name, dir).await {
            Ok(token) => return Ok(Redirect::to(&format!("/models/uploads/{token}")).into_response()),
            Err(problem) => problem,
        },
        None => Problem::new("file", "choose a file with something in it"),
    };
    app.models_page(StatusCode::UNPROCESSABLE_ENTITY, Query::default(), vec![problem]).await
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
