//! Opening the database.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use sqlx::{
    Connection, Sqlite, SqliteConnection, SqlitePool, Transaction,
    migrate::{MigrateError, Migrator},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{
    error::{SQLITE_BUSY, SQLITE_CORRUPT, SQLITE_READONLY, primary_code},
    ledger,
};
use crate::{Result, StoreError};

static SCHEMA: Migrator = sqlx::migrate!("../../migrations");

/// How long a connection waits for another one's write before it gives up: as long as a person waits for a page.
const BUSY: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 20 });
const READERS: u32 = 4;

/// The database of one data folder. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Store {
    path: Arc<Path>,
    writer: SqlitePool,
    readers: SqlitePool,
    /// One connection that is never replaced: the versions that it tells of are its own.
    watcher: SqlitePool,
}

impl Store {
    /// Opens the database file, creating it or bringing it to this version's schema where needed.
    ///
    /// # Errors
    /// [`StoreError::Newer`] when a newer version of the program wrote it; [`StoreError::Open`] when it is not a
    /// database or cannot be written; [`StoreError::Lost`] when there is none, and a ledger tells of its rows.
    pub async fn open(path: &Path) -> Result<Self> {
        let has_rows =
            || ledger::has_rows(path).map_err(|fault| StoreError::Ledger { path: ledger::path(path), fault });
        if !path.exists() && has_rows()? {
            return Err(StoreError::Lost { path: path.to_owned() });
        }
        let store = Self::connect(path).await?;
        store.begin_ledger().await?;
        Ok(store)
    }

    /// Writes a copy of a database, as it is at this moment, to a file that is not there yet. Whoever writes to it goes on.
    ///
    /// # Errors
    /// When the database cannot be read or the copy not be written.
    pub async fn copy(database: &Path, to: &Path) -> Result<()> {
        let mut connection = read_only(database).await?;
        sqlx::query("VACUUM INTO ?").bind(to.to_string_lossy()).execute(&mut connection).await?;
        connection.close().await?;
        Ok(())
    }

    /// Looks whether a database of this or an earlier version holds together, without changing it.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when it does not; as [`Store::open`].
    pub async fn verify(database: &Path) -> Result<()> {
        refuse_newer(database).await?;
        let damaged = |fault: String| StoreError::Damaged { path: database.to_owned(), fault };
        let mut connection = read_only(database).await?;
        let found: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check(20)")
            .fetch_all(&mut connection)
            .await
            .map_err(|fault| damaged(fault.to_string()))?;
        connection.close().await?;
        if found == ["ok"] { Ok(()) } else { Err(damaged(found.join("; "))) }
    }

    pub(crate) async fn connect(path: &Path) -> Result<Self> {
        let at = || PathBuf::from(path);
        refuse_newer(path).await?;
        let base = SqliteConnectOptions::new().filename(path).busy_timeout(BUSY).foreign_keys(true);
        let writing = base
            .clone()
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // A launch that was confirmed to a person survives a power cut.
            .synchronous(SqliteSynchronous::Full);
        let one = SqlitePoolOptions::new().max_connections(1).min_connections(1).acquire_timeout(BUSY);
        // Where the disk is full, SQLite rolls back by itself; sqlx's own rollback then fails, and its connection believes for
        // ever that it is in a transaction. Such a connection is replaced.
        let one = one.before_acquire(|connection, _| {
            let is_usable = !connection.is_in_transaction();
            Box::pin(async move { Ok(is_usable) })
        });
        let writer = one.connect_with(writing).await.map_err(|source| cannot_open(path, source))?;
        SCHEMA.run(&writer).await.map_err(|source| match source {
            MigrateError::Execute(fault) if primary_code(&fault) == Some(SQLITE_READONLY) => StoreError::ReadOnly,
            source => StoreError::Migrate { path: at(), source },
        })?;
        let several = SqlitePoolOptions::new().max_connections(READERS);
        let base = base.read_only(true);
        let watcher = SqlitePoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
        let watcher = watcher.connect_lazy_with(base.clone());
        let readers = several.connect_with(base).await.map_err(|source| cannot_open(path, source))?;
        Ok(Self { path: path.into(), writer, readers, watcher })
    }

