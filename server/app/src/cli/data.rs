//! `retort data`: the datasets.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use retort_engine::data::{DatasetInfo, Library};
use retort_web::{format, words::shown};

use super::progress::DataProgress;

/// Where the datasets are.
#[derive(Args, Clone, Debug)]
pub struct DataDir {
    /// Folder that holds the datasets, the same as the server's
    #[arg(long, env = "RETORT_DATA", value_name = "DIR", default_value = "./retort-data", global = true)]
    data: PathBuf,
}

impl DataDir {
    /// The folder of datasets inside it.
    pub fn datasets(&self) -> PathBuf {
        self.data.join("datasets")
    }

    /// The folder itself.
    pub fn root(&self) -> &PathBuf {
        &self.data
    }
}

/// What to do with datasets.
#[derive(Args, Debug)]
pub struct DataArgs {
    #[command(subcommand)]
    command: DataCommand,

    #[command(flatten)]
    data: DataDir,
}

#[derive(Debug, Subcommand)]
enum DataCommand {
    /// List the datasets that are there
    List,
    /// Download a dataset from its official address; an interrupted download goes on
    Fetch {
        /// cifar10, cifar100 or stl10
        name: String,
        /// Download from this mirror instead; the checksum stays that of the official file
        #[arg(long, value_name = "URL")]
        from: Option<String>,
    },
    /// Import images: a folder or a .tar, .tar.gz or .tgz with train/CLASS/*.png (or .jpg) and test/CLASS/*,
    /// or the binary files of CIFAR-10, CIFAR-100 or STL-10
    Import {
        /// The folder or archive
        path: PathBuf,
        /// The name under which specs and forms know it
        #[arg(long)]
        name: String,
    },
    /// Draw the first training images of each class as a PNG, a row for each class
    Samples {
        /// The dataset's name
        name: String,
        /// The file to write
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

/// Does it.
///
/// # Errors
/// When a dataset cannot be read or stored; what is stored already stays as it is.
pub fn data(args: DataArgs) -> Result<()> {
    let library = Library::new(args.data.datasets());
    let mut bar = DataProgress::new();
    match args.command {
        DataCommand::List => {
            for dataset in library.list()? {
                match &dataset.fault {
                    Some(fault) => println!("{:<20} cannot be used: {}", dataset.name, shown(fault)),
                    None => println!("{:<20} {}", dataset.name, summary(&dataset)),
                }
            }
            let known: Vec<_> = Library::fetchable().map(|dataset| dataset.name).collect();
            println!("`retort data fetch` knows: {}", known.join(", "));
        }
        DataCommand::Fetch { name, from } => {
            let stored = library.fetch(&name, from.as_deref(), &mut |progress| bar.show(&progress));
            bar.finish();
            println!("Stored {name}: {}", summary(&stored?));
        }
        DataCommand::Import { path, name } => {
            let stored = library.import(&path, &name, &mut |progress| bar.show(&progress));
            bar.finish();
            println!("Stored {name}: {}", summary(&stored?));
        }
        DataCommand::Samples { name, out } => {
            fs::write(&out, library.samples(&name)?).with_context(|| format!("writing {}", out.display()))?;
            let list = library.list()?;
            let classes = list.iter().find(|dataset| dataset.name == name).map_or(&[][..], |d| &d.classes);
            println!("Wrote {}. Its rows are: {}", out.display(), shown(&classes.join(", ")));
        }
    }
    Ok(())
}

fn summary(dataset: &DatasetInfo) -> String {
    format!(
        "{}, {} training and {} test images of {} classes",
        shown(&dataset.title),
        format::count(dataset.train),
        format::count(dataset.test),
        dataset.classes.len()
    )
}
