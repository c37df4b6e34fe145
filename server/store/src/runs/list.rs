//! Runs as a page lists them: filtered, in pages.

use jiff::Timestamp;
use retort_spec::{Architecture, MethodName, RunKind, RunState};
use sqlx::{QueryBuilder, Row, Sqlite};

use super::{FROM, RunOrder, SELECT, search::Vocabulary};
use crate::{
    Cursor, Page, Result, Run, StateCounts, Store,
    db::row::{count, json, parsed},
};

/// Which runs a page shows. Every field that is set narrows the choice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// Trainings or evaluations.
    pub kind: Option<RunKind>,
    /// In one of these states; of any, where there is none.
    pub states: Vec<RunState>,
    /// Whose model is trained by this method.
    pub method: Option<MethodName>,
    /// Whose model has this architecture.
    pub architecture: Option<Architecture>,
    /// On this dataset.
    pub dataset: Option<String>,
    /// Of this experiment.
    pub experiment: Option<i64>,
    /// With each of these words among those that its row shows, whatever the case of ASCII letters, or as its number.
    pub text: Option<String>,
}

impl RunFilter {
    /// Adds its conditions to a query that already has one.
    async fn narrow(&self, store: &Store, query: &mut QueryBuilder<Sqlite>) -> Result<()> {
        let words = [
            ("kind", self.kind.map(RunKind::id)),
            ("method", self.method.map(MethodName::id)),
            ("architecture", self.architecture.map(Architecture::id)),
            ("dataset", self.dataset.as_deref()),
        ];
        for (column, word) in words {
            if let Some(word) = word {
                query.push(format_args!(" AND runs.{column} = ")).push_bind(word.to_owned());
            }
        }
        if !self.states.is_empty() {
            query.push(" AND runs.state IN (");
            let mut list = query.separated(", ");
            for state in &self.states {
                list.push_bind(state.id());
            }
            query.push(")");
        }
        if let Some(experiment) = self.experiment {
            query.push(" AND runs.experiment = ").push_bind(experiment);
        }
        if let Some(text) = self.text.as_deref().filter(|text| !text.trim().is_empty()) {
            Vocabulary::read(store).await?.require(text, query)?;
        }
        Ok(())
    }
}

/// What ended of an experiment.
#[derive(Clone, Debug, PartialEq)]
pub struct EndedRuns {
    /// The experiment.
    pub experiment: i64,
    /// Its title.
    pub title: String,
    /// Its runs that ended, by state.
    pub counts: StateCounts,
    /// When the last of them did.
    pub last: Timestamp,
}

/// Runs among which the experiments are looked for of which some ended lately.
const LATELY: u32 = 1_000;