    /// Gives new runs and models numbers above these, which folders and files bear already: a database that was lost, or
    /// replaced by an earlier copy, gave them away before.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn start_numbers_above(&self, run: i64, model: i64) -> Result<()> {
        let mut tx = self.write().await?;
        for (table, highest) in [("runs", run), ("models", model)] {
            let raise = "UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?";
            let raised = sqlx::query(raise).bind(highest).bind(table).execute(&mut *tx).await?;
            if raised.rows_affected() == 0 {
                let begin = sqlx::query("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)");
                begin.bind(table).bind(highest).execute(&mut *tx).await?;
            }
        }
        tx.commit().await?;
        Ok(())
    }

    /// Writes the ledger where there is none, or one of an earlier schema.
    async fn begin_ledger(&self) -> Result<()> {
        let mut connection = self.writer.acquire().await?;
        ledger::begin(&mut connection, &self.path, newest_step()).await
    }

    /// Closes all connections; what was confirmed is on disk.
    pub async fn close(&self) {
        self.readers.close().await;
        self.watcher.close().await;
        self.writer.close().await;
    }

    /// Whether the database can be read and written: its header is written as it is.
    ///
    /// # Errors
    /// When it cannot.
    pub async fn check(&self) -> Result<()> {
        sqlx::query("SELECT count(*) FROM runs WHERE id = 1").execute(self.readers()).await?;
        let mut tx = self.write().await?;
        sqlx::query("PRAGMA user_version = 0").execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(())
    }

    /// A number that is another one once anything has been written. It means nothing to another process.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn version(&self) -> Result<i64> {
        Ok(sqlx::query_scalar("PRAGMA data_version").fetch_one(&self.watcher).await?)
    }

    /// Where it lies.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) const fn readers(&self) -> &SqlitePool {
        &self.readers
    }

    /// A transaction that owns the write lock from its start: a deferred one that reads before it writes fails at once
    /// when another connection wrote in between.
    pub(crate) async fn write(&self) -> Result<Transaction<'static, Sqlite>> {
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }
}

/// The newest schema step that this version knows.
fn newest_step() -> i64 {
    SCHEMA.iter().map(|step| step.version).max().unwrap_or(0)
}

/// Why a database cannot be opened.
fn cannot_open(path: &Path, source: sqlx::Error) -> StoreError {
    match primary_code(&source) {
        Some(SQLITE_CORRUPT) => StoreError::Damaged { path: path.to_owned(), fault: source.to_string() },
        Some(SQLITE_BUSY) => StoreError::Busy,
        Some(SQLITE_READONLY) => StoreError::ReadOnly,
        _ => StoreError::Open { path: path.to_owned(), source },
    }
}

/// A connection that changes nothing.
async fn read_only(path: &Path) -> Result<SqliteConnection> {
    let options = SqliteConnectOptions::new().filename(path).busy_timeout(BUSY).read_only(true);
    let open = |source| cannot_open(path, source);
    SqliteConnection::connect_with(&options).await.map_err(open)
}

