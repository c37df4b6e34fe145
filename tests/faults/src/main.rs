//! `cargo run --release -p retort-faults -- --kills 200 --seed 1`

use std::{path::PathBuf, process::Command};

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use retort_faults::{Options, disturb};

/// Kill Retort's workers and servers again and again at random moments and at every crash point, and tell what that cost
///
/// The last line is one of JSON. All its figures but the first ones must be zero; else the exit code is 1.
#[derive(Debug, Parser)]
struct Arguments {
    /// How often something is killed
    #[arg(long, default_value_t = 200)]
    kills: usize,

    /// What the random moments come from
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// The program, built with the feature `crash-points`; built now when left out
    #[arg(long)]
    program: Option<PathBuf>,

    /// Keep the data folder there instead of in a temporary one
    #[arg(long)]
    folder: Option<PathBuf>,
}

fn main() -> Result<()> {
    let Arguments { kills, seed, program, folder } = Arguments::parse();
    let program = program.map_or_else(build, Ok)?;
    let figures = disturb(&Options { program, kills, seed, folder })?;
    println!("{}", serde_json::to_string(&figures)?);
    if !figures.are_clean() {
        bail!("something was lost");
    }
    Ok(())
}

/// Builds the program beside this one.
fn build() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--release", "--locked", "-p", "retort", "-p", "retort-faults"]);
    ensure!(build.status().context("building the program")?.success(), "the program could not be built");
    let program = std::env::current_exe()?.with_file_name("retort");
    ensure!(program.is_file(), "there is no {}: name the program by --program", program.display());
    Ok(program)
}
