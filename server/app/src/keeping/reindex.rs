//! Building the database of a data folder again.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use retort_engine::RunFolder;
use retort_spec::RunState;
use retort_store::Store;
use retort_web::format::plural;

use crate::{data_folder::Places, scheduler::read_on};

/// Builds the database again from the ledger and the journals in the run folders; returns what was done, in lines. The database
/// that is there is kept beside it. Nobody else may use the folder meanwhile.
///
/// # Errors
/// When there is no ledger, or the disk refuses; the database is then as before.
pub async fn reindex(places: &Places) -> Result<Vec<String>> {
    if !places.ledger().is_file() {
        bail!(
            "{} is missing: only a server that was started with this version or a later one has written it, and without it run \
             folders do not tell what they belong to",
            places.ledger().display()
        );
    }
    let database = places.database();
    let new = database.with_file_name("reindex.db");
    for left in with_its_logs(&new) {
        remove(&left)?;
    }
    let (store, mut done) = Store::reindex(&new).await?;
    for run in &done.runs {
        done.faults.extend(replay(&store, *run, &RunFolder::at(places.runs().join(run.to_string()))).await?);
    }
    let finished = store.state_counts().await?.of(RunState::Finished);
    store.close().await;
    let mut lines = vec![format!(
        "Built again: {}, {} ({finished} finished), {}, {}.",
        plural(done.experiments, "comparison", "comparisons"),
        plural(done.runs.len(), "run", "runs"),
        plural(done.models, "imported model", "imported models"),
        plural(done.shares, "share", "shares"),
    )];
    let aside = aside(&database)?;
    for (file, aside) in with_its_logs(&database).into_iter().zip(with_its_logs(&aside)) {
        match fs::rename(&file, &aside) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            moved => moved.with_context(|| format!("moving {} aside", file.display()))?,
        }
    }
    fs::rename(&new, &database).with_context(|| format!("putting {} in place", database.display()))?;
    if aside.exists() {
        lines.push(format!("The database of before is {}.", aside.display()));
    }
    if finished < done.runs.len() {
        lines.push(
            "Runs whose folders hold no last word are cancelled: resume them, or the whole comparison, to let them go on.".into(),
        );
    }
    lines.extend(done.faults);
    Ok(lines)
}

/// Takes over a run's whole journal; returns what cannot be taken over.
async fn replay(store: &Store, run: i64, folder: &RunFolder) -> Result<Option<String>> {
    let mut offset = 0;
    let fault = loop {
        match read_on(&folder.journal(), offset, 1) {
            Ok(None) => break None,
            Ok(Some(chunk)) => {
                offset = chunk.bytes.end;
                store.replay_journal(run, chunk.bytes, &chunk.records).await?;
            }
            Err(e) => break Some(format!("The journal of run {run} cannot be read from byte {offset} on: {e}.")),
        }
    };
    // One that computes at this moment is taken over by the server, as after any start.
    let computes = folder.worker().is_ok_and(|worker| worker.is_some()) && store.run(run).await?.state.is_active();
    if !computes {
        store.leave_for_a_person(run).await?;
    }
    Ok(fault)
}

/// A database with the files that SQLite keeps beside it.
fn with_its_logs(database: &Path) -> [PathBuf; 3] {
    let name = database.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    ["", "-wal", "-shm"].map(|end| database.with_file_name(format!("{name}{end}")))
}

/// A name that nothing has yet, for the database of before.
fn aside(database: &Path) -> Result<PathBuf> {
    let mut names = (1..10_000).map(|n| database.with_file_name(format!("retort.before-reindex-{n}.db")));
    names.find(|name| !name.exists()).context("there are too many databases of before: remove some")
}

fn remove(file: &Path) -> Result<()> {
    match fs::remove_file(file) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            Err(e).with_context(|| format!("cannot remove {}", file.display()))
        }
        _ => Ok(()),
    }
}
