//! Frozen copies of comparisons: making one, opening it by its link, ending it, and the same as a file.

mod links;
mod snapshot;
#[cfg(test)]
mod tests;
mod tidy;

use std::{io, path::PathBuf};

use axum::{
    body::Bytes,
    extract::{Path, RawQuery, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use retort_store::Share;
use retort_web::{
    export::TableFormat,
    figures::FigureFormat,
    pages::{ComparisonPage, DocumentPage, Frozen, LINK, ShareRow},
};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use self::links::NewShare;
use self::snapshot::{Snapshot, day, keep, of_comparison, of_run, picture};
pub use self::{
    links::{Links, show as show_link},
    tidy::tidy,
};
use super::{
    App, Shared, assets,
    errors::{PageError, Result},
    id,
    rows::moment,
};
use crate::public_url::PublicUrl;

/// Bytes of a token: nobody guesses so many.
const TOKEN: usize = 32;
/// The folder of the copies, in the data folder.
const FOLDER: &str = "shares";
/// The file of a copy's page in its folder.
const PAGE: &str = "page.html";
/// Shares that a comparison lists, the open ones first.
const LISTED: u32 = 500;
/// Letters of a title and of a note.
const MOST_LETTERS: [usize; 2] = [200, 2_000];
/// Days after which a share may end.
const MOST_DAYS: i64 = 3_650;

/// What the sender says.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ShareForm {
    title: String,
    note: String,
    days: String,
}

/// `POST /experiments/{id}/shares`: freezes the comparison as the address shows it, and leads to its link.
pub async fn create(
    State(app): Shared,
    Path(experiment): Path<String>,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Result<Redirect> {
    let form = ShareForm::read(&body)?;
    let comparison = app.comparison(&experiment, query.as_deref().unwrap_or_default()).await?;
    let (experiment, title) = (comparison.id, form.title_or(comparison.title()));
    let back = format!("/experiments/{experiment}");
    let make = |frozen, picture: &dyn Fn(i64) -> Option<String>| of_comparison(comparison, frozen, picture);
    app.share(form, (experiment, title, back), make).await
}

/// `POST /runs/{id}/shares`: freezes the run's page, and leads to its link.
pub async fn create_of_run(State(app): Shared, Path(run): Path<String>, body: Bytes) -> Result<Redirect> {
    let form = ShareForm::read(&body)?;
    let page = app.run_page(&run, None).await?;
    let experiment = page.run.experiment.as_ref().map_or(0, |(id, _)| *id);
    let (title, back) = (form.title_or(page.title()), format!("/runs/{}", page.run.label.id));
    let make = |frozen, picture: &dyn Fn(i64) -> Option<String>| of_run(page, frozen, picture);
    app.share(form, (experiment, title, back), make).await
}

/// `GET /s/{token}`
pub async fn open(State(app): Shared, Path(token): Path<String>, headers: HeaderMap) -> Response {
    let Some(share) = app.open_share(&token).await else { return closed() };
    let Ok(html) = tokio::fs::read_to_string(app.share_folder(&share.token_hash).join(PAGE)).await else {
        return closed();
    };
    // A missed note of the opening is no reason to show nothing.
    if let Err(error) = app.store.share_opened(share.id).await {
        tracing::warn!("the opening of share {} is not noted: {error}", share.id);
    }
    let html = html.replace(LINK, &format!("{}/s/{token}", app.address(&headers)));
    sealed(&html, html.clone().into_bytes(), "text/html; charset=utf-8", None)
}

/// `GET /s/{token}/{file}`: a table or a figure of a copy.
pub async fn file(State(app): Shared, Path((token, file)): Path<(String, String)>) -> Response {
    let Some(share) = app.open_share(&token).await else { return closed() };
    let is_name = file.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.')) && file != PAGE;
    let kind = file.rsplit_once('.').and_then(|(_, extension)| {
        let figure = FigureFormat::of_extension(extension).map(FigureFormat::media_type);
        figure.or_else(|| TableFormat::of_extension(extension).map(TableFormat::media_type))
    });
    let (true, Some(kind)) = (is_name, kind) else { return closed() };
    match tokio::fs::read(app.share_folder(&share.token_hash).join(&file)).await {
        Ok(bytes) => sealed("", bytes, kind, (file != "preview.png").then_some(file)),
        Err(_) => closed(),
    }
}

/// How a removal went: what was not there any more is as good as removed.
fn gone(removed: io::Result<()>) -> io::Result<()> {
    removed.or_else(|e| if e.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(e) })
}

/// `POST /shares/{id}/revoke`
pub async fn revoke(State(app): Shared, Path(share): Path<String>) -> Result<Redirect> {
    let share = app.store.revoke_share(id("share", &share)?).await?;
    // The link is closed already; what it opened is of no more use.
    if let Err(error) = gone(tokio::fs::remove_dir_all(app.share_folder(&share.token_hash)).await) {
        tracing::warn!("the files of share {} stay: {error}", share.id);
    }
    Ok(Redirect::to(&format!("/experiments/{}#shares", share.experiment)))
}

/// `GET /experiments/{id}/comparison.html`: the comparison as one file.
pub(super) async fn document(app: &App, comparison: ComparisonPage) -> Result<Response> {
    let control = app.control.clone();
    let stem = comparison.file_stem();
    let turn = app.drawings.turn().await?;
    let write = move || {
        let _turn = turn;
        let document = DocumentPage::new(comparison, assets::style(), day(Timestamp::now()), None);
        document.write(|run| picture(&control.folder(run).gallery()))
    };
    let html = tokio::task::spawn_blocking(write).await.map_err(|e| PageError::internal(&e))?;
    let html = html.map_err(|e| PageError::internal(&e))?;
    let name = format!("attachment; filename=\"{stem}.html\"");
    let headers = [(header::CONTENT_TYPE, "text/html; charset=utf-8".to_owned()), (header::CONTENT_DISPOSITION, name)];
    Ok((headers, html).into_response())
}

impl ShareForm {
    fn read(body: &[u8]) -> Result<Self> {
        let form: Self = serde_html_form::from_bytes(body)
            .map_err(|e| PageError::bad_request(format!("It is not the form of a share: {e}.")))?;
        for ((name, text), most) in [("title", &form.title), ("note", &form.note)].into_iter().zip(MOST_LETTERS) {
            let letters = text.chars().count();
            if letters > most {
                let message = format!("The {name} has {letters} letters: write at most {most}.");
                return Err(PageError::bad_request(message));
            }
        }
        Ok(form)
    }

    fn title_or(&self, own: String) -> String {
        if self.title.trim().is_empty() { own } else { self.title.trim().to_owned() }
    }

    /// When it ends; never if it does not say.
    fn until(&self) -> Result<Option<Timestamp>> {
        let days = self.days.trim();
        if days.is_empty() {
            return Ok(None);
        }
        let count = days.parse().ok().filter(|days| (1..=MOST_DAYS).contains(days)).ok_or_else(|| {
            PageError::bad_request(format!("“{days}” is not a number of days: write 1 to {MOST_DAYS}, or nothing."))
        })?;
        Ok(Some(Timestamp::now() + SignedDuration::from_hours(24 * count)))
    }
}

/// A fresh token, and its hash.
fn token() -> Result<(String, String)> {
    let mut bytes = [0; TOKEN];
    getrandom::fill(&mut bytes).map_err(|e| PageError::internal(&e))?;
    let token = URL_SAFE_NO_PAD.encode(bytes);
    let hash = hash(&token);
    Ok((token, hash))
}

/// SHA-256, as base64url.
fn hash(token: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(token.as_bytes()))
}

