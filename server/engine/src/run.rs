//! One run in its folder, from its spec to its last line.

use std::{fs, sync::atomic::AtomicBool};

use retort_spec::{Event, LogLevel, Record, RunSpec};

use crate::{
    EngineError, Result, RunFolder, analysis, checkpoint,
    context::{Context, Outcome},
    crash_point,
    data::Library,
    device, evaluate,
    heartbeat::{BEAT, Heartbeat},
    journal::Journal,
    masking,
    ops::keep_freed_memory,
    train,
};

/// Takes up the run in `folder` and carries it on to its end, or until `stop` is set or somebody asks to cancel it.
///
/// Everything that happens is appended to the folder's journal and shown to `observe`. A run that an earlier attempt
/// left unfinished goes on from its checkpoint, with the numbers that it would have had.
///
/// # Errors
/// When the spec, the dataset or a model cannot be used, the disk refuses, or the training diverges. The journal's last
/// line says so too, unless it [may pass](EngineError::may_pass): then the run has not failed and can be taken up again.
pub fn run_folder(
    folder: &RunFolder,
    library: &Library,
    attempt: u32,
    stop: &AtomicBool,
    observe: &mut dyn FnMut(&Record),
) -> Result<Outcome> {
    let _held = folder.lock()?;
    run_held_folder(folder, library, attempt, stop, observe)
}

/// The same, where this process holds the folder already.
///
/// # Errors
/// As [`run_folder`].
pub fn run_held_folder(
    folder: &RunFolder,
    library: &Library,
    attempt: u32,
    stop: &AtomicBool,
    observe: &mut dyn FnMut(&Record),
) -> Result<Outcome> {
    crash_point("worker.begun");
    let _alive = Heartbeat::start(folder.heartbeat(), BEAT);
    keep_freed_memory();
    let mut journal = Journal::open(&folder.journal(), attempt, observe)?;
    let outcome = attempt_run(folder, library, stop, &mut journal);
    match &outcome {
        // The finished event carries the seconds; it was written where they are known. A finished run never goes on.
        Ok(Outcome::Finished) => {
            crash_point("finish.noted");
            checkpoint::remove(folder);
        }
        Ok(Outcome::Cancelled) => journal.write(Event::Cancelled {})?,
        Ok(Outcome::Stopped) => journal.write(Event::Stopped {})?,
        // The run itself did not fail, and where the disk is full nothing can be written.
        Err(error) if error.may_pass() => {}
        Err(EngineError::Diverged(reason)) => journal.write(Event::Diverged { reason: reason.clone() })?,
        Err(error) => journal.write(Event::Failed { reason: error.to_string() })?,
    }
    outcome
}

fn attempt_run(folder: &RunFolder, library: &Library, stop: &AtomicBool, journal: &mut Journal) -> Result<Outcome> {
    let path = folder.spec();
    let text = fs::read_to_string(&path).map_err(|e| EngineError::io(&path, e))?;
    let spec = RunSpec::from_json(&text)?;
    let (device, note) = device::open(spec.device());
    if let Some(message) = note {
        journal.write(Event::Log { level: LogLevel::Warning, message })?;
    }
    let dataset = library.load(&spec.dataset().name)?.choose(spec.dataset())?;
    let mut context = Context::new(folder, stop, journal, (device, spec.device()));
    match spec {
        RunSpec::Train(spec) => train::run(&spec, &dataset, &mut context),
        RunSpec::Probe(spec) => train::run_probe(&spec, &dataset, &mut context),
        RunSpec::Evaluate(spec) => evaluate::run(&spec, &dataset, &mut context),
        RunSpec::Masking(spec) => masking::run(&spec, &dataset, &mut context),
        RunSpec::Analyse(spec) => analysis::run(&spec, &dataset, &mut context),
    }
}
