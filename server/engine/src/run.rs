//! One run in its folder, from its spec to its last line.

use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use candle_core::Device;
use retort_spec::{DeviceName, Event, LogLevel, ModelRef, Record, RunSpec, Stage, StageWork};

use crate::{
    EngineError, Result, RunFolder, analysis, checkpoint, crash_point,
    data::Library,
    device, evaluate,
    heartbeat::{BEAT, Heartbeat},
    journal::Journal,
    masking,
    nn::StateFile,
    ops::keep_freed_memory,
    train,
};

/// How an attempt at a run ended, if no error ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The run is done.
    Finished,
    /// A person ended the run.
    Cancelled,
    /// The process was asked to stop; the run goes on from its checkpoint later.
    Stopped,
}

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
    let mut context =
        Context { folder, stop, journal, device, asked: spec.device(), clock: Clock::new(), seconds_before: 0.0 };
    match spec {
        RunSpec::Train(spec) => train::run(&spec, &dataset, &mut context),
        RunSpec::Probe(spec) => train::run_probe(&spec, &dataset, &mut context),
        RunSpec::Evaluate(spec) => evaluate::run(&spec, &dataset, &mut context),
        RunSpec::Masking(spec) => masking::run(&spec, &dataset, &mut context),
        RunSpec::Analyse(spec) => analysis::run(&spec, &dataset, &mut context),
    }
}

/// What a run's work has around it.
pub(crate) struct Context<'a, 'j> {
    pub folder: &'a RunFolder,
    stop: &'a AtomicBool,
    pub journal: &'a mut Journal<'j>,
    pub device: Device,
    /// The device that the spec names.
    asked: DeviceName,
    clock: Clock,
    /// Seconds that earlier attempts computed.
    pub seconds_before: f64,
}

/// How often progress is reported.
const REPORT_EVERY: Duration = Duration::from_millis(900);
/// How much work a crash may cost, where a checkpoint is written in a moment.
const CHECKPOINT_EVERY: Duration = Duration::from_mins(1);
/// The least time between two checkpoints, by that which one takes: so they take at most 2 % of all time.
const CHECKPOINT_COST: u32 = 50;

struct Clock {
    started: Instant,
    reported: Option<Instant>,
    checkpointed: Instant,
    /// How long the last checkpoint took.
    checkpoint_took: Duration,
    /// Share of the work that was done when this attempt began.
    done_at_start: Option<f64>,
}

impl Clock {
    fn new() -> Self {
        let now = Instant::now();
        Self { started: now, reported: None, checkpointed: now, checkpoint_took: Duration::ZERO, done_at_start: None }
    }
}

impl Context<'_, '_> {
    /// Reports that a worker took up the run.
    pub(crate) fn started(&mut self, resumed_epochs: usize) -> Result<()> {
        let device = if self.device.is_cpu() { DeviceName::Cpu } else { self.asked };
        let threads = device::threads();
        self.journal.write(Event::Started {
            device,
            threads,
            version: env!("CARGO_PKG_VERSION").into(),
            resumed_epochs,
        })?;
        let from = match resumed_epochs {
            0 => String::new(),
            n => format!(", from the checkpoint behind epoch {n}"),
        };
        let message = format!("Computing on {device} with {threads} threads{from}.");
        self.journal.write(Event::Log { level: LogLevel::Info, message })
    }

    /// Whether the run must leave off now, and how.
    pub(crate) fn interrupted(&self) -> Option<Outcome> {
        if self.folder.cancel_requested() {
            return Some(Outcome::Cancelled);
        }
        self.stop.load(Ordering::Relaxed).then_some(Outcome::Stopped)
    }

    /// Seconds of computing, over all attempts.
    pub(crate) fn seconds(&self) -> f64 {
        self.seconds_before + self.clock.started.elapsed().as_secs_f64()
    }

    /// Whether a checkpoint is due in the midst of work.
    pub(crate) fn checkpoint_is_due(&self) -> bool {
        self.clock.checkpointed.elapsed() >= CHECKPOINT_EVERY.max(self.clock.checkpoint_took * CHECKPOINT_COST)
    }

    /// Whether a checkpoint may be written at the end of a piece of work, such as an epoch, so that they do not take too much
    /// time where such pieces are short.
    pub(crate) fn checkpoint_is_cheap(&self) -> bool {
        self.clock.checkpointed.elapsed() >= self.clock.checkpoint_took * CHECKPOINT_COST
    }

    /// Writes a checkpoint.
    pub(crate) fn save_checkpoint(&mut self, file: StateFile) -> Result<()> {
        let begun = Instant::now();
        checkpoint::save(self.folder, file)?;
        self.clock.checkpointed = Instant::now();
        self.clock.checkpoint_took = begun.elapsed();
        Ok(())
    }

    /// Reports how far the run is, about once a second.
    pub(crate) fn progress(&mut self, stage: Stage, (epoch, epochs): (usize, usize), done: f64) -> Result<()> {
        let Some(done_at_start) = self.clock.done_at_start else {
            self.clock.done_at_start = Some(done);
            return Ok(());
        };
        let own = done - done_at_start;
        // Before a step is done nothing is known of the speed.
        if own <= 0.0 || self.clock.reported.is_some_and(|at| at.elapsed() < REPORT_EVERY) {
            return Ok(());
        }
        self.clock.reported = Some(Instant::now());
        let seconds_left = self.clock.started.elapsed().as_secs_f64() / own * (1.0 - done);
        self.journal.write(Event::Progress { stage, epoch, epochs, done, seconds_left })
    }
}

/// Where a model file lies; specs in run folders name files.
pub(crate) fn model_path(model: &ModelRef) -> Result<&Path> {
    match model {
        ModelRef::File(path) => Ok(path),
        ModelRef::Run(id) => Err(EngineError::Data(format!(
            "the spec names the model of run {id}: only the server knows where that is; name a file instead"
        ))),
        ModelRef::Imported(id) => Err(EngineError::Data(format!(
            "the spec names the imported model {id}: only the server knows where that is; name a file instead"
        ))),
        ModelRef::Planned(_) | ModelRef::Best(_) => {
            Err(EngineError::Data("the spec names a run that was never launched".into()))
        }
    }
}

/// The share of all stages' work that is done in the middle of one: `within` of stage `stage`, each from 0 to 1.
pub(crate) fn share_done(stages: &[StageWork], stage: usize, within: f64) -> f64 {
    let all: f64 = stages.iter().map(StageWork::macs).sum();
    let before: f64 = stages[..stage].iter().map(StageWork::macs).sum();
    ((before + within * stages[stage].macs()) / all).clamp(0.0, 1.0)
}
