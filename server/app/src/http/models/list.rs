//! `GET /models`, which is also what `POST /models` answers when nothing could be read.

use std::cmp::Ordering;

use axum::{
    extract::{RawQuery, State},
    http::StatusCode,
    response::Response,
};
use retort_spec::{Architecture, MethodName, Problem, RunKind, RunState};
use retort_store::{Run, RunKey, RunOrder};
use retort_web::pages::{ListOrder, ModelFilter, ModelRow, ModelsPage};
use serde::{Deserialize, Serialize};

use super::super::{
    App, Shared,
    errors::{PageError, Result},
    page,
    paging::{Place, href, order},
    rows::{label, measured, moment, score},
    runs::word,
};

/// Models of finished runs a page, and imported ones in all.
const ROWS: u32 = 50;
const IMPORTED: u32 = 200;

/// The query of the address: the filter, the order and the page.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Query {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    origin: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    method: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    architecture: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    dataset: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    text: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    sort: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<i64>,
}

/// The models that pass the filter, the newest first unless the address says another order.
pub async fn list(State(app): Shared, RawQuery(query): RawQuery) -> Result<Response> {
    let query: Query = serde_html_form::from_str(&query.unwrap_or_default())
        .map_err(|e| PageError::bad_request(format!("The address names no page of the list: {e}.")))?;
    app.models_page(StatusCode::OK, query, Vec::new()).await
}

/// The order as the database knows it.
fn stored(order: ListOrder) -> RunOrder {
    let [first, second] = ModelsPage::ATTACKS;
    let key = match order.column.id {
        "model" => RunKey::Model,
        "dataset" => RunKey::Dataset,
        "natural" => RunKey::ModelAccuracy(""),
        "pgd-20" => RunKey::ModelAccuracy(first),
        "autoattack" => RunKey::ModelAccuracy(second),
        "size" => RunKey::ModelSize,
        _ => RunKey::Since,
    };
    RunOrder { key, is_descending: order.is_descending() }
}

/// The same of models that are all at hand; what has no number comes last.
fn arrange(models: &mut [ModelRow], order: ListOrder) {
    let number = |model: &ModelRow| match order.column.id {
        "size" => model.bytes.map(|bytes| bytes as f64),
        column => {
            let place = ["natural", "pgd-20", "autoattack"].iter().position(|id| *id == column)?;
            model.columns()[place].map(|score| score.accuracy.percent())
        }
    };
    let directed = |ordering: Ordering| if order.is_descending() { ordering.reverse() } else { ordering };
    models.sort_by(|one, other| match order.column.id {
        "model" => directed(one.name.to_lowercase().cmp(&other.name.to_lowercase())),
        "dataset" => directed(one.dataset.cmp(&other.dataset)),
        "since" => directed(one.since.cmp(&other.since)),
        _ => match (number(one), number(other)) {
            (Some(one), Some(other)) => directed(one.total_cmp(&other)),
            (one, other) => one.is_none().cmp(&other.is_none()),
        },
    });
}

impl Query {
    /// Whether an imported model passes.
    fn admits(&self, model: &ModelRow, method: Option<MethodName>, architecture: Option<Architecture>) -> bool {
        let words = format!("{} {} {}", model.name, model.detail, model.dataset).to_lowercase();
        method.is_none_or(|method| [method.id(), method.title()].contains(&model.method.as_str()))
            && architecture.is_none_or(|architecture| model.architecture == architecture)
            && (self.dataset.is_empty() || model.dataset == self.dataset)
            && self.text.to_lowercase().split_whitespace().all(|word| words.contains(word))
    }
}

impl App {
    pub(super) async fn models_page(
        &self,
        status: StatusCode,
        query: Query,
        problems: Vec<Problem>,
    ) -> Result<Response> {
        let place = Place { before: query.before, after: query.after };
        let order = order(&ModelsPage::COLUMNS, &query.sort, ModelsPage::NEWEST)?;
        let filter = retort_store::RunFilter {
            kind: Some(RunKind::Train),
            states: vec![RunState::Finished],
            method: word(&query.method)?,
            architecture: word(&query.architecture)?,
            dataset: Some(query.dataset.clone()).filter(|name| !name.is_empty()),
            experiment: None,
            text: Some(query.text.clone()),
        };
        let found = self.store.sorted_runs(&filter, stored(order), place.cursor(), ROWS).await?;
        let (newer, older) = place.neighbours(&found, |run| run.id);
        let mut trained = Vec::new();
        for run in found.rows {
            trained.push(self.trained_row(run).await?);
        }
        let mut imported = Vec::new();
        for model in self.store.models(IMPORTED).await? {
            imported.push(self.imported_row(model).await?);
        }
        imported.retain(|model| query.admits(model, filter.method, filter.architecture));
        arrange(&mut imported, order);
        let address =
            |place: Place| href("/models", &Query { before: place.before, after: place.after, ..query.clone() });
        let first = Query { before: None, after: None, ..query.clone() };
        let list = ModelsPage {
            frame: self.frame().await?,
            problems,
            datasets: self.store.datasets_of_runs().await?,
            total_imported: imported.len(),
            imported,
            trained,
            total_trained: self.store.count_runs(&filter).await?,
            older: older.map(address),
            newer: newer.map(address),
            order,
            heads: order
                .heads(&ModelsPage::COLUMNS, |sort| href("/models", &Query { sort: sort.into(), ..first.clone() })),
            views: self.saved_views("/models", href("/models", &first)),
            filter: ModelFilter {
                origin: query.origin.clone(),
                method: query.method.clone(),
                architecture: query.architecture.clone(),
                dataset: query.dataset.clone(),
                text: query.text.clone(),
            },
        };
        page(status, &list)
    }

    async fn trained_row(&self, run: Run) -> Result<ModelRow> {
        let file = self.control.folder(run.id).model();
        let evaluations = self.store.evaluations_of_model(run.id).await?;
        Ok(ModelRow {
            choice: ("run", run.id),
            name: label(&run).model(),
            detail: format!("run {} · {}", run.id, run.experiment_title),
            href: format!("/runs/{}", run.id),
            architecture: run.architecture,
            method: run.method.title().into(),
            scores: measured(&evaluations),
            accuracies: evaluations.into_iter().map(score).collect(),
            bytes: file.metadata().ok().map(|about| about.len()),
            origin: format!("run {}", run.id),
            since: moment(run.since),
            download: format!("/runs/{}/model.safetensors", run.id),
            dataset: run.dataset,
        })
    }
}
