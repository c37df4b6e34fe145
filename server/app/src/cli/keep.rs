//! `retort backup`, `restore`, `reindex` and `fsck`: keeping a data folder.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use retort_web::{format, words::shown};

use super::{data_dir::DataDir, out, serve::block_on};
use crate::{
    data_folder::{DataFolder, Places},
    keeping::{self, Contents},
};

/// What to back up, and where to.
#[derive(Args, Debug)]
pub struct BackupArgs {
    /// File to write, which must not be there yet; a compressed tar archive
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Keep the weights of trained and imported models too; datasets and checkpoints are never kept
    #[arg(long)]
    models: bool,

    #[command(flatten)]
    data: DataDir,
}

/// What to restore, and where to.
#[derive(Args, Debug)]
pub struct RestoreArgs {
    /// The backup
    #[arg(value_name = "FILE")]
    file: PathBuf,

    #[command(flatten)]
    data: DataDir,
}

/// The folder to work on.
#[derive(Args, Debug)]
pub struct KeptArgs {
    #[command(flatten)]
    data: DataDir,
}

/// Writes a backup.
///
/// # Errors
/// When there is nothing to keep, the file is there, or the disk refuses.
pub fn backup(args: &BackupArgs) -> Result<()> {
    out::check(&args.file)?;
    let (places, contents) = (Places::at(args.data.root()), Contents { models: args.models });
    block_on(async {
        let bytes = keeping::backup(&places, &args.file, contents).await?;
        say!("{} holds {} of {}.", args.file.display(), format::bytes(bytes), places.root().display());
        Ok(())
    })
}

/// Unpacks a backup.
///
/// # Errors
/// When the folder holds something, or the file is no whole backup.
pub fn restore(args: &RestoreArgs) -> Result<()> {
    block_on(async {
        say!("{}", keeping::restore(&args.file, args.data.root()).await?);
        Ok(())
    })
}

/// Builds the database again.
///
/// # Errors
/// When a server uses the folder, there is no ledger, or the disk refuses.
pub fn reindex(args: &KeptArgs) -> Result<()> {
    let folder = args.folder()?;
    block_on(async {
        for line in keeping::reindex(&folder).await? {
            say!("{}", shown(&line));
        }
        Ok(())
    })
}

/// Says what disagrees.
///
/// # Errors
/// When something does, or a server uses the folder.
pub fn fsck(args: &KeptArgs) -> Result<()> {
    let folder = args.folder()?;
    block_on(async {
        let found = keeping::fsck(&folder).await?;
        for fault in &found {
            say!("{}", shown(fault));
        }
        match found.len() {
            0 => say!("{} holds together.", folder.root().display()),
            n => bail!("{} disagree", format::plural(n, "thing", "things")),
        }
        Ok(())
    })
}

impl KeptArgs {
    /// The folder, taken for this process: one that is there.
    fn folder(&self) -> Result<DataFolder> {
        let root = self.data.root();
        if !Places::at(root).runs().is_dir() {
            bail!("{} holds no data of Retort: name the folder with --data", root.display());
        }
        DataFolder::open(root)
    }
}
