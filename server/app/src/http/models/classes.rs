//! `POST /models/{id}/classes`: the names of a model's classes, given after its import.

use anyhow::Context;
use axum::{
    Form,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use retort_engine::import;
use serde::Deserialize;

use super::super::{
    Shared,
    errors::{PageError, Result},
    id,
};

/// What the form asks for.
#[derive(Debug, Deserialize)]
pub struct Wanted {
    /// The dataset whose classes they are.
    dataset: String,
}

/// Names the model's classes, in its file and in the database, or says why not.
pub async fn set_classes(
    State(app): Shared,
    Path(model): Path<String>,
    Form(wanted): Form<Wanted>,
) -> Result<Response> {
    let model = app.store.model(id("model", &model)?).await?;
    let file = app.control.model_file(model.id);
    if !file.is_file() {
        return Err(PageError::gone("Its file is no longer in the data folder: import the model again."));
    }
    let known = app.machine.datasets().await?.into_iter().find(|dataset| dataset.name == wanted.dataset);
    let Some(dataset) = known else {
        let fault = format!("there is no dataset “{}” here: add it first", wanted.dataset);
        return app.model_page(StatusCode::UNPROCESSABLE_ENTITY, model, Some(fault)).await;
    };
    if dataset.classes.len() != model.about.classes.len() {
        let (has, wanted) = (model.about.classes.len(), dataset.classes.len());
        let fault = format!("this model tells {has} classes apart, and {} has {wanted}", dataset.name);
        return app.model_page(StatusCode::UNPROCESSABLE_ENTITY, model, Some(fault)).await;
    }
    let (classes, name) = (dataset.classes.clone(), dataset.name.clone());
    tokio::task::spawn_blocking(move || import::set_classes(&file, classes, name))
        .await
        .context("writing the model's file")?
        .map_err(|e| PageError::internal(&e))?;
    app.store.set_model_classes(model.id, &dataset.classes, &dataset.name).await?;
    Ok(Redirect::to(&format!("/models/{}", model.id)).into_response())
}
