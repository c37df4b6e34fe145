//! The ledger beside the database: what people launched, imported and shared, one line of JSON for each row, only ever appended
//! to. With the journals in the run folders it is enough to build a lost database again.
//!
//! A line stands here before the database says that its row is kept. What was written last of a row counts; a launch whose
//! database write failed at its last moment may stand here too.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};
use sqlx::SqliteConnection;

use crate::{Result, StoreError, db::row::json};

/// A table whose rows people make, with the columns that they make.
pub(crate) struct Kept {
    pub(crate) table: &'static str,
    pub(crate) columns: &'static [&'static str],
}

/// All of them, each behind those that it refers to.
pub(crate) const KEPT: [Kept; 4] = [
    Kept { table: "experiments", columns: &["id", "title", "spec", "created_at"] },
    Kept {
        table: "models",
        columns: &[
            "id",
            "title",
            "file_name",
            "architecture",
            "classes",
            "dataset",
            "method",
            "parameters",
            "bytes",
            "notes",
            "created_at",
        ],
    },
    Kept {
        table: "runs",
        columns: &[
            "id",
            "experiment",
            "kind",
            "method",
            "variant",
            "architecture",
            "teacher",
            "is_teacher",
            "dataset",
            "seed",
            "device",
            "model",
            "spec",
            "created_at",
        ],
    },
    Kept {
        table: "shares",
        columns: &["id", "experiment", "token_hash", "title", "created_at", "expires_at", "revoked_at"],
    },
];

impl Kept {
    pub(crate) fn of(table: &str) -> Option<&'static Self> {
        KEPT.iter().find(|kept| kept.table == table)
    }

    /// What selects a row as a JSON object; a run has the runs that it needs with it.
    fn object(&self) -> String {
        let columns = self.columns.iter().map(|column| format!("'{column}', {column}"));
        let needs = "'needs', json((SELECT json_group_array(needs) FROM run_needs WHERE run = runs.id))".to_owned();
        let all: Vec<_> = columns.chain((self.table == "runs").then_some(needs)).collect();
        format!("json_object({})", all.join(", "))
    }
}

/// One line.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line<T> {
    /// The schema step that the rows behind it are of.
    Schema(i64),
    /// A row.
    Row { table: String, row: T },
}

/// The rows of a ledger by table and id, as they were last written.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    rows: BTreeMap<(String, i64), Value>,
    /// What could not be read, in sentences.
    pub(crate) faults: Vec<String>,
}

impl Rows {
    /// Those of a table, by their ids.
    pub(crate) fn of<'a>(&'a self, table: &'a str) -> impl Iterator<Item = (i64, &'a Value)> {
        let of_table = (table.to_owned(), i64::MIN)..=(table.to_owned(), i64::MAX);
        self.rows.range(of_table).map(|((_, id), row)| (*id, row))
    }

    /// What a row of a run refers to and is not here: `experiment 7`, `model 3`.
    pub(crate) fn missing(&self, row: &Value, table: &str) -> Option<String> {
        let refers = |column: &str, to: &str| {
            let id = row.get(column)?.as_i64()?;
            (!self.rows.contains_key(&(to.to_owned(), id))).then(|| format!("{column} {id}"))
        };
        if table == "runs" { refers("experiment", "experiments").or_else(|| refers("model", "models")) } else { None }
    }

    /// Reads the ledger beside a database.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn read(database: &Path) -> io::Result<Self> {
        let mut found = Self::default();
        for (place, line) in BufReader::new(File::open(path(database))?).split(b'\n').enumerate() {
            let line = line?;
            let read = serde_json::from_slice::<Line<Value>>(&line);
            let (table, row) = match read {
                Ok(Line::Row { table, row }) => (table, row),
                Ok(Line::Schema(_)) => continue,
                Err(_) if line.trim_ascii().is_empty() => continue,
                Err(fault) => {
                    found.faults.push(format!("line {} of the ledger cannot be read: {fault}", place + 1));
                    continue;
                }
            };
            let Some(id) = row.get("id").and_then(Value::as_i64) else {
                found.faults.push(format!("line {} of the ledger has no id", place + 1));
                continue;
            };
            if table == "experiments" {
                // The runs of a launch follow it: others under its number are of one that was never kept.
                found.rows.retain(|(table, _), row| table != "runs" || row.get("experiment") != Some(&Value::from(id)));
            }
            found.rows.insert((table, id), row);
        }
        Ok(found)
    }
}

