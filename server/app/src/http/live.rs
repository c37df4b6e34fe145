//! `GET /live`: one stream of news for each open page.

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::State,
    response::sse::{Event, KeepAlive, Sse},
};
use futures_util::Stream;
use serde::Serialize;
use tokio::time::{Instant, sleep_until};

use super::{App, Shared};
use crate::live::Changes;

/// The shortest time between two messages to one page.
const PACE: Duration = Duration::from_millis(500);

type HeaderPair = [(&'static str, &'static str); 1];

/// A proxy such as nginx hands each message on at once.
const UNBUFFERED: HeaderPair = [("x-accel-buffering", "no")];

/// A message of the stream.
#[derive(Serialize)]
struct Message {
    #[serde(flatten)]
    changes: Changes,
    /// What the header of every page says of the runs, where that may be another now.
    #[serde(skip_serializing_if = "Option::is_none")]
    who: Option<String>,
}

/// What the header says, for all who hear of the same news.
#[derive(Debug, Default)]
pub struct Who(tokio::sync::Mutex<(u64, String)>);

impl App {
    async fn who(&self) -> Option<String> {
        let mut said = self.who.0.lock().await;
        let version = self.live.version();
        if said.0 != version {
            // A page that hears nothing of it shows what it showed.
            *said = (version, self.frame().await.ok()?.who());
        }
        Some(said.1.clone())
    }
}

/// Names the runs and experiments that changed, in messages called `changed`, until the server stops.
pub async fn stream(State(app): Shared) -> (HeaderPair, Sse<impl Stream<Item = Result<Event, Infallible>>>) {
    let start = (app.live.listen(), app.stopping.clone(), Instant::now());
    let stream = futures_util::stream::unfold(start, move |(mut listener, mut stopping, next)| {
        let app = app.clone();
        async move {
            tokio::select! {
                () = sleep_until(next) => {}
                _ = stopping.wait_for(|stop| *stop) => return None,
            }
            let changes = tokio::select! {
                changes = listener.next() => changes?,
                _ = stopping.wait_for(|stop| *stop) => return None,
            };
            let who = if changes.states || changes.everything { app.who().await } else { None };
            let data = serde_json::to_string(&Message { changes, who }).unwrap_or_default();
            let event = Event::default().event("changed").data(data);
            Some((Ok(event), (listener, stopping, Instant::now() + PACE)))
        }
    });
    (UNBUFFERED, Sse::new(stream).keep_alive(KeepAlive::new().interval(Duration::from_secs(20))))
}
