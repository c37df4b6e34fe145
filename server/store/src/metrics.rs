//! The figures of each epoch.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use retort_spec::Stage;
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use crate::{
    Result, Store,
    row::{count, json, stored, time_text, to_word, word},
};

/// The figure that the store itself adds to each epoch: seconds from the run's first start to the epoch's end, pauses
/// included.
pub const WALL_TIME: &str = "wall_time";

/// One figure of one epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// The figure's name, such as `train_loss`.
    pub key: String,
    /// The epoch, from 1 over all stages.
    pub epoch: usize,
    /// The part of the run.
    pub stage: Stage,
    /// The figure.
    pub value: f64,
}

impl Store {
    /// All figures of a run, by name and epoch.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn metrics(&self, run: i64) -> Result<Vec<Metric>> {
        let rows = sqlx::query("SELECT key, epoch, stage, value FROM metrics WHERE run = ? ORDER BY key, epoch");
        let rows = rows.bind(run).fetch_all(self.readers()).await?;
        Ok(rows.iter().map(read).collect::<sqlx::Result<_>>()?)
    }

    /// The figures of these names of these runs, by run, name and epoch.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn metrics_of_runs(&self, runs: &[i64], keys: &[&str]) -> Result<HashMap<i64, Vec<Metric>>> {
        let rows = sqlx::query(
            "SELECT * FROM metrics WHERE run IN (SELECT value FROM json_each(?))
                 AND key IN (SELECT value FROM json_each(?)) ORDER BY run, key, epoch",
        );
        let mut metrics: HashMap<i64, Vec<Metric>> = HashMap::new();
        for row in rows.bind(json(&runs)).bind(json(&keys)).fetch_all(self.readers()).await? {
            metrics.entry(row.try_get("run")?).or_default().push(read(&row)?);
        }
        Ok(metrics)
    }

    /// The latest value of one figure, for each of these runs that has reported it.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn last_metrics(&self, runs: &[i64], key: &str) -> Result<HashMap<i64, f64>> {
        let rows = sqlx::query(
            "SELECT run, value FROM metrics AS one
             WHERE run IN (SELECT value FROM json_each(?1)) AND key = ?2
                 AND epoch = (SELECT max(epoch) FROM metrics WHERE run = one.run AND key = ?2)",
        );
        let rows = rows.bind(json(&runs)).bind(key).fetch_all(self.readers()).await?;
        rows.iter().map(|row| Ok((row.try_get("run")?, row.try_get("value")?))).collect()
    }
}

fn read(row: &SqliteRow) -> sqlx::Result<Metric> {
    let (epoch, stage) = (count(row, "epoch")?, word(row, "stage")?);
    Ok(Metric { key: row.try_get("key")?, epoch, stage, value: row.try_get("value")? })
}

pub(crate) async fn keep(
    tx: &mut SqliteConnection,
    run: i64,
    stage: Stage,
    epoch: usize,
    values: &BTreeMap<String, f64>,
) -> Result<()> {
    // SQLite has no number for infinity or none at all, and a curve cannot show it.
    for (key, value) in values.iter().filter(|(_, value)| value.is_finite()) {
        sqlx::query(
            "INSERT INTO metrics (run, key, epoch, stage, value) VALUES (?, ?, ?, ?, ?)
             ON CONFLICT (run, key, epoch) DO UPDATE SET stage = excluded.stage, value = excluded.value",
        )
        .bind(run)
        .bind(key)
        .bind(stored(epoch))
        .bind(to_word(&stage))
        .bind(value)
        .execute(&mut *tx)
        .await?;
    }
    Ok(())
}

/// Keeps when an epoch ended. A run whose start is not known has no wall time.
pub(crate) async fn keep_wall_time(
    tx: &mut SqliteConnection,
    run: i64,
    stage: Stage,
    epoch: usize,
    at: Timestamp,
) -> Result<()> {
    let since = "SELECT max(0.0, unixepoch(?, 'subsec') - unixepoch(started_at, 'subsec')) FROM runs WHERE id = ?";
    let since = sqlx::query_scalar(since).bind(time_text(at)).bind(run);
    let seconds: Option<f64> = since.fetch_one(&mut *tx).await?;
    match seconds {
        Some(seconds) => keep(tx, run, stage, epoch, &BTreeMap::from([(WALL_TIME.to_owned(), seconds)])).await,
        None => Ok(()),
    }
}