/// An answer of a share: nothing leads out of it, and no search engine keeps it.
fn sealed(html: &str, bytes: Vec<u8>, kind: &str, download: Option<String>) -> Response {
    let style = html.split("<style>").nth(1).and_then(|rest| rest.split("</style>").next()).unwrap_or_default();
    let style = STANDARD.encode(Sha256::digest(style.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; img-src data:; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    );
    let mut headers = HeaderMap::new();
    let mut set = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    set(header::CONTENT_TYPE, kind);
    set(header::CONTENT_SECURITY_POLICY, &policy);
    set(header::REFERRER_POLICY, "no-referrer");
    set(HeaderName::from_static("x-robots-tag"), "noindex, nofollow");
    set(header::CACHE_CONTROL, "private, no-cache");
    if let Some(name) = download {
        set(header::CONTENT_DISPOSITION, &format!("attachment; filename=\"{name}\""));
    }
    (headers, bytes).into_response()
}

/// There is nothing behind a link: whether it never was, has ended or was revoked is nobody's business.
fn closed() -> Response {
    let html = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Not shared</title>\
                <h1>Nothing is shared here</h1><p>The link is mistyped, or it has ended. Ask its sender for another.</p>";
    (StatusCode::NOT_FOUND, sealed("", html.into(), "text/html; charset=utf-8", None)).into_response()
}

impl App {
    /// How the reader reaches this server: as it was told, or else by the name that the request has. Anything but a name and a
    /// port is not repeated, and what a proxy may say of itself is not believed.
    fn address(&self, headers: &HeaderMap) -> String {
        let is_name = |host: &&str| host.bytes().all(|b| b.is_ascii_alphanumeric() || b".:-[]".contains(&b));
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).filter(is_name);
        let own = || format!("http://{}", host.unwrap_or("localhost"));
        self.public.as_ref().map_or_else(own, PublicUrl::to_string)
    }

    /// Keeps what `make` makes under a fresh token, and leads to its link. The share is of an experiment, has a title, and
    /// its sender came from the page `back`.
    async fn share(
        &self,
        form: ShareForm,
        (experiment, title, back): (i64, String, String),
        make: impl FnOnce(Frozen, &dyn Fn(i64) -> Option<String>) -> Result<Snapshot> + Send + 'static,
    ) -> Result<Redirect> {
        let until = form.until()?;
        let frozen = Frozen { title: title.clone(), note: form.note.trim().to_owned() };
        let (token, hash) = token()?;
        let (folder, control) = (self.share_folder(&hash), self.control.clone());
        let turn = self.drawings.turn().await?;
        let freeze = move || {
            let _turn = turn;
            keep(&make(frozen, &|run| picture(&control.folder(run).gallery()))?, &folder)
        };
        tokio::task::spawn_blocking(freeze).await.map_err(|e| PageError::internal(&e))??;
        let share = match self.store.create_share(experiment, &hash, &title, until).await {
            Ok(share) => share,
            Err(fault) => {
                // Without its row nobody finds the copy.
                let _ = tokio::fs::remove_dir_all(self.share_folder(&hash)).await;
                return Err(fault.into());
            }
        };
        self.links.keep(share, NewShare { token, back, title, until: until.map(moment) });
        // Loaded again, the page with the link makes no second share.
        Ok(Redirect::to(&format!("/shares/{share}")))
    }

    fn share_folder(&self, hash: &str) -> PathBuf {
        self.data.join(FOLDER).join(hash)
    }

    /// The share behind a token, if its link still opens it.
    async fn open_share(&self, token: &str) -> Option<Share> {
        let share = match self.store.share_by_hash(&hash(token)).await {
            Ok(share) => share?,
            Err(error) => {
                tracing::warn!("a share cannot be looked up: {error}");
                return None;
            }
        };
        if share.is_open(Timestamp::now()) {
            return Some(share);
        }
        // What has ended stays so, even if the machine's clock goes back.
        if share.revoked_at.is_none()
            && let Err(error) = self.store.revoke_share(share.id).await
        {
            tracing::warn!("the end of share {} is not noted: {error}", share.id);
        }
        None
    }

    /// The latest shares of an experiment, as its page lists them.
    pub(super) async fn shares(&self, experiment: i64) -> Result<Vec<ShareRow>> {
        let now = Timestamp::now();
        let row = |share: Share| ShareRow {
            id: share.id,
            is_open: share.is_open(now),
            title: share.title,
            created: moment(share.created_at),
            until: share.revoked_at.or(share.expires_at).map(moment),
            is_revoked: share.revoked_at.is_some(),
            last_opened: share.last_opened_at.map(moment),
        };
        Ok(self.store.shares_of_experiment(experiment, LISTED).await?.into_iter().map(row).collect())
    }
}
