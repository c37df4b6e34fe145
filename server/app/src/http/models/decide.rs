//! `/models/uploads/{token}`: what an uploaded file is, and the decision what becomes of it.

use std::{collections::BTreeSet, path::Path as FilePath};

use anyhow::Context;
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use retort_engine::{
    data::official_classes,
    import::{Candidate, Description, NearMiss, NormaliserChoice, Wanted},
};
use retort_spec::Problem;
use retort_store::NewModel;
use retort_web::{
    format::upper_first,
    pages::{FoundNetwork, ModelUploadForm, ModelUploadPage},
};
use serde::Deserialize;

use super::{
    super::{
        App, Shared,
        errors::{PageError, Result},
        multipart::LONGEST_NAME,
        page,
    },
    waiting::{Found, Upload, in_words},
};
use crate::{archive::put, classes, trial};

/// The form's fields, as a browser sends them.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Fields {
    title: String,
    weights: String,
    classes: String,
    normaliser: String,
    despite_doubt: bool,
}

/// What the file is, with the choices that it leaves.
pub async fn show(State(app): Shared, Path(token): Path<String>) -> Result<Response> {
    let found = app.waiting.find(&token).ok_or_else(gone)?;
    let form = app.suggestion(&found.description).await?;
    app.upload_page(StatusCode::OK, found, form, Vec::new()).await
}

/// Makes a model of the file as the form asks and leads to it, or shows the form with what is wrong.
pub async fn keep(State(app): Shared, Path(token): Path<String>, body: String) -> Result<Response> {
    let fields: Fields = serde_html_form::from_str(&body)
        .map_err(|e| PageError::bad_request(format!("The form cannot be read: {e}.")))?;
    let Fields { title, weights, classes, normaliser, despite_doubt } = fields;
    let form = ModelUploadForm { title, weights, classes, normaliser, despite_doubt };
    let upload = app.waiting.take(&token).ok_or_else(gone)?;
    match app.keep(&upload, &form).await {
        Ok(Ok(id)) => Ok(Redirect::to(&format!("/models/{id}")).into_response()),
        Ok(Err(problems)) => {
            app.waiting.put_back(upload);
            let found = app.waiting.find(&token).ok_or_else(gone)?;
            app.upload_page(StatusCode::UNPROCESSABLE_ENTITY, found, form, problems).await
        }
        Err(error) => {
            app.waiting.put_back(upload);
            Err(error)
        }
    }
}

/// Removes the file.
pub async fn discard(State(app): Shared, Path(token): Path<String>) -> Result<Response> {
    drop(app.waiting.take(&token));
    Ok(Redirect::to("/models").into_response())
}

fn gone() -> PageError {
    let message = "An uploaded file waits for an hour, and no longer than its server runs. Nothing of it was kept.";
    PageError::gone(message).with_link("/models#import", "Upload it again")
}

impl App {
    /// The choices that need no decision: the only network, the classes that the file itself names.
    async fn suggestion(&self, description: &Description) -> Result<ModelUploadForm> {
        let only = match description.candidates.as_slice() {
            [only] => Some(only),
            _ => None,
        };
        let datasets = self.machine.datasets().await?;
        let of_header = description.header.as_ref().map(|header| header.dataset.as_str());
        let known = datasets.iter().find(|dataset| Some(dataset.name.as_str()) == of_header);
        Ok(ModelUploadForm {
            weights: only.map(Candidate::name).unwrap_or_default(),
            classes: known.map(|dataset| dataset.name.clone()).unwrap_or_default(),
            ..ModelUploadForm::default()
        })
    }

    async fn upload_page(
        &self,
        status: StatusCode,
        found: Found,
        form: ModelUploadForm,
        problems: Vec<Problem>,
    ) -> Result<Response> {
        let Found { token, file_name, description } = found;
        let is_fitting = |classes: usize| description.candidates.iter().any(|one| one.classes == classes);
        let here = self.machine.datasets().await?.into_iter().map(|dataset| (dataset.name, dataset.classes.len()));
        let known = official_classes().map(|(name, classes)| (name.to_owned(), classes.len()));
        let datasets: BTreeSet<_> = here.chain(known).filter(|(_, classes)| is_fitting(*classes)).collect();
        let shown = ModelUploadPage {
            frame: self.frame().await?,
            token,
            file_name,
            bytes: description.bytes,
            format: upper_first(&description.format.to_string()),
            origin: description.origin(),
            datasets: datasets.into_iter().map(|(name, _)| name).collect(),
            networks: description.candidates.iter().map(network).collect(),
            misses: description.misses.iter().map(NearMiss::notes).collect(),
            form,
            problems,
        };
        page(status, &shown)
    }

