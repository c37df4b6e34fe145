//! Building a lost database again, from the ledger and the journals.

use std::{collections::BTreeMap, path::Path};

use jiff::Timestamp;
use retort_spec::{Record, RunState};
use serde_json::Value;
use sqlx::{AssertSqlSafe, SqliteConnection};

use crate::{
    Result, Store, StoreError,
    db::ledger::{self, KEPT, Kept, Rows},
    db::row::json,
    runs::journal::time_of,
    runs::states::{change, state_of},
};

/// What a ledger gave a new database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reindexed {
    /// Experiments.
    pub experiments: usize,
    /// Their runs, by their numbers.
    pub runs: Vec<i64>,
    /// Imported models.
    pub models: usize,
    /// Shares.
    pub shares: usize,
    /// What could not be taken over, in sentences.
    pub faults: Vec<String>,
}

/// Why a run without a final record is cancelled when the index is built again.
const UNKNOWN: &str = "The index was built again, and the run's folder does not tell whether it was to go on. Resume it to let it \
                       go on from its checkpoint.";

impl Store {
    /// Creates a database and fills it with what the ledger beside it tells; the ledger is left as it is.
    ///
    /// # Errors
    /// When there is such a file already, the ledger cannot be read, or the database cannot be written.
    pub async fn reindex(path: &Path) -> Result<(Self, Reindexed)> {
        let store = Self::connect(path).await?;
        let done = store.fill_from_ledger().await?;
        Ok((store, done))
    }

    /// Fills this database, which is new, with what stands in the ledger beside it. Every run is queued then, and its journal
    /// unread.
    ///
    /// # Errors
    /// When the ledger cannot be read, or the database refuses.
    pub(crate) async fn fill_from_ledger(&self) -> Result<Reindexed> {
        let unreadable = |fault| StoreError::Ledger { path: ledger::path(self.path()), fault };
        let rows = Rows::read(self.path()).map_err(unreadable)?;
        let mut done = Reindexed::default();
        let mut tx = self.write().await?;
        // The rows of a table are there before others refer to them; all of it is checked before the end.
        sqlx::query("PRAGMA defer_foreign_keys = ON").execute(&mut *tx).await?;
        for kept in &KEPT {
            for (id, row) in rows.of(kept.table) {
                if let Some(missing) = rows.missing(row, kept.table) {
                    let row = kept.table.trim_end_matches('s');
                    done.faults.push(format!(
                        "{row} {id} is left out: it belongs to {missing}, which the ledger does not have"
                    ));
                    continue;
                }
                if let Err(fault) = insert(&mut tx, kept, row).await {
                    done.faults
                        .push(format!("{} {id} cannot be taken over: {fault}", kept.table.trim_end_matches('s')));
                    continue;
                }
                match kept.table {
                    "experiments" => done.experiments += 1,
                    "models" => done.models += 1,
                    "shares" => done.shares += 1,
                    _ => done.runs.push(id),
                }
            }
        }
        for (run, row) in rows.of("runs") {
            // A need that is not there itself was never kept.
            let needs = row.get("needs").cloned().unwrap_or_else(|| Value::Array(Vec::new()));
            sqlx::query(
                "INSERT INTO run_needs (run, needs) SELECT runs.id, needed.id FROM json_each(?2)
                 JOIN runs AS needed ON needed.id = value JOIN runs ON runs.id = ?1",
            )
            .bind(run)
            .bind(json(&needs)?)
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await?;
        done.faults.extend(rows.faults);
        Ok(done)
    }

    /// What the ledger does not tell, or tells otherwise than the database, in sentences.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub async fn ledger_faults(&self) -> Result<Vec<String>> {
        let unreadable = |fault| StoreError::Ledger { path: ledger::path(self.path()), fault };
        let told = Rows::read(self.path()).map_err(unreadable)?;
        let mut faults = told.faults.clone();
        let mut connection = self.readers().acquire().await?;
        for kept in &KEPT {
            let told: BTreeMap<i64, &Value> = told.of(kept.table).collect();
            for row in ledger::rows(&mut connection, kept.table, None).await? {
                let corrupt = |e: serde_json::Error| StoreError::Corrupt {
                    what: format!("a row of {}", kept.table),
                    fault: e.to_string(),
                };
                let row: Value = serde_json::from_str(&row).map_err(corrupt)?;
                let id = row.get("id").and_then(Value::as_i64).unwrap_or_default();
                if told.get(&id) != Some(&&row) {
                    let what = kept.table.trim_end_matches('s');
                    faults.push(format!(
                        "The ledger does not tell of {what} {id} as the database does. Move ledger.jsonl away: the next start \
                         writes it from the database."
                    ));
                }
            }
        }
        Ok(faults)
    }

