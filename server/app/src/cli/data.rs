//! `retort data`: the datasets.

use std::{fs, ops::ControlFlow, path::PathBuf, sync::atomic::Ordering};

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use retort_engine::data::{DatasetInfo, ImportOptions, Library};
use retort_web::{format, words::shown};

use super::{data_dir::DataDir, import_report, out, progress::DataProgress, stop::stop_flag};
use crate::arrivals::is_gone;
use crate::say::say_text;

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
    /// Import images: a folder or archive with train/CLASS/*.png (or .jpg) and test/CLASS/*, CIFAR, STL-10, SVHN, or arrays
    /// of NumPy
    ///
    /// Images become 32×32 with three colours; there are 2 to 256 classes. What is there is told by content: images in
    /// folders (also val for test, Train, and a folder around them) as PNG, JPEG, WebP, GIF, BMP or PPM; images beside a
    /// table of their labels, as trainLabels.csv with the columns filename and label; CIFAR-10 and CIFAR-100 as torchvision leaves them or in their binary versions;
    /// `stl10_binary`; SVHN's .mat files; Hugging Face's Parquet files; .npz and .npy files named as `x_train`, `y_train`,
    /// `x_test`, `y_test` or in another usual way. An archive is tar, also compressed with gzip, bzip2, xz or Zstandard, or zip,
    /// however it is called.
    ///
    /// It ends with what was taken, left out and changed. Ctrl-C breaks it off, and nothing is left then.
    Import {
        /// The folder or archive
        path: PathBuf,
        /// The name under which specs and forms know it; without it, that of the folder or archive
        #[arg(long)]
        name: Option<String>,
        /// Make images of other sizes 32×32: each pixel is the mean of the area that it covers
        #[arg(long)]
        resize: bool,
        /// Hold so many percent of each class out as test images, where there are training images only
        #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(1..=90))]
        test_percent: Option<u8>,
    },
    /// Print what an import took, left out and changed
    Report {
        /// The dataset's name
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
    let stop = stop_flag()?;
    let mut bar = DataProgress::new();
    let mut watch = |progress| {
        bar.show(&progress);
        if stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    match args.command {
        DataCommand::List => {
            for dataset in library.list()? {
                let said = match &dataset.fault {
                    Some(fault) => format!("cannot be used: {}", shown(fault)),
                    None => summary(&dataset),
                };
                say!("{:<20} {said}", dataset.name);
            }
            let known: Vec<_> = Library::fetchable().map(|dataset| dataset.name).collect();
            say!("`retort data fetch` knows: {}", known.join(", "));
        }
        DataCommand::Fetch { name, from } => {
            let stored = library.fetch(&name, from.as_deref(), &mut watch);
            bar.finish();
            say!("Stored as {name}: {}", summary(&stored?));
        }
        DataCommand::Import { path, name, resize, test_percent } => {
            // What an import that was killed has left.
            library.discard_unfinished(is_gone)?;
            let name = name.unwrap_or_else(|| {
                let whole = path.canonicalize().unwrap_or_else(|_| path.clone());
                Library::suggested_name(&whole.file_name().unwrap_or_default().to_string_lossy())
            });
            let options = ImportOptions { resize, test_percent, ..ImportOptions::default() };
            let stored = library.import(&path, &name, &options, &mut watch);
            bar.finish();
            say!("Stored as {name}: {}", counts(&stored?));
            print_report(&library, &name)?;
        }
        DataCommand::Report { name } => print_report(&library, &name)?,
        DataCommand::Samples { name, out } => {
            out::check(&out)?;
            fs::write(&out, library.samples(&name)?).with_context(|| format!("writing {}", out.display()))?;
            let list = library.list()?;
            let classes = list.iter().find(|dataset| dataset.name == name).map_or(&[][..], |d| &d.classes);
            say!("Wrote {}. Its rows are: {}", out.display(), shown(&classes.join(", ")));
        }
    }
    Ok(())
}

fn print_report(library: &Library, name: &str) -> Result<()> {
    let report = library.report(name)?;
    say_text(
        &report.map_or_else(|| format!("No report was kept with {name}.\n"), |report| import_report::words(&report)),
    );
    Ok(())
}

fn summary(dataset: &DatasetInfo) -> String {
    format!("{}, {}", shown(&dataset.title), counts(dataset))
}

fn counts(dataset: &DatasetInfo) -> String {
    format!(
        "{} training and {} test images of {} classes",
        format::count(dataset.train),
        format::count(dataset.test),
        dataset.classes.len()
    )
}
