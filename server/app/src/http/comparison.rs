//! `GET /experiments/{id}` and its button.

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{Redirect, Response},
};
use retort_web::{ExperimentForm, pages::ComparisonPage};

use super::{Shared, errors::Result, id, page, paging::href, rows::moment};
use crate::machine::images;

/// The table, the curves, the runs.
pub async fn show(State(app): Shared, Path(experiment): Path<String>) -> Result<Response> {
    let experiment = app.store.experiment(id("experiment", &experiment)?).await?;
    let spec = experiment.spec()?;
    let runs = app.store.runs_of_experiment(experiment.id).await?;
    let seconds_left = app.estimator().await?.remaining(&runs);
    let runs = app.rows(runs).await?;
    let comparison = ComparisonPage {
        frame: app.frame().await?,
        id: experiment.id,
        images: images(&app.machine.datasets().await?, &spec.dataset),
        launched: moment(experiment.created_at),
        curves: app.curves(&runs).await?,
        runs,
        seconds_left,
        clone_href: href("/experiments/new", &ExperimentForm::from_spec(&spec)),
        spec,
    };
    page(StatusCode::OK, &comparison)
}

/// `POST /experiments/{id}/cancel`: ends all its runs that are not over.
pub async fn cancel(State(app): Shared, Path(experiment): Path<String>) -> Result<Redirect> {
    let experiment = id("experiment", &experiment)?;
    app.control.cancel_experiment(experiment).await?;
    Ok(Redirect::to(&format!("/experiments/{experiment}")))
}
