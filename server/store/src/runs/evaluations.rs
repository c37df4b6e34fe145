//! Accuracies over the test images.

use retort_spec::{Accuracy, Architecture, Attack, MethodName, Variety};
use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection, sqlite::SqliteRow};

use crate::{
    Result, Store, StoreError,
    db::row::{count, from_json, json, parsed, stored},
};

/// The accuracy of one model under one attack.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// The run that measured it.
    pub run: i64,
    /// The method that trained the model.
    pub method: MethodName,
    /// The model's architecture.
    pub architecture: Architecture,
    /// The seed.
    pub seed: u64,
    /// Whether the model is the experiment's teacher.
    pub is_teacher: bool,
    /// The attack; absent for the natural accuracy.
    pub attack: Option<Attack>,
    /// The attack in the words of a page, or `Natural`.
    pub title: String,
    /// The accuracy.
    pub accuracy: Accuracy,
    /// Images that were not answered, as the model's logits were not finite numbers; they count as wrong.
    pub unanswered: usize,
    /// How many images were still answered rightly behind each of the attacks that it consists of; empty where it is one.
    pub standing: Vec<usize>,
    /// How varied answers and features are, of the natural accuracy; earlier versions did not measure it.
    pub variety: Option<Variety>,
}

const SELECT: &str = "SELECT runs.method, runs.architecture, runs.seed, runs.is_teacher, evaluations.*
     FROM evaluations JOIN runs ON runs.id = evaluations.run WHERE ";
const ORDER: &str = " ORDER BY evaluations.run, evaluations.position";

impl Store {
    /// Every accuracy of an experiment, by run, in the order in which each run measured them.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn evaluations_of_experiment(&self, experiment: i64) -> Result<Vec<Evaluation>> {
        let mut query = QueryBuilder::<Sqlite>::new(SELECT);
        query.push("runs.experiment = ").push_bind(experiment).push(ORDER);
        query.build().fetch_all(self.readers()).await?.iter().map(read).collect()
    }

    /// The accuracies that these runs measured, by run, in the order in which each measured them.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn evaluations_of_runs(&self, runs: &[i64]) -> Result<Vec<Evaluation>> {
        let mut query = QueryBuilder::<Sqlite>::new(SELECT);
        query.push("evaluations.run IN (SELECT value FROM json_each(").push_bind(json(&runs)?).push("))").push(ORDER);
        query.build().fetch_all(self.readers()).await?.iter().map(read).collect()
    }

    /// The accuracies of the model that a training run left, measured by the evaluations that waited for it; not those of its
    /// best epoch or of its averaged weights, nor of others that it was needed for.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn evaluations_of_model(&self, training: i64) -> Result<Vec<Evaluation>> {
        let mut query = QueryBuilder::<Sqlite>::new(SELECT);
        query.push("runs.kind = 'evaluate' AND runs.id IN (SELECT run FROM run_needs WHERE needs = ");
        query.push_bind(training).push(
            ") AND (runs.method, runs.variant, runs.architecture, runs.seed)
                 = (SELECT method, variant, architecture, seed FROM runs WHERE id = ",
        );
        query.push_bind(training).push(")").push(ORDER);
        query.build().fetch_all(self.readers()).await?.iter().map(read).collect()
    }

    /// The accuracies of an imported model, as its last finished evaluation measured them. Others may have used other images.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn evaluations_of_imported(&self, model: i64) -> Result<Vec<Evaluation>> {
        let mut query = QueryBuilder::<Sqlite>::new(SELECT);
        query.push("runs.id = (SELECT max(id) FROM runs WHERE model = ").push_bind(model);
        query.push(" AND state = 'finished')").push(ORDER);
        query.build().fetch_all(self.readers()).await?.iter().map(read).collect()
    }
}

fn read(row: &SqliteRow) -> Result<Evaluation> {
    let run: i64 = row.try_get("run")?;
    let attack: &str = row.try_get("attack")?;
    let attack = match attack {
        "" => None,
        text => Some(from_json(text, || format!("an attack of run {run}"))?),
    };
    let variety: Option<&str> = row.try_get("variety")?;
    let variety = variety.map(|text| from_json(text, || format!("the variety of run {run}"))).transpose()?;
    let accuracy = || -> sqlx::Result<_> { Ok(Accuracy { correct: count(row, "correct")?, n: count(row, "n")? }) };
    Ok(Evaluation {
        run,
        method: parsed(row, "method")?,
        architecture: parsed(row, "architecture")?,
        seed: row.try_get::<i64, _>("seed")?.cast_unsigned(),
        is_teacher: row.try_get("is_teacher")?,
        attack,
        title: row.try_get("title")?,
        accuracy: accuracy().map_err(StoreError::Database)?,
        unanswered: count(row, "unanswered")?,
        standing: from_json(row.try_get("standing")?, || format!("the parts of an attack of run {run}"))?,
        variety,
    })
}

pub(crate) async fn keep(
    tx: &mut SqliteConnection,
    run: i64,
    attack: Option<&Attack>,
    accuracy: Accuracy,
    (unanswered, standing, variety): (usize, &[usize], Option<&Variety>),
) -> Result<()> {
    let (key, title) = match attack {
        None => (String::new(), "Natural".into()),
        Some(attack) => (json(attack)?, attack.describe()),
    };
    sqlx::query(
        "INSERT INTO evaluations (run, attack, title, position, correct, n, unanswered, standing, variety)
         VALUES (?1, ?2, ?3, (SELECT count(*) FROM evaluations WHERE run = ?1), ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (run, attack) DO UPDATE SET correct = excluded.correct, n = excluded.n,
             unanswered = excluded.unanswered, standing = excluded.standing, variety = excluded.variety",
    )
    .bind(run)
    .bind(key)
    .bind(title)
    .bind(stored(accuracy.correct))
    .bind(stored(accuracy.n))
    .bind(stored(unanswered))
    .bind(json(&standing)?)
    .bind(variety.map(json).transpose()?)
    .execute(tx)
    .await?;
    Ok(())
}
