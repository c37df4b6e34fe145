//! Runs as a page lists them: filtered, in pages.

use retort_spec::{Architecture, MethodName, RunKind, RunState};
use sqlx::{QueryBuilder, Sqlite};

use crate::{Page, Result, Run, Store, db::row::count, runs::SELECT};

/// Which page of a list that goes from the newest to the oldest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cursor {
    /// The first.
    #[default]
    Newest,
    /// The rows just older than this id.
    OlderThan(i64),
    /// The rows just newer than this id.
    NewerThan(i64),
}

/// Which runs a page shows. Every field that is set narrows the choice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// Trainings or evaluations.
    pub kind: Option<RunKind>,
    /// In this state.
    pub state: Option<RunState>,
    /// Whose model is trained by this method.
    pub method: Option<MethodName>,
    /// Whose model has this architecture.
    pub architecture: Option<Architecture>,
    /// On this dataset.
    pub dataset: Option<String>,
    /// Of this experiment.
    pub experiment: Option<i64>,
    /// With this text in the experiment's title or the cause, whatever the case of its ASCII letters, or as its number.
    pub text: Option<String>,
}

impl RunFilter {
    /// Adds its conditions to a query that already has one.
    fn narrow(&self, query: &mut QueryBuilder<Sqlite>) {
        let words = [
            ("kind", self.kind.map(RunKind::id)),
            ("state", self.state.map(RunState::id)),
            ("method", self.method.map(MethodName::id)),
            ("architecture", self.architecture.map(Architecture::id)),
            ("dataset", self.dataset.as_deref()),
        ];
        for (column, word) in words {
            if let Some(word) = word {
                query.push(format_args!(" AND runs.{column} = ")).push_bind(word.to_owned());
            }
        }
        if let Some(experiment) = self.experiment {
            query.push(" AND runs.experiment = ").push_bind(experiment);
        }
        if let Some(text) = self.text.as_deref().map(str::trim).filter(|t| !t.is_empty()) {
            let pattern = format!("%{}%", text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_"));
            query.push(" AND (experiments.title LIKE ").push_bind(pattern.clone()).push(" ESCAPE '\\'");
            query.push(" OR runs.state_cause LIKE ").push_bind(pattern).push(" ESCAPE '\\'");
            if let Ok(id) = text.parse::<i64>() {
                query.push(" OR runs.id = ").push_bind(id);
            }
            query.push(")");
        }
    }
}

impl Store {
    /// A page of the runs that pass the filter, newest first. `more` tells whether others follow in the cursor's
    /// direction.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn runs(&self, filter: &RunFilter, cursor: Cursor, limit: u32) -> Result<Page<Run>> {
        let mut query = QueryBuilder::<Sqlite>::new(SELECT);
        let order = match cursor {
            Cursor::Newest => {
                query.push("runs.id > 0");
                "DESC"
            }
            Cursor::OlderThan(id) => {
                query.push("runs.id < ").push_bind(id);
                "DESC"
            }
            Cursor::NewerThan(id) => {
                query.push("runs.id > ").push_bind(id);
                "ASC"
            }
        };
        filter.narrow(&mut query);
        query.push(format_args!(" ORDER BY runs.id {order} LIMIT ")).push_bind(i64::from(limit) + 1);
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
        let mut query = QueryBuilder::<Sqlite>::new(
            "SELECT count(*) AS runs FROM runs JOIN experiments ON experiments.id = runs.experiment WHERE true",
        );
        filter.narrow(&mut query);
        Ok(count(&query.build().fetch_one(self.readers()).await?, "runs")?)
    }

    /// The runs that ended last, newest first.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn ended_runs(&self, limit: u32) -> Result<Vec<Run>> {
        let mut query = QueryBuilder::<Sqlite>::new(SELECT);
        query.push("runs.ended_at IS NOT NULL ORDER BY runs.ended_at DESC LIMIT ").push_bind(limit);
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
        assert_eq!(ids(&test, RunFilter { state: Some(RunState::Cancelled), ..filter() }).await, [1]);
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
