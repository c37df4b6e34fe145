//! `GET /disk`

use std::str::FromStr;

use askama::Template;

use crate::{Frame, Section, format};

/// What a file in the data folder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskKind {
    /// Weights that runs left.
    Models,
    /// States from which runs go on.
    Checkpoints,
    /// Specs, journals and logs of runs.
    Journals,
    /// What evaluations and analyses found.
    Results,
    /// Weights that were imported.
    ImportedModels,
    /// Images.
    Datasets,
    /// Frozen copies.
    Shares,
    /// The database and its ledger.
    Database,
    /// Daily backups.
    Backups,
    /// Folders of other databases, and databases of before a reindex.
    Aside,
    /// Anything else.
    Other,
}

impl DiskKind {
    /// All kinds, as they are listed.
    pub const ALL: [Self; 11] = [
        Self::Models,
        Self::Checkpoints,
        Self::Journals,
        Self::Results,
        Self::ImportedModels,
        Self::Datasets,
        Self::Shares,
        Self::Database,
        Self::Backups,
        Self::Aside,
        Self::Other,
    ];

    /// The name in forms.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Models => "models",
            Self::Checkpoints => "checkpoints",
            Self::Journals => "journals",
            Self::Results => "results",
            Self::ImportedModels => "imported",
            Self::Datasets => "datasets",
            Self::Shares => "shares",
            Self::Database => "database",
            Self::Backups => "backups",
            Self::Aside => "aside",
            Self::Other => "other",
        }
    }

    /// What it is, in words.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Models => "Models of runs",
            Self::Checkpoints => "Checkpoints",
            Self::Journals => "Journals and logs",
            Self::Results => "Answers and analyses",
            Self::ImportedModels => "Imported models",
            Self::Datasets => "Datasets",
            Self::Shares => "Shares",
            Self::Database => "Database and ledger",
            Self::Backups => "Daily backups",
            Self::Aside => "Moved aside",
            Self::Other => "Other files",
        }
    }

    /// What can be removed of it, and what that costs; empty where nothing can.
    pub const fn freeing(self) -> &'static str {
        match self {
            Self::Checkpoints => {
                "Those of runs that failed, diverged or were cancelled. Resumed, such a run begins anew."
            }
            Self::Backups => "All but the newest.",
            Self::Aside => "Run folders that belonged to another database, and databases of before a reindex.",
            _ => "",
        }
    }
}

impl FromStr for DiskKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.id() == text)
            .ok_or_else(|| format!("there are no files of kind “{text}”"))
    }
}

/// What one kind takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskRow {
    /// The kind.
    pub kind: DiskKind,
    /// Its bytes.
    pub bytes: u64,
    /// Those that can be freed without losing a result.
    pub free: u64,
}

/// What fills the disk, by kind, with what can be freed.
#[derive(Clone, Debug, Template)]
#[template(path = "disk.html")]
pub struct DiskPage {
    /// The header.
    pub frame: Frame,
    /// Free bytes on the disk that holds the data folder; none when the system does not tell.
    pub free: Option<u64>,
    /// Bytes of that disk.
    pub size: Option<u64>,
    /// Free bytes below which no run is started.
    pub floor: u64,
    /// What each kind takes.
    pub rows: Vec<DiskRow>,
}

impl DiskRow {
    fn size(&self) -> String {
        format::bytes(self.bytes)
    }

    /// What can be freed; none where nothing can.
    fn freed(&self) -> Option<String> {
        (self.free > 0).then(|| format::bytes(self.free))
    }
}

impl DiskPage {
    const SECTION: Section = Section::Overview;

    /// `12 GiB free of 40 GiB`.
    fn heading(&self) -> String {
        match (self.free, self.size) {
            (Some(free), Some(size)) => format!("{} free of {}", format::bytes(free), format::bytes(size)),
            (Some(free), None) => format!("{} free", format::bytes(free)),
            (None, _) => "What takes how much".into(),
        }
    }

    fn floor(&self) -> String {
        format::bytes(self.floor)
    }

    fn used(&self) -> u64 {
        self.rows.iter().map(|row| row.bytes).sum()
    }

    /// The rows that take something, the largest first.
    fn largest_first(&self) -> Vec<DiskRow> {
        let mut rows: Vec<DiskRow> = self.rows.iter().filter(|row| row.bytes > 0).copied().collect();
        rows.sort_by_key(|row| std::cmp::Reverse(row.bytes));
        rows
    }

    /// The answer: how much is free, and how much of what is used can be freed.
    fn answer(&self) -> String {
        let all: u64 = self.rows.iter().map(|row| row.free).sum();
        let freed = match all {
            0 => "nothing of it can be freed without losing a result".to_owned(),
            all => format!("{} of it can be freed without losing a result", format::bytes(all)),
        };
        format!("This data folder takes {}; {freed}.", format::bytes(self.used()))
    }
}
