//! `GET /health`, for whoever watches over the server.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};

use super::Shared;

/// Says `ok` when the database answers.
pub async fn check(State(app): Shared) -> Response {
    match app.store.check().await {
        Ok(()) => "ok\n".into_response(),
        Err(e) => (StatusCode::SERVICE_UNAVAILABLE, format!("{e}\n")).into_response(),
    }
}
