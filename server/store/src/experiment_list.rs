//! Experiments as a page lists them: found by words, with what they are ordered by.

use std::collections::HashMap;

use retort_spec::{Architecture, Attack, Budget, MethodName, RunState};
use sqlx::{QueryBuilder, Row, Sqlite};

use crate::{
    Experiment, Result, StateCounts, Store,
    db::row::{count, json, parsed},
    runs::pattern,
};

/// Words of a search that are looked for; the others are left out.
const MOST_WORDS: usize = 12;

/// An experiment by what it is ordered by in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedExperiment {
    /// Its id.
    pub id: i64,
    /// What people call it.
    pub title: String,
    /// The name of its dataset; empty where its spec cannot be read.
    pub dataset: String,
}

/// The highest accuracies of an experiment, in percent.
#[derive(Default)]
struct Highest {
    natural: Option<f64>,
    /// The strength of the strongest attack, with the highest accuracy under it.
    attacked: Option<(usize, f64)>,
}

impl Store {
    /// The experiments, newest first, of which title, dataset, methods, networks or budget have each word of a text, whatever the
    /// case of ASCII letters.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn listed_experiments(&self, text: &str) -> Result<Vec<ListedExperiment>> {
        let mut query = QueryBuilder::<Sqlite>::new(
            "SELECT id, title, iif(json_valid(spec), coalesce(spec ->> '$.dataset.name', ''), '') AS dataset
             FROM experiments WHERE true",
        );
        for word in text.split_whitespace().take(MOST_WORDS).map(str::to_lowercase) {
            query.push(" AND (title LIKE ").push_bind(pattern(&word));
            query.push(" ESCAPE '\\' OR dataset LIKE ").push_bind(pattern(&word)).push(" ESCAPE '\\'");
            let is_in = |title: &str| title.to_lowercase().contains(&word);
            let methods = MethodName::all().filter(|method| is_in(method.title())).map(MethodName::id);
            let networks = Architecture::ALL.into_iter().filter(|network| is_in(network.title())).map(Architecture::id);
            let budgets = Budget::ALL.into_iter().filter(|budget| is_in(&budget.to_string())).map(Budget::id);
            // The spec names them by their ids.
            for id in methods.chain(networks).chain(budgets) {
                query.push(" OR instr(spec, ").push_bind(format!("\"{id}\"")).push(") > 0");
            }
            query.push(")");
        }
        query.push(" ORDER BY id DESC");
        let rows = query.build().fetch_all(self.readers()).await?;
        let listed = |row: &sqlx::sqlite::SqliteRow| {
            Ok(ListedExperiment {
                id: row.try_get("id")?,
                title: row.try_get("title")?,
                dataset: row.try_get("dataset")?,
            })
        };
        rows.iter().map(listed).collect()
    }

    /// These experiments in the order in which they are named; those that are not there are left out.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn experiments_by_id(&self, ids: &[i64]) -> Result<Vec<Experiment>> {
        let find = sqlx::query_as("SELECT * FROM experiments WHERE id IN (SELECT value FROM json_each(?))");
        let found: Vec<Experiment> = find.bind(json(&ids)?).fetch_all(self.readers()).await?;
        let mut by_id: HashMap<i64, Experiment> = found.into_iter().map(|one| (one.id, one)).collect();
        Ok(ids.iter().filter_map(|id| by_id.remove(id)).collect())
    }

    /// The runs of every experiment by state, analyses left out, which are asked for later.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn states_by_experiment(&self) -> Result<HashMap<i64, StateCounts>> {
        let rows = sqlx::query(
            "SELECT experiment, state, count(*) AS runs FROM runs WHERE kind <> 'analyse' GROUP BY experiment, state",
        );
        let mut counts: HashMap<i64, StateCounts> = HashMap::new();
        for row in rows.fetch_all(self.readers()).await? {
            let state: RunState = parsed(&row, "state")?;
            counts.entry(row.try_get("experiment")?).or_default().add(state, count(&row, "runs")?);
        }
        Ok(counts)
    }

    /// How many runs each of these experiments has.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn runs_by_experiment(&self, ids: &[i64]) -> Result<HashMap<i64, usize>> {
        let rows = sqlx::query(
            "SELECT experiment, count(*) AS runs FROM runs WHERE experiment IN (SELECT value FROM json_each(?)) GROUP BY experiment",
        );
        let rows = rows.bind(json(&ids)?).fetch_all(self.readers()).await?;
        rows.iter().map(|row| Ok((row.try_get("experiment")?, count(row, "runs")?))).collect()
    }

    /// The highest accuracy of a student of every experiment, over its seeds, without an attack and under the strongest one.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn highest_accuracies(&self) -> Result<HashMap<i64, [Option<f64>; 2]>> {
        let rows = sqlx::query(
            "SELECT runs.experiment, evaluations.attack, avg(100.0 * evaluations.correct / evaluations.n) AS mean
             FROM runs JOIN evaluations ON evaluations.run = runs.id WHERE runs.kind = 'evaluate' AND runs.is_teacher = 0
             GROUP BY runs.experiment, runs.method, runs.variant, runs.architecture, evaluations.attack",
        );
        let mut strengths: HashMap<String, Option<usize>> = HashMap::new();
        let mut found: HashMap<i64, Highest> = HashMap::new();
        for row in rows.fetch_all(self.readers()).await? {
            let (attack, mean): (&str, f64) = (row.try_get("attack")?, row.try_get("mean")?);
            let Highest { natural, attacked } = found.entry(row.try_get("experiment")?).or_default();
            if attack.is_empty() {
                *natural = Some(natural.map_or(mean, |highest| highest.max(mean)));
                continue;
            }
            let read = || serde_json::from_str::<Attack>(attack).ok().map(|attack| attack.strength());
            let Some(strength) = *strengths.entry(attack.to_owned()).or_insert_with(read) else { continue };
            let is_higher =
                |(strongest, highest): (usize, f64)| strength > strongest || (strength == strongest && mean > highest);
            if attacked.is_none_or(is_higher) {
                *attacked = Some((strength, mean));
            }
        }
        let pair = |highest: Highest| [highest.natural, highest.attacked.map(|(_, percent)| percent)];
        Ok(found.into_iter().map(|(experiment, highest)| (experiment, pair(highest))).collect())
    }

    /// The newest experiments that evaluate an imported model, newest first.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn experiments_of_imported(&self, model: i64, limit: u32) -> Result<Vec<i64>> {
        let find =
            sqlx::query_scalar("SELECT DISTINCT experiment FROM runs WHERE model = ? ORDER BY experiment DESC LIMIT ?");
        Ok(find.bind(model).bind(limit).fetch_all(self.readers()).await?)
    }
}

