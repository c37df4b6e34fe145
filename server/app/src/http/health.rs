//! `GET /health`, for whoever watches over the server.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};

use super::Shared;
use crate::scheduler::LONGEST_ROUND;

/// Says `ok` when the database can be read and written and no page found it damaged, and the scheduler works; and beside it why nothing is started, if that is so.
pub async fn check(State(app): Shared) -> Response {
    if let Some(damage) = app.damage.get() {
        return (StatusCode::SERVICE_UNAVAILABLE, format!("{damage}\n")).into_response();
    }
    let silence = app.control.since_last_round();
    if silence > LONGEST_ROUND {
        let hung = format!("the scheduler has not been through with a round for {} s\n", silence.as_secs());
        return (StatusCode::SERVICE_UNAVAILABLE, hung).into_response();
    }
    match app.store.check().await {
        Ok(()) => format!("ok{}\n", app.control.pause().map_or_else(String::new, |pause| format!(": {pause}")))
            .into_response(),
        Err(e) => (StatusCode::SERVICE_UNAVAILABLE, format!("{e}\n")).into_response(),
    }
}
