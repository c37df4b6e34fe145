//! Kills workers and servers of Retort again and again, and counts what that cost: it must cost time alone.

mod judge;
mod world;

use std::{
    collections::HashMap,
    fs,
    path::PathBuf,
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};
use retort_engine::CRASH_POINTS;
use rustix::process::Signal;
use serde::Serialize;

use world::{World, send};

/// Runs that are kept in the queue, so that there is always something to kill.
const OPEN: usize = 6;
/// How long an armed crash point may wait for somebody to come by.
const CRASH: Duration = Duration::from_secs(30);
/// After so many kills the data folder is copied, as it would be found after a power cut.
const COPY_EVERY: usize = 40;

/// What to do.
#[derive(Clone, Debug)]
pub struct Options {
    /// The program, built with crash points.
    pub program: PathBuf,
    /// How often something is killed.
    pub kills: usize,
    /// What the random moments come from.
    pub seed: u64,
    /// Where the data folder is kept; in a temporary one if absent.
    pub folder: Option<PathBuf>,
}

/// What it cost.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// What the random moments came from.
    pub seed: u64,
    /// How often something was killed, stopped or crashed.
    pub kills: usize,
    /// How many of them were crash points that somebody came by, by name.
    pub crashes: HashMap<&'static str, usize>,
    /// Copies of the folder, each carried on by a server of its own.
    pub copies: usize,
    /// Runs that were launched, all of which must have finished.
    pub runs: usize,
    /// Attempts at them.
    pub attempts: usize,
    /// How often a run was given up after three losses without progress, as the rule is, and resumed, at least.
    pub given_up: usize,
    /// Seconds that it took.
    pub seconds: u64,
    /// Epochs and accuracies in a journal that the database does not have, or that no journal has.
    pub lost_metrics: usize,
    /// Those that are told twice.
    pub doubled_metrics: usize,
    /// Runs in another state than finished.
    pub wrong_states: usize,
    /// Runs whose figures or model are others than those of the same spec undisturbed.
    pub differing_results: usize,
    /// Workers that were left over.
    pub orphans: usize,
    /// Moments in which two workers computed one run.
    pub double_workers: usize,
}

impl Figures {
    /// Whether nothing but time was lost.
    pub fn are_clean(&self) -> bool {
        let lost = [self.lost_metrics, self.doubled_metrics, self.wrong_states, self.differing_results];
        lost.iter().all(|count| *count == 0) && self.orphans == 0 && self.double_workers == 0
    }
}

/// Does it.
///
/// # Errors
/// When the program cannot be started, or its runs do not come to an end.
pub fn disturb(options: &Options) -> Result<Figures> {
    let begun = Instant::now();
    let temporary = tempfile::tempdir().context("a folder to work in")?;
    let root = options.folder.clone().unwrap_or_else(|| temporary.path().to_owned());
    let mut world = World::new(&options.program, &root)?;
    let mut random = ChaCha8Rng::seed_from_u64(options.seed);
    let mut figures = Figures { seed: options.seed, ..Figures::default() };
    let mut copies = Vec::new();
    let mut points = CRASH_POINTS.iter().cycle();
    for kill in 0..options.kills {
        world.keep_serving()?;
        figures.given_up += world.resume_given_up()?;
        world.keep_busy(OPEN);
        sleep(Duration::from_millis(50 + u64::from(random.next_u32() % 900)));
        // Crash points in turn, so that each is come by; all else by chance.
        if kill % 2 == 0 {
            if let Some(point) = points.next() {
                let fired = world.crash_at(point, CRASH, OPEN)?;
                *figures.crashes.entry(point).or_default() += usize::from(fired);
            }
        } else {
            strike(&mut world, random.next_u32())?;
        }
        figures.kills += 1;
        figures.double_workers += world.double_workers();
        if kill % COPY_EVERY == COPY_EVERY - 1 {
            copies.push(world.copy(&root.join(format!("copy-{kill}")))?);
        }
    }
    figures.given_up += world.finish()?;
    figures.orphans += world.stop()?;
    judge::judge(&world, &mut figures)?;
    for data in copies {
        let mut copy = world.elsewhere(&data)?;
        figures.given_up += copy.finish()?;
        figures.orphans += copy.stop()?;
        judge::compare(&copy, &world, &mut figures)?;
        figures.copies += 1;
        fs::remove_dir_all(&copy.data).context("removing a copy")?;
    }
    figures.seconds = begun.elapsed().as_secs();
    Ok(figures)
}

/// Does something to whoever computes or serves.
fn strike(world: &mut World, chance: u32) -> Result<()> {
    let worker = world.workers().first().map(|worker| worker.process);
    match (chance % 10, worker) {
        (0..=3, Some(worker)) => send(Signal::KILL, [worker]),
        (4, Some(worker)) => send(Signal::TERM, [worker]),
        (5, Some(worker)) => {
            send(Signal::STOP, [worker]);
            sleep(Duration::from_millis(300));
            send(Signal::CONT, [worker]);
        }
        (6, Some(worker)) => {
            send(Signal::KILL, [worker]);
            world.kill_server()?;
        }
        (7, _) => world.terminate_server()?,
        _ => world.kill_server()?,
    }
    Ok(())
}
