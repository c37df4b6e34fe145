//! Words that a run's row shows, looked for in what the database holds: most stand there as ids, which this file puts into words.

use retort_spec::{Architecture, MethodName, RunKind, RunSpec, RunState, Variant};
use sqlx::{QueryBuilder, Row, Sqlite};

use crate::{Result, Store, db::row::json};

/// Words of a search that are looked for; the others are left out.
const MOST_WORDS: usize = 12;

/// What runs say of themselves beside names that are known: variants of methods, and titles of analyses. There are far fewer of
/// them than runs.
#[derive(Debug)]
pub(super) struct Vocabulary {
    /// As the database holds them, and in small letters as people read them.
    variants: Vec<(String, String)>,
    /// The specs of analyses, and their titles in small letters.
    analyses: Vec<(String, String)>,
}

/// One word that is looked for.
#[derive(Debug, PartialEq)]
enum Term {
    /// Any word, in small letters.
    Word(String),
    /// `seed 2`.
    Seed(u64),
}

impl Vocabulary {
    /// That of all runs.
    pub async fn read(store: &Store) -> Result<Self> {
        let rows = sqlx::query(
            "SELECT DISTINCT method, variant, iif(kind = 'analyse', spec, '') AS analysis FROM runs
             WHERE variant <> '' OR kind = 'analyse'",
        );
        let mut vocabulary = Self { variants: Vec::new(), analyses: Vec::new() };
        for row in rows.fetch_all(store.readers()).await? {
            let (method, variant, analysis): (&str, &str, &str) =
                (row.try_get("method")?, row.try_get("variant")?, row.try_get("analysis")?);
            if !analysis.is_empty() {
                if let Ok(RunSpec::Analyse(spec)) = serde_json::from_str(analysis) {
                    vocabulary.analyses.push((analysis.to_owned(), spec.analysis.title().to_lowercase()));
                }
                continue;
            }
            let known = match serde_json::from_str::<Variant>(variant) {
                Ok(known) => known,
                // Up to schema 9 it stands there in words.
                Err(_) => method.parse().map(|method| Variant::from_words(method, variant)).unwrap_or_default(),
            };
            vocabulary.variants.push((variant.to_owned(), known.to_string().to_lowercase()));
        }
        Ok(vocabulary)
    }

    /// Adds to a query that already has a condition that a run's row shows every word of a text.
    pub fn require(&self, text: &str, query: &mut QueryBuilder<Sqlite>) -> Result<()> {
        for term in terms(text) {
            query.push(" AND (");
            match term {
                Term::Seed(seed) => {
                    query.push("runs.kind <> 'analyse' AND runs.seed = ").push_bind(seed.cast_signed());
                }
                Term::Word(word) => self.look_for(&word, query)?,
            }
            query.push(")");
        }
        Ok(())
    }

    fn look_for(&self, word: &str, query: &mut QueryBuilder<Sqlite>) -> Result<()> {
        let pattern = pattern(word);
        let is_in = |text: &str| text.to_lowercase().contains(word);
        // What an experiment says is looked for once for all of its runs.
        query.push("runs.experiment IN (SELECT id FROM experiments WHERE title LIKE ").push_bind(pattern.clone());
        query.push(" ESCAPE '\\') OR runs.dataset LIKE ").push_bind(pattern.clone());
        query.push(" ESCAPE '\\' OR coalesce(runs.computed_on, runs.device) LIKE ").push_bind(pattern.clone());
        query.push(
            " ESCAPE '\\' OR ((runs.state IN ('failed', 'diverged', 'cancelled', 'lost')
                 OR (runs.state = 'queued' AND runs.attempt > 0)) AND runs.state_cause LIKE ",
        );
        query.push_bind(pattern).push(" ESCAPE '\\')");
        let states = RunState::ALL.into_iter().filter(|state| is_in(state.id())).map(RunState::id);
        is_one_of(query, "runs.state", states)?;
        for kind in RunKind::ALL {
            for is_teacher in [false, true] {
                if is_in(kind.verb(is_teacher)) {
                    query.push(format_args!(
                        " OR (runs.kind = '{}' AND runs.is_teacher = {})",
                        kind.id(),
                        i32::from(is_teacher)
                    ));
                }
            }
        }
        let titles = self.analyses.iter().filter(|(_, words)| words.contains(word)).map(|(spec, _)| spec.as_str());
        is_one_of(query, "runs.spec", titles)?;
        // An analysis is called by its title, and not by the model of which it is.
        query.push(" OR (runs.kind <> 'analyse' AND (false");
        let methods = MethodName::all().filter(|method| is_in(method.title())).map(MethodName::id);
        is_one_of(query, "runs.method", methods)?;
        let networks = Architecture::ALL.into_iter().filter(|network| is_in(network.title())).map(Architecture::id);
        is_one_of(query, "runs.architecture", networks)?;
        let variants = self.variants.iter().filter(|(_, words)| words.contains(word)).map(|(kept, _)| kept.as_str());
        is_one_of(query, "runs.variant", variants)?;
        if "imported".contains(word) {
            query.push(" OR runs.model IS NOT NULL");
        }
        if "seed".contains(word) {
            query.push(" OR true");
        }
        if let Ok(seed) = word.parse::<u64>() {
            query.push(" OR runs.seed = ").push_bind(seed.cast_signed());
        }
        query.push("))");
        if let Ok(id) = word.parse::<i64>() {
            query.push(" OR runs.id = ").push_bind(id);
        }
        Ok(())
    }
}

