//! `retort model`: weights from elsewhere.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use clap::{Args, Subcommand};
use retort_engine::{
    data::Library,
    import::{Candidate, Description, NormaliserChoice, Wanted},
};
use retort_spec::{Architecture, Normaliser};
use retort_web::{format, words};

use super::{data_dir::DataDir, out, serve::block_on};
use crate::{classes, reader::Reader, trial};

/// What to do with weights.
#[derive(Debug, Subcommand)]
pub enum ModelCommand {
    /// Make a model of a PyTorch checkpoint (.pt, .pth, .ckpt, .t7), a safetensors file or a pickle of NumPy's arrays
    ///
    /// The weights are found wherever they stand in the file, under any prefix and under the names of the usual codes; so is
    /// a normaliser among them. `retort model show` tells beforehand what is found. What is taken off, left out or converted
    /// is printed. No code of the file is run.
    ///
    /// There is no export, since a model file is one already: it bears PyTorch's key names, and
    /// `net.load_state_dict(safetensors.torch.load_file("model.safetensors"))` loads it in PyTorch. With a normaliser there are
    /// two more keys: `mu, sigma = weights.pop("mu"), weights.pop("sigma")` takes them out, and `net((x - mu) / sigma)` answers.
    Import(ImportArgs),
    /// Say which classes a model file tells apart, where it was imported with their number alone
    Classes {
        /// The model file
        file: PathBuf,

        /// Name of the dataset whose classes they are in the order of the model's outputs, or their names in that order between
        /// commas
        #[arg(long, value_name = "DATASET|NAMES")]
        classes: String,

        #[command(flatten)]
        data: DataDir,
    },
    /// Tell what a weights file is: the networks in it, and what else in it fits none; fails where it holds none
    Show {
        /// The file
        file: PathBuf,
    },
}

/// What to import, and as what.
#[derive(Args, Debug)]
#[command(after_help = format!("Normalisers with names (means / deviations):\n{}", Normaliser::known()))]
pub struct ImportArgs {
    /// The checkpoint, safetensors file or pickle
    file: PathBuf,

    /// Architecture, where it must be that one: resnet18, wrn-34-10 …; that which fits when left out
    #[arg(long, value_name = "ARCH", value_parser = architecture)]
    architecture: Option<Architecture>,

    /// Name of the dataset whose classes the model tells apart (see `retort data list`), their names in the order of its outputs
    /// between commas ('"oak, red",elm' where a name has one), or their number
    #[arg(long, value_name = "DATASET|NAMES|N")]
    classes: String,

    /// Which of the networks in the file, by its place as `retort model show` names it: `state_dict_ema`; `.` for the file itself
    #[arg(long, value_name = "PATH")]
    weights: Option<String>,

    /// By what the training code normalised its images: "r g b / r g b" (means / deviations, in pixels of [0, 1]), a name of
    /// those below, or none; a normaliser among the weights is found without it, and gives way to it
    #[arg(long, value_name = "NORMALISER", default_value = "", hide_default_value = true)]
    normaliser: NormaliserChoice,

    /// Take a network although its own code may compute something else (`retort model show` says what)
    #[arg(long)]
    despite_doubt: bool,

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
        ModelCommand::Classes { file, classes, data } => {
            let datasets = Library::new(data.datasets()).list()?;
            let wanted = classes::wanted(&classes, &datasets).map_err(|fault| anyhow!(fault))?;
            let header = retort_engine::import::set_classes(&file, wanted.classes, wanted.dataset)?;
            say!("{} now tells these classes apart: {}", file.display(), header.classes.join(", "));
            Ok(())
        }
        ModelCommand::Show { file } => block_on(async {
            let description = reader.describe(&file).await?;
            say!("{}", shown(&description));
            if description.candidates.is_empty() {
                bail!("{}: it holds nothing that an import takes", file.display());
            }
            Ok(())
        }),
    }
}

