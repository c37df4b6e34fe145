//! The state of a run: changed here and nowhere else.

use jiff::Timestamp;
use retort_spec::RunState;
use sqlx::SqliteConnection;

use crate::{
    DoomedRun, Result, Store, StoreError,
    db::row::{count, parsed, time_text},
};

impl Store {
    /// Takes a run to another state; returns the number of its attempt, which a change to `starting` counts up.
    ///
    /// # Errors
    /// [`StoreError::Forbidden`] when [`RunState::may_become`] says no; [`StoreError::NotFound`].
    pub async fn change_state(&self, run: i64, to: RunState, cause: &str) -> Result<u32> {
        let mut tx = self.write().await?;
        let attempt = change(&mut tx, run, to, cause, Timestamp::now()).await?;
        tx.commit().await?;
        Ok(attempt)
    }

    /// Ends a queued run because one that it needs did not finish, and remembers which: as cancelled where that was
    /// cancelled, else as failed.
    ///
    /// # Errors
    /// As [`Store::change_state`].
    pub async fn end_for_need(&self, doomed: &DoomedRun, cause: &str) -> Result<()> {
        let DoomedRun { run, need, need_state } = *doomed;
        let state = if need_state == RunState::Cancelled { RunState::Cancelled } else { RunState::Failed };
        let mut tx = self.write().await?;
        change(&mut tx, run, state, cause, Timestamp::now()).await?;
        let remember = sqlx::query("UPDATE runs SET failed_need = ? WHERE id = ?");
        remember.bind(need).bind(run).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(())
    }
}

/// The state and the attempt of a run.
pub(crate) async fn state_of(connection: &mut SqliteConnection, run: i64) -> Result<(RunState, u32)> {
    let find = sqlx::query("SELECT state, attempt FROM runs WHERE id = ?").bind(run);
    let row = find.fetch_optional(connection).await?.ok_or(StoreError::NotFound { what: "run", id: run })?;
    Ok((parsed(&row, "state")?, count(&row, "attempt")?))
}

/// The one place where a run's state changes: checked, with its cause, its time and the attempt.
pub(crate) async fn change(
    connection: &mut SqliteConnection,
    run: i64,
    to: RunState,
    cause: &str,
    at: Timestamp,
) -> Result<u32> {
    let (from, mut attempt) = state_of(connection, run).await?;
    if !from.may_become(to) {
        return Err(StoreError::Forbidden { run, from, to });
    }
    let at = time_text(at);
    if to == RunState::Starting {
        attempt += 1;
        let begin = sqlx::query("INSERT INTO attempts (run, attempt, started_at) VALUES (?, ?, ?)");
        begin.bind(run).bind(attempt).bind(&at).execute(&mut *connection).await?;
    } else if from.is_active() && !to.is_active() {
        let end = "UPDATE attempts SET ended_at = ?, outcome = ?, cause = ? WHERE run = ? AND attempt = ?";
        let end = sqlx::query(end).bind(&at).bind(to.id()).bind(cause);
        end.bind(run).bind(attempt).execute(&mut *connection).await?;
    }
    let by_a_person = to == RunState::Queued && from.is_over();
    sqlx::query(
        "UPDATE runs SET state = ?1, state_cause = ?2, state_since = ?3, attempt = ?4,
             started_at = CASE WHEN ?1 = 'starting' THEN coalesce(started_at, ?3) ELSE started_at END,
             ended_at = CASE WHEN ?1 IN ('finished', 'failed', 'diverged', 'cancelled') THEN ?3 END,
             lost_workers = CASE WHEN ?1 = 'lost' THEN lost_workers + 1 WHEN ?5 THEN 0 ELSE lost_workers END,
             failed_need = NULL,
             cancel_requested_at = CASE WHEN ?1 IN ('starting', 'running') THEN cancel_requested_at END
         WHERE id = ?6",
    )
    .bind(to.id())
    .bind(cause)
    .bind(&at)
    .bind(attempt)
    .bind(by_a_person)
    .bind(run)
    .execute(&mut *connection)
    .await?;
    let note = "INSERT INTO state_changes (run, at, from_state, to_state, cause, attempt) VALUES (?, ?, ?, ?, ?, ?)";
    let note = sqlx::query(note).bind(run).bind(&at).bind(from.id()).bind(to.id()).bind(cause).bind(attempt);
    note.execute(connection).await?;
    Ok(attempt)
}

#[cfg(test)]
mod tests {
    use super::RunState::{Cancelled, Diverged, Failed, Finished, Lost, Queued, Running, Starting};
    use super::*;
    use crate::testing::TestStore;

    #[tokio::test]
    async fn the_store_allows_exactly_the_changes_of_the_table() {
        let test = TestStore::new().await;
        let ways = [
            (Queued, &[][..]),
            (Starting, &[Starting]),
            (Running, &[Starting, Running]),
            (Finished, &[Starting, Running, Finished]),
            (Failed, &[Failed]),
            (Diverged, &[Starting, Running, Diverged]),
            (Cancelled, &[Cancelled]),
            (Lost, &[Starting, Running, Lost]),
        ];
        for (from, way) in ways {
            for to in RunState::ALL {
                test.demo().await;
                let run =
                    test.store.runs(&crate::RunFilter::default(), crate::Cursor::Newest, 1).await.unwrap().rows[0].id;
                test.walk(run, way).await;
                let changed = test.store.change_state(run, to, "test").await;
                assert_eq!(changed.is_ok(), from.may_become(to), "{from} → {to}");
                let state = test.store.run(run).await.unwrap().state;
                assert_eq!(state, if from.may_become(to) { to } else { from });
            }
        }
    }

    #[tokio::test]
    async fn each_attempt_is_a_row_under_the_run_with_its_outcome() {
        let test = TestStore::new().await;
        test.demo().await;
        test.walk(1, &[Starting, Running, Lost, Queued, Starting, Running]).await;
        test.store.change_state(1, Failed, "the disk is full").await.unwrap();
        let attempts = test.store.attempts(1, 10).await.unwrap();
        let outcomes: Vec<_> = attempts.iter().map(|a| (a.attempt, a.outcome)).collect();
        assert_eq!(outcomes, [(1, Some(Lost)), (2, Some(Failed))]);
        assert_eq!(attempts[1].cause.as_deref(), Some("the disk is full"));
        let run = test.store.run(1).await.unwrap();
        assert_eq!((run.cause.as_str(), run.attempt, run.lost_workers), ("the disk is full", 2, 1));
        assert!(run.ended_at.is_some());
        assert_eq!(test.store.state_changes(1, 100).await.unwrap().len(), 7);
    }

    #[tokio::test]
    async fn queueing_again_by_a_person_forgets_the_lost_workers() {
        let test = TestStore::new().await;
        test.demo().await;
        test.walk(1, &[Starting, Lost, Failed, Queued]).await;
        let run = test.store.run(1).await.unwrap();
        assert_eq!((run.lost_workers, run.ended_at), (0, None));
    }
}
