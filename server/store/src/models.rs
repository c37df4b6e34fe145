//! Models that were imported.

use std::{path::Path, sync::Arc};

use jiff::Timestamp;
use retort_spec::{Architecture, ExperimentSpec, PlannedRun};
use sqlx::{FromRow, Row, Sqlite, SqliteConnection, Transaction, sqlite::SqliteRow};

use crate::{
    Result, Store, StoreError,
    db::ledger,
    db::row::{count, decoded, json, parsed, stored, time_text},
    experiments::insert_experiment,
};

/// A model to keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewModel {
    /// What people call it.
    pub title: String,
    /// What the imported file was called.
    pub file_name: String,
    /// Its architecture.
    pub architecture: Architecture,
    /// The names of its classes, in label order.
    pub classes: Vec<String>,
    /// The dataset whose classes they are; empty where they are only numbered.
    pub dataset: String,
    /// How it was trained, or `imported` where nobody here knows.
    pub method: String,
    /// Its trainable parameters.
    pub parameters: usize,
    /// Bytes of its file.
    pub bytes: u64,
    /// What was done at the import, in sentences.
    pub notes: Vec<String>,
}

/// A model that was imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// Its id, which names its file.
    pub id: i64,
    /// When it was imported.
    pub created_at: Timestamp,
    /// What it is.
    pub about: NewModel,
}

/// Models that have their ids and are not kept yet, so that their files can be put in place first.
#[derive(Debug)]
pub struct PendingModels {
    /// The ids that they will have.
    pub ids: Vec<i64>,
    transaction: Transaction<'static, Sqlite>,
    database: Arc<Path>,
}

impl PendingModels {
    /// Adds an experiment and the runs of its plan, queued, which may name the models; returns its id.
    ///
    /// # Errors
    /// As [`Store::create_experiment`].
    pub async fn add_experiment(&mut self, spec: &ExperimentSpec, plan: Vec<PlannedRun>) -> Result<i64> {
        // What refers to a row stands in the ledger behind it.
        ledger::note(&mut self.transaction, &self.database, "models", &self.ids).await?;
        let id = insert_experiment(&mut self.transaction, &self.database, spec, plan).await?;
        self.ids.clear();
        Ok(id)
    }

    /// Keeps all that was added. Without this call there is nothing of it.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn keep(mut self) -> Result<()> {
        ledger::note(&mut self.transaction, &self.database, "models", &self.ids).await?;
        Ok(self.transaction.commit().await?)
    }
}

impl FromRow<'_, SqliteRow> for Model {
    fn from_row(row: &SqliteRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: row.try_get("id")?,
            created_at: parsed(row, "created_at")?,
            about: NewModel {
                title: row.try_get("title")?,
                file_name: row.try_get("file_name")?,
                architecture: parsed(row, "architecture")?,
                classes: decoded(row, "classes")?,
                dataset: row.try_get("dataset")?,
                method: row.try_get("method")?,
                parameters: count(row, "parameters")?,
                bytes: count(row, "bytes")?,
                notes: decoded(row, "notes")?,
            },
        })
    }
}

impl Store {
    /// Gives models their ids. Other writes wait until they are kept or dropped.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn add_models(&self, models: &[NewModel]) -> Result<PendingModels> {
        let mut transaction = self.write().await?;
        let mut ids = Vec::with_capacity(models.len());
        for model in models {
            ids.push(insert_model(&mut transaction, model).await?);
        }
        Ok(PendingModels { ids, transaction, database: self.path().into() })
    }

    /// One imported model.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is none with this id.
    pub async fn model(&self, id: i64) -> Result<Model> {
        let find = sqlx::query_as("SELECT * FROM models WHERE id = ?").bind(id);
        find.fetch_optional(self.readers()).await?.ok_or(StoreError::NotFound { what: "model", id })
    }

    /// The `limit` models that were imported last, newest first.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn models(&self, limit: u32) -> Result<Vec<Model>> {
        let find = sqlx::query_as("SELECT * FROM models ORDER BY id DESC LIMIT ?").bind(limit);
        Ok(find.fetch_all(self.readers()).await?)
    }

    /// Names the classes of a model, those of the dataset `dataset` in label order.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no model with this id.
    pub async fn set_model_classes(&self, id: i64, classes: &[String], dataset: &str) -> Result<()> {
        let mut transaction = self.write().await?;
        let update = sqlx::query("UPDATE models SET classes = ?, dataset = ? WHERE id = ?");
        let changed = update.bind(json(&classes)?).bind(dataset).bind(id).execute(&mut *transaction).await?;
        if changed.rows_affected() == 0 {
            return Err(StoreError::NotFound { what: "model", id });
        }
        ledger::note(&mut transaction, self.path(), "models", &[id]).await?;
        Ok(transaction.commit().await?)
    }

    /// How many models were imported.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn count_models(&self) -> Result<usize> {
        let row = sqlx::query("SELECT count(*) AS models FROM models").fetch_one(self.readers()).await?;
        Ok(count(&row, "models")?)
    }
}

