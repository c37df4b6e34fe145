//! What masking checks found.

use std::collections::HashMap;

use retort_spec::CheckResult;
use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection, sqlite::SqliteRow};

use crate::{
    Result, Store,
    db::row::{from_json, json, parsed},
};

impl Store {
    /// What the checks of these runs found, by run, in the order in which each made them.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn checks_of_runs(&self, runs: &[i64]) -> Result<HashMap<i64, Vec<CheckResult>>> {
        let mut query = QueryBuilder::<Sqlite>::new("SELECT * FROM checks WHERE run IN (SELECT value FROM json_each(");
        query.push_bind(json(&runs)?).push(")) ORDER BY run, position");
        let mut found: HashMap<i64, Vec<CheckResult>> = HashMap::new();
        for row in query.build().fetch_all(self.readers()).await? {
            found.entry(row.try_get("run")?).or_default().push(read(&row)?);
        }
        Ok(found)
    }
}

fn read(row: &SqliteRow) -> Result<CheckResult> {
    let figures: &str = row.try_get("figures")?;
    Ok(CheckResult {
        check: parsed(row, "name")?,
        verdict: parsed(row, "verdict")?,
        finding: row.try_get("finding")?,
        figures: from_json(figures, || "the figures of a masking check".into())?,
    })
}

pub(crate) async fn keep(tx: &mut SqliteConnection, run: i64, result: &CheckResult) -> Result<()> {
    sqlx::query(
        "INSERT INTO checks (run, name, position, verdict, finding, figures)
         VALUES (?1, ?2, (SELECT count(*) FROM checks WHERE run = ?1), ?3, ?4, ?5)
         ON CONFLICT (run, name) DO UPDATE
         SET verdict = excluded.verdict, finding = excluded.finding, figures = excluded.figures",
    )
    .bind(run)
    .bind(result.check.id())
    .bind(result.verdict.id())
    .bind(&result.finding)
    .bind(json(&result.figures)?)
    .execute(tx)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use retort_spec::{Event, MaskingCheck, RunState, Verdict};

    use super::*;
    use crate::testing::{TestStore, started};

    #[tokio::test]
    async fn a_check_reported_twice_counts_once_and_keeps_its_place() {
        let test = TestStore::new().await;
        test.demo().await;
        test.walk(2, &[RunState::Starting]).await;
        let check = |check, verdict| CheckResult {
            check,
            verdict,
            finding: "PGD-20 leaves 45.00 %, FGSM 50.00 %.".into(),
            figures: BTreeMap::from([("pgd-20".into(), 45.0)]),
        };
        let noise = check(MaskingCheck::Noise, Verdict::Pass);
        let (first, second) = (noise, check(MaskingCheck::Iterative, Verdict::CannotTell));
        test.record(2, [started(), Event::Check(first.clone()), Event::Check(second.clone())]).await;
        test.record(2, [Event::Check(first.clone())]).await;
        let found = test.store.checks_of_runs(&[1, 2]).await.unwrap();
        assert_eq!(found.into_iter().collect::<Vec<_>>(), [(2, vec![first, second])]);
    }
}
