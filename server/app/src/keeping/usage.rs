//! What fills a data folder, by kind, and what of it nobody needs.

use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use retort_engine::RunFolder;
use retort_web::pages::DiskKind;

use crate::data_folder::Places;

/// One file, or all that a folder holds.
#[derive(Debug)]
struct Item {
    kind: DiskKind,
    path: PathBuf,
    bytes: u64,
    /// Whether it can be removed without losing a result.
    is_free: bool,
}

/// What files of one kind take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// All of them, in bytes.
    pub bytes: u64,
    /// Those that can be removed without losing a result.
    pub free: u64,
}

/// What each kind takes, in the order of [`DiskKind::ALL`]. `over` are the runs to which nothing more happens by itself.
pub fn usage(places: &Places, over: &HashSet<i64>) -> Vec<(DiskKind, Used)> {
    let items = items(places, over);
    let sum = |kind: DiskKind| {
        items.iter().filter(|item| item.kind == kind).fold(Used::default(), |sum, item| Used {
            bytes: sum.bytes + item.bytes,
            free: sum.free + if item.is_free { item.bytes } else { 0 },
        })
    };
    DiskKind::ALL.into_iter().map(|kind| (kind, sum(kind))).collect()
}

/// Removes what of this kind can be removed without losing a result; returns the bytes that it took.
///
/// # Errors
/// When a file cannot be removed; what was removed before stays so.
pub fn free(places: &Places, over: &HashSet<i64>, kind: DiskKind) -> Result<u64> {
    let mut freed = 0;
    for item in items(places, over).into_iter().filter(|item| item.kind == kind && item.is_free) {
        // A run that was resumed at this moment needs its checkpoint: its worker holds the folder.
        let folder = item.path.parent().filter(|_| kind == DiskKind::Checkpoints).map(RunFolder::at);
        let _held = match folder.map(|folder| folder.lock_for_worker()) {
            Some(Err(_)) => continue,
            held => held,
        };
        let removed = if item.path.is_dir() { fs::remove_dir_all(&item.path) } else { fs::remove_file(&item.path) };
        match removed {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                return Err(e).with_context(|| format!("cannot remove {}", item.path.display()));
            }
            _ => freed += item.bytes,
        }
    }
    Ok(freed)
}

fn items(places: &Places, over: &HashSet<i64>) -> Vec<Item> {
    let mut items = Vec::new();
    for path in entries(places.root()) {
        let name = name(&path);
        let whole = |kind: DiskKind, is_free: bool| Item { kind, bytes: size(&path), path: path.clone(), is_free };
        match name.as_str() {
            "runs" => entries(&path).into_iter().for_each(|run| of_run(run, over, &mut items)),
            "models" => items.push(whole(DiskKind::ImportedModels, false)),
            "datasets" => items.push(whole(DiskKind::Datasets, false)),
            "shares" => items.push(whole(DiskKind::Shares, false)),
            "bundles" => items.push(whole(DiskKind::Results, false)),
            "backups" => {
                let mut all = entries(&path);
                all.sort_unstable();
                // The newest stays.
                let newest = all.pop();
                items.extend(
                    all.into_iter()
                        .map(|path| (path, true))
                        .chain(newest.map(|path| (path, false)))
                        .map(|(path, is_free)| Item { kind: DiskKind::Backups, bytes: size(&path), path, is_free }),
                );
            }
            _ if name.starts_with("retort.before-reindex-") => items.push(whole(DiskKind::Aside, true)),
            _ if name.starts_with("retort.db") || name == "ledger.jsonl" => {
                items.push(whole(DiskKind::Database, false));
            }
            _ => items.push(whole(DiskKind::Other, false)),
        }
    }
    items
}

/// The files of a run's folder, by kind.
fn of_run(folder: PathBuf, over: &HashSet<i64>, items: &mut Vec<Item>) {
    let Ok(run) = name(&folder).parse::<i64>() else {
        // The folder of another database, which was moved aside.
        let is_free = folder.is_dir();
        let bytes = size(&folder);
        return items.push(Item { kind: DiskKind::Aside, path: folder, bytes, is_free });
    };
    for path in entries(&folder) {
        let kind = match name(&path).as_str() {
            "model.safetensors" | "best.safetensors" | "averaged.safetensors" => DiskKind::Models,
            name if name.starts_with("checkpoint.") => DiskKind::Checkpoints,
            "outcomes.safetensors" | "analysis.json" | "gallery.png" => DiskKind::Results,
            _ => DiskKind::Journals,
        };
        let is_free = kind == DiskKind::Checkpoints && over.contains(&run);
        items.push(Item { kind, bytes: size(&path), path, is_free });
    }
}

/// The bytes of a file, or of all files in a folder. Links are not followed.
fn size(path: &Path) -> u64 {
    match fs::symlink_metadata(path) {
        Ok(about) if about.is_dir() => entries(path).iter().map(|path| size(path)).sum(),
        Ok(about) => about.len(),
        Err(_) => 0,
    }
}

/// What stands in a folder; what cannot be read is not counted.
fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(places: &Places, path: &str, bytes: usize) {
        let path = places.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, vec![0; bytes]).unwrap();
    }

    #[test]
    fn every_byte_has_its_kind_and_only_what_nobody_needs_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let places = Places::at(dir.path());
        for (path, bytes) in [
            ("runs/1/model.safetensors", 1),
            ("runs/1/journal.jsonl", 2),
            ("runs/2/checkpoint.safetensors", 4),
            ("runs/2/checkpoint.earlier.safetensors", 8),
            ("runs/3/checkpoint.safetensors", 16),
            ("runs/4/checkpoint.safetensors", 32),
            ("runs/2.other-1/model.safetensors", 64),
            ("runs/1/outcomes.safetensors", 128),
            ("datasets/cifar10/train.bin", 256),
            ("retort.db-wal", 512),
            ("backups/retort-2026-01-01.tar.gz", 1024),
            ("backups/retort-2026-01-02.tar.gz", 2048),
            ("retort.before-reindex-1.db", 4096),
        ] {
            file(&places, path, bytes);
        }
        // Run 3 waits, and run 4 was resumed at this moment: its worker holds the folder.
        let over = HashSet::from([1, 2, 4]);
        let held = RunFolder::at(places.runs().join("4")).lock().unwrap();
        let of = |kind: DiskKind| usage(&places, &over).into_iter().find(|(k, _)| *k == kind).unwrap().1;
        assert_eq!(of(DiskKind::Models), Used { bytes: 1, free: 0 });
        assert_eq!(of(DiskKind::Checkpoints), Used { bytes: 60, free: 44 });
        assert_eq!(of(DiskKind::Aside), Used { bytes: 4160, free: 4160 });
        assert_eq!(of(DiskKind::Backups), Used { bytes: 3072, free: 1024 });
        assert_eq!(of(DiskKind::Database).bytes + of(DiskKind::Datasets).bytes + of(DiskKind::Results).bytes, 896);
        assert_eq!(free(&places, &over, DiskKind::Checkpoints).unwrap(), 12);
        assert!(places.runs().join("3/checkpoint.safetensors").exists());
        assert!(places.runs().join("4/checkpoint.safetensors").exists());
        assert_eq!(free(&places, &over, DiskKind::Aside).unwrap(), 4160);
        assert!(!places.runs().join("2.other-1").exists());
        assert_eq!(free(&places, &over, DiskKind::Backups).unwrap(), 1024);
        assert_eq!(free(&places, &over, DiskKind::Models).unwrap(), 0);
        drop(held);
        assert_eq!(free(&places, &over, DiskKind::Checkpoints).unwrap(), 32);
    }
}
