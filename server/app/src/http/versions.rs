//! Pages by their versions: a page that a browser has is not sent again, and where it has an earlier version, only what
//! differs is (delta encoding, RFC 3229). An open page follows a running comparison at a few hundred bytes an update.

use std::{
    collections::VecDeque,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::{HeaderName, HeaderValue, Method, StatusCode, header, response::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{App, assets::is_known, delta, errors::PageError};

const A_IM: HeaderName = HeaderName::from_static("a-im");
const IM: HeaderName = HeaderName::from_static("im");
const DELTA_BASE: HeaderName = HeaderName::from_static("delta-base");
/// The name of our way to say what differs: the parts that [`delta::between`] gives, as JSON.
const OURS: HeaderValue = HeaderValue::from_static("retort-delta");

/// Bytes of the earlier versions that are kept: some minutes of the largest comparison that changes twice a second.
const KEPT: usize = 32 << 20;
/// Where a page carries its version, for the script that follows it.
const PLACE: &str = r#" data-version="""#;

/// The versions of pages that were sent lately.
#[derive(Debug, Default)]
pub struct Versions(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// Each by its tag, the latest last.
    pages: VecDeque<(String, Bytes)>,
    bytes: usize,
}

impl Versions {
    fn keep(&self, tag: &str, page: &Bytes) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = kept.pages.iter().position(|(known, _)| known == tag) {
            let again = kept.pages.remove(at);
            kept.pages.extend(again);
            return;
        }
        kept.bytes += page.len();
        kept.pages.push_back((tag.to_owned(), page.clone()));
        while kept.bytes > KEPT
            && let Some((_, oldest)) = kept.pages.pop_front()
        {
            kept.bytes -= oldest.len();
        }
    }

    fn of(&self, tag: &str) -> Option<Bytes> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.pages.iter().find(|(known, _)| known == tag).map(|(_, page)| page.clone())
    }
}

/// Gives a page its version, and sends of it what the browser does not have.
pub async fn tell_apart(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let (is_get, headers) = (request.method() == Method::GET, request.headers().clone());
    let response = next.run(request).await;
    let is_html =
        response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    if !is_get || !is_html || response.status() != StatusCode::OK {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    // A page was made in memory, so that there is room for all of it.
    let html = match to_bytes(body, usize::MAX).await {
        Ok(html) => html,
        Err(e) => return PageError::internal(&e).into_response(),
    };
    let version = version(&html);
    let tag = format!("\"{version}\"");
    parts.headers.remove(header::CONTENT_LENGTH);
    if let Ok(tag) = HeaderValue::try_from(&tag) {
        parts.headers.insert(header::ETAG, tag);
    }
    if is_known(&headers, &tag) {
        parts.status = StatusCode::NOT_MODIFIED;
        return Response::from_parts(parts, Body::empty());
    }
    let page = Bytes::from(String::from_utf8_lossy(&html).replacen(PLACE, &format!(" data-version=\"{version}\""), 1));
    app.versions.keep(&tag, &page);
    let known = headers.get(header::IF_NONE_MATCH).filter(|_| headers.get(A_IM) == Some(&OURS));
    if let Some(earlier) = known.and_then(|known| Some((known, app.versions.of(known.to_str().ok()?)?)))
        && let Some(answer) = only_what_differs(&parts, earlier, &page)
    {
        return answer;
    }
    Response::from_parts(parts, Body::from(page))
}

/// What makes the page of its earlier version; none where that is not worth it.
fn only_what_differs(parts: &Parts, (tag, earlier): (&HeaderValue, Bytes), page: &Bytes) -> Option<Response> {
    let parts_of_page = delta::between(std::str::from_utf8(&earlier).ok()?, std::str::from_utf8(page).ok()?);
    let json = serde_json::to_vec(&parts_of_page).ok().filter(|json| json.len() < page.len() / 2)?;
    let mut response = Response::new(Body::from(json));
    *response.status_mut() = StatusCode::IM_USED;
    let headers = response.headers_mut();
    headers.clone_from(&parts.headers);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(IM, OURS);
    headers.insert(DELTA_BASE, tag.clone());
    Some(response)
}

fn version(html: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    html.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

#[cfg(test)]
mod tests {
    use axum::http::request::Builder;

    use super::*;
    use crate::http::tests::{Answer, Site};

    async fn ask(site: &Site, with: impl FnOnce(Builder) -> Builder) -> Answer {
        let request = with(Request::get("/runs").header("host", "localhost:7878"));
        site.ask(request.body(Body::empty()).unwrap()).await
    }

    #[tokio::test]
    async fn a_page_that_did_not_change_is_not_sent_again() {
        let site = Site::new().await;
        let page = site.get("/runs").await;
        let tag = page.header(header::ETAG);
        assert!(page.text.contains(&format!("data-version={tag}")), "{tag}");
        let again = ask(&site, |request| request.header("if-none-match", tag)).await;
        assert_eq!((again.status, again.text.as_str()), (StatusCode::NOT_MODIFIED, ""));
        assert!(!again.header(header::CONTENT_SECURITY_POLICY).is_empty());
    }

    #[tokio::test]
    async fn of_a_page_that_changed_only_what_differs_is_sent_to_whoever_has_the_earlier_one() {
        let site = Site::new().await;
        site.gate.launch_demo().await.unwrap();
        let before = site.get("/runs").await;
        site.store.request_cancel(1).await.unwrap();
        let after = site.get("/runs").await;
        let tag = before.header(header::ETAG);
        let known = ask(&site, |request| request.header("if-none-match", tag).header("a-im", "retort-delta")).await;
        assert_eq!(known.status, StatusCode::IM_USED);
        assert_eq!((known.header(IM), known.header(DELTA_BASE)), ("retort-delta", tag));
        assert_eq!(known.header(header::ETAG), after.header(header::ETAG));
        assert!(known.text.len() < 1_000, "{}", known.text);
        let parts: Vec<delta::Part> = serde_json::from_str(&known.text).unwrap();
        assert_eq!(delta::applied(&before.text, &parts), after.text);
        // Whoever does not ask for it, or has a version that nobody remembers, gets the page.
        assert_eq!(ask(&site, |request| request.header("if-none-match", tag)).await.text, after.text);
        let foreign = ask(&site, |r| r.header("if-none-match", "\"abc\"").header("a-im", "retort-delta")).await;
        assert_eq!((foreign.status, foreign.text), (StatusCode::OK, after.text));
    }

    #[test]
    fn the_oldest_versions_are_forgotten_first() {
        let versions = Versions::default();
        let page = Bytes::from(vec![b'a'; KEPT / 2]);
        for tag in ["a", "b", "a", "c"] {
            versions.keep(tag, &page);
        }
        assert_eq!(["a", "b", "c"].map(|tag| versions.of(tag).is_some()), [true, false, true]);
    }
}
