//! What the work of a run has around it: its folder, its journal, its device and its clock.

use std::{
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use candle_core::Device;
use retort_spec::{Attack, AttackProgress, DeviceName, Event, LogLevel, ModelRef, Stage, StageWork};

use crate::{EngineError, Result, RunFolder, device, journal::Journal};

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

/// An attack that is made.
pub(crate) struct UnderAttack {
    pub attack: Attack,
    /// How many images stood when its try began.
    pub standing: usize,
    /// What it has to do yet, as a share of all that is to be done.
    pub share_of_rest: f64,
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

impl<'a, 'j> Context<'a, 'j> {
    /// That of an attempt that begins now, on a device for which the spec asks.
    pub(crate) fn new(
        folder: &'a RunFolder,
        stop: &'a AtomicBool,
        journal: &'a mut Journal<'j>,
        (device, asked): (Device, DeviceName),
    ) -> Self {
        Self { folder, stop, journal, device, asked, clock: Clock::new(), seconds_before: 0.0 }
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

    /// Notes that a checkpoint was written, which was begun then.
    pub(crate) fn checkpoint_written(&mut self, begun: Instant) {
        self.clock.checkpointed = Instant::now();
        self.clock.checkpoint_took = begun.elapsed();
    }

    /// Reports how far the run is, about once a second.
    pub(crate) fn progress(
        &mut self,
        (stage, epoch, epochs): (Stage, usize, usize),
        done: f64,
        under: Option<UnderAttack>,
    ) -> Result<()> {
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
        let attack = under.map(|UnderAttack { attack, standing, share_of_rest }| AttackProgress {
            attack,
            standing,
            seconds_left: seconds_left * share_of_rest,
        });
        self.journal.write(Event::Progress { stage, epoch, epochs, done, seconds_left, attack })
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
        ModelRef::Planned(_) | ModelRef::Best(_) | ModelRef::Averaged(_) => {
            Err(EngineError::Data("the spec names a run that was never launched".into()))
        }
    }
}

/// The share of all stages' work that is done in the middle of one: `within` of stage `stage`, each from 0 to 1.
pub(crate) fn share_done(stages: &[StageWork], stage: usize, within: f64) -> f64 {
    let all: f64 = stages.iter().map(StageWork::seconds).sum();
    let before: f64 = stages[..stage].iter().map(StageWork::seconds).sum();
    ((before + within * stages[stage].seconds()) / all).clamp(0.0, 1.0)
}
