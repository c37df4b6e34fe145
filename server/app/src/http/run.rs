//! `GET /runs/{id}` and its buttons.

use axum::{
    extract::{Path, RawQuery, State},
    http::StatusCode,
    response::{Redirect, Response},
};
use retort_engine::{Outcomes, RunFolder};
use retort_spec::{EvaluateSpec, Metric, ModelRef, RunKind, RunSpec, RunState};
use retort_store::Run;
use retort_web::{
    Answers, ExperimentForm, Values, XAxis,
    figures::{CurvePoint, OF_A_RUN, RunCurves, slug},
    pages::{Attempt, EvaluateForm, RunPage, WeightsFile},
};

use super::{
    App, Shared,
    comparison::{CURVES, figure_file, send_curves, send_figure},
    errors::{PageError, Result},
    id,
    models::evaluation_title,
    page,
    paging::href,
    rows::{label, moment},
    run_log,
};
use crate::machine;

/// Lines of the log, attempts, and runs that wait for this one, at most.
const LOG_LINES: u32 = 100;
const ATTEMPTS: u32 = 20;
const NEEDED_BY: u32 = 50;

/// One run.
pub async fn show(State(app): Shared, Path(run): Path<String>, RawQuery(query): RawQuery) -> Result<Response> {
    page(StatusCode::OK, &app.run_page(&run, query.as_deref()).await?)
}

