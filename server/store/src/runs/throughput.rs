//! How fast finished runs computed, from which estimates are made.

use retort_spec::{Architecture, DeviceName, RunSpec};
use sqlx::Row;

use crate::{
    Result, Store,
    db::row::{from_json, parsed, parsed_option},
};

/// What a finished run computed, and in what time.
#[derive(Clone, Debug, PartialEq)]
pub struct FinishedWork {
    /// The spec.
    pub spec: RunSpec,
    /// The architecture of its model.
    pub architecture: Architecture,
    /// The teacher's architecture.
    pub teacher: Option<Architecture>,
    /// Seconds of computing.
    pub seconds: f64,
}

impl Store {
    /// The last `limit` runs that finished on a device, newest first.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn finished_work(&self, device: DeviceName, limit: u32) -> Result<Vec<FinishedWork>> {
        let rows = sqlx::query(
            "SELECT id, spec, architecture, teacher, seconds FROM runs
             WHERE state = 'finished' AND seconds > 0 AND computed_on = ? ORDER BY ended_at DESC LIMIT ?",
        );
        let rows = rows.bind(device.to_string()).bind(limit).fetch_all(self.readers()).await?;
        let mut finished = Vec::with_capacity(rows.len());
        for row in rows {
            let run: i64 = row.try_get("id")?;
            finished.push(FinishedWork {
                spec: from_json(row.try_get("spec")?, || format!("a spec of run {run}"))?,
                architecture: parsed(&row, "architecture")?,
                teacher: parsed_option(&row, "teacher")?,
                seconds: row.try_get("seconds")?,
            });
        }
        Ok(finished)
    }
}

#[cfg(test)]
mod tests {
    use retort_spec::{DeviceName, Event, RunState};

    use crate::testing::{TestStore, started};

    #[tokio::test]
    async fn only_finished_runs_on_that_device_tell_of_its_speed() {
        let test = TestStore::new().await;
        test.demo().await;
        for run in [1, 2] {
            test.walk(run, &[RunState::Starting]).await;
            test.record(run, [started()]).await;
        }
        test.record(1, [Event::Finished { seconds: 30.0 }]).await;
        let work = test.store.finished_work(DeviceName::Cpu, 10).await.unwrap();
        assert_eq!(work.iter().map(|w| w.seconds).collect::<Vec<_>>(), [30.0]);
        assert!(test.store.finished_work(DeviceName::Cuda(0), 10).await.unwrap().is_empty());
    }
}
