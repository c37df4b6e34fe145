//! A person lets failed, diverged and cancelled runs go on.

use jiff::Timestamp;
use retort_spec::RunState;
use sqlx::SqliteConnection;

use crate::{
    Result, Store, StoreError,
    runs::states::{change, state_of},
};

impl Store {
    /// Queues a failed, diverged or cancelled run again, with those that it needs and that ended without finishing, and with those
    /// that ended only because they needed one of them. Returns all runs that were queued.
    ///
    /// # Errors
    /// [`StoreError::Forbidden`] when the run did not end, or finished; [`StoreError::NotFound`].
    pub async fn resume(&self, run: i64) -> Result<Vec<i64>> {
        let mut tx = self.write().await?;
        let (from, _) = state_of(&mut tx, run).await?;
        if !from.may_be_resumed() {
            return Err(StoreError::Forbidden { run, from, to: RunState::Queued });
        }
        let queued = queue_again(&mut tx, &[run]).await?;
        tx.commit().await?;
        Ok(queued)
    }

    /// Queues all failed, diverged and cancelled runs of an experiment again, with those that they need and that ended without
    /// finishing, and with those that ended because of one of them. Returns all runs that were queued.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such experiment.
    pub async fn resume_experiment(&self, experiment: i64) -> Result<Vec<i64>> {
        let mut tx = self.write().await?;
        let is_there = sqlx::query_scalar::<_, i64>("SELECT id FROM experiments WHERE id = ?").bind(experiment);
        if is_there.fetch_optional(&mut *tx).await?.is_none() {
            return Err(StoreError::NotFound { what: "experiment", id: experiment });
        }
        let ended = "SELECT id FROM runs WHERE experiment = ? AND state IN ('failed', 'diverged', 'cancelled')";
        let ended: Vec<i64> = sqlx::query_scalar(ended).bind(experiment).fetch_all(&mut *tx).await?;
        let queued = queue_again(&mut tx, &ended).await?;
        tx.commit().await?;
        Ok(queued)
    }
}

/// Queues these runs again, and what hangs on them.
async fn queue_again(tx: &mut SqliteConnection, resumed: &[i64]) -> Result<Vec<i64>> {
    let mut queued = Vec::new();
    let mut waiting = resumed.to_vec();
    while let Some(next) = waiting.pop() {
        waiting.extend(ended_needs(tx, next).await?);
        // Asked before the change: queueing a run forgets which one it ended for.
        waiting.extend(ended_for(tx, next).await?);
        let (state, _) = state_of(tx, next).await?;
        if state.may_be_resumed() {
            let cause = match resumed {
                [run] if next != *run => format!("queued again together with run {run}"),
                _ => "resumed by a person".to_owned(),
            };
            change(tx, next, RunState::Queued, &cause, Timestamp::now()).await?;
            queued.push(next);
        }
    }
    queued.sort_unstable();
    Ok(queued)
}

async fn ended_needs(connection: &mut SqliteConnection, run: i64) -> Result<Vec<i64>> {
    let query = "SELECT needs FROM run_needs JOIN runs ON runs.id = run_needs.needs
                 WHERE run_needs.run = ? AND runs.state IN ('failed', 'diverged', 'cancelled')";
    Ok(sqlx::query_scalar(query).bind(run).fetch_all(connection).await?)
}

async fn ended_for(connection: &mut SqliteConnection, need: i64) -> Result<Vec<i64>> {
    let query = "SELECT id FROM runs WHERE failed_need = ? AND state IN ('failed', 'cancelled')";
    Ok(sqlx::query_scalar(query).bind(need).fetch_all(connection).await?)
}

#[cfg(test)]
mod tests {
    use RunState::{Cancelled, Failed, Finished, Running, Starting};

    use super::*;
    use crate::testing::TestStore;

    async fn end_all_doomed(test: &TestStore) {
        loop {
            let doomed = test.store.doomed_runs(100).await.unwrap();
            if doomed.is_empty() {
                return;
            }
            for run in doomed {
                test.store.end_for_need(&run, "its need did not finish").await.unwrap();
            }
        }
    }

    #[tokio::test]
    async fn resuming_a_teacher_queues_what_failed_for_it_but_not_what_a_person_cancelled() {
        let test = TestStore::new().await;
        test.demo().await;
        test.store.request_cancel(5).await.unwrap();
        test.walk(1, &[Starting, Running, Failed]).await;
        end_all_doomed(&test).await;
        assert_eq!(test.store.state_counts().await.unwrap().of(Failed), 6);
        assert_eq!(test.store.resume(1).await.unwrap(), [1, 2, 3, 4, 7, 8]);
        assert_eq!(test.store.run(5).await.unwrap().state, Cancelled);
    }

    #[tokio::test]
    async fn what_waits_for_a_cancelled_run_is_cancelled_and_goes_on_with_it() {
        let test = TestStore::new().await;
        test.demo().await;
        test.store.request_cancel(1).await.unwrap();
        end_all_doomed(&test).await;
        let counts = test.store.state_counts().await.unwrap();
        assert_eq!((counts.of(Cancelled), counts.of(Failed)), (8, 0));
        assert_eq!(test.store.resume(1).await.unwrap(), [1, 2, 3, 4, 5, 6, 7, 8]);
    }

    #[tokio::test]
    async fn resuming_an_evaluation_queues_the_training_that_it_needs() {
        let test = TestStore::new().await;
        test.demo().await;
        test.walk(1, &[Starting, Running, Finished]).await;
        test.store.request_cancel(3).await.unwrap();
        end_all_doomed(&test).await;
        assert_eq!(test.store.resume(4).await.unwrap(), [3, 4]);
    }

    #[tokio::test]
    async fn resuming_an_experiment_queues_all_of_it_that_ended_without_finishing() {
        let test = TestStore::new().await;
        let (experiment, other) = (test.demo().await, test.demo().await);
        test.walk(1, &[Starting, Running, Finished]).await;
        test.store.request_cancel(5).await.unwrap();
        test.walk(3, &[Starting, Failed]).await;
        test.walk(9, &[Starting, Failed]).await;
        end_all_doomed(&test).await;
        assert_eq!(test.store.resume_experiment(experiment).await.unwrap(), [3, 4, 5, 6]);
        assert_eq!(test.store.run(1).await.unwrap().state, Finished);
        assert!(test.store.resume_experiment(experiment).await.unwrap().is_empty());
        assert_eq!(test.store.resume_experiment(other).await.unwrap().len(), 8);
        assert!(matches!(test.store.resume_experiment(77).await, Err(StoreError::NotFound { .. })));
    }

    #[tokio::test]
    async fn a_finished_run_cannot_be_resumed() {
        let test = TestStore::new().await;
        test.demo().await;
        test.walk(1, &[Starting, Running, Finished]).await;
        assert!(matches!(test.store.resume(1).await, Err(StoreError::Forbidden { .. })));
        assert!(matches!(test.store.resume(2).await, Err(StoreError::Forbidden { .. })));
    }
}
