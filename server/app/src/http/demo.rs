//! `POST /demo`

use axum::{extract::State, response::Redirect};

use super::{Shared, errors::Result};

/// Launches the demo comparison, or leads to the one that was launched before.
pub async fn launch(State(app): Shared) -> Result<Redirect> {
    Ok(Redirect::to(&format!("/experiments/{}", app.gate.launch_demo().await?)))
}
