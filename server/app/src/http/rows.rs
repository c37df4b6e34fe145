//! Rows of the database as the pages list them.

use std::collections::HashMap;

use jiff::Timestamp;
use retort_spec::{EvaluateSpec, Metric, ModelRef, RunKind, RunSpec, RunState};
use retort_store::{Evaluation, Experiment, Point, Run};
use retort_web::{Progress, RunLabel, RunRow, Score, Scores, XAxis, figures, format::Moment, pages::ComparisonSummary};

use super::{App, errors::Result};
use crate::scheduler::Control;

/// Trainings whose curves one page draws.
const MOST_CURVES: usize = 100;

impl App {
    /// Runs with their scores and what they wait for.
    pub async fn rows(&self, runs: Vec<Run>) -> Result<Vec<RunRow>> {
        let of = |keep: fn(&Run) -> bool| runs.iter().filter(|run| keep(run)).map(|run| run.id).collect::<Vec<_>>();
        let evaluations = of(|r| matches!(r.kind, RunKind::Evaluate | RunKind::Masking));
        let trainings = of(|r| r.kind == RunKind::Train);
        let mut scores: HashMap<i64, Vec<Score>> = HashMap::new();
        for found in self.store.evaluations_of_runs(&evaluations).await? {
            scores.entry(found.run).or_default().push(score(found));
        }
        let mut checks = self.store.checks_of_runs(&of(|r| r.kind == RunKind::Masking)).await?;
        let computed = self.store.attempt_seconds(&of(|r| r.seconds.is_none() && r.attempt > 0)).await?;
        let natural = self.store.last_metrics(&trainings, Metric::NaturalAccuracy).await?;
        let mut waits = self.store.unfinished_needs(&of(|r| r.state == RunState::Queued)).await?;
        let pause = self.control.pause();
        let rows = runs.into_iter().map(|run| RunRow {
            label: label(&run),
            cause: cause(&run, &waits.remove(&run.id).unwrap_or_default(), &self.control, pause.as_deref()),
            scores: scores.remove(&run.id).unwrap_or_default(),
            checks: checks.remove(&run.id).unwrap_or_default(),
            last_natural: natural.get(&run.id).copied(),
            progress: run.progress.clone().map(|p| Progress {
                stage: p.stage,
                epoch: p.epoch,
                epochs: p.epochs,
                done: p.done,
                // What a worker said before it ended is not the time that remains now.
                seconds_left: Some(p.seconds_left).filter(|_| run.state.is_active()),
                attack: p.attack.filter(|_| run.state.is_active()),
            }),
            seconds: run.seconds.or_else(|| computed.get(&run.id).copied()),
            device: run.computed_on.unwrap_or(run.device).to_string(),
            state: run.state,
            since: moment(run.since),
            experiment: Some((run.experiment, run.experiment_title)),
            dataset: run.dataset,
        });
        Ok(rows.collect())
    }

    /// Experiments with their runs. One whose spec this version cannot read is left out.
    pub async fn summaries(&self, experiments: Vec<Experiment>) -> Result<Vec<ComparisonSummary>> {
        let ids: Vec<i64> = experiments.iter().map(|experiment| experiment.id).collect();
        let runs = self.store.runs_of_experiments(&ids).await?;
        let owners: Vec<i64> = runs.iter().map(|run| run.experiment).collect();
        let mut rows: HashMap<i64, Vec<RunRow>> = HashMap::new();
        for (owner, row) in owners.into_iter().zip(self.rows(runs).await?) {
            rows.entry(owner).or_default().push(row);
        }
        let mut summaries = Vec::with_capacity(experiments.len());
        for experiment in experiments {
            let spec = match experiment.spec() {
                Ok(spec) => spec,
                Err(e) => {
                    tracing::warn!("experiment {} is not listed: {e}", experiment.id);
                    continue;
                }
            };
            let runs = rows.remove(&experiment.id).unwrap_or_default();
            summaries.push(ComparisonSummary {
                id: experiment.id,
                spec,
                launched: moment(experiment.created_at),
                runs,
            });
        }
        Ok(summaries)
    }

