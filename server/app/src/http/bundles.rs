//! `/bundles`: bundles from elsewhere with what was confirmed of them, and the downloads of those made here.

use std::{fs, path::Path as FilePath};

use axum::{
    extract::{DefaultBodyLimit, Multipart, Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Redirect, Response},
};
use retort_spec::{Attack, Problem, RunKind, RunState};
use retort_store::Run;
use retort_web::{
    RunLabel,
    format::Moment,
    pages::{BundleCounts, BundleFigure, BundlePage, BundleRow, BundleSummary, BundlesPage},
};
use tempfile::TempDir;

use super::{
    App, Shared,
    errors::{PageError, Result},
    id,
    models::send,
    multipart::{self, FORM},
    page,
    rows::{label, moment},
};
use crate::bundle::{self, BundledRun, Hashes, Of, Opened};

/// Bytes of a bundle: thirty of the largest networks.
const LARGEST: u64 = 8 << 30;
/// The bundle in its folder while it is opened, and what it is unpacked to.
const FILE: &str = "bundle.tar";
const UNPACKED: &str = "bundle";

/// The largest request that is taken.
pub fn body_limit() -> DefaultBodyLimit {
    DefaultBodyLimit::max((LARGEST + FORM) as usize)
}

/// All bundles from elsewhere, newest first.
pub async fn list(State(app): Shared) -> Result<Response> {
    app.bundles_page(StatusCode::OK, Vec::new()).await
}

/// One of them.
pub async fn show(State(app): Shared, Path(experiment): Path<String>) -> Result<Response> {
    let number = id("bundle", &experiment)?;
    let (opened, bundle, rows) = app.bundle(number).await?.ok_or_else(|| PageError::missing("bundle", number))?;
    let machine = opened.manifest.machine;
    let machine = format!("{} {} with {}", machine.os, machine.processor, machine.instruction_set);
    page(StatusCode::OK, &BundlePage { frame: app.frame().await?, bundle, machine, rows })
}

/// Takes the file of the form, opens it, and leads to what is confirmed of it, or shows the form with what is wrong.
pub async fn open(State(app): Shared, headers: HeaderMap, form: Multipart) -> Result<Response> {
    let room = multipart::reserve(&app.room, &app.uploads, &headers, LARGEST)?;
    let Some((_, dir)) = multipart::only_file(form, &app.uploads, (FILE, LARGEST), room).await? else {
        let problem = Problem::new("file", "choose a file with something in it");
        return app.bundles_page(StatusCode::UNPROCESSABLE_ENTITY, vec![problem]).await;
    };
    match app.open_bundle(&dir).await {
        Ok(experiment) => Ok(Redirect::to(&format!("/bundles/{experiment}")).into_response()),
        Err(fault) => {
            let problem = Problem::new("file", format!("{fault:#}"));
            app.bundles_page(StatusCode::UNPROCESSABLE_ENTITY, vec![problem]).await
        }
    }
}

/// `GET /experiments/{id}/bundle.tar`
pub async fn of_experiment(State(app): Shared, Path(experiment): Path<String>) -> Result<Response> {
    let number = id("experiment", &experiment)?;
    app.store.experiment(number).await?;
    app.send_bundle(Of::Experiment(number), &format!("retort-comparison-{number}.tar")).await
}

/// `GET /runs/{id}/bundle.tar`
pub async fn of_run(State(app): Shared, Path(run): Path<String>) -> Result<Response> {
    let number = id("run", &run)?;
    app.store.run(number).await?;
    app.send_bundle(Of::Run(number), &format!("retort-run-{number}.tar")).await
}

impl App {
    /// Opens the bundle in a folder and keeps it; returns its experiment here.
    async fn open_bundle(&self, dir: &TempDir) -> anyhow::Result<i64> {
        let (file, into) = (dir.path().join(FILE), dir.path().join(UNPACKED));
        fs::create_dir(&into)?;
        let bytes = fs::metadata(&file)?.len();
        let _room = self.room.reserve(&self.uploads, bytes).map_err(anyhow::Error::msg)?;
        let checked = self.reader.open_bundle(&file, &into).await?;
        let opened = Opened::at(into)?;
        let parts = (&self.store, &self.control, &self.machine);
        bundle::keep((&opened, checked), parts, &self.bundles).await
    }

