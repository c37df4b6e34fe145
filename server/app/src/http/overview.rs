//! `GET /`

use axum::{extract::State, http::StatusCode, response::Response};
use retort_spec::{DeviceName, ExperimentSpec, RunState};
use retort_store::{Cursor, Run};
use retort_web::pages::{DeviceLine, EndedExperiment, OverviewPage};

use super::{
    App, Shared,
    errors::Result,
    page,
    rows::{label, moment},
};
use crate::{disk, estimate::Estimator, load};

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
    let devices = app.device_lines(&active);
    let overview = OverviewPage {
        frame: app.frame().await?,
        devices,
        load: load::now(),
        running: app.rows(active).await?,
        next: app.rows(next).await?,
        seconds_left,
        ended: app.ended().await?,
        comparisons: app.summaries(store.experiments(Cursor::Newest, ROWS).await?.rows).await?,
        disk_free: disk::free(&app.data),
        demo_seconds: estimator.experiment(&ExperimentSpec::demo()),
    };
    page(StatusCode::OK, &overview)
}

impl App {
    /// The experiments of which runs ended last.
    async fn ended(&self) -> Result<Vec<EndedExperiment>> {
        let lately = self.store.ended_lately(ROWS).await?;
        let ids: Vec<i64> = lately.iter().map(|ended| ended.experiment).collect();
        let failures = self.store.last_failures(&ids).await?;
        let totals = self.store.runs_by_experiment(&ids).await?;
        let ended = lately.into_iter().map(|ended| {
            let failure = failures.iter().find(|run| run.experiment == ended.experiment);
            EndedExperiment {
                id: ended.experiment,
                counts: RunState::ALL.into_iter().map(|state| (state, ended.counts.of(state))).collect(),
                total: totals.get(&ended.experiment).copied().unwrap_or_default(),
                last: moment(ended.last),
                failure: failure.map(|run| (run.id, label(run).model(), run.cause.clone())),
                title: ended.title,
            }
        });
        Ok(ended.collect())
    }

    /// The devices, each with what it computes.
    fn device_lines(&self, active: &[Run]) -> Vec<DeviceLine> {
        let line = |device: &retort_engine::device::DeviceInfo| DeviceLine {
            name: device.name.to_string(),
            description: device.description.clone(),
            runs: active
                .iter()
                .filter(|run| run.computed_on.unwrap_or(run.device) == device.name)
                .map(|run| (run.id, format!("{} {}", label(run).verb(), label(run).model())))
                .collect(),
        };
        self.machine.devices().iter().map(line).collect()
    }

    /// Estimates for the datasets and devices of this machine as they are now.
    pub(super) async fn estimator(&self) -> Result<Estimator> {
        let devices: Vec<DeviceName> = self.machine.devices().iter().map(|device| device.name).collect();
        let (datasets, cpu) = (self.machine.datasets().await?, self.machine.cpu_factor());
        Ok(Estimator::learn(&self.store, datasets, &devices, cpu).await?)
    }
}
