//! Models as files to take along.

use std::path::PathBuf;

use axum::{
    body::{Body, Bytes},
    extract::{Path, State},
    http::header,
    response::{IntoResponse, Response},
};
use retort_engine::RunFolder;
use retort_spec::{Architecture, RunKind, RunState};
use tokio::{fs::File, io::AsyncReadExt};

use super::super::{
    App, Shared,
    errors::{PageError, Result},
    id,
};

/// Bytes that are read at once.
const CHUNK: usize = 1 << 16;

/// `GET /models/{id}/model.safetensors`
pub async fn download(State(app): Shared, Path(model): Path<String>) -> Result<Response> {
    let model = app.store.model(id("model", &model)?).await?;
    send(app.control.model_file(model.id), &name(model.about.architecture, "model", model.id)).await
}

/// `GET /runs/{id}/model.safetensors`
pub async fn download_of_run(State(app): Shared, Path(run): Path<String>) -> Result<Response> {
    send_of_run(&app, &run, RunFolder::model, "run").await
}

/// `GET /runs/{id}/best.safetensors`: the model of its best epoch.
pub async fn download_best_of_run(State(app): Shared, Path(run): Path<String>) -> Result<Response> {
    send_of_run(&app, &run, RunFolder::best_model, "best-of-run").await
}

/// `GET /runs/{id}/averaged.safetensors`: the model of the average of its weights.
pub async fn download_average_of_run(State(app): Shared, Path(run): Path<String>) -> Result<Response> {
    send_of_run(&app, &run, RunFolder::averaged_model, "average-of-run").await
}

async fn send_of_run(app: &App, run: &str, file: fn(&RunFolder) -> PathBuf, kind: &str) -> Result<Response> {
    let run = app.store.run(id("run", run)?).await?;
    if run.kind != RunKind::Train || run.state != RunState::Finished {
        return Err(PageError::no_page());
    }
    send(file(&app.control.folder(run.id)), &name(run.architecture, kind, run.id)).await
}

/// The name under which a browser keeps the file; nothing in it comes from a person.
fn name(architecture: Architecture, kind: &str, id: i64) -> String {
    format!("{}-{kind}-{id}.safetensors", architecture.id())
}

/// Sends a file under a name.
pub async fn send(path: PathBuf, name: &str) -> Result<Response> {
    let Ok(file) = File::open(&path).await else {
        return Err(PageError::gone("Its file is no longer in the data folder: train or import the model again."));
    };
    let length = file.metadata().await.map_err(|e| PageError::internal(&e))?.len();
    let chunks = futures_util::stream::try_unfold(file, async |mut file| {
        let mut chunk = vec![0; CHUNK];
        let read = file.read(&mut chunk).await?;
        chunk.truncate(read);
        Ok::<_, std::io::Error>((read > 0).then(|| (Bytes::from(chunk), file)))
    });
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_LENGTH, length.to_string()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
    ];
    Ok((headers, Body::from_stream(chunks)).into_response())
}