/// The words of a text; `seed 2` is one.
fn terms(text: &str) -> Vec<Term> {
    let words = text.split_whitespace().map(|word| word.trim_matches([',', '·'])).filter(|word| !word.is_empty());
    let mut terms: Vec<Term> = Vec::new();
    for word in words.take(MOST_WORDS).map(str::to_lowercase) {
        match (terms.last_mut(), word.parse()) {
            (Some(last), Ok(seed)) if *last == Term::Word("seed".into()) => *last = Term::Seed(seed),
            _ => terms.push(Term::Word(word)),
        }
    }
    terms
}

/// What `LIKE` asks for a text that contains this one, with `\` as its escape.
pub(crate) fn pattern(word: &str) -> String {
    format!("%{}%", word.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_"))
}

/// Adds that a column may hold one of these, if there are any.
fn is_one_of<'a>(query: &mut QueryBuilder<Sqlite>, column: &str, values: impl Iterator<Item = &'a str>) -> Result<()> {
    let values: Vec<&str> = values.collect();
    if !values.is_empty() {
        query.push(format_args!(" OR {column} IN (SELECT value FROM json_each("));
        query.push_bind(json(&values)?).push("))");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use retort_spec::{
        AdversarialImages, AnalyseSpec, AnalysedModel, Analysis, DatasetChoice, DeviceName, ExperimentSpec, Features,
        ModelRef, PixelDistance, PlannedRun, Sweep,
    };

    use super::*;
    use crate::{Cursor, RunFilter, testing::TestStore};

    async fn found(test: &TestStore, text: &str) -> Vec<String> {
        let filter = RunFilter { text: Some(text.into()), ..RunFilter::default() };
        let page = test.store.runs(&filter, Cursor::Newest, 1_000).await.unwrap();
        assert_eq!(test.store.count_runs(&filter).await.unwrap(), page.rows.len(), "{text}");
        page.rows.iter().map(super::super::Run::title).collect()
    }

    /// KD at two temperatures and GACD with two seeds, the best epochs evaluated, with a feature map; and the demo.
    async fn sweep() -> TestStore {
        let test = TestStore::new().await;
        let spec = ExperimentSpec {
            title: "Which T?".into(),
            dataset: DatasetChoice { validation_images: Some(100), ..DatasetChoice::all_of("birds") },
            methods: vec![MethodName::KD, MethodName::GACD],
            seeds: vec![1, 2],
            sweeps: vec![Sweep {
                method: MethodName::KD,
                path: "method.temperature".into(),
                values: vec!["0.5".into(), "4".into()],
            }],
            ..ExperimentSpec::demo()
        };
        let id = test.store.create_experiment(&spec, spec.expand()).await.unwrap();
        let analyse = AnalyseSpec {
            analysis: Analysis::Features(Features {
                attacked: "truck".into(),
                target: "bird".into(),
                images: 40,
                adversarial: AdversarialImages::Shared,
            }),
            models: vec![AnalysedModel { name: "KD".into(), model: ModelRef::Run(1) }],
            dataset: spec.dataset,
            eps: PixelDistance::levels(8.0),
            seed: 1,
            device: DeviceName::Cpu,
        };
        let map = PlannedRun::of_analysis(analyse, MethodName::KD, Architecture::ResNet8, vec![]);
        test.store.add_run(id, map).await.unwrap();
        test.demo().await;
        test
    }

    #[tokio::test]
    async fn a_run_is_found_by_every_word_that_its_row_shows() {
        let test = sweep().await;
        for (text, runs, word) in [
            ("temperature", 12, "temperature T"),
            ("temperature 0.5", 6, "temperature T 0.5"),
            ("best epoch", 6, "best epoch"),
            ("KD, temperature T 4, best epoch · ResNet-8 · seed 2", 1, "temperature T 4, best epoch) ResNet-8, seed 2"),
            ("truck and bird", 1, "truck and bird"),
            ("Features", 1, "features of"),
            ("GACD seed 2", 2, "GACD ResNet-8, seed 2"),
            ("seed 2", 11, "seed 2"),
            ("gacd teacher birds", 0, ""),
            ("evaluate teacher pgd-at", 5, "evaluation of PGD-AT"),
            ("robust demo", 8, ""),
            ("which gacd", 4, "GACD"),
            ("birds analyse", 1, "features of"),
            ("cpu robust ard", 8, ""),
            ("queued birds temperature train", 4, "temperature"),
        ] {
            let found = found(&test, text).await;
            assert_eq!(found.len(), runs, "{text}: {found:?}");
            assert!(found.iter().all(|title| title.contains(word)), "{text}: {found:?}");
        }
    }

    #[tokio::test]
    async fn a_run_is_found_by_its_cause_where_the_row_shows_it() {
        let test = TestStore::new().await;
        test.demo().await;
        test.walk(1, &[RunState::Cancelled]).await;
        test.walk(2, &[RunState::Starting, RunState::Running]).await;
        test.store.change_state(2, RunState::Failed, "The disk is full.").await.unwrap();
        assert_eq!(found(&test, "disk FULL").await, ["evaluation of PGD-AT ResNet-8, seed 1"]);
        assert_eq!(found(&test, "failed").await.len(), 1);
        assert_eq!(found(&test, "cancelled").await.len(), 1);
    }

    #[test]
    fn a_seed_is_one_word_with_its_number() {
        let word = |text: &str| Term::Word(text.into());
        assert_eq!(terms(" GACD,  seed 2 · 7"), [word("gacd"), Term::Seed(2), word("7")]);
        assert_eq!(terms("seed KD"), [word("seed"), word("kd")]);
        assert_eq!(terms(&"a ".repeat(100)).len(), MOST_WORDS);
        assert_eq!(pattern("5%_\\"), "%5\\%\\_\\\\%");
    }
}
