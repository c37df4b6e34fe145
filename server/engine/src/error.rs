//! What can go wrong in the engine, told so that a person can act.

use std::{
    io,
    path::{Path, PathBuf},
};

use retort_spec::Invalid;

/// A failure of the engine. Each says all that is known in its words, so none has a source whose words would be repeated.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A file or folder could not be read or written.
    #[error("{path}: {fault}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        fault: io::Error,
    },
    /// Another worker computes in this folder.
    #[error("another worker computes in {0}: wait for it, or cancel its run")]
    Busy(PathBuf),
    /// The spec cannot be run.
    #[error("the spec is not valid: {0}")]
    Spec(Invalid),
    /// A dataset cannot be used.
    #[error("{0}")]
    Data(String),
    /// A person broke off the import or download of a dataset.
    #[error("cancelled: nothing was imported")]
    Cancelled,
    /// A weights file cannot be used.
    #[error("{path}: {fault}")]
    Model {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        fault: String,
    },
    /// The training left the range of numbers.
    #[error("{0}")]
    Diverged(String),
    /// The answers of a teacher are not finite numbers.
    #[error("{fault}")]
    Teacher {
        /// Which teacher of the method, counted from 0.
        place: usize,
        /// What it answers, and what to do.
        fault: String,
    },
    /// A model's answers are not finite numbers.
    #[error("{0}")]
    NotFinite(String),
    /// Candle refused an operation: a fault of ours, or a device out of memory.
    #[error("tensor operation: {0}")]
    Tensor(candle_core::Error),
}

/// What the engine's functions return.
pub type Result<T, E = EngineError> = std::result::Result<T, E>;

impl EngineError {
    /// Whether it is a fault of the machine that may pass, such as a full disk, and none of the run itself.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Io { fault, .. } if is_of_the_machine(fault))
    }

    /// Whether the disk has no room for what was to be written.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Io { fault, .. } if fault.kind() == io::ErrorKind::StorageFull)
    }

    /// An input or output error at `path`.
    pub fn io(path: &Path, fault: io::Error) -> Self {
        Self::Io { path: path.to_owned(), fault }
    }
}

/// Whether an error of the operating system is about the machine's state (room, permissions, open files, a network's disk), and
/// not about what was asked for.
pub fn is_of_the_machine(fault: &io::Error) -> bool {
    use io::ErrorKind::{
        AlreadyExists, InvalidData, InvalidFilename, InvalidInput, IsADirectory, NotADirectory, NotFound, UnexpectedEof,
    };
    !matches!(
        fault.kind(),
        AlreadyExists
            | InvalidData
            | InvalidFilename
            | InvalidInput
            | IsADirectory
            | NotADirectory
            | NotFound
            | UnexpectedEof
    )
}

impl From<Invalid> for EngineError {
    fn from(invalid: Invalid) -> Self {
        Self::Spec(invalid)
    }
}

impl From<candle_core::Error> for EngineError {
    fn from(error: candle_core::Error) -> Self {
        Self::Tensor(error)
    }
}
