//! Keeping a data folder: backups of it, bringing one back, building its database again, and saying what is wrong with it.

mod backup;
mod daily;
mod fsck;
mod reindex;
mod restore;
mod usage;

pub use self::{
    backup::{Contents, backup},
    daily::daily,
    fsck::fsck,
    reindex::reindex,
    restore::restore,
    usage::{free, usage},
};

/// What a backup says of itself, as the first file in it.
#[derive(Debug, serde::Deserialize, serde::Serialize)]
struct About {
    /// The version of the program that made it.
    version: String,
    /// When, in UTC.
    made_at: String,
    /// Whether models are in it.
    has_models: bool,
}

/// The file in a backup that says what it is.
const ABOUT: &str = "backup.json";
