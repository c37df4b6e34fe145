//! `GET /`

use axum::{extract::State, http::StatusCode, response::Response};
use retort_spec::{DeviceName, ExperimentSpec};
use retort_store::Cursor;
use retort_web::pages::OverviewPage;

use super::{App, Shared, errors::Result, page};
use crate::{disk, estimate::Estimator};

/// Rows of each list.
const ROWS: u32 = 10;
/// Waiting runs that the time left is summed over.
const FORESEEN: u32 = 2_000;

/// What runs, waits and ended.
pub async fn show(State(app): Shared) -> Result<Response> {
    let store = &app.store;
    let estimator = app.estimator().await?;
    let (active, queued) = (store.active_runs().await?, store.queued_runs(FORESEEN).await?);
    let seconds_left = estimator.remaining(active.iter().chain(&queued));
    let next = queued.into_iter().take(ROWS as usize).collect();
    let overview = OverviewPage {
        frame: app.frame().await?,
        running: app.rows(active).await?,
        next: app.rows(next).await?,
        seconds_left,
        ended: app.rows(store.ended_runs(ROWS).await?).await?,
        comparisons: app.summaries(store.experiments(Cursor::Newest, ROWS).await?.rows).await?,
        disk_free: disk::free(&app.data),
        demo_seconds: estimator.experiment(&ExperimentSpec::demo()),
    };
    page(StatusCode::OK, &overview)
}

impl App {
    /// Estimates for the datasets and devices of this machine as they are now.
    pub(super) async fn estimator(&self) -> Result<Estimator> {
        let devices: Vec<DeviceName> = self.machine.devices().iter().map(|device| device.name).collect();
        Ok(Estimator::learn(&self.store, self.machine.datasets().await?, &devices).await?)
    }
}
