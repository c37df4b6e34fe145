//! How far a long piece of work has come.

/// One report of an import or a download.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// How much is done, in units of `unit`.
    pub done: u64,
    /// How much there is to do, where that is known.
    pub total: Option<u64>,
    /// What is being done: `downloading`, `reading`, `decoding`.
    pub what: &'static str,
    /// What `done` and `total` count.
    pub unit: ProgressUnit,
}

/// What a [`Progress`] counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgressUnit {
    /// Bytes of a file.
    Bytes,
    /// Images.
    Images,
}

impl Progress {
    pub(super) const fn bytes(what: &'static str, done: u64, total: u64) -> Self {
        Self { done, total: Some(total), what, unit: ProgressUnit::Bytes }
    }

    pub(super) const fn images(what: &'static str, done: usize, total: usize) -> Self {
        Self { done: done as u64, total: Some(total as u64), what, unit: ProgressUnit::Images }
    }
}
