//! `GET /datasets` and the samples of each.

use axum::{
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use retort_engine::data::{Library, SAMPLE_PITCH, SAMPLES, SIDE};
use retort_web::pages::{DatasetCard, DatasetsPage, Download, SampleSheet};

use super::{
    Shared, assets,
    errors::{PageError, Result},
    page,
};

/// All datasets, and those that could be fetched.
pub async fn list(State(app): Shared) -> Result<Response> {
    let datasets = app.machine.all_datasets().await?;
    let missing = Library::fetchable().filter(|known| datasets.iter().all(|there| there.name != known.name));
    let downloads = missing.map(|d| Download { name: d.name.into(), title: d.title.into(), bytes: d.bytes }).collect();
    let list = DatasetsPage {
        frame: app.frame().await?,
        downloads,
        sheet: SampleSheet { columns: SAMPLES, side: SIDE, pitch: SAMPLE_PITCH },
        datasets: datasets
            .into_iter()
            .map(|d| DatasetCard {
                name: d.name,
                title: d.title,
                classes: d.classes,
                train: d.train,
                test: d.test,
                origin: d.origin,
                fault: d.fault,
            })
            .collect(),
    };
    page(StatusCode::OK, &list)
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
