//! Style, script and icon, carried inside the program.

use std::hash::{DefaultHasher, Hash, Hasher};

use axum::{
    body::Body,
    extract::Path,
    http::{HeaderMap, HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::errors::{PageError, Result};

struct Asset {
    name: &'static str,
    kind: &'static str,
    content: &'static [u8],
}

const ASSETS: [Asset; 9] = [
    Asset {
        name: "style.css",
        kind: "text/css; charset=utf-8",
        content: include_bytes!("../../../../static/style.css"),
    },
    Asset {
        name: "live.js",
        kind: "text/javascript; charset=utf-8",
        content: include_bytes!("../../../../static/live.js"),
    },
    Asset {
        name: "keys.js",
        kind: "text/javascript; charset=utf-8",
        content: include_bytes!("../../../../static/keys.js"),
    },
    Asset {
        name: "form.js",
        kind: "text/javascript; charset=utf-8",
        content: include_bytes!("../../../../static/form.js"),
    },
    Asset {
        name: "upload.js",
        kind: "text/javascript; charset=utf-8",
        content: include_bytes!("../../../../static/upload.js"),
    },
    Asset {
        name: "copy.js",
        kind: "text/javascript; charset=utf-8",
        content: include_bytes!("../../../../static/copy.js"),
    },
    Asset {
        name: "chart.js",
        kind: "text/javascript; charset=utf-8",
        content: include_bytes!("../../../../static/chart.js"),
    },
    Asset {
        name: "curves.js",
        kind: "text/javascript; charset=utf-8",
        content: include_bytes!("../../../../static/curves.js"),
    },
    Asset { name: "favicon.svg", kind: "image/svg+xml", content: include_bytes!("../../../../static/favicon.svg") },
];

/// The style sheet, for pages that carry it inside.
pub fn style() -> &'static str {
    include_str!("../../../../static/style.css")
}

/// `GET /static/{file}`: the browser keeps it, and asks each time whether it is still the same.
pub async fn serve(Path(file): Path<String>, headers: HeaderMap) -> Result<Response> {
    let asset = ASSETS.iter().find(|asset| asset.name == file).ok_or_else(PageError::no_page)?;
    let mut hasher = DefaultHasher::new();
    asset.content.hash(&mut hasher);
    let tag = format!("\"{:016x}\"", hasher.finish());
    if is_known(&headers, &tag) {
        return Ok(unchanged(tag));
    }
    Ok(tagged(tag, asset.kind, asset.content))
}

/// Whether the browser has what bears this tag.
pub(super) fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes())
}

/// The answer to a browser that has it.
pub(super) fn unchanged(tag: String) -> Response {
    (StatusCode::NOT_MODIFIED, about(tag)).into_response()
}

/// Content that a browser keeps, and asks for by this tag the next time.
pub(super) fn tagged(tag: String, kind: &'static str, content: impl Into<Body>) -> Response {
    (about(tag), [(header::CONTENT_TYPE, kind)], content.into()).into_response()
}

fn about(tag: String) -> [(HeaderName, String); 2] {
    [(header::ETAG, tag), (header::CACHE_CONTROL, "no-cache".into())]
}