/// Whether a ledger beside a database, if there is one, tells of rows.
pub(crate) fn has_rows(database: &Path) -> io::Result<bool> {
    match File::open(path(database)) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        file => Ok(BufReader::new(file?).lines().nth(1).is_some()),
    }
}

/// Where the ledger of a database lies.
pub(crate) fn path(database: &Path) -> PathBuf {
    database.with_file_name("ledger.jsonl")
}

/// Appends these rows as the transaction sees them; they are on the disk when this returns.
///
/// # Errors
/// When the disk refuses; the ledger is then as before.
pub(crate) async fn note(tx: &mut SqliteConnection, database: &Path, table: &'static str, ids: &[i64]) -> Result<()> {
    let mut text = String::new();
    for row in rows(tx, table, Some(ids)).await? {
        text += &line(table, &row)?;
    }
    append(&path(database), text.as_bytes()).map_err(|fault| StoreError::Ledger { path: path(database), fault })
}

/// Writes the ledger whole where there is none yet, or one of another schema.
///
/// # Errors
/// When the database or the disk refuses; the ledger is then as before.
pub(crate) async fn begin(connection: &mut SqliteConnection, database: &Path, schema: i64) -> Result<()> {
    let path = path(database);
    let fault = |fault| StoreError::Ledger { path: path.clone(), fault };
    if schema_of(&path).map_err(fault)? == Some(schema) {
        return Ok(());
    }
    let mut text = serde_json::to_string(&Line::<()>::Schema(schema)).unwrap_or_default() + "\n";
    for kept in &KEPT {
        for row in rows(connection, kept.table, None).await? {
            text += &line(kept.table, &row)?;
        }
    }
    let beside = path.with_extension("tmp");
    let write = || {
        let mut file = File::create(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, &path)
    };
    write().map_err(fault)
}

/// The schema step that a ledger is of; none where there is no ledger, or none that says it.
fn schema_of(path: &Path) -> io::Result<Option<i64>> {
    let file = match File::open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let mut first = String::new();
    BufReader::new(file).read_line(&mut first)?;
    Ok(match serde_json::from_str::<Line<Value>>(&first) {
        Ok(Line::Schema(schema)) => Some(schema),
        _ => None,
    })
}

/// Rows as JSON; all of the table where no ids are named.
pub(crate) async fn rows(
    connection: &mut SqliteConnection,
    table: &'static str,
    ids: Option<&[i64]>,
) -> Result<Vec<String>> {
    let Some(kept) = Kept::of(table) else { return Ok(Vec::new()) };
    let which = if ids.is_some() { "WHERE id IN (SELECT value FROM json_each(?))" } else { "WHERE ? IS NOT NULL" };
    let select = format!("SELECT {} FROM {table} {which} ORDER BY id", kept.object());
    // The names are those of the list above.
    let select = sqlx::query_scalar(sqlx::AssertSqlSafe(select))
        .bind(ids.map_or_else(|| Ok("all".to_owned()), |ids| json(&ids))?);
    Ok(select.fetch_all(connection).await?)
}

fn line(table: &'static str, row: &str) -> Result<String> {
    let corrupt =
        |e: serde_json::Error| StoreError::Corrupt { what: format!("a row of {table}"), fault: e.to_string() };
    let row: &RawValue = serde_json::from_str(row).map_err(corrupt)?;
    Ok(serde_json::to_string(&Line::Row { table: table.to_owned(), row }).map_err(corrupt)? + "\n")
}

fn append(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    let before = file.metadata()?.len();
    let written = file.write_all(bytes).and_then(|()| file.sync_data());
    if written.is_err() {
        // Half a line is of no use; where even this fails, a reader skips it.
        let _ = file.set_len(before);
    }
    written
}
