//! How far a long piece of work has come.

use std::ops::ControlFlow;

use crate::{EngineError, Result};

/// What is told how far the work is; the work ends with [`EngineError::Cancelled`] when it answers [`ControlFlow::Break`].
pub type Watch<'a> = dyn FnMut(Progress) -> ControlFlow<()> + 'a;

/// One report of an import or a download.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// How much is done, in units of `unit`.
    pub done: u64,
    /// How much there is to do, where that is known.
    pub total: Option<u64>,
    /// What is being done: `downloading`, `looking at files`, `reading`, `decoding`.
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
    /// Files.
    Files,
}

impl Progress {
    /// Tells `watch`.
    pub(super) fn tell(self, watch: &mut Watch<'_>) -> Result<()> {
        if watch(self).is_break() { Err(EngineError::Cancelled) } else { Ok(()) }
    }

    pub(super) const fn bytes(what: &'static str, done: u64, total: u64) -> Self {
        Self { done, total: Some(total), what, unit: ProgressUnit::Bytes }
    }

    /// So many files of `total`, or of an unknown number where that is 0.
    pub(super) fn files(what: &'static str, done: usize, total: usize) -> Self {
        let total = (total > 0).then_some(total as u64);
        Self { done: done as u64, total, what, unit: ProgressUnit::Files }
    }

    pub(super) const fn images(what: &'static str, done: usize, total: usize) -> Self {
        Self { done: done as u64, total: Some(total as u64), what, unit: ProgressUnit::Images }
    }
}
