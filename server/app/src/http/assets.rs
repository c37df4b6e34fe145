//! Style, script and icon, carried inside the program.

use std::hash::{DefaultHasher, Hash, Hasher};

use axum::{
    extract::Path,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::errors::{PageError, Result};

struct Asset {
    name: &'static str,
    kind: &'static str,
    content: &'static [u8],
}

const ASSETS: [Asset; 3] = [
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
    Asset { name: "favicon.svg", kind: "image/svg+xml", content: include_bytes!("../../../../static/favicon.svg") },
];

/// `GET /static/{file}`: the browser keeps it, and asks each time whether it is still the same.
pub async fn serve(Path(file): Path<String>, headers: HeaderMap) -> Result<Response> {
    let asset = ASSETS.iter().find(|asset| asset.name == file).ok_or_else(PageError::no_page)?;
    let mut hasher = DefaultHasher::new();
    asset.content.hash(&mut hasher);
    let tag = format!("\"{:016x}\"", hasher.finish());
    let same = headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let about = [(header::ETAG, tag), (header::CACHE_CONTROL, "no-cache".into())];
    if same {
        return Ok((StatusCode::NOT_MODIFIED, about).into_response());
    }
    Ok((about, [(header::CONTENT_TYPE, asset.kind)], asset.content).into_response())
}
