//! One drawing of a page for all who ask for it at the same time: every open page asks again when it hears of the same change.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, header},
    middleware::Next,
    response::Response,
};
use retort_web::Section;

use super::{App, errors::PageError};

/// How long a drawing serves while nothing changes. Some things on a page are not in the database: times, room on the disk.
const LIFE: Duration = Duration::from_secs(1);
/// Drawings that are kept.
const KEPT: usize = 64;
/// Bytes of the largest page that is kept.
const LARGEST: usize = 1 << 20;
/// Letters of the longest address whose page is kept.
const LONGEST: usize = 500;

/// The drawings of pages by their addresses.
#[derive(Debug)]
pub struct Drawn {
    life: Duration,
    places: Mutex<HashMap<String, Arc<Place>>>,
}

impl Default for Drawn {
    fn default() -> Self {
        Self::for_at_most(LIFE)
    }
}

/// Where one page's drawing is kept. Who draws it holds the lock, and whoever asks meanwhile waits for it.
type Place = tokio::sync::Mutex<Option<Drawing>>;

#[derive(Clone, Debug)]
struct Drawing {
    /// What the database and the news were at when it was begun.
    version: (i64, u64),
    begun: Instant,
    headers: HeaderMap,
    html: Bytes,
}

impl Drawn {
    /// Drawings that serve for so long while nothing changes.
    pub fn for_at_most(life: Duration) -> Self {
        Self { life, places: Mutex::default() }
    }

    fn place(&self, address: &str) -> Arc<Place> {
        let mut places = self.places();
        if places.len() >= KEPT && !places.contains_key(address) {
            // Those that are being drawn or read stay.
            places.retain(|_, place| Arc::strong_count(place) > 1);
        }
        places.entry(address.to_owned()).or_default().clone()
    }

    fn places(&self) -> MutexGuard<'_, HashMap<String, Arc<Place>>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers with a page that was drawn a moment ago, where nothing has changed since; else draws it.
pub async fn share(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let address = request.uri().path_and_query().map_or("/", |address| address.as_str()).to_owned();
    if !is_shared(request.method(), request.headers(), &address) {
        return next.run(request).await;
    }
    let place = app.drawn.place(&address);
    let mut kept = place.lock().await;
    let version = match app.store.version().await {
        Ok(version) => (version, app.live.version()),
        // The page says what is wrong.
        Err(_) => return next.run(request).await,
    };
    if let Some(drawing) = kept.as_ref().filter(|one| one.version == version && one.begun.elapsed() < app.drawn.life) {
        return drawing.answer();
    }
    let begun = Instant::now();
    let response = next.run(request).await;
    let is_html =
        response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    if response.status() != StatusCode::OK || !is_html || response.headers().contains_key(header::CONTENT_DISPOSITION) {
        return response;
    }
    let (parts, body) = response.into_parts();
    // A page was made in memory, so that there is room for all of it.
    let html = match to_bytes(body, usize::MAX).await {
        Ok(html) => html,
        Err(e) => return PageError::internal(&e).draw(&app).await,
    };
    let drawing = Drawing { version, begun, headers: parts.headers, html };
    let answer = drawing.answer();
    *kept = (drawing.html.len() <= LARGEST).then_some(drawing);
    answer
}

impl Drawing {
    fn answer(&self) -> Response {
        let mut response = Response::new(Body::from(self.html.clone()));
        *response.headers_mut() = self.headers.clone();
        response
    }
}

/// Whether a request is for a page that may be shared. A browser that is told to load a page anew says `no-cache`.
fn is_shared(method: &Method, headers: &HeaderMap, address: &str) -> bool {
    let path = address.split('?').next().unwrap_or_default();
    let is_page = Section::shared()
        .any(|page| path == page || path.strip_prefix(page).is_some_and(|rest| page != "/" && rest.starts_with('/')));
    let is_of_one = path.starts_with("/experiments/new") || path.starts_with("/models/uploads");
    let wants_anew = [header::CACHE_CONTROL, header::PRAGMA].iter().any(|name| headers.contains_key(name));
    method == Method::GET && is_page && !is_of_one && !wants_anew && address.len() <= LONGEST
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;
    use crate::http::tests::Site;

    #[test]
    fn pages_that_many_have_open_are_shared_and_those_of_one_person_are_not() {
        let none = HeaderMap::new();
        for address in ["/", "/?a=b", "/experiments/1?baseline=kd", "/runs", "/runs/7", "/datasets/cifar10", "/paper"] {
            assert!(is_shared(&Method::GET, &none, address), "{address}");
        }
        for address in ["/experiments/new?title=a", "/models/uploads/abc", "/s/abc", "/live", "/health", "/runsx"] {
            assert!(!is_shared(&Method::GET, &none, address), "{address}");
        }
        assert!(!is_shared(&Method::POST, &none, "/runs/7/cancel"));
        let anew = HeaderMap::from_iter([(header::CACHE_CONTROL, "no-cache".parse().unwrap())]);
        assert!(!is_shared(&Method::GET, &anew, "/runs"));
    }

    #[tokio::test]
    async fn a_page_is_drawn_once_until_something_changes() {
        let site = Site::sharing_drawings().await;
        let get = async |address: &str| site.get(address).await.text;
        assert!(!get("/runs").await.contains("/runs/1"));
        site.gate.launch_demo().await.unwrap();
        assert!(get("/runs").await.contains("/runs/1"), "the launch is not shown");
        let before = get("/runs/1").await;
        site.store.request_cancel(1).await.unwrap();
        assert_ne!(get("/runs/1").await, before, "a change in the database is not shown");
        // What is in no database tells whether the page is drawn anew.
        assert!(!get("/datasets").await.contains("squirrels"));
        site.import("squirrels");
        assert!(!get("/datasets").await.contains("squirrels"), "it was drawn again");
        let anew = Request::get("/datasets").header("host", "localhost:7878").header("cache-control", "no-cache");
        assert!(site.ask(anew.body(Body::empty()).unwrap()).await.text.contains("squirrels"));
        site.control.cancel(2).await.unwrap();
        assert!(get("/datasets").await.contains("squirrels"), "news do not count");
    }
}
