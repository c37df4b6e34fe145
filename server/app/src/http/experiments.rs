//! `GET /experiments`

use axum::{
    extract::{RawQuery, State},
    http::StatusCode,
    response::Response,
};
use retort_web::pages::ComparisonsPage;

use super::{
    Shared,
    errors::{PageError, Result},
    page,
    paging::{Place, href},
};

/// Comparisons a page.
const ROWS: u32 = 20;

/// All comparisons, newest first.
pub async fn list(State(app): Shared, RawQuery(query): RawQuery) -> Result<Response> {
    let place: Place = serde_html_form::from_str(&query.unwrap_or_default())
        .map_err(|e| PageError::bad_request(format!("The address names no page of the list: {e}.")))?;
    let found = app.store.experiments(place.cursor(), ROWS).await?;
    let (newer, older) = place.neighbours(&found, |experiment| experiment.id);
    let list = ComparisonsPage {
        frame: app.frame().await?,
        comparisons: app.summaries(found.rows).await?,
        older: older.map(|place| href("/experiments", &place)),
        newer: newer.map(|place| href("/experiments", &place)),
    };
    page(StatusCode::OK, &list)
}
