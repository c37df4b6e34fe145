//! Which run waits for which.

use std::collections::HashMap;

use sqlx::{QueryBuilder, Row, Sqlite};

use crate::{Result, Run, Store, db::row::json, runs::SELECT};

impl Store {
    /// The runs that must have finished before this one.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn needs(&self, run: i64) -> Result<Vec<Run>> {
        let mut query = QueryBuilder::<Sqlite>::new(SELECT);
        query.push("runs.id IN (SELECT needs FROM run_needs WHERE run = ").push_bind(run).push(") ORDER BY runs.id");
        Ok(query.build_query_as().fetch_all(self.readers()).await?)
    }

    /// The first `limit` runs that wait, or waited, for this one.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn needed_by(&self, run: i64, limit: u32) -> Result<Vec<Run>> {
        let mut query = QueryBuilder::<Sqlite>::new(SELECT);
        query.push("runs.id IN (SELECT run FROM run_needs WHERE needs = ").push_bind(run);
        query.push(") ORDER BY runs.id LIMIT ").push_bind(limit);
        Ok(query.build_query_as().fetch_all(self.readers()).await?)
    }

    /// For each of these runs, the needs that have not finished.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn unfinished_needs(&self, runs: &[i64]) -> Result<HashMap<i64, Vec<i64>>> {
        let rows = sqlx::query(
            "SELECT run_needs.run, run_needs.needs FROM run_needs JOIN runs AS needed ON needed.id = run_needs.needs
             WHERE run_needs.run IN (SELECT value FROM json_each(?)) AND needed.state <> 'finished'
             ORDER BY run_needs.run, run_needs.needs",
        );
        let mut needs: HashMap<i64, Vec<i64>> = HashMap::new();
        for row in rows.bind(json(&runs)?).fetch_all(self.readers()).await? {
            needs.entry(row.try_get("run")?).or_default().push(row.try_get("needs")?);
        }
        Ok(needs)
    }
}

#[cfg(test)]
mod tests {
    use retort_spec::RunState;

    use super::*;
    use crate::testing::TestStore;

    #[tokio::test]
    async fn a_run_knows_what_it_waits_for_and_what_waits_for_it() {
        let test = TestStore::new().await;
        test.demo().await;
        let ids = |runs: Vec<Run>| runs.iter().map(|r| r.id).collect::<Vec<_>>();
        assert_eq!(ids(test.store.needs(3).await.unwrap()), [1]);
        assert_eq!(ids(test.store.needed_by(1, 10).await.unwrap()), [2, 3, 5, 7]);
        let waiting = test.store.unfinished_needs(&[1, 3, 4]).await.unwrap();
        assert_eq!(waiting, HashMap::from([(3, vec![1]), (4, vec![3])]));
        test.walk(1, &[RunState::Starting, RunState::Finished]).await;
        assert_eq!(test.store.unfinished_needs(&[1, 3, 4]).await.unwrap(), HashMap::from([(4, vec![3])]));
    }
}
