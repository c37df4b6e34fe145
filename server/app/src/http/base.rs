//! The path under which a proxy shows the server. Pages write their addresses as if there were none: here every request loses
//! it, whether or not the proxy took it off already, and every address in an answer gets it.

use std::sync::Arc;

use axum::{
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderValue, Uri, header, uri::PathAndQuery},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{App, errors::PageError};
use crate::public_url::PublicUrl;

/// The attributes of our pages that hold an address of the server.
const ADDRESSES: [&str; 7] =
    ["href", "src", "action", "formaction", "data-estimate-from", "data-copy-from", "data-curves"];

/// Leads a request in and its answer out.
pub async fn lead(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let base = app.public.as_ref().map_or("", PublicUrl::base);
    if base.is_empty() {
        return next.run(request).await;
    }
    if let Some(inner) = inside(request.uri(), base) {
        *request.uri_mut() = inner;
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let location = headers.get(header::LOCATION).and_then(|location| location.to_str().ok());
    if let Some(location) = location.filter(|location| location.starts_with('/')) {
        // The one is of plain signs and the other was a header: together they are one.
        if let Ok(outside) = HeaderValue::try_from(format!("{base}{location}")) {
            headers.insert(header::LOCATION, outside);
        }
    }
    let is_page = headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    // A file to take along has no addresses of this server in it.
    if !is_page || headers.contains_key(header::CONTENT_DISPOSITION) {
        return response;
    }
    headers.remove(header::CONTENT_LENGTH);
    let (parts, body) = response.into_parts();
    // A page was made in memory, so that there is room for all of it.
    match to_bytes(body, usize::MAX).await.map(|bytes| outside(&String::from_utf8_lossy(&bytes), base)) {
        Ok(page) => Response::from_parts(parts, Body::from(page)),
        Err(e) => PageError::internal(&e).into_response(),
    }
}

/// The address without the base, if it begins with it.
fn inside(uri: &Uri, base: &str) -> Option<Uri> {
    let rest = uri.path_and_query()?.as_str().strip_prefix(base)?;
    let inner = match rest.bytes().next() {
        Some(b'/') => PathAndQuery::try_from(rest),
        None | Some(b'?') => PathAndQuery::try_from(format!("/{rest}")),
        Some(_) => return None,
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(inner.ok()?);
    Uri::from_parts(parts).ok()
}

/// The page with the base before each of its addresses. Text cannot be taken for one: quotation marks in it are escaped.
fn outside(page: &str, base: &str) -> String {
    let mut out = String::with_capacity(page.len() + page.len() / 16);
    let mut rest = page;
    while let Some(at) = rest.find("=\"/") {
        let (before, behind) = rest.split_at(at + 2);
        out.push_str(before);
        let name = before[..at].rsplit(|c: char| c.is_ascii_whitespace()).next();
        if name.is_some_and(|name| ADDRESSES.contains(&name)) {
            out.push_str(base);
        }
        rest = behind;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests;
