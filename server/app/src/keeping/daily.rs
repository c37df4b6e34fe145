//! Backups once a day.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result};
use jiff::Timestamp;
use tokio::sync::watch;

use super::{Contents, backup};
use crate::{data_folder::Places, disk};

/// How old the newest backup may become.
const A_DAY: Duration = Duration::from_hours(24);
/// How often is looked.
const LOOK_EVERY: Duration = Duration::from_mins(10);

/// Keeps the newest `keep` backups, one a day, in the folder `backups` of the data folder, until the server stops.
pub async fn daily(places: Places, keep: usize, mut stopping: watch::Receiver<bool>) {
    loop {
        match turn(&places, keep, SystemTime::now()).await {
            Ok(Some(made)) => tracing::info!("made the backup {}", made.display()),
            Ok(None) => {}
            Err(error) => tracing::warn!("no backup was made: {error:#}"),
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            _ = stopping.wait_for(|stops| *stops) => return,
        }
    }
}

/// Makes a backup if the newest is a day old, and removes those that are too many.
async fn turn(places: &Places, keep: usize, now: SystemTime) -> Result<Option<PathBuf>> {
    let folder = places.backups();
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let newest = made(&folder)?.pop().and_then(|path| fs::metadata(path).ok()?.modified().ok());
    if newest.is_some_and(|at| now.duration_since(at).unwrap_or_default() < A_DAY) {
        return Ok(None);
    }
    if disk::free(&folder).is_some_and(|free| free < disk::floor()) {
        anyhow::bail!("the disk is nearly full");
    }
    let to = folder.join(format!("retort-{}.tar.gz", Timestamp::now().strftime("%Y-%m-%dT%H%M%S")));
    backup(places, &to, Contents::default()).await?;
    let all = made(&folder)?;
    for old in all.iter().take(all.len().saturating_sub(keep.max(1))) {
        fs::remove_file(old).with_context(|| format!("cannot remove {}", old.display()))?;
    }
    Ok(Some(to))
}

/// The backups in a folder, the oldest first.
fn made(folder: &Path) -> Result<Vec<PathBuf>> {
    let is_ours = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with("retort-") && name.ends_with(".tar.gz")
    };
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_ours).collect();
    paths.sort_unstable();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use retort_store::Store;

    use super::*;

    #[tokio::test]
    async fn a_backup_is_made_once_a_day_and_the_oldest_gives_way() {
        let dir = tempfile::tempdir().unwrap();
        let places = Places::at(dir.path());
        Store::open(&places.database()).await.unwrap().close().await;
        let now = SystemTime::now();
        fs::create_dir(places.backups()).unwrap();
        for name in ["retort-2025-01-01T000000.tar.gz", "retort-2025-01-02T000000.tar.gz", "notes.txt"] {
            let file = fs::File::create(places.backups().join(name)).unwrap();
            file.set_modified(now - 3 * A_DAY).unwrap();
        }
        let first = turn(&places, 2, now).await.unwrap().unwrap();
        assert_eq!(turn(&places, 2, now).await.unwrap(), None);
        let kept = made(&places.backups()).unwrap();
        assert_eq!(kept, [places.backups().join("retort-2025-01-02T000000.tar.gz"), first]);
        assert!(places.backups().join("notes.txt").exists());
    }
}
