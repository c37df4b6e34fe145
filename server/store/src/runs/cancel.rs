//! A person ends runs.

use jiff::Timestamp;
use retort_spec::RunState;
use sqlx::SqliteConnection;

use crate::{
    Result, Store,
    db::row::time_text,
    runs::states::{change, state_of},
};

/// What became of a person's wish to end a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelOutcome {
    /// It had no worker and is cancelled.
    Cancelled,
    /// Its worker has to be asked.
    Requested,
    /// It was over already.
    Over,
}

impl Store {
    /// Ends a run without a worker at once; notes the wish where there is one.
    ///
    /// # Errors
    /// When there is no such run, or the database refuses.
    pub async fn request_cancel(&self, run: i64) -> Result<CancelOutcome> {
        let mut tx = self.write().await?;
        let outcome = cancel(&mut tx, run).await?;
        tx.commit().await?;
        Ok(outcome)
    }

    /// The same for every run of an experiment, all or none; returns the runs whose workers have to be asked.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn request_cancel_of_experiment(&self, experiment: i64) -> Result<Vec<i64>> {
        let mut tx = self.write().await?;
        let open =
            "SELECT id FROM runs WHERE experiment = ? AND state NOT IN ('finished', 'failed', 'diverged', 'cancelled')";
        let open: Vec<i64> = sqlx::query_scalar(open).bind(experiment).fetch_all(&mut *tx).await?;
        let mut requested = Vec::new();
        for run in open {
            if cancel(&mut tx, run).await? == CancelOutcome::Requested {
                requested.push(run);
            }
        }
        tx.commit().await?;
        Ok(requested)
    }
}

async fn cancel(connection: &mut SqliteConnection, run: i64) -> Result<CancelOutcome> {
    let (state, _) = state_of(connection, run).await?;
    match state {
        RunState::Queued | RunState::Lost => {
            change(connection, run, RunState::Cancelled, "cancelled while it waited", Timestamp::now()).await?;
            Ok(CancelOutcome::Cancelled)
        }
        RunState::Starting | RunState::Running => {
            let note = "UPDATE runs SET cancel_requested_at = coalesce(cancel_requested_at, ?) WHERE id = ?";
            sqlx::query(note).bind(time_text(Timestamp::now())).bind(run).execute(connection).await?;
            Ok(CancelOutcome::Requested)
        }
        RunState::Finished | RunState::Failed | RunState::Diverged | RunState::Cancelled => Ok(CancelOutcome::Over),
    }
}

#[cfg(test)]
mod tests {
    use RunState::{Cancelled, Finished, Running, Starting};

    use super::*;
    use crate::testing::TestStore;

    #[tokio::test]
    async fn a_wish_to_cancel_ends_a_waiting_run_and_marks_a_computing_one() {
        let test = TestStore::new().await;
        test.demo().await;
        test.walk(1, &[Starting, Running]).await;
        assert_eq!(test.store.request_cancel(1).await.unwrap(), CancelOutcome::Requested);
        assert_eq!(test.store.request_cancel(2).await.unwrap(), CancelOutcome::Cancelled);
        assert_eq!(test.store.request_cancel(2).await.unwrap(), CancelOutcome::Over);
        assert!(test.store.run(1).await.unwrap().cancel_requested_at.is_some());
        test.walk(1, &[Cancelled]).await;
        assert!(test.store.run(1).await.unwrap().cancel_requested_at.is_none());
    }

    #[tokio::test]
    async fn an_experiment_is_cancelled_as_a_whole_and_tells_whose_workers_to_ask() {
        let test = TestStore::new().await;
        let experiment = test.demo().await;
        test.walk(1, &[Starting, Running, Finished]).await;
        test.walk(2, &[Starting]).await;
        assert_eq!(test.store.request_cancel_of_experiment(experiment).await.unwrap(), [2]);
        let counts = test.store.state_counts().await.unwrap();
        assert_eq!((counts.of(Cancelled), counts.of(Starting), counts.of(Finished)), (6, 1, 1));
    }
}
