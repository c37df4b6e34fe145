//! `retort worker`: one attempt at a run, in a process of its own that outlives the server.

use std::{
    path::PathBuf,
    sync::{Arc, atomic::AtomicBool},
};

use anyhow::{Context, Result};
use clap::Args;
use retort_engine::{RunFolder, data::Library, run_folder, run_held_folder};

use crate::scheduler::LEFT_OFF;

/// What a worker is told.
#[derive(Args, Debug)]
pub struct WorkerArgs {
    /// The run's folder, with spec.json in it
    run_dir: PathBuf,

    /// The number of this attempt
    #[arg(long)]
    attempt: u32,

    /// The folder of datasets
    #[arg(long)]
    datasets: PathBuf,

    /// Standard input is the run folder's lock, which whoever started this process has taken for it
    #[arg(long)]
    held: bool,
}

/// Computes until the run ends, or until SIGTERM, which leaves a checkpoint.
///
/// # Errors
/// When the run fails; its journal then says so too. A fault of the machine that may pass ends the process with
/// [`LEFT_OFF`] instead: the run goes on from its checkpoint when it is started again.
pub fn work(args: &WorkerArgs) -> Result<()> {
    let stop = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGTERM, stop.clone()).context("listening for SIGTERM")?;
    let folder = RunFolder::at(&args.run_dir);
    let library = Library::new(&args.datasets);
    let ended = if args.held {
        folder.name_worker()?;
        run_held_folder(&folder, &library, args.attempt, &stop, &mut |_| {})
    } else {
        run_folder(&folder, &library, args.attempt, &stop, &mut |_| {})
    };
    match ended {
        Err(fault) if fault.may_pass() => {
            // What the server quotes as the reason.
            complain!("{fault}");
            std::process::exit(LEFT_OFF.into())
        }
        ended => Ok(ended.map(|_| ())?),
    }
}
