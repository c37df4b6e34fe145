//! What disagrees between a data folder's database, its ledger and its files.

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::Result;
use jiff::Timestamp;
use retort_engine::RunFolder;
use retort_spec::{Event, Record, RunKind, RunState};
use retort_store::{Run, Store};

use crate::data_folder::Places;

/// What disagrees, each in a sentence with what to do; none when all is well. Nobody else may use the folder meanwhile.
///
/// # Errors
/// When the database is damaged or cannot be read at all, in words that say what to do.
pub async fn fsck(places: &Places) -> Result<Vec<String>> {
    Store::verify(&places.database()).await?;
    let store = Store::open(&places.database()).await?;
    let mut found = store.ledger_faults().await?;
    let mut known = BTreeSet::new();
    for run in store.all_runs().await? {
        known.insert(run.id.to_string());
        let folder = RunFolder::at(places.runs().join(run.id.to_string()));
        found.extend(of_run(&run, &folder).map(|fault| format!("Run {} ({}): {fault}", run.id, run.title())));
    }
    for name in names(&places.runs()) {
        // A folder that was moved aside bears its number and more.
        if name.parse::<i64>().is_ok() && !known.contains(&name) {
            found
                .push(format!("runs/{name} belongs to no run of the database. Nothing uses it; it may be moved away."));
        }
    }
    let models: BTreeSet<String> =
        store.models(u32::MAX).await?.iter().map(|model| format!("{}.safetensors", model.id)).collect();
    let files: BTreeSet<String> = names(&places.models()).into_iter().collect();
    for missing in models.difference(&files) {
        found.push(format!("models/{missing} is missing: import that model again, or bring it back from a backup."));
    }
    for strange in files.difference(&models) {
        found.push(format!(
            "models/{strange} belongs to no model of the database. Nothing uses it; it may be moved away."
        ));
    }
    let folders: BTreeSet<String> = names(&places.shares()).into_iter().collect();
    for share in store.open_shares(Timestamp::now()).await? {
        if !folders.contains(&share.token_hash) {
            found.push(format!("The share “{}” (number {}) has lost its page: share again.", share.title, share.id));
        }
    }
    store.close().await;
    Ok(found)
}

/// What is wrong with a run's folder.
fn of_run(run: &Run, folder: &RunFolder) -> Option<String> {
    if run.attempt == 0 {
        return None;
    }
    if !folder.dir().is_dir() {
        return Some(format!(
            "its folder {} is missing. Bring it back from a backup, or launch it again.",
            folder.dir().display()
        ));
    }
    let length = fs::metadata(folder.journal()).map_or(0, |file| file.len());
    if length < run.journal_offset {
        let read = run.journal_offset;
        return Some(format!(
            "its journal has {length} bytes, and {read} were read: it was cut. Its figures stand; `retort reindex` would lose some."
        ));
    }
    let last = last_record(&folder.journal());
    let says_finished = matches!(last, Some(Record { event: Event::Finished { .. }, .. }));
    if run.state == RunState::Finished && !says_finished {
        return Some(
            "it is finished, and its journal does not say so. `retort reindex` would leave it cancelled.".into(),
        );
    }
    if says_finished && run.state.is_over() && run.state != RunState::Finished {
        return Some(format!(
            "its journal says that it finished, and it is {}. `retort reindex` takes it from there.",
            run.state
        ));
    }
    if run.state != RunState::Finished {
        return None;
    }
    let needed = match run.kind {
        RunKind::Train | RunKind::Probe => folder.model(),
        RunKind::Evaluate => folder.outcomes(),
        RunKind::Analyse => folder.analysis(),
        RunKind::Masking => return None,
    };
    let name = needed.file_name().unwrap_or_default().to_string_lossy();
    (!needed.is_file())
        .then(|| format!("it is finished, and {name} is not in its folder. Bring it back from a backup with models."))
}

/// The last line of a journal that can be read.
fn last_record(journal: &Path) -> Option<Record> {
    let text = fs::read(journal).ok()?;
    text.rsplit(|byte| *byte == b'\n').find_map(|line| serde_json::from_slice(line).ok())
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort_unstable();
    names
}
