//! `/datasets`: the list with its forms, one dataset, and their samples.

#[cfg(test)]
mod tests;
mod upload;

use axum::{
    extract::{Path, RawQuery, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Redirect, Response},
};
use retort_engine::data::{DatasetInfo, Finding, ImportReport, Library, SAMPLE_PITCH, SAMPLES, SIDE};
use retort_spec::Problem;
use retort_web::{
    ArrivalKind,
    pages::{DatasetCard, DatasetForm, DatasetPage, DatasetsPage, Download, FindingView, ReportView, SampleSheet},
};

use super::{
    App, Shared, assets,
    errors::{PageError, Result},
    page,
};

pub use upload::{body_limit, import};

const SHEET: SampleSheet = SampleSheet { columns: SAMPLES, side: SIDE, pitch: SAMPLE_PITCH };

/// All datasets, those that are on their way, and those that could be fetched. The address may fill in the form.
pub async fn list(State(app): Shared, RawQuery(query): RawQuery) -> Result<Response> {
    let form = serde_html_form::from_str(&query.unwrap_or_default())
        .map_err(|e| PageError::bad_request(format!("The address fills in no form of a dataset: {e}.")))?;
    app.datasets_page(StatusCode::OK, form, Vec::new()).await
}

/// One dataset, there or on its way.
pub async fn show(State(app): Shared, Path(name): Path<String>) -> Result<Response> {
    let arrival = app.arrivals.find(&name);
    let dataset = app.machine.all_datasets().await?.into_iter().find(|dataset| dataset.name == name);
    if arrival.is_none() && dataset.is_none() {
        return Err(PageError::missing("dataset", &name));
    }
    let is_sound = dataset.as_ref().is_some_and(|dataset| dataset.fault.is_none());
    let report = if is_sound { app.machine.report(name.clone()).await? } else { None };
    let shown = DatasetPage {
        frame: app.frame().await?,
        arrival,
        report: report.map(view),
        is_bundled: name == retort_spec::BUNDLED_DATASET,
        dataset: dataset.map(card),
        name,
        sheet: SHEET,
    };
    page(StatusCode::OK, &shown)
}

/// `POST /datasets/{name}/fetch`: begins a download, or goes on with one.
pub async fn fetch(State(app): Shared, Path(name): Path<String>) -> Result<Response> {
    let known = Library::fetchable().find(|dataset| dataset.name == name);
    let Some(dataset) = known else { return Err(PageError::missing("dataset", &name)) };
    if app.machine.all_datasets().await?.iter().all(|there| there.name != name) {
        let missing = dataset.bytes.saturating_sub(app.machine.downloaded(&name));
        let room = app.room.reserve(&app.data, missing).map_err(PageError::no_room)?;
        app.arrivals.fetch(&dataset, room);
    }
    Ok(Redirect::to("/datasets").into_response())
}

/// `POST /datasets/{name}/cancel`: stops what is on its way and removes what it left, or forgets that it failed.
pub async fn cancel(State(app): Shared, Path(name): Path<String>) -> Result<Response> {
    app.arrivals.cancel(&name).await?;
    Ok(Redirect::to("/datasets").into_response())
}

/// `GET /datasets/{name}/samples.png`: drawn anew only for a browser that does not have it.
pub async fn samples(State(app): Shared, Path(name): Path<String>, headers: HeaderMap) -> Result<Response> {
    let datasets = app.machine.datasets().await?;
    let dataset = datasets.iter().find(|d| d.name == name).ok_or_else(|| PageError::missing("dataset", &name))?;
    // Another version may draw the same images differently.
    let tag = format!("\"{}-{}\"", env!("CARGO_PKG_VERSION"), dataset.sha256);
    if assets::is_known(&headers, &tag) {
        return Ok(assets::unchanged(tag));
    }
    Ok(assets::tagged(tag, "image/png", app.machine.samples(name).await?))
}

impl App {
    async fn datasets_page(&self, status: StatusCode, form: DatasetForm, problems: Vec<Problem>) -> Result<Response> {
        let datasets = self.machine.all_datasets().await?;
        let missing = Library::fetchable().filter(|known| datasets.iter().all(|there| there.name != known.name));
        let downloads = missing.map(|dataset| Download {
            name: dataset.name.into(),
            title: dataset.title.into(),
            bytes: dataset.bytes,
            here: self.machine.downloaded(dataset.name),
            arrival: self.arrivals.find(dataset.name).filter(|arrival| arrival.kind == ArrivalKind::Fetch),
        });
        let list = DatasetsPage {
            frame: self.frame().await?,
            form,
            problems,
            largest: upload::LARGEST_ARCHIVE,
            downloads: downloads.collect(),
            imports: self.arrivals.list().into_iter().filter(|a| a.kind == ArrivalKind::Import).collect(),
            sheet: SHEET,
            datasets: datasets.into_iter().map(card).collect(),
        };
        page(status, &list)
    }
}

fn view(report: ImportReport) -> ReportView {
    let findings = |findings: Vec<Finding>| {
        let view = |Finding { what, count, examples }| FindingView { what, count, examples };
        findings.into_iter().map(view).collect()
    };
    ReportView {
        source: report.source,
        container: report.container,
        kind: report.kind,
        classes: report.classes.into_iter().map(|count| (count.class, count.train, count.test)).collect(),
        left_out: findings(report.left_out),
        changed: findings(report.changed),
        notes: report.notes,
    }
}

fn card(info: DatasetInfo) -> DatasetCard {
    let DatasetInfo { name, title, classes, train, test, origin, fault, .. } = info;
    DatasetCard { name, title, classes, train, test, origin, fault }
}