    /// The curves of these metrics of the trainings among these runs, in their order; with their clocks if they are drawn by time.
    pub async fn curves(&self, runs: &[RunRow], metrics: &[Metric], axis: XAxis) -> Result<Vec<figures::RunCurves>> {
        let trainings: Vec<_> = runs.iter().filter(|run| run.label.kind == RunKind::Train).take(MOST_CURVES).collect();
        let ids: Vec<_> = trainings.iter().map(|run| run.label.id).collect();
        let time = (axis == XAxis::WallTime).then_some(Metric::WallTime);
        let metrics: Vec<Metric> = metrics.iter().copied().chain(time).collect();
        let mut series = self.store.series_of_runs(&ids, &metrics).await?;
        let curves = trainings.into_iter().map(|run| {
            let epochs = run.progress.as_ref().map(|p| p.epochs).filter(|epochs| *epochs > 0);
            let mut curves = figures::RunCurves::new(run.label.clone(), epochs);
            for one in series.remove(&run.label.id).unwrap_or_default() {
                if one.metric == Metric::WallTime {
                    curves.wall_time = one.points.iter().map(|point| (point.epoch, point.value)).collect();
                    continue;
                }
                let point = |p: &Point| figures::CurvePoint { stage: p.stage, epoch: p.epoch, value: p.value };
                curves.values.insert(one.metric, one.points.iter().map(point).collect());
            }
            curves
        });
        Ok(curves.collect())
    }
}

/// A time for a page.
pub fn moment(time: Timestamp) -> Moment {
    Moment(format!("{time:.0}"))
}

/// One result for a page.
pub fn score(found: Evaluation) -> Score {
    Score {
        attack: found.attack,
        accuracy: found.accuracy,
        unanswered: found.unanswered,
        standing: found.standing,
        variety: found.variety,
    }
}

/// The natural and the lowest adversarial accuracy among these.
pub fn measured(evaluations: &[Evaluation]) -> Scores {
    let natural = evaluations.iter().find(|e| e.attack.is_none()).map(|e| e.accuracy.percent());
    let attacked = evaluations.iter().filter_map(|e| Some((e.attack.as_ref()?, e.accuracy.percent())));
    let adversarial = attacked.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(attack, p)| (attack.to_string(), p));
    Scores { natural, adversarial }
}

/// What a run is.
pub fn label(run: &Run) -> RunLabel {
    let is_imported =
        |run: &Run| matches!(run.spec(), Ok(RunSpec::Evaluate(EvaluateSpec { model: ModelRef::Imported(_), .. })));
    let analysis = || match run.spec() {
        Ok(RunSpec::Analyse(spec)) => Some(spec.analysis),
        _ => None,
    };
    RunLabel {
        id: run.id,
        kind: run.kind,
        method: run.method,
        variant: run.variant.clone(),
        // Only an analysis' spec need be read.
        analysis: (run.kind == RunKind::Analyse).then(analysis).flatten(),
        architecture: run.architecture,
        is_teacher: run.is_teacher,
        // Only such an evaluation can be of an imported model; the others' specs need not be read.
        is_imported: run.is_teacher && run.kind == RunKind::Evaluate && is_imported(run),
        seed: run.seed,
    }
}

/// Why a run is in its state, where that is not plain. A `pause` keeps all runs from starting.
fn cause(run: &Run, waits_for: &[i64], control: &Control, pause: Option<&str>) -> Option<String> {
    match run.state {
        RunState::Queued => {
            let hindrance = control.hindrance(run.id);
            let wait = match (waits_for, hindrance.as_deref().or(pause)) {
                ([], Some(reason)) => reason.to_owned(),
                ([], None) => format!("Waits until {} is free.", run.device),
                ([one], _) => format!("Waits for run {one}."),
                ([first @ .., last], _) => {
                    let first: Vec<_> = first.iter().map(i64::to_string).collect();
                    format!("Waits for runs {} and {last}.", first.join(", "))
                }
            };
            // Before its first attempt there is nothing to tell but the wait, and a hindrance tells its cause itself.
            let has_told = run.attempt == 0 || hindrance.is_some();
            Some(if has_told { wait } else { format!("{wait} {}", run.cause) })
        }
        RunState::Starting | RunState::Running => {
            let cancel = run.cancel_requested_at.map(|_| "Is being cancelled; its worker was asked to end.".to_owned());
            cancel.or_else(|| control.silence(run.id))
        }
        RunState::Finished => None,
        RunState::Failed | RunState::Diverged | RunState::Cancelled | RunState::Lost => Some(run.cause.clone()),
    }
}
