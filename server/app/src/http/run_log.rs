//! `GET /runs/{id}/log` and `GET /runs/{id}/log.txt`: the whole log of a run.

use std::fmt::Write;

use axum::{
    extract::{Path, RawQuery, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use retort_spec::LogLevel;
use retort_store::LogLine as Stored;
use retort_web::pages::{LogLine, RunLogPage};
use serde::Deserialize;

use super::{
    Shared,
    errors::{PageError, Result},
    id, page,
    rows::{label, moment},
};

/// Lines that the page shows.
const LINES: u32 = 2_000;

#[derive(Default, Deserialize)]
struct Query {
    #[serde(default)]
    text: String,
}

/// The lines that have the words of the search.
pub async fn show(State(app): Shared, Path(run): Path<String>, RawQuery(query): RawQuery) -> Result<Response> {
    let query: Query = serde_html_form::from_str(&query.unwrap_or_default())
        .map_err(|e| PageError::bad_request(format!("The address names no search: {e}.")))?;
    let run = app.store.run(id("run", &run)?).await?;
    let words: Vec<&str> = query.text.split_whitespace().collect();
    let found = app.store.log_with(run.id, &words, LINES).await?;
    let log = RunLogPage {
        frame: app.frame().await?,
        label: label(&run),
        total: app.store.count_log_with(run.id, &words).await?,
        log: found.into_iter().map(line).collect(),
        text: query.text.trim().to_owned(),
    };
    page(StatusCode::OK, &log)
}

/// All lines as text, each with its time in UTC.
pub async fn file(State(app): Shared, Path(run): Path<String>) -> Result<Response> {
    let run = app.store.run(id("run", &run)?).await?;
    let mut text = String::new();
    for Stored { at, attempt, level, message } in app.store.log_with(run.id, &[], u32::MAX).await? {
        let mark = if level == LogLevel::Warning { "warning: " } else { "" };
        let _ = writeln!(text, "{at:.0} attempt {attempt} {mark}{message}");
    }
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"retort-run-{}-log.txt\"", run.id)),
        (header::CACHE_CONTROL, "no-cache".into()),
    ];
    Ok((headers, text).into_response())
}

/// A line for a page.
pub fn line(line: Stored) -> LogLine {
    LogLine { at: moment(line.at), level: line.level, message: line.message }
}
