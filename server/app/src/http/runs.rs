//! `GET /runs`

use std::str::FromStr;

use axum::{
    extract::{RawQuery, State},
    http::StatusCode,
    response::Response,
};
use retort_spec::RunState;
use retort_store::{RunKey, RunOrder};
use retort_web::pages::{ListOrder, RunFilter, RunsPage};
use serde::{Deserialize, Serialize};

use super::{
    Shared,
    errors::{PageError, Result},
    page,
    paging::{Place, href, order},
};

/// Runs a page.
const ROWS: u32 = 50;

/// The query of the address: the filter, the order and the page.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Query {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    state: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    kind: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    method: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    architecture: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    dataset: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    text: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    sort: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<i64>,
}

/// The runs that pass the filter, the newest first unless the address says another order.
pub async fn list(State(app): Shared, RawQuery(query): RawQuery) -> Result<Response> {
    let query: Query = serde_html_form::from_str(&query.unwrap_or_default())
        .map_err(|e| PageError::bad_request(format!("The address names no page of the list: {e}.")))?;
    let place = Place { before: query.before, after: query.after };
    let order = order(&RunsPage::COLUMNS, &query.sort, RunsPage::NEWEST)?;
    let filter = query.filter()?;
    let found = app.store.sorted_runs(&filter, stored(order), place.cursor(), ROWS).await?;
    let (newer, older) = place.neighbours(&found, |run| run.id);
    let address = |place: Place| href("/runs", &Query { before: place.before, after: place.after, ..query.clone() });
    let first = Query { before: None, after: None, ..query.clone() };
    let list = RunsPage {
        frame: app.frame().await?,
        datasets: app.store.datasets_of_runs().await?,
        runs: app.rows(found.rows).await?,
        total: app.store.count_runs(&filter).await?,
        older: older.map(address),
        newer: newer.map(address),
        order,
        heads: order.heads(&RunsPage::COLUMNS, |sort| href("/runs", &Query { sort: sort.into(), ..first.clone() })),
        views: app.saved_views("/runs", href("/runs", &first)),
        filter: RunFilter {
            state: query.state.clone(),
            kind: query.kind.clone(),
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
            kind: word(&self.kind)?,
            states: match self.state.as_str() {
                RunFilter::OPEN => RunState::ALL.into_iter().filter(|state| !state.is_over()).collect(),
                RunFilter::OVER => RunState::ALL.into_iter().filter(|state| state.is_over()).collect(),
                state => word(state)?.into_iter().collect(),
            },
            method: word(&self.method)?,
            architecture: word(&self.architecture)?,
            dataset: Some(self.dataset.clone()).filter(|name| !name.is_empty()),
            experiment: None,
            text: Some(self.text.clone()),
        })
    }
}

/// The order as the database knows it.
fn stored(order: ListOrder) -> RunOrder {
    let key = match order.column.id {
        "model" => RunKey::Model,
        "kind" => RunKey::Kind,
        "state" => RunKey::State,
        "result" => RunKey::Result,
        "took" => RunKey::Took,
        "since" => RunKey::Since,
        _ => RunKey::Id,
    };
    RunOrder { key, is_descending: order.is_descending() }
}

/// What a word of the address means; none where it is empty.
pub(super) fn word<T: FromStr<Err = String>>(text: &str) -> Result<Option<T>> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|fault| PageError::bad_request(format!("In the address, {fault}.")))
}
