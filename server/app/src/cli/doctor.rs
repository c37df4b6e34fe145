//! `retort doctor`: whether this machine is fit for work. `retort health`: whether a server answers.

use std::{fs, time::Duration};

use anyhow::{Context, Result, bail};
use clap::Args;
use retort_engine::{data::Library, device};
use retort_web::words::shown;

use super::data_dir::DataDir;
use crate::{data_folder::DataFolder, disk, keeping};

/// What to look at.
#[derive(Args, Debug)]
pub struct DoctorArgs {
    #[command(flatten)]
    data: DataDir,
}

/// Prints devices, the data folder and the datasets, and says what is wrong.
///
/// # Errors
/// When something must be mended before runs can work.
pub fn doctor(args: &DoctorArgs) -> Result<()> {
    say!("Retort {}", env!("CARGO_PKG_VERSION"));
    for found in device::available() {
        say!("device       {:<8} {}", found.name.to_string(), found.description);
    }
    if !cfg!(feature = "cuda") {
        say!("             this program was built without the feature `cuda`: it computes on the CPU only");
    }
    let mut faults = 0;
    let root = args.data.root();
    match fs::create_dir_all(root).and_then(|()| tempfile::tempfile_in(root)) {
        Ok(_) => say!("data folder  {} can be written", root.display()),
        Err(e) => {
            faults += 1;
            say!("data folder  {} cannot be written: {e}", root.display());
        }
    }
    match disk::free(root) {
        Some(free) if free < disk::floor() => {
            faults += 1;
            say!("disk         {} free: runs do not start below 1 GiB", retort_web::format::bytes(free));
        }
        Some(free) => say!("disk         {} free", retort_web::format::bytes(free)),
        None => say!("disk         the system does not tell how much is free"),
    }
    for dataset in Library::new(args.data.datasets()).list()? {
        match dataset.fault {
            None => say!("dataset      {:<18} {}", dataset.name, shown(&dataset.title)),
            Some(fault) => {
                faults += 1;
                say!("dataset      {:<18} cannot be used: {}", dataset.name, shown(&fault));
            }
        }
    }
    if args.data.root().join("retort.db").is_file() {
        match DataFolder::open(root) {
            Err(busy) => say!("database     not looked into: {busy:#}"),
            Ok(folder) => super::serve::block_on(async {
                let found = match keeping::fsck(&folder).await {
                    Ok(found) => found,
                    Err(error) => vec![format!("{error:#}")],
                };
                for fault in &found {
                    say!("database     {}", shown(fault));
                }
                if found.is_empty() {
                    say!("database     agrees with the run folders");
                }
                faults += found.len();
                Ok(())
            })?,
        }
    }
    match faults {
        0 => say!("All is well."),
        1 => bail!("one thing must be mended"),
        n => bail!("{n} things must be mended"),
    }
    Ok(())
}

/// The server to ask.
#[derive(Args, Debug)]
pub struct HealthArgs {
    /// Where the server listens
    #[arg(long, env = "RETORT_LISTEN", value_name = "ADDR:PORT", default_value = "127.0.0.1:7878")]
    listen: String,
}

/// Asks the server whether it is well.
///
/// # Errors
/// When it does not answer within three seconds, or says no.
pub fn health(args: &HealthArgs) -> Result<()> {
    // A server that listens on every address answers on this machine's own.
    let address = args.listen.replace("0.0.0.0", "127.0.0.1").replace("[::]", "[::1]");
    let agent: ureq::Agent = ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(3))).build().into();
    let answer = agent.get(format!("http://{address}/health")).call();
    answer.with_context(|| format!("no healthy Retort at {address}"))?;
    say!("Retort at {address} is well.");
    Ok(())
}
