//! `POST /datasets`: an archive is streamed to disk, and then read by a process of its own.

use axum::{
    extract::{DefaultBodyLimit, Multipart, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Redirect, Response},
};
use retort_engine::data::Library;
use retort_spec::Problem;
use retort_web::pages::DatasetForm;
use tempfile::TempDir;

use super::super::{
    App, Shared,
    errors::{PageError, Result},
    multipart::{self, FORM},
};
use crate::{arrivals::Upload, disk::Reservation};

/// Bytes of an archive: three times those of STL-10.
pub const LARGEST_ARCHIVE: u64 = 8 << 30;

/// Bytes of a file's name on the disk.
const LONGEST_FILE_NAME: usize = 100;

/// What was sent.
struct Sent {
    form: DatasetForm,
    problems: Vec<Problem>,
    /// What the browser called the file, and the folder that it is in; none where no file was sent, or one for nothing.
    file: Option<(String, TempDir)>,
}

/// The largest request that is taken.
pub fn body_limit() -> DefaultBodyLimit {
    DefaultBodyLimit::max((LARGEST_ARCHIVE + FORM) as usize)
}

/// Takes the form's archive and leads to the dataset that is made of it, or shows the form with what is wrong.
pub async fn import(State(app): Shared, headers: HeaderMap, form: Multipart) -> Result<Response> {
    let room = multipart::reserve(&app.room, &app.uploads, &headers, LARGEST_ARCHIVE)?;
    let Sent { form, mut problems, file } = app.receive(form, room).await?;
    let test_percent = form.held_out().map_err(|problem| problems.push(problem));
    if problems.is_empty()
        && let (Ok(test_percent), Some((file_name, dir))) = (test_percent, file)
    {
        let upload =
            Upload { path: dir.path().join(on_disk(&file_name)), file_name, resize: form.resize, test_percent };
        let is_first = app.arrivals.import(&form.name, dir, upload).map_err(|e| PageError::internal(&e))?;
        if is_first {
            return Ok(Redirect::to(&format!("/datasets/{}", form.name)).into_response());
        }
        problems.push(Problem::new("name", format!("a dataset {} is on its way already: choose another", form.name)));
    }
    app.datasets_page(StatusCode::UNPROCESSABLE_ENTITY, form, problems).await
}

impl App {
    /// Takes the form; its file to a folder of its own, unless the fields before it are faulty already.
    async fn receive(&self, mut form: Multipart, mut room: Reservation) -> Result<Sent> {
        let mut sent = Sent { form: DatasetForm::default(), problems: Vec::new(), file: None };
        let mut has_file = false;
        while let Some(field) = form.next_field().await.map_err(|e| multipart::unreadable(&e))? {
            match field.name().unwrap_or_default() {
                "name" => multipart::text(field).await?.trim().clone_into(&mut sent.form.name),
                "resize" => sent.form.resize = !multipart::text(field).await?.is_empty(),
                "test_percent" => {
                    multipart::text(field).await?.trim().clone_into(&mut sent.form.test_percent);
                }
                "file" => {
                    let file_name = multipart::file_name(&field);
                    if sent.form.name.is_empty() {
                        sent.form.name = Library::suggested_name(&file_name);
                    }
                    if let Err(fault) = self.machine.check_free(&sent.form.name) {
                        // What follows is read to its end, so that the browser listens to the answer, and not kept.
                        sent.problems.push(Problem::new("name", fault.to_string()));
                        has_file = true;
                        continue;
                    }
                    let dir = TempDir::new_in(&self.uploads).map_err(|e| PageError::internal(&e))?;
                    let path = dir.path().join(on_disk(&file_name));
                    has_file = multipart::store(field, &path, LARGEST_ARCHIVE, &mut room).await? > 0;
                    sent.file = Some((file_name, dir));
                }
                other => return Err(multipart::unknown_field(other)),
            }
        }
        if !has_file {
            sent.problems.push(Problem::new("file", "choose a file with something in it"));
        }
        Ok(sent)
    }
}

/// A name under which every file system keeps a file, as near to its own as can be: faults are told with it.
fn on_disk(file_name: &str) -> String {
    let mut name = file_name.trim_start_matches('.').to_owned();
    while name.len() > LONGEST_FILE_NAME {
        name.pop();
    }
    if name.is_empty() { "file".into() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_keeps_its_name_where_a_disk_can_keep_it() {
        assert_eq!(on_disk("My Pets.zip"), "My Pets.zip");
        assert_eq!(on_disk(".."), "file");
        assert_eq!(on_disk(&"犬".repeat(150)), "犬".repeat(33));
    }
}