impl Store {
    /// A page of the runs that pass the filter, newest first. `more` tells whether others follow in the cursor's
    /// direction.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn runs(&self, filter: &RunFilter, cursor: Cursor, limit: u32) -> Result<Page<Run>> {
        self.sorted_runs(filter, RunOrder::default(), cursor, limit).await
    }

    /// The same in another order.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn sorted_runs(
        &self,
        filter: &RunFilter,
        order: RunOrder,
        cursor: Cursor,
        limit: u32,
    ) -> Result<Page<Run>> {
        let mut query = QueryBuilder::<Sqlite>::new(SELECT);
        query.push("true");
        filter.narrow(self, &mut query).await?;
        order.keyset().page(&mut query, cursor, i64::from(limit) + 1);
        let mut page = Page::cut(query.build_query_as().fetch_all(self.readers()).await?, limit);
        if matches!(cursor, Cursor::NewerThan(_)) {
            page.rows.reverse();
        }
        Ok(page)
    }

    /// How many runs pass the filter.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn count_runs(&self, filter: &RunFilter) -> Result<usize> {
        let mut query = QueryBuilder::<Sqlite>::new(format!("SELECT count(*) AS runs FROM {FROM} WHERE true"));
        filter.narrow(self, &mut query).await?;
        Ok(count(&query.build().fetch_one(self.readers()).await?, "runs")?)
    }

    /// The experiments of which runs ended last, the latest first, with what ended of each.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn ended_lately(&self, limit: u32) -> Result<Vec<EndedRuns>> {
        let rows = sqlx::query(
            "WITH latest AS (
                 SELECT experiment, max(ended_at) AS last FROM
                     (SELECT experiment, ended_at FROM runs WHERE ended_at IS NOT NULL ORDER BY ended_at DESC LIMIT ?1)
                 GROUP BY experiment ORDER BY last DESC LIMIT ?2)
             SELECT latest.experiment, latest.last, experiments.title, runs.state, count(*) AS runs
             FROM latest JOIN experiments ON experiments.id = latest.experiment JOIN runs ON runs.experiment = latest.experiment
             WHERE runs.ended_at IS NOT NULL
             GROUP BY latest.experiment, runs.state ORDER BY latest.last DESC, latest.experiment DESC",
        );
        let mut ended: Vec<EndedRuns> = Vec::new();
        for row in rows.bind(LATELY).bind(limit).fetch_all(self.readers()).await? {
            let experiment = row.try_get("experiment")?;
            if ended.last().is_none_or(|last| last.experiment != experiment) {
                let (title, last) = (row.try_get("title")?, parsed(&row, "last")?);
                ended.push(EndedRuns { experiment, title, counts: StateCounts::default(), last });
            }
            if let Some(last) = ended.last_mut() {
                last.counts.add(parsed(&row, "state")?, count(&row, "runs")?);
            }
        }
        Ok(ended)
    }

    /// Of each of these experiments the run that failed, diverged or was lost last, where there is one.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn last_failures(&self, experiments: &[i64]) -> Result<Vec<Run>> {
        let mut query = QueryBuilder::<Sqlite>::new(SELECT);
        query.push(
            "runs.id IN (SELECT max(id) FROM runs WHERE state IN ('failed', 'diverged', 'lost') AND experiment IN ",
        );
        query.push("(SELECT value FROM json_each(").push_bind(json(&experiments)?).push(")) GROUP BY experiment)");
        Ok(query.build_query_as().fetch_all(self.readers()).await?)
    }

    /// The names of all datasets that runs use.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn datasets_of_runs(&self) -> Result<Vec<String>> {
        let names = sqlx::query_scalar("SELECT DISTINCT dataset FROM runs ORDER BY dataset");
        Ok(names.fetch_all(self.readers()).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestStore;

    async fn ids(test: &TestStore, filter: RunFilter) -> Vec<i64> {
        test.store.runs(&filter, Cursor::Newest, 100).await.unwrap().rows.iter().map(|r| r.id).collect()
    }

    #[tokio::test]
    async fn every_filter_narrows_the_list() {
        let test = TestStore::new().await;
        test.demo().await;
        let filter = RunFilter::default;
        assert_eq!(ids(&test, filter()).await, [8, 7, 6, 5, 4, 3, 2, 1]);
        assert_eq!(ids(&test, RunFilter { method: Some(MethodName::ARD), ..filter() }).await, [6, 5]);
        assert_eq!(ids(&test, RunFilter { kind: Some(RunKind::Train), ..filter() }).await, [7, 5, 3, 1]);
        test.walk(1, &[RunState::Cancelled]).await;
        assert_eq!(ids(&test, RunFilter { states: vec![RunState::Cancelled], ..filter() }).await, [1]);
        assert!(ids(&test, RunFilter { architecture: Some(Architecture::ResNet18), ..filter() }).await.is_empty());
        assert!(ids(&test, RunFilter { dataset: Some("cifar10".into()), ..filter() }).await.is_empty());
        assert!(ids(&test, RunFilter { experiment: Some(2), ..filter() }).await.is_empty());
        assert_eq!(ids(&test, RunFilter { text: Some("demo:".into()), ..filter() }).await.len(), 8);
    }

    #[tokio::test]
    async fn a_percent_sign_in_the_text_is_only_a_percent_sign() {
        let test = TestStore::new().await;
        test.demo().await;
        for text in ["%", "_", "\\", "'; DROP TABLE runs; --"] {
            assert!(
                ids(&test, RunFilter { text: Some(text.into()), ..RunFilter::default() }).await.is_empty(),
                "{text}"
            );
        }
    }

    #[tokio::test]
    async fn pages_join_without_gap_or_overlap_in_both_directions() {
        let test = TestStore::new().await;
        test.demo().await;
        let page = async |cursor| {
            let page = test.store.runs(&RunFilter::default(), cursor, 3).await.unwrap();
            (page.rows.iter().map(|r| r.id).collect::<Vec<_>>(), page.more)
        };
        assert_eq!(page(Cursor::Newest).await, (vec![8, 7, 6], true));
        assert_eq!(page(Cursor::OlderThan(6)).await, (vec![5, 4, 3], true));
        assert_eq!(page(Cursor::OlderThan(3)).await, (vec![2, 1], false));
        assert_eq!(page(Cursor::NewerThan(2)).await, (vec![5, 4, 3], true));
        assert_eq!(test.store.count_runs(&RunFilter::default()).await.unwrap(), 8);
    }

    #[tokio::test]
    async fn a_run_is_found_by_its_number() {
        let test = TestStore::new().await;
        test.demo().await;
        assert_eq!(ids(&test, RunFilter { text: Some(" 7 ".into()), ..RunFilter::default() }).await, [7]);
    }
}
