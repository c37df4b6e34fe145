//! `retort run`: one run in a folder, without a server.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use clap::Args;
use retort_engine::{Outcome, RunFolder, data::Library, run_folder};
use retort_spec::{Event, Record, RunSpec};

use super::{data_dir::DataDir, draw::draw, progress::RunProgress, stop::stop_flag};

/// What to run, and where.
#[derive(Args, Debug)]
pub struct RunArgs {
    /// The spec; `retort spec METHOD` prints one
    #[arg(value_name = "SPEC.json")]
    spec: PathBuf,

    /// Folder for spec.json, journal.jsonl and model.safetensors; a run that was stopped there goes on
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    #[command(flatten)]
    data: DataDir,
}

/// Runs the spec to its end, or until Ctrl-C, which leaves a checkpoint.
///
/// # Errors
/// When the spec is not valid, the folder holds another run, or the run fails.
pub fn run(args: &RunArgs) -> Result<()> {
    let text = fs::read_to_string(&args.spec).with_context(|| format!("cannot read {}", args.spec.display()))?;
    let spec = RunSpec::from_json(&text).with_context(|| args.spec.display().to_string())?;
    run_spec(&spec, &args.out, &args.data)
}

/// Runs a spec in a folder, and says how it ended.
pub(super) fn run_spec(spec: &RunSpec, out: &Path, data: &DataDir) -> Result<()> {
    let folder = RunFolder::at(out);
    let attempt = match earlier_attempts(&folder, spec)? {
        Earlier::Finished => {
            say!("{} holds this run, finished.", out.display());
            if let RunSpec::Analyse(spec) = spec {
                // A crash may have come between its end and its figures.
                say!("{}", draw(spec, &folder)?);
            }
            return Ok(());
        }
        Earlier::Attempts(0) => {
            RunFolder::create(out, spec)?;
            1
        }
        Earlier::Attempts(n) => n + 1,
    };
    let stop = stop_flag()?;
    let bar = RunProgress::new();
    let outcome = run_folder(&folder, &Library::new(data.datasets()), attempt, &stop, &mut |r| bar.show(r));
    bar.finish();
    match outcome? {
        Outcome::Finished => say!("{}", last_words(&folder, spec)?),
        Outcome::Stopped => say!("Stopped with a checkpoint: the same command goes on from there."),
        Outcome::Cancelled => say!("Cancelled: remove the file `cancel` from {} to go on.", out.display()),
    }
    Ok(())
}

enum Earlier {
    Attempts(u32),
    Finished,
}

fn records(folder: &RunFolder) -> Result<Vec<Record>> {
    let path = folder.journal();
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}

/// How many attempts at a spec stand in a folder; none where one of them finished.
///
/// # Errors
/// When the folder holds the run of another spec, or cannot be read.
pub(super) fn unfinished_attempts(folder: &RunFolder, spec: &RunSpec) -> Result<Option<u32>> {
    Ok(match earlier_attempts(folder, spec)? {
        Earlier::Attempts(n) => Some(n),
        Earlier::Finished => None,
    })
}

/// What stands in the folder of this spec already.
fn earlier_attempts(folder: &RunFolder, spec: &RunSpec) -> Result<Earlier> {
    let path = folder.spec();
    if !path.exists() {
        return Ok(Earlier::Attempts(0));
    }
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    if RunSpec::from_json(&text).ok().as_ref() != Some(spec) {
        if !has_only_failed(folder)? {
            bail!("{} holds the run of another spec: name another folder, or remove it", folder.dir().display());
        }
        let journal = folder.journal();
        fs::remove_file(&journal).with_context(|| format!("cannot remove {}", journal.display()))?;
        return Ok(Earlier::Attempts(0));
    }
    let records = records(folder)?;
    if records.iter().any(|r| matches!(r.event, Event::Finished { .. })) {
        return Ok(Earlier::Finished);
    }
    Ok(Earlier::Attempts(records.iter().map(|r| r.attempt).max().unwrap_or(0)))
}

/// Whether the run in a folder failed before it came to anything, as by a name that was mistyped, and nobody tries it again.
fn has_only_failed(folder: &RunFolder) -> Result<bool> {
    if folder.worker()?.is_some() {
        return Ok(false);
    }
    let dir = folder.dir();
    for entry in fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))? {
        let path = entry.with_context(|| format!("cannot read {}", dir.display()))?.path();
        if ![folder.spec(), folder.journal(), folder.lock_file(), folder.heartbeat()].contains(&path) {
            return Ok(false);
        }
    }
    let records = records(folder)?;
    let has_results = records
        .iter()
        .any(|r| matches!(r.event, Event::Metrics { .. } | Event::Evaluation { .. } | Event::Check { .. }));
    Ok(!has_results && matches!(records.last(), Some(Record { event: Event::Failed { .. }, .. })))
}

fn last_words(folder: &RunFolder, spec: &RunSpec) -> Result<String> {
    let records = records(folder)?;
    let seconds = records.iter().rev().find_map(|r| match r.event {
        Event::Finished { seconds } => Some(retort_web::format::duration(seconds)),
        _ => None,
    });
    let what = match spec {
        RunSpec::Train(_) | RunSpec::Probe(_) => shown(&folder.model()),
        RunSpec::Evaluate(_) | RunSpec::Masking(_) => shown(&folder.journal()),
        RunSpec::Analyse(spec) => draw(spec, folder)?,
    };
    Ok(format!("Finished in {}: {what}", seconds.unwrap_or_default()))
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
