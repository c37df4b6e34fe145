//! Links of new shares, which are shown for a while after they were made: of a share only its token's fingerprint is kept.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use retort_web::{format::Moment, pages::SharedPage};

use super::super::{
    Shared,
    errors::{PageError, Result},
    id, page,
};

/// How long a link is shown, so that the page with it can be loaded again.
const SHOWN: Duration = Duration::from_mins(10);

/// A share that was made a moment ago.
#[derive(Clone, Debug)]
pub(super) struct NewShare {
    /// Its secret.
    pub token: String,
    /// The page that it is a copy of.
    pub back: String,
    /// Its title.
    pub title: String,
    /// When it ends by itself.
    pub until: Option<Moment>,
}

/// The links that are shown, by their shares.
#[derive(Debug, Default)]
pub struct Links(Mutex<HashMap<i64, (Instant, NewShare)>>);

impl Links {
    pub(super) fn keep(&self, share: i64, new: NewShare) {
        self.shown().insert(share, (Instant::now(), new));
    }

    fn of(&self, share: i64) -> Option<NewShare> {
        self.shown().get(&share).map(|(_, new)| new.clone())
    }

    fn shown(&self) -> MutexGuard<'_, HashMap<i64, (Instant, NewShare)>> {
        let mut links = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        links.retain(|_, (made, _)| made.elapsed() < SHOWN);
        links
    }
}

/// `GET /shares/{id}`: the link of a new share.
pub async fn show(State(app): Shared, Path(share): Path<String>, headers: HeaderMap) -> Result<Response> {
    let Some(new) = app.links.of(id("share", &share)?) else {
        return Err(PageError::gone(
            "The link was shown when it was made; only its fingerprint is kept. Make another from the same page.",
        ));
    };
    let made = SharedPage {
        frame: app.frame().await?,
        back: new.back,
        title: new.title,
        link: format!("{}/s/{}", app.address(&headers), new.token),
        is_public: app.public.is_some(),
        until: new.until,
    };
    page(StatusCode::OK, &made)
}