    /// Takes over records of a journal whose attempts this database has not seen: each begins with its first record.
    ///
    /// # Errors
    /// As [`Store::record_journal`].
    pub async fn replay_journal(&self, run: i64, bytes: std::ops::Range<u64>, records: &[Record]) -> Result<()> {
        let mut rest = records;
        let mut at = bytes.start;
        while let Some(first) = rest.first() {
            let of_attempt = rest.iter().take_while(|record| record.attempt == first.attempt).count();
            let (now, later) = rest.split_at(of_attempt);
            let mut tx = self.write().await?;
            begin(&mut tx, run, first).await?;
            tx.commit().await?;
            let end = if later.is_empty() { bytes.end } else { at };
            self.record_journal(run, at..end, now).await?;
            (rest, at) = (later, end);
        }
        Ok(())
    }

    /// Cancels a run that has no final record, so that nothing starts that nobody waits for.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn leave_for_a_person(&self, run: i64) -> Result<()> {
        let mut tx = self.write().await?;
        let (state, _) = state_of(&mut tx, run).await?;
        if !state.is_over() {
            change(&mut tx, run, RunState::Cancelled, UNKNOWN, Timestamp::now()).await?;
        }
        tx.commit().await?;
        Ok(())
    }
}

/// Brings a run to the attempt of a record, unless it is in it.
async fn begin(tx: &mut SqliteConnection, run: i64, record: &Record) -> Result<()> {
    loop {
        let (state, attempt) = state_of(tx, run).await?;
        if attempt >= record.attempt {
            return Ok(());
        }
        let at = time_of(record);
        if state.is_active() {
            change(tx, run, RunState::Lost, "its worker vanished without a final record", at).await?;
        }
        if state != RunState::Queued {
            if state == RunState::Finished {
                return Ok(());
            }
            change(tx, run, RunState::Queued, "it was taken up again", at).await?;
        }
        change(tx, run, RunState::Starting, "as its journal says", at).await?;
    }
}

