//! What workers report, taken over together with how far their journals are read.

use std::ops::Range;

use jiff::Timestamp;
use retort_spec::{Event, LogLevel, Record, RunState};
use sqlx::SqliteConnection;

use super::{
    LogLine, checks, evaluations, log, metrics,
    states::{change, state_of},
};
use crate::{
    Result, Store, StoreError,
    db::row::{count, json, stored, time_text, to_word},
};

impl Store {
    /// Takes over the records that stand in these bytes of a run's journal. The records, the state that they lead to and
    /// the offset change in one transaction, so that nothing is lost or counted twice however the server ends.
    ///
    /// Figures count whichever attempt reports them. What moves the state counts only when the current attempt says it.
    ///
    /// # Errors
    /// [`StoreError::OffsetMoved`] when the journal is not read up to the start of `bytes`; [`StoreError::NotFound`].
    pub async fn record_journal(&self, run: i64, bytes: Range<u64>, records: &[Record]) -> Result<()> {
        let mut tx = self.write().await?;
        let read = sqlx::query("SELECT journal_offset FROM runs WHERE id = ?").bind(run);
        let row = read.fetch_optional(&mut *tx).await?.ok_or(StoreError::NotFound { what: "run", id: run })?;
        let offset: u64 = count(&row, "journal_offset")?;
        if offset != bytes.start {
            return Err(StoreError::OffsetMoved { run, expected: bytes.start, stored: offset });
        }
        for record in records {
            apply(&mut tx, run, record).await?;
        }
        let advance = sqlx::query("UPDATE runs SET journal_offset = ? WHERE id = ?");
        advance.bind(stored(bytes.end)).bind(run).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(())
    }
}

async fn apply(tx: &mut SqliteConnection, run: i64, record: &Record) -> Result<()> {
    if matches!(record.event, Event::Metrics { .. } | Event::Evaluation { .. } | Event::Check(_)) {
        // A worker reports each of them once, whatever its attempt: the run gets on, and its earlier lost workers are forgiven.
        let forgive = sqlx::query("UPDATE runs SET lost_workers = 0 WHERE id = ? AND lost_workers > 0");
        forgive.bind(run).execute(&mut *tx).await?;
    }
    match &record.event {
        Event::Metrics { stage, epoch, values } => {
            metrics::keep(tx, run, *stage, *epoch, values).await?;
            return metrics::keep_wall_time(tx, run, *stage, *epoch, time_of(record)).await;
        }
        Event::Evaluation { attack, accuracy, unanswered, standing, variety } => {
            let beside = (*unanswered, standing.as_slice(), variety.as_ref());
            return evaluations::keep(tx, run, attack.as_ref(), *accuracy, beside).await;
        }
        Event::Check(result) => return checks::keep(tx, run, result).await,
        Event::Log { level, message } => {
            let at = time_of(record);
            let line = LogLine { at, attempt: record.attempt, level: *level, message: message.clone() };
            return log::keep(tx, run, &line).await;
        }
        _ => {}
    }
    let (state, attempt) = state_of(tx, run).await?;
    if record.attempt != attempt {
        return Ok(());
    }
    match &record.event {
        Event::Started { device, threads, version, resumed_epochs } => {
            let note = "UPDATE attempts SET device = ?, threads = ?, version = ?, resumed_epochs = ?
                        WHERE run = ? AND attempt = ?";
            let note = sqlx::query(note).bind(device.to_string()).bind(stored(*threads)).bind(version);
            note.bind(stored(*resumed_epochs)).bind(run).bind(attempt).execute(&mut *tx).await?;
            // Counted from what the first worker says itself, wall times are the same whenever its journal is read.
            let found = sqlx::query(
                "UPDATE runs SET computed_on = ?1, started_at = CASE WHEN (
                     SELECT count(*) FROM attempts WHERE run = ?2 AND version IS NOT NULL) = 1
                 THEN ?3 ELSE started_at END WHERE id = ?2",
            );
            let found = found.bind(device.to_string()).bind(run).bind(time_text(time_of(record)));
            found.execute(&mut *tx).await?;
            if state == RunState::Starting {
                let cause = format!("its worker computes on {device}");
                change(tx, run, RunState::Running, &cause, time_of(record)).await?;
            }
        }
        Event::Progress { stage, epoch, epochs, done, seconds_left, attack } => {
            let set =
                "UPDATE runs SET stage = ?, epoch = ?, epochs = ?, done = ?, seconds_left = ?, attack_progress = ?
                       WHERE id = ?";
            let set = sqlx::query(set).bind(to_word(stage)).bind(stored(*epoch)).bind(stored(*epochs));
            let set = set.bind(done.clamp(0.0, 1.0)).bind(seconds_left.max(0.0));
            set.bind(json(attack)?).bind(run).execute(tx).await?;
        }
        Event::Stopped {} => {
            let wish = sqlx::query_scalar("SELECT cancel_requested_at IS NOT NULL FROM runs WHERE id = ?");
            if wish.bind(run).fetch_one(&mut *tx).await? {
                end(tx, run, RunState::Cancelled, "cancelled by a person", record).await?;
            } else {
                end(tx, run, RunState::Queued, "its worker was stopped and kept a checkpoint", record).await?;
            }
        }
        Event::Finished { seconds } => {
            let set = "UPDATE runs SET seconds = ?, done = 1, seconds_left = 0, epoch = epochs WHERE id = ?";
            sqlx::query(set).bind(seconds).bind(run).execute(&mut *tx).await?;
            end(tx, run, RunState::Finished, "done", record).await?;
        }
        Event::Failed { reason } => end(tx, run, RunState::Failed, reason, record).await?,
        Event::Diverged { reason } => end(tx, run, RunState::Diverged, reason, record).await?,
        Event::Cancelled {} => end(tx, run, RunState::Cancelled, "cancelled by a person", record).await?,
        Event::Metrics { .. } | Event::Evaluation { .. } | Event::Check(_) | Event::Log { .. } => {}
    }
    Ok(())
}