async fn insert_model(connection: &mut SqliteConnection, model: &NewModel) -> Result<i64> {
    let insert = sqlx::query(
        "INSERT INTO models (title, file_name, architecture, classes, dataset, method, parameters, bytes, notes, created_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    );
    let inserted = insert
        .bind(&model.title)
        .bind(&model.file_name)
        .bind(model.architecture.id())
        .bind(json(&model.classes)?)
        .bind(&model.dataset)
        .bind(&model.method)
        .bind(stored(model.parameters))
        .bind(stored(model.bytes))
        .bind(json(&model.notes)?)
        .bind(time_text(Timestamp::now()))
        .execute(connection)
        .await?;
    Ok(inserted.last_insert_rowid())
}

#[cfg(test)]
pub(crate) mod tests {
    use retort_spec::{Accuracy, Event, RunState, TeacherChoice};

    use super::*;
    use crate::testing::TestStore;

    pub(crate) fn teacher() -> NewModel {
        NewModel {
            title: "ResNet-18 of another lab".into(),
            file_name: "epoch=199.t7".into(),
            architecture: Architecture::ResNet18,
            classes: (0..10).map(|c| c.to_string()).collect(),
            dataset: String::new(),
            method: "imported".into(),
            parameters: 11_173_962,
            bytes: 44_000_000,
            notes: vec!["The weights were taken from net.".into()],
        }
    }

    #[tokio::test]
    async fn a_model_is_kept_as_it_was_given_and_only_once_it_is_meant_to_be() {
        let test = TestStore::new().await;
        drop(test.store.add_models(&[teacher()]).await.unwrap());
        assert_eq!(test.store.count_models().await.unwrap(), 0);
        let pending = test.store.add_models(&[teacher()]).await.unwrap();
        let id = pending.ids[0];
        pending.keep().await.unwrap();
        assert_eq!(test.store.model(id).await.unwrap().about, teacher());
        assert_eq!(test.store.models(10).await.unwrap().len(), 1);
        assert_eq!(test.store.model(9).await.unwrap_err().to_string(), "there is no model 9");
    }

    #[tokio::test]
    async fn the_classes_of_a_model_are_named_afterwards() {
        let test = TestStore::new().await;
        for _ in 0..2 {
            test.store.add_models(&[teacher()]).await.unwrap().keep().await.unwrap();
        }
        let named: Vec<String> = (0..10).map(|class| format!("class {class}")).collect();
        test.store.set_model_classes(1, &named, "cifar10").await.unwrap();
        let expected = NewModel { classes: named.clone(), dataset: "cifar10".into(), ..teacher() };
        assert_eq!(test.store.model(1).await.unwrap().about, expected);
        assert_eq!(test.store.model(2).await.unwrap().about, teacher());
        let missing = test.store.set_model_classes(9, &named, "cifar10").await.unwrap_err();
        assert_eq!(missing.to_string(), "there is no model 9");
    }

    #[tokio::test]
    async fn accuracies_of_an_imported_teacher_are_found_by_the_model() {
        let test = TestStore::new().await;
        let pending = test.store.add_models(&[teacher()]).await.unwrap();
        let id = pending.ids[0];
        pending.keep().await.unwrap();
        let choice = TeacherChoice::Imported { id, architecture: Architecture::ResNet18 };
        let spec = ExperimentSpec { teacher: choice, ..ExperimentSpec::demo() };
        let accuracy = |correct| Accuracy { correct, n: 100 };
        let natural = |correct| Event::Evaluation {
            attack: None,
            accuracy: accuracy(correct),
            unanswered: 0,
            standing: Vec::new(),
            variety: None,
        };
        // Runs 1 and 8 evaluate the teacher; a third evaluation has only begun.
        for _ in 0..3 {
            test.store.create_experiment(&spec, spec.expand()).await.unwrap();
        }
        for (run, correct) in [(1, 90), (8, 80), (15, 10)] {
            test.walk(run, &[RunState::Starting, RunState::Running]).await;
            test.record(run, [natural(correct)]).await;
        }
        assert!(test.store.evaluations_of_imported(id).await.unwrap().is_empty());
        for run in [8, 1] {
            test.walk(run, &[RunState::Finished]).await;
        }
        let found = test.store.evaluations_of_imported(id).await.unwrap();
        assert_eq!(found.iter().map(|e| (e.run, e.accuracy)).collect::<Vec<_>>(), [(8, accuracy(80))]);
        assert!(test.store.evaluations_of_imported(id + 1).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn no_run_can_be_kept_that_names_a_model_which_is_not_there() {
        let test = TestStore::new().await;
        let choice = TeacherChoice::Imported { id: 7, architecture: Architecture::ResNet18 };
        let spec = ExperimentSpec { teacher: choice, ..ExperimentSpec::demo() };
        assert!(test.store.create_experiment(&spec, spec.expand()).await.is_err());
        assert_eq!(test.store.state_counts().await.unwrap().total(), 0);
    }
}
