//! `GET /live`: one stream of news for each open page.

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::State,
    response::sse::{Event, KeepAlive, Sse},
};
use futures_util::Stream;
use tokio::time::{Instant, sleep_until};

use super::Shared;

/// The shortest time between two messages to one page.
const PACE: Duration = Duration::from_millis(500);

type HeaderPair = [(&'static str, &'static str); 1];

/// A proxy such as nginx hands each message on at once.
const UNBUFFERED: HeaderPair = [("x-accel-buffering", "no")];

/// Names the runs and experiments that changed, in messages called `changed`, until the server stops.
pub async fn stream(State(app): Shared) -> (HeaderPair, Sse<impl Stream<Item = Result<Event, Infallible>>>) {
    let start = (app.live.listen(), app.stopping.clone(), Instant::now());
    let stream = futures_util::stream::unfold(start, async |(mut listener, mut stopping, next)| {
        tokio::select! {
            () = sleep_until(next) => {}
            _ = stopping.wait_for(|stop| *stop) => return None,
        }
        let changes = tokio::select! {
            changes = listener.next() => changes?,
            _ = stopping.wait_for(|stop| *stop) => return None,
        };
        let data = serde_json::to_string(&changes).unwrap_or_default();
        let event = Event::default().event("changed").data(data);
        Some((Ok(event), (listener, stopping, Instant::now() + PACE)))
    });
    (UNBUFFERED, Sse::new(stream).keep_alive(KeepAlive::new().interval(Duration::from_secs(20))))
}