/// Looks at the schema steps of an existing file through a read-only connection, before anything may change it.
async fn refuse_newer(path: &Path) -> Result<()> {
    if !path.exists() {
        return Ok(());
    }
    let open = |source| cannot_open(path, source);
    let mut connection = read_only(path).await?;
    let steps = "SELECT count(*) FROM sqlite_schema WHERE name = '_sqlx_migrations'";
    let known = newest_step();
    let tables: i64 = sqlx::query_scalar(steps).fetch_one(&mut connection).await.map_err(open)?;
    let mut found = 0;
    if tables > 0 {
        let newest = "SELECT coalesce(max(version), 0) FROM _sqlx_migrations";
        found = sqlx::query_scalar(newest).fetch_one(&mut connection).await.map_err(open)?;
    }
    connection.close().await.map_err(open)?;
    if found > known {
        return Err(StoreError::Newer { path: path.to_owned(), found, known });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use retort_spec::{ExperimentSpec, Verdict};

    use super::*;
    use crate::testing::TestStore;

    #[tokio::test]
    async fn a_database_from_a_newer_version_is_refused_and_left_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("retort.db");
        let store = Store::open(&path).await.unwrap();
        sqlx::query(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
             VALUES (9999, 'from the future', 1, x'00', 0)",
        )
        .execute(&store.writer)
        .await
        .unwrap();
        store.close().await;
        let before = std::fs::read(&path).unwrap();
        let error = Store::open(&path).await.unwrap_err();
        assert!(matches!(error, StoreError::Newer { found: 9999, .. }), "{error}");
        assert!(error.to_string().contains("--data"));
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }

    /// A database as the program made it when this was its newest step.
    async fn schema_until(path: &Path, version: i64) -> SqlitePool {
        let options = SqliteConnectOptions::new().filename(path).create_if_missing(true).foreign_keys(true);
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
        let steps = SCHEMA.iter().filter(|step| step.version <= version).cloned().collect::<Vec<_>>();
        Migrator::with_migrations(steps).run(&pool).await.unwrap();
        pool
    }

    #[tokio::test]
    async fn a_database_of_the_first_version_keeps_its_runs_and_their_figures() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("retort.db");
        let old = schema_until(&path, 1).await;
        for statement in [
            "INSERT INTO experiments (title, spec, created_at) VALUES ('old', '{}', '2026-01-01T00:00:00.000Z')",
            "INSERT INTO runs (experiment, kind, method, architecture, is_teacher, dataset, seed, device, spec, state,
                               state_cause, state_since, created_at)
             VALUES (1, 'evaluate', 'ard', 'resnet8', 0, 'd', 7, 'cpu', '{}', 'finished', 'done',
                     '2026-01-01T00:00:00.000Z', '2026-01-01T00:00:00.000Z')",
            "INSERT INTO metrics (run, key, epoch, stage, value) VALUES (1, 'train_loss', 1, 'train', 0.5)",
        ] {
            sqlx::query(statement).execute(&old).await.unwrap();
        }
        old.close().await;
        let store = Store::open(&path).await.unwrap();
        let run = store.run(1).await.unwrap();
        assert_eq!((run.title().as_str(), run.variant.is_plain()), ("evaluation of ARD ResNet-8, seed 7", true));
        assert_eq!(store.last_metrics(&[1], retort_spec::Metric::TrainLoss).await.unwrap()[&1], 0.5);
        let orphan = "INSERT INTO metrics (run, key, epoch, stage, value) VALUES (99, 'train_loss', 1, 'train', 0.5)";
        assert!(sqlx::query(orphan).execute(&store.writer).await.is_err(), "foreign keys are off");
        let id = store.create_experiment(&ExperimentSpec::demo(), ExperimentSpec::demo().expand()).await.unwrap();
        assert_eq!((id, store.runs_of_experiment(id).await.unwrap()[0].id), (2, 2));
    }

    /// A training: its experiment, its method, what set it apart, its spec.
    type Training = (usize, &'static str, &'static str, &'static str);

    /// Experiments with KD, and its trainings in them, as they were kept before KD had a reduction.
    const WITHOUT_REDUCTION: ([&str; 3], [Training; 4]) = (
        [
            r#"{"title":"Demo: KD, ARD and GACD+AFT from one robust teacher","dataset":{"name":"fashion-mnist-5k"},"teacher":{"train":"resnet8"},"students":["resnet8"],"methods":["kd","ard"],"seeds":[1],"attacks":[{"name":"pgd","eps":"8/255","step_size":"2/255","steps":20}],"budget":"smoke","epochs":4,"device":"cpu"}"#,
            r#"{"title":"Demo: KD, ARD and GACD+AFT from one robust teacher","dataset":{"name":"fashion-mnist-5k"},"teacher":{"train":"resnet8"},"students":["resnet8"],"methods":["kd+aft","ard"],"seeds":[1],"attacks":[{"name":"pgd","eps":"8/255","step_size":"2/255","steps":20}],"sweeps":[{"method":"ard","path":"method.temperature","values":["4"]},{"method":"kd","path":"method.temperature","values":["4","30"]}],"budget":"smoke","epochs":4,"device":"cpu"}"#,
            r#"{"title":"Demo: KD, ARD and GACD+AFT from one robust teacher","dataset":{"name":"fashion-mnist-5k"},"teacher":{"train":"resnet8"},"students":["resnet8"],"methods":["kd"],"seeds":[1],"attacks":[{"name":"pgd","eps":"8/255","step_size":"2/255","steps":20}],"sweeps":[{"method":"kd","path":"preset","values":["repdistiller"]}],"budget":"smoke","epochs":4,"device":"cpu"}"#,
        ],
        [
            (
                1,
                "kd",
                "",
                r#"{"kind":"train","dataset":{"name":"fashion-mnist-5k"},"architecture":"resnet8","teacher":{"planned":0},"method":{"name":"kd","temperature":30.0,"alpha":1.0,"gamma":0.0},"schedule":{"epochs":4,"batch_size":64,"learning_rate":0.1,"milestones":[2,3],"momentum":0.9,"weight_decay":0.0002},"augment":true,"seed":1,"device":"cpu"}"#,
            ),
            (
                2,
                "kd+aft",
                "temperature T 4",
                r#"{"kind":"train","dataset":{"name":"fashion-mnist-5k"},"architecture":"resnet8","teacher":{"planned":0},"method":{"name":"kd","temperature":4.0,"alpha":1.0,"gamma":0.0},"schedule":{"epochs":4,"batch_size":64,"learning_rate":0.1,"milestones":[2,3],"momentum":0.9,"weight_decay":0.0002},"finetune":{"loss":"pgd-at","attack":{"eps":"8/255","step_size":"4/255","steps":3,"batch_norm":"eval"},"schedule":{"epochs":4,"batch_size":64,"learning_rate":0.01,"milestones":[2,4],"momentum":0.9,"weight_decay":0.0002}},"augment":true,"seed":1,"device":"cpu"}"#,
            ),
            (
                2,
                "kd+aft",
                "temperature T 30",
                r#"{"kind":"train","dataset":{"name":"fashion-mnist-5k"},"architecture":"resnet8","teacher":{"planned":0},"method":{"name":"kd","temperature":30.0,"alpha":1.0,"gamma":0.0},"schedule":{"epochs":4,"batch_size":64,"learning_rate":0.1,"milestones":[2,3],"momentum":0.9,"weight_decay":0.0002},"finetune":{"loss":"pgd-at","attack":{"eps":"8/255","step_size":"4/255","steps":3,"batch_norm":"eval"},"schedule":{"epochs":4,"batch_size":64,"learning_rate":0.01,"milestones":[2,4],"momentum":0.9,"weight_decay":0.0002}},"augment":true,"seed":1,"device":"cpu"}"#,
            ),
            (
                3,
                "kd",
                "repdistiller",
                r#"{"kind":"train","dataset":{"name":"fashion-mnist-5k"},"architecture":"resnet8","teacher":{"planned":0},"method":{"name":"kd","temperature":4.0,"alpha":0.9,"gamma":0.1},"schedule":{"epochs":4,"batch_size":64,"learning_rate":0.05,"milestones":[3,3,3],"momentum":0.9,"weight_decay":0.0005},"augment":true,"seed":1,"device":"cpu"}"#,
            ),
        ],
    );

    #[tokio::test]
    async fn a_plan_of_an_experiment_from_before_kd_had_a_reduction_is_that_of_its_runs() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("retort.db");
        let old = schema_until(&path, 5).await;
        let (experiments, runs) = WITHOUT_REDUCTION;
        for spec in experiments {
            let insert =
                "INSERT INTO experiments (title, spec, created_at) VALUES ('old', ?, '2026-01-01T00:00:00.000Z')";
            sqlx::query(insert).bind(spec).execute(&old).await.unwrap();
        }
        for (experiment, method, variant, spec) in runs {
            let insert = "INSERT INTO runs (experiment, kind, method, variant, architecture, is_teacher, dataset, seed, device, spec,
                                            state, state_cause, state_since, created_at)
                          VALUES (?, 'train', ?, ?, 'resnet8', 0, 'd', 1, 'cpu', ?, 'finished', 'done',
                                  '2026-01-01T00:00:00.000Z', '2026-01-01T00:00:00.000Z')";
            let insert = sqlx::query(insert).bind(experiment as i64).bind(method).bind(variant).bind(spec);
            insert.execute(&old).await.unwrap();
        }
        old.close().await;
        let store = Store::open(&path).await.unwrap();
        let mut variants = Vec::new();
        for id in 1..=3 {
            let plan = store.experiment(id).await.unwrap().spec().unwrap().expand();
            for run in store.runs_of_experiment(id).await.unwrap() {
                let spec = run.spec().unwrap();
                let planned = plan.iter().find(|planned| planned.spec == spec);
                assert_eq!(planned.map(|planned| &planned.variant), Some(&run.variant), "{id}: {spec:?}");
                variants.push(run.variant.to_string());
            }
        }
        let expected = [
            "KL reduction batch_mean",
            "KL reduction batch_mean, temperature T 4",
            "KL reduction batch_mean, temperature T 30",
            // This preset is of the batch mean anyway.
            "repdistiller",
        ];
        assert_eq!(variants, expected);
    }

    #[tokio::test]
    async fn a_check_that_was_kept_before_there_were_verdicts_passed_or_warned() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("retort.db");
        let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
        let old = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
        let steps = SCHEMA.iter().filter(|step| step.version <= 5).cloned().collect::<Vec<_>>();
        Migrator::with_migrations(steps).run(&old).await.unwrap();
        for statement in [
            "PRAGMA foreign_keys = OFF",
            "INSERT INTO checks VALUES (1, 'noise', 0, 1, 'It holds.', '{}'), (1, 'losses', 1, 0, 'It does not.', '{}')",
        ] {
            sqlx::query(statement).execute(&old).await.unwrap();
        }
        old.close().await;
        let checks = Store::open(&path).await.unwrap().checks_of_runs(&[1]).await.unwrap();
        let verdicts: Vec<_> = checks[&1].iter().map(|check| check.verdict).collect();
        assert_eq!(verdicts, [Verdict::Pass, Verdict::Warning]);
    }

    #[tokio::test]
    async fn a_file_that_is_no_database_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("retort.db");
        std::fs::write(&path, "a shopping list, surely longer than a header of SQLite would be: milk, eggs, bread")
            .unwrap();
        let error = Store::open(&path).await.unwrap_err();
        assert!(matches!(error, StoreError::Open { .. }) && error.to_string().contains("retort.db"), "{error}");
    }

    #[tokio::test]
    async fn a_disk_that_was_full_stops_no_write_once_it_has_room() {
        let test = TestStore::new().await;
        let limit = |pages: &'static str| sqlx::query(pages).execute(&test.store.writer);
        limit("PRAGMA max_page_count = 1").await.unwrap();
        let spec = ExperimentSpec { title: "ε".repeat(200), seeds: (1..200).collect(), ..ExperimentSpec::demo() };
        let full = test.store.create_experiment(&spec, spec.expand()).await.unwrap_err();
        assert!(full.to_string().contains("full"), "{full}");
        // A further connection knows no limit.
        assert_eq!(test.store.create_experiment(&spec, spec.expand()).await.unwrap(), 1);
        test.store.check().await.unwrap();
    }

    #[tokio::test]
    async fn a_database_that_cannot_be_written_is_not_healthy() {
        let test = TestStore::new().await;
        test.store.check().await.unwrap();
        sqlx::query("PRAGMA query_only = 1").execute(&test.store.writer).await.unwrap();
        assert!(test.store.check().await.is_err());
    }

    /// Another program's connection that holds the database against writes.
    async fn holder(test: &TestStore) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(test.path());
        let mut holder = SqliteConnection::connect_with(&options).await.unwrap();
        sqlx::query("BEGIN IMMEDIATE").execute(&mut holder).await.unwrap();
        holder
    }

    #[tokio::test]
    async fn a_database_that_is_held_for_a_while_delays_a_launch_and_one_that_is_held_longer_refuses_it_whole() {
        let test = TestStore::new().await;
        let spec = ExperimentSpec::demo();
        let mut held = holder(&test).await;
        let launch = test.store.create_experiment(&spec, spec.expand());
        let release = async {
            tokio::time::sleep(BUSY / 2).await;
            sqlx::query("COMMIT").execute(&mut held).await.unwrap();
        };
        assert_eq!(tokio::join!(launch, release).0.unwrap(), 1);

        let mut held = holder(&test).await;
        let refused = test.store.create_experiment(&spec, spec.expand()).await.unwrap_err();
        assert!(matches!(refused, StoreError::Busy), "{refused}");
        assert!(refused.to_string().contains("Nothing was changed. Try again"), "{refused}");
        assert!(matches!(test.store.check().await, Err(StoreError::Busy)));
        // Whoever reads goes on.
        assert_eq!(test.store.state_counts().await.unwrap().total(), 8);
        sqlx::query("COMMIT").execute(&mut held).await.unwrap();
        assert_eq!(test.store.create_experiment(&spec, spec.expand()).await.unwrap(), 2);
    }

    #[tokio::test]
    async fn a_database_that_cannot_be_written_is_told_and_reads_go_on() {
        let test = TestStore::new().await;
        test.demo().await;
        // What SQLite says of a read-only file, whoever runs this.
        let mut writer = test.store.writer.acquire().await.unwrap();
        sqlx::query("PRAGMA query_only = 1").execute(&mut *writer).await.unwrap();
        drop(writer);
        let spec = ExperimentSpec::demo();
        let refused = test.store.create_experiment(&spec, spec.expand()).await.unwrap_err();
        assert!(matches!(refused, StoreError::ReadOnly), "{refused}");
        assert!(refused.to_string().contains("Make it writable"), "{refused}");
        assert_eq!(test.store.state_counts().await.unwrap().total(), 8);
    }

    #[tokio::test]
    async fn a_page_that_was_damaged_is_told_as_what_it_is() {
        let test = TestStore::new().await;
        for _ in 0..20 {
            test.demo().await;
        }
        test.store.close().await;
        let mut bytes = std::fs::read(test.path()).unwrap();
        let length = bytes.len();
        bytes[16 * 4096..length].fill(0xA5);
        std::fs::write(test.path(), bytes).unwrap();
        let verified = Store::verify(&test.path()).await.unwrap_err();
        assert!(
            matches!(verified, StoreError::Damaged { .. }) && verified.to_string().contains("retort reindex"),
            "{verified}"
        );
        let fault = match Store::open(&test.path()).await {
            Ok(store) => store.all_runs().await.unwrap_err(),
            Err(fault) => fault,
        };
        assert!(matches!(fault, StoreError::Damaged { .. }), "{fault}");
    }

    #[tokio::test]
    async fn every_earlier_schema_is_brought_to_this_one_with_its_rows() {
        for version in 1..newest_step() {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("retort.db");
            let old = schema_until(&path, version).await;
            let variant = if version >= 2 { ("variant,", "'',") } else { ("", "") };
            let spec = serde_json::to_string(&ExperimentSpec::demo()).unwrap();
            let experiment =
                "INSERT INTO experiments (title, spec, created_at) VALUES ('old', ?, '2026-01-01T00:00:00.000Z')";
            sqlx::query(experiment).bind(spec).execute(&old).await.unwrap();
            for state in ["queued", "running", "finished", "failed", "cancelled", "lost"] {
                let run = format!(
                    "INSERT INTO runs (experiment, kind, method, {} architecture, is_teacher, dataset, seed, device, spec, state,
                                       state_cause, state_since, created_at)
                     VALUES (1, 'evaluate', 'ard', {} 'resnet8', 0, 'd', 7, 'cpu', '{{}}', '{state}', 'done',
                             '2026-01-01T00:00:00.000Z', '2026-01-01T00:00:00.000Z')",
                    variant.0, variant.1
                );
                sqlx::query(sqlx::AssertSqlSafe(run)).execute(&old).await.unwrap();
            }
            let evaluation = "INSERT INTO evaluations (run, attack, title, position, correct, n) VALUES (3, '', 'Natural', 0, 7, 10)";
            sqlx::query(evaluation).execute(&old).await.unwrap();
            old.close().await;
            let store = Store::open(&path).await.unwrap();
            let states: Vec<_> = store.all_runs().await.unwrap().iter().map(|run| run.state.id()).collect();
            assert_eq!(states, ["queued", "running", "finished", "failed", "cancelled", "lost"], "step {version}");
            let kept = store.evaluations_of_runs(&[3]).await.unwrap();
            assert_eq!((kept.len(), kept[0].accuracy.correct), (1, 7), "step {version}");
            assert!(store.ledger_faults().await.unwrap().is_empty(), "step {version}");
            store.close().await;
            Store::verify(&path).await.unwrap();
        }
    }

    #[tokio::test]
    async fn numbers_that_folders_bear_are_not_given_away_again() {
        let test = TestStore::new().await;
        test.store.start_numbers_above(40, 7).await.unwrap();
        test.demo().await;
        test.store.start_numbers_above(3, 0).await.unwrap();
        test.demo().await;
        let runs = test.store.queued_runs(100).await.unwrap();
        assert_eq!(runs.iter().map(|run| run.id).collect::<Vec<_>>(), (41..=56).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn readers_cannot_write() {
        let test = TestStore::new().await;
        let write = sqlx::query("DELETE FROM runs").execute(test.store.readers()).await;
        assert!(write.unwrap_err().to_string().contains("readonly"));
    }

    #[tokio::test]
    async fn what_was_kept_is_there_after_opening_again() {
        let test = TestStore::new().await;
        let id = test.demo().await;
        test.store.close().await;
        let again = Store::open(&test.path()).await.unwrap();
        assert_eq!(again.experiment(id).await.unwrap().id, id);
    }
}
