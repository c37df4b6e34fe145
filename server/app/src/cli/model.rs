//! `retort model`: weights from elsewhere.

use std::path::PathBuf;

use anyhow::{Context, Result, anyhow, bail};
use clap::{Args, Subcommand};
use retort_engine::{
    data::Library,
    import::{Description, Format},
};
use retort_spec::Architecture;
use retort_web::{format, words};

use super::{data::DataDir, serve::block_on};
use crate::{classes, reader::Reader};

/// What to do with weights.
#[derive(Debug, Subcommand)]
pub enum ModelCommand {
    /// Make a model of a PyTorch checkpoint (.pt, .pth, .t7) or a safetensors file
    ///
    /// The keys must be those of the architecture; containers (`net`, `model`, `state_dict`) and the prefix `module.` are
    /// taken off. No code of the file is run.
    ///
    /// There is no export, since a model file is one already: it bears PyTorch's key names, and
    /// `net.load_state_dict(safetensors.torch.load_file("model.safetensors"))` loads it in PyTorch.
    Import(ImportArgs),
    /// Tell what a weights file is, and which architecture its keys fit
    Show {
        /// The file
        file: PathBuf,
    },
}

/// What to import, and as what.
#[derive(Args, Debug)]
pub struct ImportArgs {
    /// The checkpoint or safetensors file
    file: PathBuf,

    /// Architecture: resnet8, resnet20, mobilenetv2, wrn-16-2 or resnet18
    #[arg(long, value_name = "ARCH", value_parser = architecture)]
    architecture: Architecture,

    /// Name of the dataset whose classes the model tells apart (see `retort data list`), or their number
    #[arg(long, value_name = "DATASET|N")]
    classes: String,

    /// The model file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    #[command(flatten)]
    data: DataDir,
}

fn architecture(text: &str) -> Result<Architecture, String> {
    text.parse()
}

/// Imports or shows.
///
/// # Errors
/// When the file cannot be used: what is wrong with it, and what to do.
pub fn model(command: ModelCommand) -> Result<()> {
    let reader = Reader::new().context("finding the program to read weights with")?;
    match command {
        ModelCommand::Import(args) => import(&args, &reader),
        ModelCommand::Show { file } => block_on(async {
            let description = reader.describe(&file).await?;
            println!("{}", shown(&description));
            Ok(())
        }),
    }
}

fn import(args: &ImportArgs, reader: &Reader) -> Result<()> {
    let datasets = Library::new(args.data.datasets()).list()?;
    let wanted = classes::wanted(args.architecture, &args.classes, &datasets).map_err(|fault| anyhow!(fault))?;
    if args.out.exists() {
        bail!("{} is there already: name another file, or remove it", args.out.display());
    }
    block_on(async {
        let report = reader.import(&args.file, wanted, &args.out).await?;
        let (parameters, classes) = (format::count(report.parameters), report.header.classes.len());
        for note in &report.notes {
            println!("{}", words::shown(note));
        }
        println!(
            "Stored {}: {} of {classes} classes, {parameters} parameters, {}",
            args.out.display(),
            report.header.architecture,
            format::bytes(report.bytes)
        );
        Ok(())
    })
}

/// A description in lines.
fn shown(description: &Description) -> String {
    let format = match description.format {
        Format::PyTorch => "PyTorch checkpoint",
        Format::Safetensors => "safetensors",
    };
    let mut lines = vec![("format", format!("{format}, {}", format::bytes(description.bytes)))];
    let place = match description.containers.as_slice() {
        [] => String::new(),
        containers => format!(", in {}", containers.join(", ")),
    };
    let dtypes = description.dtypes.join(" and ");
    lines.push(("tensors", format!("{}{place}, {dtypes}", format::count(description.tensors))));
    lines.push(("parameters", format::count(description.parameters)));
    lines.push(match description.fits {
        Some((architecture, classes)) => {
            ("fits", format!("{architecture} ({}) of {classes} classes", architecture.id()))
        }
        None => ("fits", "no architecture that Retort knows".into()),
    });
    if let Some([mean, deviation]) = &description.normaliser {
        lines.push(("normaliser", format!("mean {mean:?}, deviation {deviation:?}")));
    }
    if let Some(header) = &description.header {
        let on = if header.dataset.is_empty() { String::new() } else { format!(" on {}", header.dataset) };
        lines.push(("made by", format!("{}{on}, seed {}", header.method, header.seed)));
        lines.push(("classes", header.classes.join(", ")));
    }
    lines.into_iter().map(|(name, value)| format!("{name:<12} {}", words::shown(&value))).collect::<Vec<_>>().join("\n")
}