    /// Makes a model of a file and keeps it; returns the model's id, or what is wrong.
    async fn keep(&self, upload: &Upload, form: &ModelUploadForm) -> Result<std::result::Result<i64, Vec<Problem>>> {
        let mut problems = Vec::new();
        let datasets = self.machine.datasets().await?;
        let wanted = classes::wanted(&form.classes, &datasets).map_err(|e| problems.push(Problem::new("classes", e)));
        let normaliser: std::result::Result<NormaliserChoice, _> = form.normaliser.parse();
        let normaliser = normaliser.map_err(|fault| problems.push(Problem::new("normaliser", fault)));
        let networks = &upload.description.candidates;
        // The only one needs no name.
        let weights = (networks.len() > 1).then(|| form.weights.clone());
        if weights.as_ref().is_some_and(|chosen| networks.iter().all(|network| network.name() != *chosen)) {
            problems.push(Problem::new("weights", "choose one of the networks"));
        }
        let (Ok(wanted), Ok(normaliser), true) = (wanted, normaliser, problems.is_empty()) else {
            return Ok(Err(problems));
        };
        let is_told_by_keys = normaliser == NormaliserChoice::AsKeysTell;
        let wanted = Wanted { weights, normaliser, despite_doubt: form.despite_doubt, ..wanted };
        let made = upload.dir.path().join("model.safetensors");
        let report = match self.reader.import(&upload.file(), wanted, &made).await {
            Ok(report) => report,
            Err(fault) => {
                let message = in_words(&fault, &upload.file(), &upload.file_name);
                return Ok(Err(vec![Problem::new("weights", message)]));
            }
        };
        let is_from_keys = is_told_by_keys && report.header.normaliser.is_some();
        let tried = self.tried_normalisers(&made, &report.header.dataset, is_from_keys).await?;
        let title: String = form.title.trim().chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect();
        let about = NewModel {
            title: if title.is_empty() { upload.file_name.clone() } else { title },
            file_name: upload.file_name.clone(),
            architecture: report.header.architecture,
            classes: report.header.classes,
            dataset: report.header.dataset,
            method: report.header.method,
            parameters: report.parameters,
            bytes: report.bytes,
            notes: report.notes.into_iter().chain(tried).collect(),
        };
        let pending = self.store.add_models(&[about]).await?;
        let id = pending.ids[0];
        // Without the row the file is nobody's, and the next model of this id replaces it.
        put(&made, &self.control.model_file(id)).context("keeping the model")?;
        pending.keep().await?;
        Ok(Ok(id))
    }

    /// What a trial of the usual normalisers says of a model.
    async fn tried_normalisers(&self, model: &FilePath, dataset: &str, is_from_keys: bool) -> Result<Option<String>> {
        let (model, dataset, library) = (model.to_owned(), dataset.to_owned(), self.machine.library());
        let tried = tokio::task::spawn_blocking(move || trial::said(&model, &dataset, &library, is_from_keys));
        Ok(tried.await.context("trying normalisers")?)
    }
}

fn network(candidate: &Candidate) -> FoundNetwork {
    FoundNetwork {
        path: candidate.name(),
        place: candidate.place(),
        is_average: candidate.is_average,
        architecture: candidate.architecture,
        classes: candidate.classes,
        parameters: candidate.parameters,
        tensors: candidate.tensors,
        dtypes: candidate.dtypes.clone(),
        differing: candidate.differing,
        normaliser: candidate.normaliser.map(|normaliser| normaliser.to_string()),
        unclear_normaliser: candidate.unclear_normaliser.clone(),
        doubt: candidate.doubt.clone(),
        fault: candidate.fault.clone(),
        notes: candidate.notes(),
    }
}