    async fn bundles_page(&self, status: StatusCode, problems: Vec<Problem>) -> Result<Response> {
        let kept = fs::read_dir(&self.bundles).into_iter().flatten().flatten();
        let mut ids: Vec<i64> = kept.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
        ids.sort_unstable_by(|a, b| b.cmp(a));
        let mut bundles = Vec::new();
        for id in ids {
            bundles.extend(self.bundle(id).await?.map(|(_, summary, _)| summary));
        }
        page(status, &BundlesPage { frame: self.frame().await?, problems, bundles })
    }

    /// Whether an experiment is the evaluations of a bundle.
    pub(super) async fn is_from_bundle(&self, experiment: i64) -> Result<bool> {
        Ok(bundle::opened_here(&self.store, &self.bundles, experiment).await?.is_some())
    }

    /// A bundle that was opened here, what a list says of it, and its evaluations; none where there is none.
    async fn bundle(&self, experiment: i64) -> Result<Option<(Opened, BundleSummary, Vec<BundleRow>)>> {
        let found = match self.store.experiment(experiment).await {
            // A bundle whose experiment was never kept is nobody's.
            Err(retort_store::StoreError::NotFound { .. }) => return Ok(None),
            found => found?,
        };
        let Some(opened) = bundle::opened_here(&self.store, &self.bundles, experiment).await? else { return Ok(None) };
        let mut runs = self.store.runs_of_experiment(experiment).await?;
        runs.retain(|run| run.kind == RunKind::Evaluate);
        let control = self.control.clone();
        let read = move || {
            // In the order in which they were queued.
            let pairs = opened.manifest.evaluations().zip(&runs);
            let rows = pairs.map(|(bundled, run)| row(&opened, bundled, run, &control.folder(run.id).outcomes()));
            let rows: Vec<BundleRow> = rows.collect();
            (opened, rows)
        };
        let (opened, rows) = tokio::task::spawn_blocking(read).await.map_err(|e| PageError::internal(&e))?;
        let made_at = opened.manifest.made_at.parse().map(moment).map(|made: Moment| made.text());
        let made = made_at.unwrap_or_else(|_| opened.manifest.made_at.clone());
        let made = format!("{made} by Retort {}", opened.manifest.version);
        let (opened_at, counts) = (moment(found.created_at), BundleCounts::of(&rows));
        let summary = BundleSummary { id: experiment, title: found.title, made, opened: opened_at, counts };
        Ok(Some((opened, summary, rows)))
    }

    /// Makes a bundle and sends it.
    async fn send_bundle(&self, of: Of, name: &str) -> Result<Response> {
        let dir = TempDir::new_in(&self.uploads).map_err(|e| PageError::internal(&e))?;
        let file = dir.path().join(FILE);
        bundle::make(&self.store, &self.control, &self.machine, of, &file)
            .await
            .map_err(|fault| PageError::impossible("There is no bundle of it", format!("{fault:#}.")))?;
        // The file is open when its name goes, and gone when it is sent.
        send(file, name).await
    }

    /// The hash of a run's spec; none where it cannot be told, as the file of an imported model is gone.
    pub(super) async fn spec_hash(&self, hashes: &mut Hashes<'_>, run: &Run) -> Option<String> {
        match hashes.of(run).await {
            Ok(hash) => Some(hash.to_string()),
            Err(fault) => {
                tracing::warn!("the spec of run {} has no hash: {fault:#}", run.id);
                None
            }
        }
    }

    pub(super) fn hashes<'a>(&'a self, at_hand: &[Run]) -> Hashes<'a> {
        Hashes::new(&self.store, &self.control, &self.model_hashes, at_hand)
    }
}

fn row(opened: &Opened, bundled: &BundledRun, run: &Run, found: &FilePath) -> BundleRow {
    let is_there = run.state == RunState::Finished && found.is_file();
    let confirmations = match is_there.then(|| bundle::confirmations(opened, bundled, found)) {
        Some(Ok(confirmations)) => confirmations,
        Some(Err(fault)) => {
            tracing::warn!("run {} is not held against its bundle: {fault:#}", run.id);
            Vec::new()
        }
        None => Vec::new(),
    };
    let figure = |(place, figure): (usize, &bundle::BundledFigure)| BundleFigure {
        name: figure.attack.as_ref().map_or_else(|| "natural".into(), Attack::describe),
        reported: figure.accuracy.percent(),
        confirmation: confirmations.get(place).copied(),
        is_lost: run.state.is_over() && confirmations.is_empty(),
    };
    BundleRow {
        // Whoever made the bundle knew what trained the model.
        label: RunLabel { is_imported: false, ..label(run) },
        state: run.state,
        spec_sha256: bundled.spec_sha256.to_string(),
        figures: bundled.figures.iter().enumerate().map(figure).collect(),
    }
}
