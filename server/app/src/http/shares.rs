//! Frozen copies of comparisons: making one, opening it by its link, ending it, and the same as a file.

use std::{fs, path::PathBuf};

use axum::{
    body::Bytes,
    extract::{Path, RawQuery, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use retort_engine::write_atomically;
use retort_store::Share;
use retort_web::{
    export::TableFormat,
    figures::{Figure, FigureFormat},
    pages::{ComparisonPage, DocumentPage, Frozen, LINK, RunDocumentPage, RunPage, ShareRow, SharedPage},
};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{
    App, Shared, assets,
    errors::{PageError, Result},
    id, page,
    rows::moment,
};

/// Bytes of a token: nobody guesses so many.
const TOKEN: usize = 32;
/// The file of a copy's page in its folder.
const PAGE: &str = "page.html";
/// Shares that a comparison lists.
const LISTED: u32 = 50;
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

/// `POST /experiments/{id}/shares`: freezes the comparison as the address shows it, and gives its link once.
pub async fn create(
    State(app): Shared,
    Path(experiment): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response> {
    let form = ShareForm::read(&body)?;
    let comparison = app.comparison(&experiment, query.as_deref().unwrap_or_default()).await?;
    let (experiment, title) = (comparison.id, form.title_or(comparison.title()));
    let back = format!("/experiments/{experiment}");
    let make = |frozen, picture: &dyn Fn(i64) -> Option<String>| of_comparison(comparison, frozen, picture);
    app.share(form, (experiment, title, back), &headers, make).await
}

/// `POST /runs/{id}/shares`: freezes the run's page, and gives its link once.
pub async fn create_of_run(
    State(app): Shared,
    Path(run): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response> {
    let form = ShareForm::read(&body)?;
    let page = app.run_page(&run, None).await?;
    let experiment = page.run.experiment.as_ref().map_or(0, |(id, _)| *id);
    let (title, back) = (form.title_or(page.title()), format!("/runs/{}", page.run.label.id));
    let make = |frozen, picture: &dyn Fn(i64) -> Option<String>| of_run(page, frozen, picture);
    app.share(form, (experiment, title, back), &headers, make).await
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
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let html = html.replace(LINK, &format!("http://{host}/s/{token}"));
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

/// `POST /shares/{id}/revoke`
pub async fn revoke(State(app): Shared, Path(share): Path<String>) -> Result<Redirect> {
    let experiment = app.store.revoke_share(id("share", &share)?).await?;
    Ok(Redirect::to(&format!("/experiments/{experiment}#shares")))
}

/// `GET /experiments/{id}/comparison.html`: the comparison as one file.
pub(super) async fn document(app: &App, comparison: ComparisonPage) -> Result<Response> {
    let control = app.control.clone();
    let id = comparison.id;
    let write = move || {
        let document = DocumentPage { comparison, style: assets::style(), date: day(Timestamp::now()), frozen: None };
        document.write(|run| picture(&control.folder(run).gallery()))
    };
    let html = tokio::task::spawn_blocking(write).await.map_err(|e| PageError::internal(&e))?;
    let html = html.map_err(|e| PageError::internal(&e))?;
    let name = format!("attachment; filename=\"retort-{id}.html\"");
    let headers = [(header::CONTENT_TYPE, "text/html; charset=utf-8".to_owned()), (header::CONTENT_DISPOSITION, name)];
    Ok((headers, html).into_response())
}

impl ShareForm {
    fn read(body: &[u8]) -> Result<Self> {
        serde_html_form::from_bytes(body)
            .map_err(|e| PageError::bad_request(format!("It is not the form of a share: {e}.")))
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

/// A gallery's sheet as an address that holds it.
fn picture(path: &std::path::Path) -> Option<String> {
    Some(format!("data:image/png;base64,{}", STANDARD.encode(fs::read(path).ok()?)))
}

fn day(at: Timestamp) -> String {
    at.strftime("%-d %B %Y").to_string()
}

/// What a copy consists of: its page, its tables as files, its figures by name.
struct Copy {
    html: String,
    tables: Vec<(String, String)>,
    figures: Vec<(String, Figure)>,
}

fn of_comparison(comparison: ComparisonPage, frozen: Frozen, picture: &dyn Fn(i64) -> Option<String>) -> Result<Copy> {
    let (table, about) = (comparison.table(), comparison.about());
    let tables =
        TableFormat::ALL.map(|format| (format!("table.{}", format.extension()), format.write(&table, &about))).into();
    let analyses = comparison.analyses.iter().filter_map(|analysis| Some((analysis.file_name(), analysis.figure()?)));
    let figures = comparison.all_figures().into_iter().chain(analyses).collect();
    let document =
        DocumentPage { comparison, style: assets::style(), date: day(Timestamp::now()), frozen: Some(frozen) };
    let html = document.write(picture).map_err(|e| PageError::internal(&e))?;
    Ok(Copy { html, tables, figures })
}

fn of_run(page: RunPage, frozen: Frozen, picture: &dyn Fn(i64) -> Option<String>) -> Result<Copy> {
    let figures = page.all_figures();
    let document = RunDocumentPage { page, style: assets::style(), date: day(Timestamp::now()), frozen };
    let html = document.write(picture).map_err(|e| PageError::internal(&e))?;
    Ok(Copy { html, tables: Vec::new(), figures })
}

/// Writes a copy, its figures in every format. The folder appears when all of it is there.
fn keep(copy: &Copy, folder: &std::path::Path) -> Result<()> {
    let fault = |e: std::io::Error| PageError::internal(&e);
    let fresh = folder.with_extension("new");
    fs::create_dir_all(&fresh).map_err(fault)?;
    let keep =
        |name: &str, bytes: &[u8]| write_atomically(&fresh.join(name), bytes).map_err(|e| PageError::internal(&e));
    for (name, table) in &copy.tables {
        keep(name, table.as_bytes())?;
    }
    for (name, figure) in &copy.figures {
        for format in FigureFormat::ALL {
            let bytes = format.write(figure).map_err(|e| PageError::internal(&e))?;
            keep(&format!("{name}.{}", format.extension()), &bytes)?;
        }
    }
    if let Some((_, figure)) = copy.figures.first() {
        keep("preview.png", &FigureFormat::Png.write(figure).map_err(|e| PageError::internal(&e))?)?;
    }
    keep(PAGE, copy.html.as_bytes())?;
    fs::rename(&fresh, folder).map_err(fault)
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
    /// Keeps what `make` makes under a fresh token, and answers with its link. The share is of an experiment, has a title, and
    /// its sender came from the page `back`.
    async fn share(
        &self,
        form: ShareForm,
        (experiment, title, back): (i64, String, String),
        headers: &HeaderMap,
        make: impl FnOnce(Frozen, &dyn Fn(i64) -> Option<String>) -> Result<Copy> + Send + 'static,
    ) -> Result<Response> {
        let until = form.until()?;
        let frozen = Frozen { title: title.clone(), note: form.note.trim().to_owned() };
        let (token, hash) = token()?;
        let (folder, control) = (self.share_folder(&hash), self.control.clone());
        let freeze = move || keep(&make(frozen, &|run| picture(&control.folder(run).gallery()))?, &folder);
        tokio::task::spawn_blocking(freeze).await.map_err(|e| PageError::internal(&e))??;
        self.store.create_share(experiment, &hash, &title, until).await?;
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
        let made = SharedPage {
            frame: self.frame().await?,
            back,
            title,
            link: format!("http://{host}/s/{token}"),
            until: until.map(moment),
        };
        page(StatusCode::OK, &made)
    }

    fn share_folder(&self, hash: &str) -> PathBuf {
        self.data.join("shares").join(hash)
    }

    /// The share behind a token, if its link still opens it.
    async fn open_share(&self, token: &str) -> Option<Share> {
        match self.store.share_by_hash(&hash(token)).await {
            Ok(share) => share.filter(|share| share.is_open(Timestamp::now())),
            Err(error) => {
                tracing::warn!("a share cannot be looked up: {error}");
                None
            }
        }
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

#[cfg(test)]
mod tests {
    use super::super::{launch_demo, tests::Site};
    use super::*;

    /// Makes a share; returns its token.
    async fn share(site: &Site, form: &str) -> String {
        let answer = site.post("/experiments/1/shares", form.into()).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        let link = answer.text.split("/s/").nth(1).unwrap();
        link.split('"').next().unwrap().to_owned()
    }

    #[tokio::test]
    async fn a_link_opens_a_sealed_copy_that_names_nothing_of_the_server() {
        let site = Site::new().await;
        launch_demo(&site.control).await.unwrap();
        let token = share(&site, "title=For+%3Cyou%3E&note=Look+at+ARD&days=7").await;
        let page = site.get(&format!("/s/{token}")).await;
        assert_eq!(page.status, StatusCode::OK);
        let policy = page.header(header::CONTENT_SECURITY_POLICY);
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-") && !policy.contains("'self'"), "{policy}");
        assert_eq!(page.header(header::REFERRER_POLICY), "no-referrer");
        assert_eq!(page.header(HeaderName::from_static("x-robots-tag")), "noindex, nofollow");
        assert!(page.text.contains("Look at ARD") && page.text.contains("For &#60;you&#62;"), "{}", page.text);
        let image = format!(r#"og:image" content="http://localhost:7878/s/{token}/preview.png""#);
        assert!(page.text.contains(&image) && !page.text.contains(LINK), "{}", page.text);
        for inner in ["href=\"/", "/runs/", "/static/", "<script", site.dir.path().to_str().unwrap()] {
            assert!(!page.text.contains(inner), "{inner}");
        }
        let table = site.get(&format!("/s/{token}/table.csv")).await;
        assert_eq!((table.status, table.header(header::CONTENT_TYPE)), (StatusCode::OK, "text/csv; charset=utf-8"));
        for file in ["page.html", "..%2F..%2Fretort.db", "table.exe", "missing.svg"] {
            assert_eq!(site.get(&format!("/s/{token}/{file}")).await.status, StatusCode::NOT_FOUND, "{file}");
        }
    }

    #[tokio::test]
    async fn a_run_is_shared_like_a_comparison() {
        let site = Site::new().await;
        launch_demo(&site.control).await.unwrap();
        site.finish_teacher().await;
        let answer = site.post("/runs/1/shares", "title=&note=The+teacher&days=".into()).await;
        assert!(answer.text.contains(r#"href="/runs/1""#), "{}", answer.text);
        let token = answer.text.split("/s/").nth(1).unwrap().split('"').next().unwrap().to_owned();
        let page = site.get(&format!("/s/{token}")).await;
        assert!(page.text.contains("The teacher") && page.text.contains("PGD-AT · ResNet-8 · seed 1"), "{}", page.text);
        for inner in ["href=\"/", "/static/", "<script", "Demo:"] {
            assert!(!page.text.contains(inner), "{inner}");
        }
        assert!(site.get("/experiments/1").await.text.contains("/shares/1/revoke"));
    }

    #[tokio::test]
    async fn a_copy_stays_what_it_is_until_it_is_revoked() {
        let site = Site::new().await;
        launch_demo(&site.control).await.unwrap();
        let token = share(&site, "title=&note=&days=").await;
        let before = site.get(&format!("/s/{token}")).await.text;
        site.control.cancel_experiment(1).await.unwrap();
        assert_eq!(site.get(&format!("/s/{token}")).await.text, before);
        let listed = site.get("/experiments/1").await.text;
        assert!(listed.contains("/shares/1/revoke") && !listed.contains(&token));
        assert!(site.store.share_by_hash(&hash(&token)).await.unwrap().unwrap().last_opened_at.is_some());
        assert!(site.store.share_by_hash(&token).await.unwrap().is_none(), "the token itself is not kept");
        let answer = site.post("/shares/1/revoke", String::new()).await;
        assert_eq!(answer.header(header::LOCATION), "/experiments/1#shares");
        let ended = site.get(&format!("/s/{token}")).await;
        let never = site.get("/s/abc").await;
        assert_eq!((ended.status, ended.text), (never.status, never.text));
        assert!(site.get("/experiments/1").await.text.contains("revoked"));
    }

    #[tokio::test]
    async fn a_share_that_cannot_be_made_says_why_and_leaves_nothing() {
        let site = Site::new().await;
        launch_demo(&site.control).await.unwrap();
        let answer = site.post("/experiments/1/shares", "days=soon".into()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert!(answer.text.contains("“soon” is not a number of days"), "{}", answer.text);
        assert!(!site.dir.path().join("shares").exists());
        assert_eq!(site.post("/shares/9/revoke", String::new()).await.status, StatusCode::NOT_FOUND);
    }

    #[tokio::test]
    async fn a_comparison_is_one_file_without_links_to_the_server() {
        let site = Site::new().await;
        launch_demo(&site.control).await.unwrap();
        let file = site.get("/experiments/1/comparison.html?method=ard").await;
        assert_eq!(file.header(header::CONTENT_DISPOSITION), "attachment; filename=\"retort-1.html\"");
        assert!(file.text.contains("<style>") && file.text.contains("ARD"), "{}", file.text);
        for inner in ["href=\"/", "src=\"/", LINK, "noindex", "<script"] {
            assert!(!file.text.contains(inner), "{inner}");
        }
    }
}
