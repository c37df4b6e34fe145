//! What can go wrong with the database, told so that a person can act.

use std::path::PathBuf;

use retort_spec::RunState;

/// A failure of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such row.
    #[error("there is no {what} {id}")]
    NotFound {
        /// `run`, `experiment` or `model`.
        what: &'static str,
        /// The id that was asked for.
        id: i64,
    },
    /// A run may not go from its state to that one.
    #[error("run {run} is {from} and cannot become {to}")]
    Forbidden {
        /// The run.
        run: i64,
        /// Its state.
        from: RunState,
        /// The state that it was to take.
        to: RunState,
    },
    /// More runs would wait than may.
    #[error(
        "{queued} runs wait already, and with these {more} there would be more than {most}, the most that may: cancel some, or \
         launch these when others have ended"
    )]
    QueueFull {
        /// Runs that wait.
        queued: usize,
        /// Runs that were to be added.
        more: usize,
        /// Runs that may wait.
        most: usize,
    },
    /// Somebody else has read on in the journal meanwhile.
    #[error("the journal of run {run} is already read up to byte {stored}, not {expected}")]
    OffsetMoved {
        /// The run.
        run: i64,
        /// Where the reader thought it was.
        expected: u64,
        /// What the database says.
        stored: u64,
    },
    /// The database belongs to a newer version of the program.
    #[error(
        "{path} was written by a newer version of Retort (its schema has step {found}, this version knows {known} \
         steps). Start that version, or name another data folder with --data. Nothing was changed."
    )]
    Newer {
        /// The database file.
        path: PathBuf,
        /// The newest step in it.
        found: i64,
        /// The newest step that this version knows.
        known: i64,
    },
    /// The file cannot be opened as a database.
    #[error("{path} cannot be opened as a database: {source}")]
    Open {
        /// The database file.
        path: PathBuf,
        /// What `SQLite` said.
        source: sqlx::Error,
    },
    /// A schema step failed.
    #[error("{path} could not be brought to this version's schema: {source}")]
    Migrate {
        /// The database file.
        path: PathBuf,
        /// What went wrong.
        source: sqlx::migrate::MigrateError,
    },
    /// A value cannot be stored as JSON.
    #[error("it cannot be stored: {fault}")]
    NoJson {
        /// What is wrong with it.
        fault: String,
    },
    /// A stored value does not have the form that it was written in.
    #[error("the database holds {what} that cannot be read: {fault}")]
    Corrupt {
        /// Which value.
        what: String,
        /// What is wrong with it.
        fault: String,
    },
    /// The database is not there, and its ledger tells of rows that it had.
    #[error(
        "{path} is missing, and the ledger beside it tells of what was in it: `retort reindex --data DIR` builds the database again \
         from it and from the run folders. To begin anew, move ledger.jsonl away too."
    )]
    Lost {
        /// The database file.
        path: PathBuf,
    },
    /// The database does not hold together.
    #[error(
        "{path} is damaged: {fault}. `retort reindex --data DIR` builds it again, or `retort restore` brings a backup back."
    )]
    Damaged {
        /// The database file.
        path: PathBuf,
        /// What SQLite found.
        fault: String,
    },
    /// The ledger beside the database cannot be read or written.
    #[error("{path}: {fault}")]
    Ledger {
        /// The ledger.
        path: PathBuf,
        /// What the operating system said.
        fault: std::io::Error,
    },
    /// Another program holds the database, and did not let go of it in time.
    #[error(
        "another program holds the database, and did not let go of it in time. Nothing was changed. Try again; if it stays so, look \
         for what has retort.db open"
    )]
    Busy,
    /// The database's file cannot be written.
    #[error(
        "retort.db cannot be written: the file, its folder or the disk is read-only for this user. Nothing was changed. Make it \
         writable, or choose another data folder"
    )]
    ReadOnly,
    /// The disk has no room for what was to be written.
    #[error("the disk is full. Nothing was changed: make room, and try again")]
    Full,
    /// `SQLite` refused.
    #[error("database: {0}")]
    Database(sqlx::Error),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match primary_code(&error) {
            Some(SQLITE_BUSY) => Self::Busy,
            Some(SQLITE_FULL) => Self::Full,
            Some(SQLITE_READONLY) => Self::ReadOnly,
            Some(SQLITE_CORRUPT) => Self::Damaged { path: "retort.db".into(), fault: error.to_string() },
            // Others wait in the same queue for the one connection that writes.
            _ if matches!(error, sqlx::Error::PoolTimedOut) => Self::Busy,
            _ => Self::Database(error),
        }
    }
}

impl StoreError {
    /// Whether the disk has no room for what was to be written.
    pub fn is_full(&self) -> bool {
        match self {
            Self::Full => true,
            Self::Ledger { fault, .. } => fault.kind() == std::io::ErrorKind::StorageFull,
            _ => false,
        }
    }

    /// Whether it is a fault of the machine that may pass.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Busy | Self::ReadOnly | Self::Database(_)) || self.is_full()
    }
}

pub(crate) const SQLITE_BUSY: i32 = 5;
pub(crate) const SQLITE_READONLY: i32 = 8;
const SQLITE_FULL: i32 = 13;
pub(crate) const SQLITE_CORRUPT: i32 = 11;

/// SQLite's code for an error, without what extends it.
pub(crate) fn primary_code(error: &sqlx::Error) -> Option<i32> {
    let code = error.as_database_error()?.code()?.parse::<i32>().ok()?;
    // The primary code is the last byte.
    Some(code & 0xFF)
}

/// What the store's functions return.
pub type Result<T> = std::result::Result<T, StoreError>;
