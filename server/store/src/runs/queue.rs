//! What the scheduler asks: which runs may start, which cannot any more, which have a worker.

use retort_spec::{DeviceName, RunState};
use sqlx::{QueryBuilder, Row, Sqlite};

use crate::{
    Result, Run, Store,
    db::row::{json, parsed},
    runs::SELECT,
};

/// A queued run that will never start, because one that it needs ended without finishing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoomedRun {
    /// The run.
    pub run: i64,
    /// The one that it needs.
    pub need: i64,
    /// How that one ended.
    pub need_state: RunState,
}

impl Store {
    /// The oldest queued run whose needs have all finished, that names none of the `busy` devices and is none of `except`.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn next_ready_run(&self, busy: &[DeviceName], except: &[i64]) -> Result<Option<Run>> {
        let mut query = QueryBuilder::<Sqlite>::new(SELECT);
        let busy: Vec<_> = busy.iter().map(DeviceName::to_string).collect();
        query
            .push("runs.state = 'queued' AND runs.device NOT IN (SELECT value FROM json_each(")
            .push_bind(json(&busy)?);
        query.push(")) AND runs.id NOT IN (SELECT value FROM json_each(").push_bind(json(&except)?);
        query.push(
            ")) AND NOT EXISTS (
                 SELECT 1 FROM run_needs JOIN runs AS needed ON needed.id = run_needs.needs
                 WHERE run_needs.run = runs.id AND needed.state <> 'finished')
             ORDER BY runs.id LIMIT 1",
        );
        Ok(query.build_query_as().fetch_optional(self.readers()).await?)
    }

    /// The first `limit` queued runs, oldest first, ready or not.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn queued_runs(&self, limit: u32) -> Result<Vec<Run>> {
        let mut query = QueryBuilder::<Sqlite>::new(SELECT);
        query.push("runs.state = 'queued' ORDER BY runs.id LIMIT ").push_bind(limit);
        Ok(query.build_query_as().fetch_all(self.readers()).await?)
    }

    /// Queued runs that need a failed, diverged or cancelled one, oldest first.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn doomed_runs(&self, limit: u32) -> Result<Vec<DoomedRun>> {
        let rows = sqlx::query(
            "SELECT runs.id AS run, min(needed.id) AS need, needed.state AS need_state
             FROM runs JOIN run_needs ON run_needs.run = runs.id JOIN runs AS needed ON needed.id = run_needs.needs
             WHERE runs.state = 'queued' AND needed.state IN ('failed', 'diverged', 'cancelled')
             GROUP BY runs.id ORDER BY runs.id LIMIT ?",
        );
        let rows = rows.bind(limit).fetch_all(self.readers()).await?;
        let doomed = rows.iter().map(|row| {
            let need_state = parsed(row, "need_state")?;
            Ok(DoomedRun { run: row.try_get("run")?, need: row.try_get("need")?, need_state })
        });
        doomed.collect()
    }

    /// The runs to which nothing more happens by itself.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn over_runs(&self) -> Result<Vec<i64>> {
        let over =
            sqlx::query_scalar("SELECT id FROM runs WHERE state IN ('finished', 'failed', 'diverged', 'cancelled')");
        Ok(over.fetch_all(self.readers()).await?)
    }

    /// Runs that have, or may have, a worker, and those whose worker vanished.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn active_runs(&self) -> Result<Vec<Run>> {
        let mut query = QueryBuilder::<Sqlite>::new(SELECT);
        query.push("runs.state IN ('starting', 'running', 'lost') ORDER BY runs.id");
        Ok(query.build_query_as().fetch_all(self.readers()).await?)
    }
}

#[cfg(test)]
mod tests {
    use RunState::{Failed, Finished, Running, Starting};
    use retort_spec::ExperimentSpec;

    use super::*;
    use crate::testing::TestStore;

    async fn ready(test: &TestStore, busy: &[DeviceName]) -> Option<i64> {
        test.store.next_ready_run(busy, &[]).await.unwrap().map(|r| r.id)
    }

    #[tokio::test]
    async fn a_run_is_ready_once_all_that_it_needs_have_finished() {
        let test = TestStore::new().await;
        test.demo().await;
        assert_eq!(ready(&test, &[]).await, Some(1));
        test.walk(1, &[Starting, Running]).await;
        assert_eq!(ready(&test, &[]).await, None);
        test.walk(1, &[Finished]).await;
        assert_eq!(ready(&test, &[]).await, Some(2));
        assert_eq!(test.store.next_ready_run(&[], &[2]).await.unwrap().map(|r| r.id), Some(3));
        assert_eq!(test.store.queued_runs(3).await.unwrap().iter().map(|r| r.id).collect::<Vec<_>>(), [2, 3, 4]);
    }

    #[tokio::test]
    async fn a_busy_device_does_not_hold_up_the_others() {
        let test = TestStore::new().await;
        test.demo().await;
        let on_gpu = ExperimentSpec { device: DeviceName::Cuda(0), ..ExperimentSpec::demo() };
        test.store.create_experiment(&on_gpu, on_gpu.expand()).await.unwrap();
        assert_eq!(ready(&test, &[DeviceName::Cpu]).await, Some(9));
        assert_eq!(ready(&test, &[DeviceName::Cpu, DeviceName::Cuda(0)]).await, None);
    }

    #[tokio::test]
    async fn a_run_is_doomed_by_a_failed_need_that_is_named() {
        let test = TestStore::new().await;
        test.demo().await;
        test.walk(1, &[Failed]).await;
        let doomed = test.store.doomed_runs(100).await.unwrap();
        assert_eq!(doomed.iter().map(|d| d.run).collect::<Vec<_>>(), [2, 3, 5, 7]);
        assert!(doomed.iter().all(|d| d.need == 1 && d.need_state == Failed));
    }

    #[tokio::test]
    async fn starting_running_and_lost_runs_are_the_scheduler_s_to_watch() {
        let test = TestStore::new().await;
        test.demo().await;
        test.walk(1, &[Starting]).await;
        test.walk(2, &[Starting, Running]).await;
        test.walk(3, &[Starting, RunState::Lost]).await;
        let active: Vec<_> = test.store.active_runs().await.unwrap().iter().map(|r| r.id).collect();
        assert_eq!(active, [1, 2, 3]);
    }
}
