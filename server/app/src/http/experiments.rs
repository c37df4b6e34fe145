//! `GET /experiments`

use std::{cmp::Ordering, collections::HashMap};

use axum::{
    extract::{RawQuery, State},
    http::StatusCode,
    response::Response,
};
use retort_spec::RunState;
use retort_store::{Cursor, ListedExperiment, Page, StateCounts};
use retort_web::pages::{ComparisonsFilter, ComparisonsPage, ListOrder};
use serde::{Deserialize, Serialize};

use super::{
    App, Shared,
    errors::{PageError, Result},
    page,
    paging::{Place, href, order},
};

/// Comparisons a page.
const ROWS: usize = 20;

/// The query of the address: the filter, the order and the page.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Query {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    state: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    text: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    sort: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<i64>,
}

/// The comparisons that pass the filter, the newest first unless the address says another order.
pub async fn list(State(app): Shared, RawQuery(query): RawQuery) -> Result<Response> {
    let query: Query = serde_html_form::from_str(&query.unwrap_or_default())
        .map_err(|e| PageError::bad_request(format!("The address names no page of the list: {e}.")))?;
    let place = Place { before: query.before, after: query.after };
    let order = order(&ComparisonsPage::COLUMNS, &query.sort, ComparisonsPage::NEWEST)?;
    let found = app.ordered_experiments(&query, order).await?;
    let total = found.len();
    let found = cut(&found, place.cursor());
    let (newer, older) = place.neighbours(&found, |id| *id);
    let address =
        |place: Place| href("/experiments", &Query { before: place.before, after: place.after, ..query.clone() });
    let first = Query { before: None, after: None, ..query.clone() };
    let in_order = |sort: &str| href("/experiments", &Query { sort: sort.into(), ..first.clone() });
    let list = ComparisonsPage {
        frame: app.frame().await?,
        comparisons: app.summaries(app.store.experiments_by_id(&found.rows).await?).await?,
        total,
        older: older.map(address),
        newer: newer.map(address),
        order,
        heads: order.heads(&ComparisonsPage::COLUMNS, in_order),
        views: app.saved_views("/experiments", href("/experiments", &first)),
        filter: ComparisonsFilter { text: query.text.clone(), state: query.state.clone() },
    };
    page(StatusCode::OK, &list)
}

impl App {
    /// The ids of the experiments that pass the filter, in this order.
    async fn ordered_experiments(&self, query: &Query, order: ListOrder) -> Result<Vec<i64>> {
        let mut listed = self.store.listed_experiments(&query.text).await?;
        let sorts_by_state = order.column.id == "state";
        let states = if sorts_by_state || !query.state.is_empty() {
            self.store.states_by_experiment().await?
        } else {
            HashMap::new()
        };
        if !query.state.is_empty() {
            if !ComparisonsPage::STATES.iter().any(|(id, _)| *id == query.state) {
                return Err(PageError::bad_request(format!("No comparison is in a state “{}”.", query.state)));
            }
            listed.retain(|one| states.get(&one.id).is_some_and(|counts| is_in(&query.state, counts)));
        }
        match order.column.id {
            "title" => arrange(&mut listed, order, |one| Some(one.title.to_lowercase())),
            "dataset" => arrange(&mut listed, order, |one| Some(one.dataset.clone())),
            "state" => arrange(&mut listed, order, |one| states.get(&one.id).map(urgency)),
            column @ ("natural" | "adversarial") => {
                let highest = self.store.highest_accuracies().await?;
                let place = usize::from(column == "adversarial");
                arrange(&mut listed, order, |one| highest.get(&one.id).and_then(|both| both[place]));
            }
            // They stand by their numbers, the newest first.
            _ if order.is_reversed => listed.reverse(),
            _ => {}
        }
        Ok(listed.into_iter().map(|one| one.id).collect())
    }
}

/// Orders by what a key gives; what has none comes last, and of equal ones the newest first.
fn arrange<K: PartialOrd>(
    listed: &mut [ListedExperiment],
    order: ListOrder,
    key: impl Fn(&ListedExperiment) -> Option<K>,
) {
    let is_descending = order.is_descending();
    listed.sort_by(|one, other| match (key(one), key(other)) {
        (Some(one), Some(other)) => {
            let ordering = one.partial_cmp(&other).unwrap_or(Ordering::Equal);
            if is_descending { ordering.reverse() } else { ordering }
        }
        (one, other) => one.is_none().cmp(&other.is_none()),
    });
}

/// The page of these rows that a cursor names. Behind a row that is not there stands what stands at the beginning.
fn cut(ids: &[i64], cursor: Cursor) -> Page<i64> {
    let place = |id| ids.iter().position(|other| *other == id);
    let (from, to) = match cursor {
        Cursor::Newest => (0, ROWS),
        Cursor::OlderThan(id) => place(id).map_or((0, ROWS), |at| (at + 1, at + 1 + ROWS)),
        Cursor::NewerThan(id) => place(id).map_or((0, ROWS), |at| (at.saturating_sub(ROWS), at)),
    };
    let more = if matches!(cursor, Cursor::NewerThan(_)) { from > 0 } else { to < ids.len() };
    Page { rows: ids[from.min(ids.len())..to.min(ids.len())].to_vec(), more }
}

/// Whether an experiment with these runs is in one of the states of the filter.
fn is_in(state: &str, counts: &StateCounts) -> bool {
    let any = |states: &[RunState]| states.iter().any(|state| counts.of(*state) > 0);
    match state {
        "open" => counts.over() < counts.total(),
        "failed" => any(&[RunState::Failed, RunState::Diverged, RunState::Lost]),
        "cancelled" => any(&[RunState::Cancelled]),
        _ => counts.of(RunState::Finished) == counts.total(),
    }
}

/// What is under way comes first, then what needs a person, then what is done.
fn urgency(counts: &StateCounts) -> usize {
    ["open", "failed", "cancelled"].iter().position(|state| is_in(state, counts)).unwrap_or(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_join_without_gap_or_overlap_in_both_directions() {
        let ids: Vec<i64> = (1..=45).rev().collect();
        let first = cut(&ids, Cursor::Newest);
        let second = cut(&ids, Cursor::OlderThan(*first.rows.last().unwrap()));
        let third = cut(&ids, Cursor::OlderThan(*second.rows.last().unwrap()));
        assert_eq!((first.more, second.more, third.more), (true, true, false));
        assert_eq!([first.rows.clone(), second.rows.clone(), third.rows.clone()].concat(), ids);
        let back = cut(&ids, Cursor::NewerThan(third.rows[0]));
        assert_eq!((back.rows, back.more), (second.rows.clone(), true));
        assert_eq!(cut(&ids, Cursor::NewerThan(second.rows[0])).rows, first.rows);
        assert_eq!(cut(&ids, Cursor::OlderThan(99)).rows, first.rows);
    }
}
