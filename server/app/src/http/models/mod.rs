//! `/models`: the list with its form, uploads that wait for a decision, one imported model, and downloads.

mod classes;
mod decide;
mod download;
mod list;
#[cfg(test)]
mod tests;
mod upload;
mod waiting;

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use retort_engine::{class_order, data::DatasetInfo};
use retort_spec::PublishedModel;
use retort_store::Model;
use retort_web::pages::{EvaluateForm, ModelPage, ModelRow};
use serde::Serialize;

use super::{
    App, Shared,
    errors::Result,
    id, page,
    paging::href,
    rows::{measured, moment, score},
};

pub use classes::set_classes;
pub use decide::{discard, keep, show as show_upload};
pub use download::{download, download_average_of_run, download_best_of_run, download_of_run, send};
pub use list::list;
pub use upload::{body_limit, upload};
pub use waiting::Waiting;

/// One imported model.
pub async fn show(State(app): Shared, Path(model): Path<String>) -> Result<Response> {
    let model = app.store.model(id("model", &model)?).await?;
    app.model_page(StatusCode::OK, model, None).await
}

/// The part of the new-experiment form that a link from a model fills in.
#[derive(Serialize)]
struct Teach<'a> {
    dataset: &'a str,
    teacher: String,
}

/// What an experiment is called that only evaluates a model.
pub(super) fn evaluation_title(model: &str) -> String {
    format!("Evaluation of {model}").chars().take(200).collect()
}

impl App {
    /// The devices that an evaluation can be computed on.
    pub(super) fn device_names(&self) -> Vec<String> {
        self.machine.devices().iter().map(|device| device.name.to_string()).collect()
    }

    async fn model_page(&self, status: StatusCode, model: Model, fault: Option<String>) -> Result<Response> {
        let datasets = self.machine.datasets().await?;
        let teach = datasets.iter().find(|dataset| class_order(&model.about.classes, &dataset.classes).is_some()).map(
            |dataset| {
                let teacher = format!("model:{}", model.id);
                href("/experiments/new", &Teach { dataset: &dataset.name, teacher })
            },
        );
        let classes = model.about.classes.clone();
        let fits = |dataset: &&DatasetInfo| class_order(&classes, &dataset.classes).is_some();
        let named: Vec<String> = datasets.iter().filter(fits).map(|dataset| dataset.name.clone()).collect();
        let evaluate = (!named.is_empty()).then(|| EvaluateForm {
            title: evaluation_title(&model.about.title),
            model: format!("model:{}", model.id),
            datasets: named,
            devices: self.device_names(),
        });
        let alike = datasets.into_iter().filter(|dataset| dataset.classes.len() == classes.len());
        let alike = alike.map(|dataset| dataset.name).collect();
        let names = [&model.about.title, &model.about.file_name];
        let published = names.into_iter().find_map(|name| PublishedModel::named_in(name));
        let shown = ModelPage {
            frame: self.frame().await?,
            id: model.id,
            parameters: model.about.parameters,
            classes,
            notes: model.about.notes.clone(),
            published,
            model: self.imported_row(model).await?,
            teach,
            evaluate,
            datasets: alike,
            fault,
        };
        page(status, &shown)
    }

    async fn imported_row(&self, model: Model) -> Result<ModelRow> {
        let file = self.control.model_file(model.id);
        let evaluations = self.store.evaluations_of_imported(model.id).await?;
        Ok(ModelRow {
            choice: ("model", model.id),
            detail: format!("{} · {} · {}", model.about.architecture, model.about.method, model.about.file_name),
            name: model.about.title,
            href: format!("/models/{}", model.id),
            architecture: model.about.architecture,
            dataset: model.about.dataset,
            method: model.about.method,
            scores: measured(&evaluations),
            accuracies: evaluations.into_iter().map(score).collect(),
            bytes: file.metadata().ok().map(|about| about.len()),
            origin: model.about.file_name,
            since: moment(model.created_at),
            download: format!("/models/{}/model.safetensors", model.id),
        })
    }
}