/// `GET /runs/{id}/NAME.svg` and its like: one of its figures.
pub async fn figure(
    State(app): Shared,
    Path((run, file)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Result<Response> {
    if file == CURVES {
        return send_curves(&app.run_page(&run, query.as_deref()).await?.curves_data());
    }
    let (name, format) = figure_file(&file)?;
    let page = app.run_page(&run, query.as_deref()).await?;
    let about = format!("retort-run-{}-{}", page.run.label.id, slug(&page.run.label.model()));
    send_figure(&app, page.all_figures(), &about, name, format).await
}

impl App {
    pub(super) async fn run_page(&self, run: &str, query: Option<&str>) -> Result<RunPage> {
        let (app, store) = (self, &self.store);
        let values = if query == Some("correlation=signed") { Values::Signed } else { Values::Sizes };
        let run = store.run(id("run", run)?).await?;
        let (run_id, created, state, device) = (run.id, moment(run.created_at), run.state, run.device);
        let attempts = store.attempts(run_id, ATTEMPTS).await?.into_iter().map(|attempt| Attempt {
            number: attempt.attempt,
            started: moment(attempt.started_at),
            ended: attempt.ended_at.map(moment),
            state: attempt.outcome.unwrap_or(state),
            cause: attempt.cause,
            device: attempt.device.unwrap_or_else(|| device.to_string()),
            resumed_epochs: attempt.resumed_epochs.and_then(|n| n.try_into().ok()).unwrap_or(0),
        });
        let log = store.log_end(run_id, LOG_LINES).await?;
        let (own, spec) = (vec![run.clone()], run.spec()?);
        let needed_by = store.needed_by(run_id, NEEDED_BY).await?;
        let evaluations: Vec<Run> = needed_by.iter().filter(|other| evaluates(other, run_id)).cloned().collect();
        let (weights, clone_href) = (weights(&app.control.folder(run_id), &run), app.clone_of(&run).await?);
        let images = match &spec {
            RunSpec::Train(spec) => machine::images(&app.machine.datasets().await?, &spec.dataset).0,
            _ => 0,
        };
        let evaluate = weights.first().filter(|_| run.kind == RunKind::Train).map(|_| EvaluateForm {
            title: evaluation_title(&format!("run {run_id}, {}", label(&run).model())),
            model: format!("run:{run_id}"),
            datasets: vec![run.dataset.clone()],
            devices: app.device_names(),
        });
        let answers = answers(app.control.folder(run_id), &run).await?;
        let spec_sha256 = app.spec_hash(&mut app.hashes(&[]), &run).await;
        let mut row = app.rows(vec![run]).await?;
        Ok(RunPage {
            frame: app.frame().await?,
            created,
            answers,
            analysis: app.analyses(&own, &row, values).await?.pop(),
            curves: app
                .curves(&row, &OF_A_RUN, XAxis::WallTime)
                .await?
                .pop()
                .map(|curves| with_throughput(curves, images)),
            evaluations: app.rows(evaluations).await?,
            weights,
            evaluate,
            clone_href,
            log: log.into_iter().map(run_log::line).collect(),
            log_lines: store.count_log_with(run_id, &[]).await?,
            spec_sha256,
            spec_json: spec.to_json().map_err(|e| PageError::internal(&e))?,
            attempts: attempts.collect(),
            needs: app.rows(store.needs(run_id).await?).await?,
            needed_by: app.rows(needed_by).await?,
            run: row.remove(0),
        })
    }
}

/// Adds how many images of an epoch were trained on in a second, of the epochs whose time is known.
fn with_throughput(mut curves: RunCurves, images: usize) -> RunCurves {
    let seconds = |epoch: usize| match epoch {
        0 => Some(&0.0),
        _ => curves.wall_time.get(&epoch),
    };
    let of = |point: &CurvePoint| {
        let took = seconds(point.epoch)? - seconds(point.epoch - 1)?;
        (took > 0.0 && images > 0).then(|| CurvePoint { value: images as f64 / took, ..*point })
    };
    let points = curves.points(Metric::TrainLoss).iter().filter_map(of).collect();
    curves.values.insert(Metric::Throughput, points);
    curves
}

/// Whether a run is a finished evaluation of a model that a training left, and not of another that only uses it.
fn evaluates(other: &Run, training: i64) -> bool {
    let is_finished = other.kind == RunKind::Evaluate && other.state == RunState::Finished;
    let spec = || other.spec().ok();
    is_finished
        && matches!(spec(), Some(RunSpec::Evaluate(EvaluateSpec { model, .. })) if *model.innermost() == ModelRef::Run(training))
}

/// The weights that a finished training left, as far as they are still there.
fn weights(folder: &RunFolder, run: &Run) -> Vec<WeightsFile> {
    if run.kind != RunKind::Train || run.state != RunState::Finished {
        return Vec::new();
    }
    let files = [
        ("last epoch", "model.safetensors", folder.model()),
        ("best epoch", "best.safetensors", folder.best_model()),
        ("averaged", "averaged.safetensors", folder.averaged_model()),
    ];
    let found = files.into_iter().filter_map(|(name, file, path)| {
        let bytes = path.metadata().ok()?.len();
        Some(WeightsFile { name, file, bytes })
    });
    found.collect()
}

impl App {
    /// Address of the form of an experiment with a training's method, student and seed alone.
    async fn clone_of(&self, run: &Run) -> Result<Option<String>> {
        if run.kind != RunKind::Train {
            return Ok(None);
        }
        let Ok(mut spec) = self.store.experiment(run.experiment).await?.spec() else { return Ok(None) };
        (spec.seeds, spec.analyses) = (vec![run.seed], Vec::new());
        if !run.is_teacher {
            (spec.students, spec.methods) = (vec![run.architecture], vec![run.method]);
            let settings = &run.variant.settings;
            spec.sweeps.retain_mut(|sweep| {
                let of = settings.iter().find(|s| s.method == sweep.method && s.setting.path == sweep.path);
                sweep.values = of.map(|s| s.setting.value.clone()).into_iter().collect();
                of.is_some()
            });
        }
        spec.title = format!("{}, seed {}", label(run).row(), run.seed);
        Ok(Some(href("/experiments/new", &ExperimentForm::from_spec(&spec))))
    }
}

/// What the model of a finished evaluation answered. Runs of earlier versions left nothing to tell it by.
async fn answers(folder: RunFolder, run: &Run) -> Result<Option<Answers>> {
    if run.kind != RunKind::Evaluate || run.state != RunState::Finished || !folder.outcomes().is_file() {
        return Ok(None);
    }
    let read = tokio::task::spawn_blocking(move || Outcomes::load(&folder.outcomes()));
    let outcomes = match read.await.map_err(|e| PageError::internal(&e))? {
        Ok(outcomes) => outcomes,
        Err(error) => {
            tracing::warn!("the outcomes of run {} are not shown: {error}", run.id);
            return Ok(None);
        }
    };
    let confusion = outcomes.predictions.iter().enumerate();
    Ok(Some(Answers {
        confusion: confusion
            .map(|(i, (attack, _))| {
                let name = attack.as_ref().map_or_else(|| "natural".into(), ToString::to_string);
                (name, outcomes.confusion(i))
            })
            .collect(),
        worst_case: (outcomes.predictions.len() > 2).then(|| outcomes.worst_case()),
        classes: outcomes.classes,
    }))
}

/// `POST /runs/{id}/cancel`
pub async fn cancel(State(app): Shared, Path(run): Path<String>) -> Result<Redirect> {
    let run = id("run", &run)?;
    // One that is over meanwhile is shown as it ended.
    app.control.cancel(run).await?;
    Ok(Redirect::to(&format!("/runs/{run}")))
}

/// `POST /runs/{id}/resume`
pub async fn resume(State(app): Shared, Path(run): Path<String>) -> Result<Redirect> {
    let run = id("run", &run)?;
    app.control.resume(run).await?;
    Ok(Redirect::to(&format!("/runs/{run}")))
}
