//! `POST /demo`

use axum::{extract::State, response::Redirect};

use super::{
    Shared,
    errors::{PageError, Result},
};
use crate::scheduler::Control;
use retort_spec::{ExperimentSpec, Invalid};

/// Launches the demo comparison, or leads to the one that was launched before.
pub async fn launch(State(app): Shared) -> Result<Redirect> {
    let datasets = app.machine.datasets().await?;
    Invalid::unless_empty(app.machine.faults(&ExperimentSpec::demo(), &datasets))
        .map_err(|e| PageError::internal(&e))?;
    let id = launch_demo(&app.control).await?;
    Ok(Redirect::to(&format!("/experiments/{id}")))
}

/// Launches the demo comparison unless this data folder has it; returns its id.
///
/// # Errors
/// When the database refuses.
pub async fn launch_demo(control: &Control) -> anyhow::Result<i64> {
    let spec = ExperimentSpec::demo();
    match control.experiment_like(&spec).await? {
        Some(id) => Ok(id),
        None => control.launch(&spec, spec.expand()).await,
    }
}
