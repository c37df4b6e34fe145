//! `GET /runs`

use std::str::FromStr;

use axum::{
    extract::{RawQuery, State},
    http::StatusCode,
    response::Response,
};
use retort_web::pages::{RunFilter, RunsPage};
use serde::{Deserialize, Serialize};

use super::{
    Shared,
    errors::{PageError, Result},
    page,
    paging::{Place, href},
};

/// Runs a page.
const ROWS: u32 = 50;

/// The query of the address: the filter and the page.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Query {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    state: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    method: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    architecture: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    dataset: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<i64>,
}

/// The runs that pass the filter, newest first.
pub async fn list(State(app): Shared, RawQuery(query): RawQuery) -> Result<Response> {
    let query: Query = serde_html_form::from_str(&query.unwrap_or_default())
        .map_err(|e| PageError::bad_request(format!("The address names no page of the list: {e}.")))?;
    let place = Place { before: query.before, after: query.after };
    let filter = query.filter()?;
    let found = app.store.runs(&filter, place.cursor(), ROWS).await?;
    let (newer, older) = place.neighbours(&found, |run| run.id);
    let address = |place: Place| href("/runs", &Query { before: place.before, after: place.after, ..query.clone() });
    let list = RunsPage {
        frame: app.frame().await?,
        datasets: app.store.datasets_of_runs().await?,
        runs: app.rows(found.rows).await?,
        total: app.store.count_runs(&filter).await?,
        older: older.map(address),
        newer: newer.map(address),
        filter: RunFilter {
            state: query.state.clone(),
            method: query.method.clone(),
            architecture: query.architecture.clone(),
            dataset: query.dataset.clone(),
            text: query.text.clone(),
        },
    };
    page(StatusCode::OK, &list)
}

impl Query {
    fn filter(&self) -> Result<retort_store::RunFilter> {
        Ok(retort_store::RunFilter {
            kind: None,
            state: word(&self.state)?,
            method: word(&self.method)?,
            architecture: word(&self.architecture)?,
            dataset: Some(self.dataset.clone()).filter(|name| !name.is_empty()),
            experiment: None,
            text: Some(self.text.clone()),
        })
    }
}

fn word<T: FromStr<Err = String>>(text: &str) -> Result<Option<T>> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|fault| PageError::bad_request(format!("In the address, {fault}.")))
}
