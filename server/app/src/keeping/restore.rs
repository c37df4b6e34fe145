//! Bringing a backup back.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use flate2::read::GzDecoder;
use retort_store::Store;
use tar::Archive;

use super::{ABOUT, About};
use crate::data_folder::Places;

/// Unpacks a backup to a folder that is not there yet, or empty; returns what was done, in a sentence. It is unpacked beside,
/// looked through, and renamed.
///
/// # Errors
/// When the folder holds something, the file is no whole backup, or the database in it is damaged; nothing is left then.
pub async fn restore(from: &Path, data: &Path) -> Result<String> {
    let is_empty = match fs::read_dir(data) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => true,
        entries => entries.with_context(|| format!("cannot use {}", data.display()))?.next().is_none(),
    };
    if !is_empty {
        bail!("{} is not empty: name another folder with --data, or move it away", data.display());
    }
    let name = data.file_name().with_context(|| format!("{} has no name", data.display()))?;
    let folder = data.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let beside = tempfile::Builder::new().prefix(".restore-").tempdir_in(folder);
    let beside = beside.with_context(|| format!("cannot write to {}", folder.display()))?;
    let (archive, into) = (from.to_owned(), beside.path().join(name));
    let about = tokio::task::spawn_blocking({
        let into = into.clone();
        move || unpack(&archive, &into)
    });
    let about = about.await.context("unpacking")??;
    let places = Places::at(&into);
    Store::verify(&places.database()).await.with_context(|| format!("{} cannot be restored", from.display()))?;
    if data.exists() {
        fs::remove_dir(data).with_context(|| format!("cannot replace {}", data.display()))?;
    }
    fs::rename(&into, data).with_context(|| format!("cannot write {}", data.display()))?;
    let models = if about.has_models {
        ""
    } else {
        " It holds no models: what was trained can be looked at, and to teach or to be evaluated again it must be trained again."
    };
    Ok(format!(
        "{} holds the data of {} now, as Retort {} kept it.{models}",
        data.display(),
        about.made_at,
        about.version
    ))
}

fn unpack(from: &Path, into: &Path) -> Result<About> {
    let no_backup = || format!("{} is no whole backup of Retort", from.display());
    let file = File::open(from).with_context(|| format!("cannot read {}", from.display()))?;
    fs::create_dir_all(into).with_context(|| format!("cannot write {}", into.display()))?;
    let mut archive = Archive::new(GzDecoder::new(file));
    archive.set_preserve_permissions(false);
    for entry in archive.entries().with_context(no_backup)? {
        let mut entry = entry.with_context(no_backup)?;
        let path: PathBuf = entry.path().with_context(no_backup)?.into_owned();
        // Backups hold files only; what else stands in an archive is not of ours.
        if !entry.header().entry_type().is_file() || !entry.unpack_in(into).with_context(no_backup)? {
            bail!("{}: {} does not belong into a backup", no_backup(), path.display());
        }
    }
    let about = fs::read_to_string(into.join(ABOUT)).with_context(no_backup)?;
    let about = serde_json::from_str(&about).with_context(no_backup)?;
    fs::remove_file(into.join(ABOUT))?;
    Ok(about)
}
