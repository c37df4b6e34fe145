//! The figures of each epoch.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use retort_spec::{Metric, Stage};
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use crate::{
    Result, Store,
    db::row::{count, json, parsed, stored, time_text, to_word, word},
};

/// One figure of one epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricValue {
    /// Which it is.
    pub metric: Metric,
    /// The epoch, from 1 over all stages.
    pub epoch: usize,
    /// The part of the run.
    pub stage: Stage,
    /// The figure.
    pub value: f64,
}

/// One figure of a run over its epochs.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Which it is.
    pub metric: Metric,
    /// Its values, in the order of the epochs.
    pub points: Vec<Point>,
}

/// One value of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// The epoch, from 1 over all stages.
    pub epoch: usize,
    /// The part of the run.
    pub stage: Stage,
    /// The value, to 15 digits.
    pub value: f64,
}

impl Store {
    /// All figures of a run, by name and epoch.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn metrics(&self, run: i64) -> Result<Vec<MetricValue>> {
        let rows = sqlx::query("SELECT key, epoch, stage, value FROM metrics WHERE run = ? ORDER BY key, epoch");
        let rows = rows.bind(run).fetch_all(self.readers()).await?;
        Ok(rows.iter().map(read).collect::<sqlx::Result<_>>()?)
    }

    /// The figures of these names of these runs: by run and name, in the order of the epochs.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn series_of_runs(&self, runs: &[i64], metrics: &[Metric]) -> Result<HashMap<i64, Vec<Series>>> {
        // A row for each series instead of one for each point: handing rows over costs more than reading them.
        let rows = sqlx::query(
            "SELECT run, key, group_concat(epoch || ' ' || value, ';') AS points FROM metrics
             WHERE run IN (SELECT value FROM json_each(?)) AND key IN (SELECT value FROM json_each(?))
             GROUP BY run, key",
        );
        let rows = rows.bind(json(&runs)?).bind(json(&metrics)?).fetch_all(self.readers()).await?;
        let stages = self.stages_of_runs(runs).await?;
        let mut series: HashMap<i64, Vec<Series>> = HashMap::new();
        for row in rows {
            let run: i64 = row.try_get("run")?;
            let stages = stages.get(&run).map_or(&[][..], Vec::as_slice);
            let stage = |epoch: usize| stages.iter().find(|(_, last)| epoch <= *last).or(stages.last()).map(|s| s.0);
            let points: &str = row.try_get("points")?;
            let read = |point: &str| {
                let (epoch, value) = point.split_once(' ')?;
                let epoch = epoch.parse().ok()?;
                Some(Point { epoch, stage: stage(epoch)?, value: value.parse().ok()? })
            };
            let mut points: Vec<Point> = points.split(';').filter_map(read).collect();
            points.sort_by_key(|point| point.epoch);
            series.entry(run).or_default().push(Series { metric: parsed(&row, "key")?, points });
        }
        Ok(series)
    }

    /// By run: its stages in their order, each with its last epoch so far.
    async fn stages_of_runs(&self, runs: &[i64]) -> Result<HashMap<i64, Vec<(Stage, usize)>>> {
        let rows = sqlx::query(
            "SELECT run, stage, max(epoch) AS last FROM metrics
             WHERE run IN (SELECT value FROM json_each(?)) AND key = ? GROUP BY run, stage ORDER BY run, last",
        );
        let mut stages: HashMap<i64, Vec<(Stage, usize)>> = HashMap::new();
        // Every stage reports a loss.
        for row in rows.bind(json(&runs)?).bind(Metric::TrainLoss.id()).fetch_all(self.readers()).await? {
            stages.entry(row.try_get("run")?).or_default().push((word(&row, "stage")?, count(&row, "last")?));
        }
        Ok(stages)
    }

    /// The latest value of one figure, for each of these runs that has reported it.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn last_metrics(&self, runs: &[i64], metric: Metric) -> Result<HashMap<i64, f64>> {
        // One step down the index for each run; no epoch but the last is read.
        let rows = sqlx::query(
            "SELECT one.value AS run,
                    (SELECT value FROM metrics WHERE run = one.value AND key = ?2 ORDER BY epoch DESC LIMIT 1) AS last
             FROM json_each(?1) AS one",
        );
        let rows = rows.bind(json(&runs)?).bind(metric.id()).fetch_all(self.readers()).await?;
        let last = rows.iter().map(|row| Ok((row.try_get("run")?, row.try_get::<Option<f64>, _>("last")?)));
        let last: Vec<(i64, Option<f64>)> = last.collect::<Result<_>>()?;
        Ok(last.into_iter().filter_map(|(run, value)| Some((run, value?))).collect())
    }
}

fn read(row: &SqliteRow) -> sqlx::Result<MetricValue> {
    let (epoch, stage) = (count(row, "epoch")?, word(row, "stage")?);
    Ok(MetricValue { metric: parsed(row, "key")?, epoch, stage, value: row.try_get("value")? })
}

pub(crate) async fn keep(
    tx: &mut SqliteConnection,
    run: i64,
    stage: Stage,
    epoch: usize,
    values: &BTreeMap<Metric, f64>,
) -> Result<()> {
    // SQLite has no number for infinity or none at all, and a curve cannot show it.
    for (metric, value) in values.iter().filter(|(_, value)| value.is_finite()) {
        sqlx::query(
            "INSERT INTO metrics (run, key, epoch, stage, value) VALUES (?, ?, ?, ?, ?)
             ON CONFLICT (run, key, epoch) DO UPDATE SET stage = excluded.stage, value = excluded.value",
        )
        .bind(run)
        .bind(metric.id())
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
        Some(seconds) => keep(tx, run, stage, epoch, &BTreeMap::from([(Metric::WallTime, seconds)])).await,
        None => Ok(()),
    }
}