#[cfg(test)]
mod tests {
    use retort_spec::{Accuracy, Event, ExperimentSpec};

    use super::*;
    use crate::testing::TestStore;

    async fn ids(test: &TestStore, text: &str) -> Vec<i64> {
        test.store.listed_experiments(text).await.unwrap().iter().map(|one| one.id).collect()
    }

    #[tokio::test]
    async fn an_experiment_is_found_by_each_of_its_words() {
        let test = TestStore::new().await;
        test.demo().await;
        let spec = ExperimentSpec {
            title: "Wide or deep?".into(),
            students: vec![Architecture::MobileNetV2],
            methods: vec![MethodName::GACD],
            ..ExperimentSpec::demo()
        };
        test.store.create_experiment(&spec, spec.expand()).await.unwrap();
        assert_eq!(ids(&test, "").await, [2, 1]);
        for (text, found) in [
            ("deep WIDE", vec![2]),
            ("fashion", vec![2, 1]),
            ("gacd", vec![2, 1]),
            ("ard", vec![1]),
            ("mobilenet gacd", vec![2]),
            ("mobilenet ard", vec![]),
            ("resnet-8", vec![2, 1]),
            ("%", vec![]),
        ] {
            assert_eq!(ids(&test, text).await, found, "{text}");
        }
        let some = test.store.experiments_by_id(&[1, 9, 2]).await.unwrap();
        assert_eq!(some.iter().map(|one| one.id).collect::<Vec<_>>(), [1, 2]);
    }

    #[tokio::test]
    async fn the_highest_accuracies_are_those_of_students_under_the_strongest_attack() {
        let test = TestStore::new().await;
        test.demo().await;
        let evaluation = |attack, correct| {
            let accuracy = Accuracy { correct, n: 100 };
            Event::Evaluation { attack, accuracy, unanswered: 0, standing: Vec::new(), variety: None }
        };
        // Run 2 evaluates the teacher.
        for (run, natural, weak, strong) in [(2, 99, 90, 90), (4, 70, 60, 20), (6, 60, 50, 30)] {
            test.walk(run, &[RunState::Starting, RunState::Running]).await;
            let attacked = [(Some(Attack::pgd(5)), weak), (Some(Attack::pgd(20)), strong)];
            test.record(run, [(None, natural)].into_iter().chain(attacked).map(|(a, n)| evaluation(a, n))).await;
        }
        let highest = test.store.highest_accuracies().await.unwrap();
        assert_eq!(highest[&1], [Some(70.0), Some(30.0)]);
        let states = test.store.states_by_experiment().await.unwrap();
        assert_eq!((states[&1].of(RunState::Running), states[&1].total()), (3, 8));
    }
}