fn import(args: &ImportArgs, reader: &Reader) -> Result<()> {
    let library = Library::new(args.data.datasets());
    let datasets = library.list()?;
    out::check(&args.out)?;
    // What an import made can be made again: another normaliser, say, is a second try and no new file.
    if args.out.exists() && !retort_engine::import::is_import(&args.out) {
        bail!("{} is there already, and no import made it: name another file, or remove it", args.out.display());
    }
    block_on(async {
        let classes = match classes::wanted(&args.classes, &datasets) {
            Ok(classes) => classes,
            // What is wrong with the file comes first: with another one, other classes may be meant.
            Err(fault) => bail!(fault_of_file(&reader.describe(&args.file).await?, &args.file).unwrap_or(fault)),
        };
        let wanted = Wanted {
            architecture: args.architecture,
            weights: args.weights.clone(),
            normaliser: args.normaliser,
            despite_doubt: args.despite_doubt,
            ..classes
        };
        let report = reader.import(&args.file, wanted, &args.out).await?;
        let (parameters, classes) = (format::count(report.parameters), report.header.classes.len());
        for note in &report.notes {
            say!("{}", words::shown(note));
        }
        say!(
            "Stored {}: {} of {classes} classes, {parameters} parameters, {}",
            args.out.display(),
            report.header.architecture,
            format::bytes(report.bytes)
        );
        let header = &report.header;
        let is_from_keys = header.normaliser.is_some() && args.normaliser == NormaliserChoice::AsKeysTell;
        if let Some(said) = trial::said(&args.out, &header.dataset, &library, is_from_keys) {
            say!("{said}");
        }
        Ok(())
    })
}

/// Why a file cannot be imported whatever the classes are.
fn fault_of_file(description: &Description, file: &Path) -> Option<String> {
    let miss = description.misses.first().filter(|_| description.candidates.is_empty())?;
    Some(format!("{}: {}", file.display(), miss.notes().join(" ")))
}

/// A description in lines: a word, and what is said of it.
fn shown(description: &Description) -> String {
    let mut lines = vec![("format", format!("{}, {}", description.format, format::bytes(description.bytes)))];
    if let (Some(origin), Some(header)) = (description.origin(), &description.header) {
        lines.extend([("origin", origin), ("classes", header.classes.join(", "))]);
    }
    match description.candidates.len() {
        0 if description.misses.is_empty() => lines.push(("fits", "no architecture that Retort knows".into())),
        0 | 1 => {}
        n => lines.push(("networks", format!("{n}; an import takes one, by --weights PATH"))),
    }
    let is_only = description.candidates.len() == 1;
    for candidate in &description.candidates {
        lines.extend(of_candidate(candidate, is_only, description.header.is_some()));
    }
    let place = if description.candidates.is_empty() { "weights" } else { "also here" };
    for miss in &description.misses {
        let names = std::iter::once(place).chain(std::iter::repeat("note"));
        lines.extend(names.zip(miss.notes()));
    }
    lines.into_iter().map(|(name, value)| format!("{name:<12} {}", words::shown(&value))).collect::<Vec<_>>().join("\n")
}

fn of_candidate(candidate: &Candidate, is_only: bool, is_of_retort: bool) -> Vec<(&'static str, String)> {
    let Candidate { architecture, classes, .. } = candidate;
    let average = if candidate.is_average { ", an average over training steps (EMA or SWA) by its name" } else { "" };
    // Where there is a choice, the file itself has a name, too.
    let place = if is_only || !candidate.path.is_empty() {
        candidate.place()
    } else {
        format!("{} ({})", candidate.name(), candidate.place())
    };
    let mut lines = vec![
        ("weights", format!("{place}{average}")),
        ("fits", format!("{architecture} ({}) of {classes} classes", architecture.id())),
        ("tensors", format!("{}, {}", format::count(candidate.tensors), candidate.dtypes.join(" and "))),
        ("parameters", format::count(candidate.parameters)),
    ];
    if let Some(differing) = candidate.differing {
        lines.push(("differs", format!("in {differing} tensors from the first network")));
    }
    lines.push((
        "normaliser",
        match (&candidate.normaliser, &candidate.unclear_normaliser) {
            (_, Some(unclear)) => format!("{unclear}: name it by --normaliser"),
            (Some(normaliser), None) => normaliser.in_full(),
            (None, None) if is_of_retort => "none".into(),
            (None, None) => "no key tells of one; --normaliser sets it where the training code had one".into(),
        },
    ));
    lines.extend(candidate.notes().into_iter().map(|note| ("note", note)));
    lines.extend(
        candidate.doubt.iter().map(|doubt| ("doubt", format!("{doubt}; --despite-doubt takes it all the same"))),
    );
    lines.extend(candidate.fault.iter().map(|fault| ("fault", format!("{fault}; it cannot be imported"))));
    lines
}
