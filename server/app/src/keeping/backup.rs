//! A backup: one archive with the database as it is at one moment and the small files of the runs.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

use anyhow::{Context, Result, bail};
use flate2::{Compression, write::GzEncoder};
use jiff::Timestamp;
use retort_store::Store;
use tar::Builder;

use super::{ABOUT, About};
use crate::{
    archive::{add, add_file},
    data_folder::Places,
};

/// What goes into a backup beside the database and the small files.
#[derive(Clone, Copy, Debug, Default)]
pub struct Contents {
    /// Weights: those of trained and of imported models.
    pub models: bool,
}

/// The files of a run's folder that every backup holds. Checkpoints are in none: they change all the time.
const OF_A_RUN: [&str; 6] =
    ["spec.json", "journal.jsonl", "outcomes.safetensors", "analysis.json", "gallery.png", "worker.log"];

/// The files of a run's folder with its weights.
const MODELS_OF_A_RUN: [&str; 3] = ["model.safetensors", "best.safetensors", "averaged.safetensors"];

/// Writes a backup of a data folder, whose server may be running, to a file that is not there yet; returns its bytes. It is
/// written beside and renamed.
///
/// # Errors
/// When there is no database, the file is there, or the disk refuses; nothing is left then.
pub async fn backup(places: &Places, to: &Path, contents: Contents) -> Result<u64> {
    if !places.database().is_file() {
        bail!("{} holds no data of Retort: name the folder with --data", places.root().display());
    }
    if to.exists() {
        bail!("{} is there already: name another file", to.display());
    }
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Copied first: the journals may know more than the database, which reads on, and never less.
    let beside = tempfile::Builder::new().prefix(".backup-").tempdir_in(folder);
    let beside = beside.with_context(|| format!("cannot write to {}", folder.display()))?;
    let database = beside.path().join("retort.db");
    Store::copy(&places.database(), &database).await.context("copying the database")?;
    let (places, half) = (places.clone(), beside.path().join("half"));
    let written =
        tokio::task::spawn_blocking(move || pack(&places, &database, &half, contents).map(|bytes| (half, bytes)));
    let (half, bytes) =
        written.await.context("writing the backup")?.with_context(|| format!("writing {}", to.display()))?;
    fs::rename(&half, to)
        .and_then(|()| File::open(folder)?.sync_all())
        .with_context(|| format!("writing {}", to.display()))?;
    Ok(bytes)
}

fn pack(places: &Places, database: &Path, half: &Path, contents: Contents) -> Result<u64> {
    let file = File::create(half)?;
    let mut archive = Builder::new(GzEncoder::new(file, Compression::fast()));
    let about = About {
        version: env!("CARGO_PKG_VERSION").into(),
        made_at: Timestamp::now().to_string(),
        has_models: contents.models,
    };
    let about = serde_json::to_vec_pretty(&about)?;
    add(&mut archive, ABOUT, about.as_slice(), about.len() as u64)?;
    add_file(&mut archive, "retort.db", database)?;
    add_file(&mut archive, "ledger.jsonl", &places.ledger())?;
    add_file(&mut archive, "views.json", &places.views())?;
    for run in names(&places.runs())? {
        let folder = places.runs().join(&run);
        let models: &[&str] = if contents.models { &MODELS_OF_A_RUN } else { &[] };
        for name in OF_A_RUN.iter().chain(models) {
            add_file(&mut archive, &format!("runs/{run}/{name}"), &folder.join(name))?;
        }
    }
    for share in names(&places.shares())? {
        for name in names(&places.shares().join(&share))? {
            add_file(&mut archive, &format!("shares/{share}/{name}"), &places.shares().join(&share).join(&name))?;
        }
    }
    for bundle in names(&places.bundles())? {
        let folder = places.bundles().join(&bundle);
        add_file(&mut archive, &format!("bundles/{bundle}/bundle.json"), &folder.join("bundle.json"))?;
        for name in names(&folder.join("outcomes"))? {
            let path = folder.join("outcomes").join(&name);
            add_file(&mut archive, &format!("bundles/{bundle}/outcomes/{name}"), &path)?;
        }
    }
    if contents.models {
        for name in names(&places.models())? {
            add_file(&mut archive, &format!("models/{name}"), &places.models().join(&name))?;
        }
    }
    let mut file = archive.into_inner()?.finish()?;
    file.flush()?;
    file.sync_all()?;
    Ok(file.metadata()?.len())
}

/// The names in a folder, in their order; none where there is no such folder.
fn names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry?.file_name().into_string());
    }
    names.sort_unstable();
    Ok(names)
}
