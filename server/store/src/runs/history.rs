//! What a run has been through: its changes of state and its attempts.

use std::collections::HashMap;

use jiff::Timestamp;
use retort_spec::RunState;
use sqlx::{FromRow, Row, sqlite::SqliteRow};

use crate::{
    Result, Store,
    db::row::{count, json, parsed, parsed_option, time_text},
};

/// One change of a run's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateChange {
    /// When.
    pub at: Timestamp,
    /// The state before.
    pub from: RunState,
    /// The state after.
    pub to: RunState,
    /// Why.
    pub cause: String,
    /// The number of the attempt then.
    pub attempt: u32,
}

/// One attempt at a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Its number, from 1.
    pub attempt: u32,
    /// When its worker was started.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// The state that the run went to at its end.
    pub outcome: Option<RunState>,
    /// Why it ended.
    pub cause: Option<String>,
    /// The device that the worker found, in its words.
    pub device: Option<String>,
    /// Threads that it computed with.
    pub threads: Option<i64>,
    /// The program's version.
    pub version: Option<String>,
    /// Epochs that a checkpoint spared it.
    pub resumed_epochs: Option<i64>,
}

impl FromRow<'_, SqliteRow> for StateChange {
    fn from_row(row: &SqliteRow) -> sqlx::Result<Self> {
        Ok(Self {
            at: parsed(row, "at")?,
            from: parsed(row, "from_state")?,
            to: parsed(row, "to_state")?,
            cause: row.try_get("cause")?,
            attempt: count(row, "attempt")?,
        })
    }
}

impl FromRow<'_, SqliteRow> for Attempt {
    fn from_row(row: &SqliteRow) -> sqlx::Result<Self> {
        Ok(Self {
            attempt: count(row, "attempt")?,
            started_at: parsed(row, "started_at")?,
            ended_at: parsed_option(row, "ended_at")?,
            outcome: parsed_option(row, "outcome")?,
            cause: row.try_get("cause")?,
            device: row.try_get("device")?,
            threads: row.try_get("threads")?,
            version: row.try_get("version")?,
            resumed_epochs: row.try_get("resumed_epochs")?,
        })
    }
}

impl Store {
    /// The last `limit` changes of a run's state, oldest first.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn state_changes(&self, run: i64, limit: u32) -> Result<Vec<StateChange>> {
        let last = "SELECT * FROM state_changes WHERE run = ? ORDER BY id DESC LIMIT ?";
        let mut rows: Vec<_> = sqlx::query_as(last).bind(run).bind(limit).fetch_all(self.readers()).await?;
        rows.reverse();
        Ok(rows)
    }

    /// Seconds that the attempts at each of these runs lasted, those under way until now.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn attempt_seconds(&self, runs: &[i64]) -> Result<HashMap<i64, f64>> {
        let rows = sqlx::query(
            "SELECT run, sum(unixepoch(coalesce(ended_at, ?), 'subsec') - unixepoch(started_at, 'subsec')) AS seconds
             FROM attempts WHERE run IN (SELECT value FROM json_each(?)) GROUP BY run",
        );
        let rows = rows.bind(time_text(Timestamp::now())).bind(json(&runs)?).fetch_all(self.readers()).await?;
        rows.iter().map(|row| Ok((row.try_get("run")?, row.try_get("seconds")?))).collect()
    }

    /// The last `limit` attempts at a run, oldest first.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn attempts(&self, run: i64, limit: u32) -> Result<Vec<Attempt>> {
        let last = "SELECT * FROM attempts WHERE run = ? ORDER BY attempt DESC LIMIT ?";
        let mut rows: Vec<_> = sqlx::query_as(last).bind(run).bind(limit).fetch_all(self.readers()).await?;
        rows.reverse();
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use RunState::{Lost, Queued, Running, Starting};

    use super::*;
    use crate::testing::TestStore;

    #[tokio::test]
    async fn the_seconds_of_all_attempts_are_summed() {
        let test = TestStore::new().await;
        test.demo().await;
        test.walk(1, &[Starting, Running, Lost, Queued, Starting, Running]).await;
        let attempts = [
            ("2026-01-01T00:00:00.000Z", "2026-01-01T00:00:10.500Z", 1),
            ("2026-01-02T23:59:59.000Z", "2026-01-03T00:00:01.000Z", 2),
        ];
        for (started, ended, attempt) in attempts {
            let mut tx = test.store.write().await.unwrap();
            let set = sqlx::query("UPDATE attempts SET started_at = ?, ended_at = ? WHERE run = 1 AND attempt = ?");
            set.bind(started).bind(ended).bind(attempt).execute(&mut *tx).await.unwrap();
            tx.commit().await.unwrap();
        }
        let seconds = test.store.attempt_seconds(&[1, 2]).await.unwrap();
        assert_eq!(seconds.len(), 1);
        assert!((seconds[&1] - 12.5).abs() < 1e-3, "{seconds:?}");
    }
}