/// The state that a final record leads to; one that comes too late, when the run was already judged, changes nothing.
async fn end(tx: &mut SqliteConnection, run: i64, to: RunState, cause: &str, record: &Record) -> Result<()> {
    let (state, _) = state_of(tx, run).await?;
    if state.is_active() {
        change(tx, run, to, cause, time_of(record)).await?;
        return Ok(());
    }
    let message = format!("the worker reported “{}” when the run was already {state}; it stays so", to.id());
    let line = LogLine { at: Timestamp::now(), attempt: record.attempt, level: LogLevel::Warning, message };
    log::keep(tx, run, &line).await
}

/// When it happened, which may be long before a server that was away reads of it.
pub(crate) fn time_of(record: &Record) -> Timestamp {
    record.at.parse().unwrap_or_else(|_| Timestamp::now())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use retort_spec::{Accuracy, Attack, Metric, Stage, Variety};

    use super::*;
    use crate::testing::{TestStore, started};

    fn metrics(epoch: usize, loss: f64) -> Event {
        Event::Metrics { stage: Stage::Train, epoch, values: BTreeMap::from([(Metric::TrainLoss, loss)]) }
    }

    async fn running() -> TestStore {
        let test = TestStore::new().await;
        test.demo().await;
        test.walk(1, &[RunState::Starting]).await;
        test.record(1, [started()]).await;
        test
    }

    #[tokio::test]
    async fn the_first_record_makes_a_starting_run_a_running_one() {
        let test = running().await;
        let run = test.store.run(1).await.unwrap();
        assert_eq!((run.state, run.computed_on), (RunState::Running, Some(retort_spec::DeviceName::Cpu)));
        assert_eq!(test.store.attempts(1, 9).await.unwrap()[0].threads, Some(2));
    }

    #[tokio::test]
    async fn an_epoch_reported_again_by_a_resumed_run_counts_once() {
        let test = running().await;
        test.record(1, [metrics(1, 2.0), metrics(2, 1.5)]).await;
        test.record(1, [metrics(2, 1.5), metrics(3, 1.0)]).await;
        let kept = test.store.metrics(1).await.unwrap();
        let (kept, times): (Vec<_>, Vec<_>) = kept.into_iter().partition(|metric| metric.metric != Metric::WallTime);
        // The records of a test all bear one time, long before the run's start.
        assert_eq!(times.iter().map(|m| (m.epoch, m.value)).collect::<Vec<_>>(), [(1, 0.0), (2, 0.0), (3, 0.0)]);
        assert_eq!(kept.iter().map(|m| (m.epoch, m.value)).collect::<Vec<_>>(), [(1, 2.0), (2, 1.5), (3, 1.0)]);
        let series = test.store.series_of_runs(&[1, 2], &[Metric::TrainLoss]).await.unwrap();
        let points: Vec<_> = series[&1][0].points.iter().map(|p| (p.epoch, p.stage, p.value)).collect();
        assert_eq!((series.len(), series[&1].len()), (1, 1));
        assert_eq!(points, [(1, Stage::Train, 2.0), (2, Stage::Train, 1.5), (3, Stage::Train, 1.0)]);
        assert!(test.store.series_of_runs(&[1, 2], &[Metric::LearningRate]).await.unwrap().is_empty());
        let last = test.store.last_metrics(&[1, 2], Metric::TrainLoss).await.unwrap();
        assert_eq!(last.into_iter().collect::<Vec<_>>(), [(1, 1.0)]);
    }

    #[tokio::test]
    async fn bytes_that_were_read_already_are_refused_and_nothing_of_them_is_kept() {
        let test = running().await;
        let line = Event::Log { level: LogLevel::Info, message: "twice?".into() };
        let record = Record { at: "2026-01-01T00:00:00Z".into(), attempt: 1, event: line };
        let again = test.store.record_journal(1, 0..100, &[record]).await;
        assert!(matches!(again, Err(StoreError::OffsetMoved { stored: 100, .. })));
        assert!(test.store.log_end(1, 10).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_finished_record_ends_the_run_with_its_seconds() {
        let test = running().await;
        test.record(1, [Event::Finished { seconds: 12.5 }]).await;
        let run = test.store.run(1).await.unwrap();
        assert_eq!((run.state, run.seconds), (RunState::Finished, Some(12.5)));
        assert_eq!(run.ended_at.unwrap().to_string(), "2026-01-01T00:00:00Z");
    }

    #[tokio::test]
    async fn a_stopped_worker_queues_its_run_again_unless_a_person_wanted_its_end() {
        let test = running().await;
        test.record(1, [Event::Stopped {}]).await;
        assert_eq!(test.store.run(1).await.unwrap().state, RunState::Queued);
        test.walk(1, &[RunState::Starting]).await;
        test.store.request_cancel(1).await.unwrap();
        test.record(1, [started(), Event::Stopped {}]).await;
        assert_eq!(test.store.run(1).await.unwrap().state, RunState::Cancelled);
    }

    #[tokio::test]
    async fn a_run_that_gets_on_is_forgiven_its_lost_workers() {
        let test = running().await;
        test.walk(1, &[RunState::Lost, RunState::Queued, RunState::Starting]).await;
        test.record(1, [started()]).await;
        assert_eq!(test.store.run(1).await.unwrap().lost_workers, 1);
        test.record(1, [metrics(3, 0.5)]).await;
        assert_eq!(test.store.run(1).await.unwrap().lost_workers, 0);
    }

    #[tokio::test]
    async fn an_earlier_attempt_s_final_record_does_not_end_the_present_one() {
        let test = running().await;
        test.walk(1, &[RunState::Lost, RunState::Queued, RunState::Starting]).await;
        let late = Record { at: "2026-01-01T00:00:00Z".into(), attempt: 1, event: Event::Finished { seconds: 1.0 } };
        test.store.record_journal(1, 100..200, &[late]).await.unwrap();
        assert_eq!(test.store.run(1).await.unwrap().state, RunState::Starting);
    }

    #[tokio::test]
    async fn a_final_record_after_the_verdict_is_logged_and_changes_nothing() {
        let test = running().await;
        test.walk(1, &[RunState::Lost]).await;
        test.record(1, [Event::Finished { seconds: 1.0 }]).await;
        assert_eq!(test.store.run(1).await.unwrap().state, RunState::Lost);
        assert!(test.store.log_end(1, 10).await.unwrap()[0].message.contains("already lost"));
    }

    #[tokio::test]
    async fn evaluations_keep_the_order_in_which_they_came() {
        let test = TestStore::new().await;
        let experiment = test.demo().await;
        test.walk(2, &[RunState::Starting]).await;
        let accuracy = |correct| Accuracy { correct, n: 1000 };
        let variety = Some(Variety {
            images: 1000,
            of_one_class: 100,
            with_one_answer: 120,
            answer: "cat".into(),
            feature_variance: 0.25,
        });
        let natural = Event::Evaluation {
            attack: None,
            accuracy: accuracy(800),
            unanswered: 0,
            standing: Vec::new(),
            variety: variety.clone(),
        };
        let pgd = Event::Evaluation {
            attack: Some(Attack::pgd(20)),
            accuracy: accuracy(431),
            unanswered: 3,
            standing: vec![500, 431],
            variety: None,
        };
        test.record(2, [started(), natural.clone(), pgd.clone()]).await;
        test.record(2, [natural, pgd]).await;
        let kept = test.store.evaluations_of_experiment(experiment).await.unwrap();
        let titles: Vec<_> = kept.iter().map(|e| (e.title.as_str(), e.accuracy.correct)).collect();
        assert_eq!(titles, [("Natural", 800), ("PGD-20, ε 8/255, step 2/255", 431)]);
        assert_eq!(kept[1].attack, Some(Attack::pgd(20)));
        assert!(kept[0].is_teacher);
        assert_eq!((kept[0].unanswered, &kept[0].variety), (0, &variety));
        assert_eq!((kept[1].unanswered, &kept[1].variety), (3, &None));
        assert!(kept[0].standing.is_empty() && kept[1].standing == [500, 431]);
        assert_eq!(test.store.evaluations_of_runs(&[2, 4]).await.unwrap(), kept);
        assert_eq!(test.store.evaluations_of_model(1).await.unwrap(), kept);
        assert!(test.store.evaluations_of_model(3).await.unwrap().is_empty());
    }
}
