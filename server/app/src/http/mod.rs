//! The pages over HTTP, a file for each.

mod analyses;
mod assets;
mod base;
mod bundles;
mod compare;
mod comparison;
mod datasets;
mod delta;
mod demo;
mod disk;
mod drawings;
mod drawn;
mod errors;
mod experiments;
mod form;
mod guard;
mod health;
#[cfg(test)]
mod lists_tests;
mod live;
mod models;
mod multipart;
mod overview;
mod paging;
mod paper;
mod request_id;
mod right_answers;
mod rows;
mod run;
mod run_log;
mod runs;
mod shares;
#[cfg(test)]
mod tests;
mod versions;
mod views;
mod watching;

use std::{path::PathBuf, sync::Arc};

use anyhow::Context;
use axum::{
    Router,
    extract::State,
    http::{Extensions, HeaderMap, StatusCode, Version, header},
    middleware,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use retort_spec::RunState;
use retort_store::Store;
use retort_web::{Frame, Template};
use tokio::sync::watch;
use tower_http::{CompressionLevel, compression::CompressionLayer};

use crate::{
    arrivals::Arrivals, bundle::ModelHashes, data_folder::Places, disk::Room, launch::Gate, live::Live,
    machine::Machine, metrics::Metrics, public_url::PublicUrl, reader::Reader, scheduler::Control, views::Views,
};
use errors::{PageError, Result};

use analyses::FilesOfAnalyses;
use drawings::Drawings;
pub use drawn::Drawn;
pub use guard::Hosts;
use live::Who;
use models::Waiting as WaitingModels;
use right_answers::RightAnswersOfEvaluations;
pub use shares::tidy as tidy_shares;
use versions::Versions;

/// What every page can ask.
#[derive(Debug)]
pub struct App {
    /// The database.
    pub store: Store,
    /// The scheduler.
    pub control: Control,
    /// What is launched comes through it.
    pub gate: Gate,
    /// News of changes.
    pub live: Live,
    /// Datasets on their way.
    pub arrivals: Arrivals,
    /// Room on the disk for what is uploaded and downloaded.
    pub room: Room,
    /// Datasets and devices.
    pub machine: Machine,
    /// What analyses found.
    pub analyses: FilesOfAnalyses,
    /// Figures as files.
    pub drawings: Drawings,
    /// What the header says of the runs.
    pub who: Who,
    /// Pages that were drawn a moment ago.
    pub drawn: Drawn,
    /// Links of new shares.
    pub links: shares::Links,
    /// Versions of pages that browsers may have.
    pub versions: Versions,
    /// Named addresses of lists and comparisons.
    pub views: Views,
    /// Which answers of evaluations were right.
    pub right_answers: RightAnswersOfEvaluations,
    /// The data folder.
    pub data: PathBuf,
    /// The folder of bundles from elsewhere.
    pub bundles: PathBuf,
    /// SHA-256 of imported models' files.
    pub model_hashes: ModelHashes,
    /// The folder of what is being uploaded.
    pub uploads: PathBuf,
    /// Reads weights of unknown origin.
    pub reader: Reader,
    /// Weights that were uploaded and wait for a decision.
    pub waiting: WaitingModels,
    /// The names under which the server may be addressed.
    pub hosts: Hosts,
    /// What a proxy in front of the server makes of its address, where there is one.
    pub public: Option<PublicUrl>,
    /// What a page found when the database did not hold together; empty while all is well.
    pub damage: std::sync::OnceLock<String>,
    /// Figures for whoever watches over the server.
    pub metrics: Metrics,
    /// Becomes true when the server stops.
    pub stopping: watch::Receiver<bool>,
}

/// What the paths of pages begin with.
const FIRST_PARTS: &[&str] = &[
    "demo",
    "disk",
    "compare",
    "experiments",
    "bundles",
    "runs",
    "shares",
    "s",
    "paper",
    "models",
    "datasets",
    "views",
    "live",
    "static",
    "health",
    "metrics",
];

impl App {
    /// What pages ask over a data folder, as on the usual address of this machine.
    ///
    /// # Errors
    /// When the program that is running cannot be found.
    pub fn over(
        places: &Places,
        store: Store,
        control: Control,
        stopping: watch::Receiver<bool>,
    ) -> anyhow::Result<Self> {
        let machine = Machine::explore(places.datasets());
        let live = control.live.clone();
        Ok(Self {
            gate: Gate::new(store.clone(), control.clone(), machine.clone()),
            arrivals: Arrivals::new(places.datasets(), None, live.clone())
                .context("finding the program to add datasets with")?,
            reader: Reader::new().context("finding the program to read weights with")?,
            room: Room::default(),
            data: places.root().to_owned(),
            bundles: places.bundles(),
            model_hashes: ModelHashes::default(),
            uploads: places.uploads(),
            analyses: FilesOfAnalyses::default(),
            drawings: Drawings::default(),
            who: Who::default(),
            drawn: Drawn::default(),
            links: shares::Links::default(),
            versions: Versions::default(),
            views: Views::open(places.views()),
            right_answers: RightAnswersOfEvaluations::default(),
            waiting: WaitingModels::default(),
            hosts: Hosts::of(([127, 0, 0, 1], 7878).into(), None),
            public: None,
            damage: std::sync::OnceLock::new(),
            metrics: Metrics::default(),
            store,
            control,
            live,
            machine,
            stopping,
        })
    }
}

/// Holds that a proxy does not show the server under a path that is an address inside of it.
///
/// # Errors
/// When it does.
pub fn check_base(public: &PublicUrl) -> anyhow::Result<()> {
    let first = public.base().split('/').nth(1).unwrap_or_default();
    if FIRST_PARTS.contains(&first) {
        anyhow::bail!("/{first} is an address inside Retort: let the proxy use another path, such as /retort");
    }
    Ok(())
}

type Shared = State<Arc<App>>;

/// All pages, guarded.
pub fn router(app: Arc<App>) -> Router {
    let router = Router::new()
        .route("/", get(overview::show))
        .route("/demo", post(demo::launch))
        .route("/experiments", get(experiments::list).post(form::launch))
        .route("/experiments/new", get(form::show))
        .route("/experiments/{id}", get(comparison::show))
        .route("/experiments/{id}/bundle.tar", get(bundles::of_experiment))
        .route("/experiments/{id}/{file}", get(comparison::file))
        .route("/experiments/{id}/shares", post(shares::create))
        .route("/runs/{id}/shares", post(shares::create_of_run))
        .route("/shares/{id}", get(shares::show_link))
        .route("/shares/{id}/revoke", post(shares::revoke))
        .route("/s/{token}", get(shares::open))
        .route("/s/{token}/{file}", get(shares::file))
        .route("/experiments/{id}/analyses", post(analyses::launch))
        .route("/experiments/{id}/cancel", post(comparison::cancel))
        .route("/experiments/{id}/resume", post(comparison::resume))
        .route("/compare", get(compare::lead))
        .route("/views", post(views::save))
        .route("/views/remove", post(views::remove))
        .route("/bundles", get(bundles::list).post(bundles::open).layer(bundles::body_limit()))
        .route("/bundles/{id}", get(bundles::show))
        .route("/paper", get(paper::show))
        .route("/paper/launch", post(paper::launch))
        .route("/runs", get(runs::list))
        .route("/runs/{id}", get(run::show))
        .route("/runs/{id}/cancel", post(run::cancel))
        .route("/runs/{id}/resume", post(run::resume))
        .route("/runs/{id}/log", get(run_log::show))
        .route("/runs/{id}/log.txt", get(run_log::file))
        .route("/runs/{id}/model.safetensors", get(models::download_of_run))
        .route("/runs/{id}/best.safetensors", get(models::download_best_of_run))
        .route("/runs/{id}/averaged.safetensors", get(models::download_average_of_run))
        .route("/runs/{id}/bundle.tar", get(bundles::of_run))
        .route("/runs/{id}/gallery.png", get(analyses::gallery))
        .route("/runs/{id}/{file}", get(run::figure))
        .route("/models", get(models::list).post(models::upload).layer(models::body_limit()))
        .route("/models/uploads/{token}", get(models::show_upload).post(models::keep))
        .route("/models/uploads/{token}/discard", post(models::discard))
        .route("/models/{id}", get(models::show))
        .route("/models/{id}/classes", post(models::set_classes))
        .route("/models/{id}/model.safetensors", get(models::download))
        .route("/datasets", get(datasets::list).post(datasets::import).layer(datasets::body_limit()))
        .route("/datasets/{name}", get(datasets::show))
        .route("/datasets/{name}/fetch", post(datasets::fetch))
        .route("/datasets/{name}/cancel", post(datasets::cancel))
        .route("/datasets/{name}/samples.png", get(datasets::samples))
        .route("/live", get(live::stream))
        .route("/static/{file}", get(assets::serve))
        .route("/disk", get(disk::show).post(disk::free))
        .route("/health", get(health::check))
        .route("/metrics", get(watching::metrics))
        .fallback(async |State(app): Shared| PageError::no_page().with_advice(app.advice_on_paths()))
        .method_not_allowed_fallback(async || PageError::method_not_allowed());
    // No request passes the guard unseen, and no answer leaves without its headers.
    let router = router
        .layer(middleware::from_fn_with_state(app.clone(), drawn::share))
        .layer(middleware::from_fn_with_state(app.clone(), errors::draw))
        .layer(middleware::from_fn_with_state(app.clone(), guard::watch))
        .layer(middleware::from_fn_with_state(app.clone(), watching::note))
        .with_state(app.clone());
    // A request finds its page only after it has lost the path that a proxy shows the server under.
    Router::new()
        .fallback_service(router)
        .layer(middleware::from_fn_with_state(app.clone(), base::lead))
        .layer(middleware::from_fn_with_state(app, versions::tell_apart))
        .layer(CompressionLayer::new().quality(CompressionLevel::Fastest).compress_when(is_text))
}

/// Whether an answer becomes smaller when it is compressed. News are sent on at once, and images and weights are dense already.
fn is_text(status: StatusCode, _: Version, headers: &HeaderMap, _: &Extensions) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kinds =
        ["text/html", "text/css", "text/javascript", "text/csv", "text/plain", "application/json", "image/svg+xml"];
    status != StatusCode::NOT_MODIFIED && kinds.iter().any(|text| kind.starts_with(text))
}

impl App {
    async fn frame(&self) -> Result<Frame> {
        let counts = self.store.state_counts().await?;
        let running = counts.of(RunState::Starting) + counts.of(RunState::Running);
        let waiting = counts.of(RunState::Queued) + counts.of(RunState::Lost);
        Ok(Frame { running, waiting, pause: self.control.pause() })
    }

    /// Why an address may lead nowhere that a proxy made.
    fn advice_on_paths(&self) -> String {
        match &self.public {
            Some(public) => format!("Behind its proxy this server is at {public}: --public-url says so."),
            None => "If a proxy shows this server under a path, the server must know it: --public-url \
                     https://lab.example/retort."
                .into(),
        }
    }
}

/// A page as an answer.
fn page(status: StatusCode, template: &impl Template) -> Result<Response> {
    let html = template.render().map_err(|e| PageError::internal(&e))?;
    // Going back shows the page as it is now, not as it was.
    let headers = [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CACHE_CONTROL, "no-cache")];
    Ok((status, headers, html).into_response())
}

/// The number in an address such as `/runs/17`.
fn id(what: &'static str, text: &str) -> Result<i64> {
    text.parse().map_err(|_| PageError::missing(what, text))
}
