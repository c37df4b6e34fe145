//! Removes what is left of shares that have ended.

use std::{fs, io, path::Path};

use anyhow::{Context, Result};
use jiff::Timestamp;
use retort_store::Store;

use super::{FOLDER, gone, snapshot::UNFINISHED};

/// Removes the files of shares that have ended, and those of one that a crash kept from being made. Before the server answers:
/// then none is in the making.
///
/// # Errors
/// When the database refuses or a folder cannot be removed.
pub async fn tidy(store: &Store, data: &Path) -> Result<()> {
    let folder = data.join(FOLDER);
    let ended = store.ended_shares(Timestamp::now()).await?;
    let remove = move || {
        let mut useless: Vec<_> = ended.into_iter().map(|hash| folder.join(hash)).collect();
        match fs::read_dir(&folder) {
            Ok(entries) => {
                let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
                useless.extend(paths.filter(|path| path.extension().is_some_and(|e| e == UNFINISHED)));
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(e).with_context(|| format!("cannot read {}", folder.display())),
        }
        for path in useless {
            gone(fs::remove_dir_all(&path)).with_context(|| format!("cannot remove {}", path.display()))?;
        }
        Ok(())
    };
    tokio::task::spawn_blocking(remove).await.context("tidying the shares")?
}