async fn insert(tx: &mut SqliteConnection, kept: &Kept, row: &Value) -> Result<()> {
    let values = kept.columns.iter().map(|column| format!("json_extract(?1, '$.{column}')")).collect::<Vec<_>>();
    let (mut columns, mut values) = (kept.columns.join(", "), values.join(", "));
    if kept.table == "runs" {
        columns += ", state, state_cause, state_since";
        values += ", 'queued', 'launched', json_extract(?1, '$.created_at')";
    }
    // The names are those of the ledger's list.
    let insert = format!("INSERT INTO {} ({columns}) SELECT {values}", kept.table);
    sqlx::query(AssertSqlSafe(insert)).bind(json(row)?).execute(tx).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use retort_spec::{Accuracy, Attack, Event, ExperimentSpec, Metric, Stage};

    use super::*;
    use crate::{
        models::tests::teacher,
        testing::{TestStore, started},
    };

    /// A second database beside the ledger of the first.
    async fn again(test: &TestStore) -> (tempfile::TempDir, Store, Reindexed) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("retort.db");
        std::fs::copy(ledger::path(&test.path()), ledger::path(&path)).unwrap();
        let (store, done) = Store::reindex(&path).await.unwrap();
        (dir, store, done)
    }

    fn journal() -> Vec<Record> {
        let record =
            |minute: u32, attempt, event| Record { at: format!("2026-01-01T00:{minute:02}:00Z"), attempt, event };
        let metrics =
            |epoch| Event::Metrics { stage: Stage::Train, epoch, values: BTreeMap::from([(Metric::TrainLoss, 1.5)]) };
        let accuracy = Accuracy { correct: 3, n: 10 };
        vec![
            record(1, 1, started()),
            record(2, 1, metrics(1)),
            record(5, 3, started()),
            record(6, 3, metrics(2)),
            record(
                7,
                3,
                Event::Evaluation {
                    attack: Some(Attack::pgd(20)),
                    accuracy,
                    unanswered: 0,
                    standing: Vec::new(),
                    variety: None,
                },
            ),
            record(8, 3, Event::Finished { seconds: 77.0 }),
        ]
    }

    #[tokio::test]
    async fn what_was_launched_imported_and_shared_comes_back_as_it_was() {
        let test = TestStore::new().await;
        test.store.add_models(&[teacher()]).await.unwrap().keep().await.unwrap();
        let experiment = test.demo().await;
        let seeds = ExperimentSpec { seeds: vec![u64::MAX], ..ExperimentSpec::demo() };
        test.store.create_experiment(&seeds, seeds.expand()).await.unwrap();
        test.store.create_share(experiment, "aa", "For the group", None).await.unwrap();
        test.store.revoke_share(1).await.unwrap();
        test.store.set_model_classes(1, &["a".to_owned()], "letters").await.unwrap();
        let (_dir, store, done) = again(&test).await;
        assert_eq!((done.experiments, done.runs.len(), done.models, done.shares), (2, 16, 1, 1));
        assert!(done.faults.is_empty(), "{:?}", done.faults);
        for run in 1..=16 {
            let (before, after) = (test.store.run(run).await.unwrap(), store.run(run).await.unwrap());
            assert_eq!(before, after);
            assert_eq!(test.store.needs(run).await.unwrap().len(), store.needs(run).await.unwrap().len());
        }
        assert_eq!(store.model(1).await.unwrap(), test.store.model(1).await.unwrap());
        assert_eq!(store.share_by_hash("aa").await.unwrap(), test.store.share_by_hash("aa").await.unwrap());
        assert_eq!(store.experiment(2).await.unwrap(), test.store.experiment(2).await.unwrap());
        // Numbers go on behind those that were given away.
        assert_eq!(store.create_experiment(&seeds, seeds.expand()).await.unwrap(), 3);
        assert_eq!(store.run(17).await.unwrap().experiment, 3);
    }

    #[tokio::test]
    async fn a_replayed_journal_gives_the_figures_and_the_end_that_it_gave_when_it_was_followed() {
        let test = TestStore::new().await;
        test.demo().await;
        let (_dir, store, _) = again(&test).await;
        let records = journal();
        // As the server followed it: the second worker vanished before it said a word.
        test.walk(1, &[RunState::Starting]).await;
        test.store.record_journal(1, 0..10, &records[..2]).await.unwrap();
        test.walk(
            1,
            &[
                RunState::Lost,
                RunState::Queued,
                RunState::Starting,
                RunState::Lost,
                RunState::Queued,
                RunState::Starting,
            ],
        )
        .await;
        test.store.record_journal(1, 10..50, &records[2..]).await.unwrap();
        store.replay_journal(1, 0..20, &records[..3]).await.unwrap();
        store.replay_journal(1, 20..50, &records[3..]).await.unwrap();
        let (before, after) = (test.store.run(1).await.unwrap(), store.run(1).await.unwrap());
        assert_eq!((after.state, after.attempt, after.seconds), (RunState::Finished, 3, Some(77.0)));
        assert_eq!(
            (before.started_at, before.ended_at, before.journal_offset),
            (after.started_at, after.ended_at, after.journal_offset)
        );
        let metrics = store.metrics(1).await.unwrap();
        assert_eq!(metrics, test.store.metrics(1).await.unwrap());
        assert!(metrics.iter().any(|metric| metric.metric == Metric::WallTime && metric.value == 300.0), "{metrics:?}");
        assert_eq!(store.evaluations_of_runs(&[1]).await.unwrap(), test.store.evaluations_of_runs(&[1]).await.unwrap());
        let outcomes: Vec<_> = store.attempts(1, 9).await.unwrap().into_iter().map(|attempt| attempt.outcome).collect();
        assert_eq!(outcomes, [Some(RunState::Lost), Some(RunState::Lost), Some(RunState::Finished)]);
    }

    #[tokio::test]
    async fn a_run_without_a_final_record_is_left_for_a_person() {
        let test = TestStore::new().await;
        test.demo().await;
        let (_dir, store, _) = again(&test).await;
        store.replay_journal(1, 0..20, &journal()[..2]).await.unwrap();
        for run in [1, 2] {
            store.leave_for_a_person(run).await.unwrap();
            let run = store.run(run).await.unwrap();
            assert_eq!((run.state, run.cause.as_str()), (RunState::Cancelled, UNKNOWN));
        }
        assert_eq!(store.resume_experiment(1).await.unwrap(), [1, 2]);
    }

    #[tokio::test]
    async fn a_launch_that_was_never_kept_gives_way_to_the_one_that_took_its_numbers() {
        let test = TestStore::new().await;
        let path = ledger::path(&test.path());
        let spec = ExperimentSpec { seeds: vec![1, 2, 3], ..ExperimentSpec::demo() };
        test.store.create_experiment(&spec, spec.expand()).await.unwrap();
        let ghost = std::fs::read_to_string(&path).unwrap();
        let kept = TestStore::new().await;
        kept.demo().await;
        let rest = std::fs::read_to_string(ledger::path(&kept.path())).unwrap();
        let torn = &ghost[..ghost.len() - 20];
        std::fs::write(&path, format!("{ghost}{rest}{}", &torn[torn.rfind('\n').unwrap() + 1..])).unwrap();
        let (_dir, store, done) = again(&test).await;
        assert_eq!((done.experiments, done.runs, done.faults.len()), (1, (1..=8).collect(), 1));
        assert!(done.faults[0].contains("line") && store.run(9).await.is_err(), "{:?}", done.faults);
    }

    #[tokio::test]
    async fn a_database_of_before_the_ledger_gets_one_and_a_refused_line_keeps_nothing() {
        let test = TestStore::new().await;
        test.demo().await;
        let path = ledger::path(&test.path());
        let whole = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        test.store.close().await;
        let store = Store::open(&test.path()).await.unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), whole);
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        let spec = ExperimentSpec::demo();
        let refused = store.create_experiment(&spec, spec.expand()).await.unwrap_err();
        assert!(
            matches!(refused, StoreError::Ledger { .. }) && refused.to_string().contains("ledger.jsonl"),
            "{refused}"
        );
        assert!(store.experiment(2).await.is_err());
        std::fs::remove_dir(&path).unwrap();
        assert_eq!(store.create_experiment(&spec, spec.expand()).await.unwrap(), 2);
    }
}
