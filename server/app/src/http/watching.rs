//! For whoever watches over the server: a number for each request, how it went in the log, and `GET /metrics`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tracing::Instrument;

use super::{
    App, Shared,
    errors::{PageError, Result},
    request_id::RequestId,
};
use crate::{disk, metrics::Now};

const HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// Letters of a number that a proxy gave.
const LONGEST_ID: usize = 64;

/// Requests since the server's start.
static REQUESTS: AtomicU64 = AtomicU64::new(0);

/// Gives a request its number, unless a proxy did, and notes how it went.
pub async fn note(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request.headers().get(HEADER).and_then(|id| id.to_str().ok()).filter(|id| is_plain(id));
    let id = id.map_or_else(
        || format!("{}-{}", std::process::id(), REQUESTS.fetch_add(1, Ordering::Relaxed) + 1),
        str::to_owned,
    );
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let method = request.method().clone();
    let span = tracing::info_span!("request", id, %method, path = request.uri().path());
    request.extensions_mut().insert(RequestId(id.clone()));
    async {
        let mut response = next.run(request).await;
        let (status, time) = (response.status().as_u16(), started.elapsed());
        app.metrics.answered(&route, method.as_str(), status, time);
        tracing::info!(status, ms = time.as_secs_f64() * 1e3, "answered");
        if let Ok(id) = HeaderValue::try_from(id) {
            response.headers_mut().insert(HEADER, id);
        }
        response
    }
    .instrument(span)
    .await
}

fn is_plain(id: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    !id.is_empty() && id.len() <= LONGEST_ID && id.bytes().all(is_plain)
}

/// `GET /metrics`: the server's figures in Prometheus' form.
pub async fn metrics(State(app): Shared) -> Result<Response> {
    let now = Now {
        runs: app.store.state_counts().await?,
        disk_free: disk::free(&app.data).unwrap_or(0),
        disk_size: disk::size(&app.data).unwrap_or(0),
        open_pages: app.live.listeners(),
        is_paused: app.control.pause().is_some(),
        since_last_round: app.control.since_last_round(),
    };
    let text = app.metrics.text(&now).map_err(|e| PageError::internal(&e))?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_a_proxy_gave_is_taken_where_it_is_plain() {
        assert!(is_plain("4bf92f35-77b3_4d.a"));
        for other in ["", "a b", "a\nb", "<script>", &"a".repeat(65)] {
            assert!(!is_plain(other), "{other}");
        }
    }
}
