//! Weights from elsewhere: PyTorch checkpoints, and safetensors files that Retort did not write.
//!
//! Only the structure of tensors is read; nothing that a file names is run. What a file declares is compared with the
//! names and shapes of the networks before memory is taken for its numbers.

mod bare;
mod candidates;
mod choice;
mod contents;
mod declared;
mod description;
mod dictionaries;
mod file;
mod fit;
mod kinds;
mod layer;
mod layers;
mod legacy;
mod meaning;
mod miss;
mod names;
mod near;
mod normaliser;
mod numbers;
mod others;
mod plain;
mod pruned;
#[cfg(test)]
mod tests;
mod torch;
mod trial;

use std::{fs, path::Path, str::FromStr};

use candle_core::Device;
use retort_spec::{Architecture, Normaliser};
use serde::{Deserialize, Serialize};

pub use contents::Format;
pub use description::{Candidate, Description, NearMiss};
pub use file::LARGEST_FILE;
pub use miss::Miss;
pub use trial::{TRIAL_IMAGES, Trial, Tried, try_normalisers};

use crate::{
    EngineError, Result,
    nn::{ModelHeader, Network, load_model, save_model},
    pickle,
    shown::shown,
};
use candidates::{Found, Standing};
use contents::Contents;
use fit::Outlines;

/// Most classes that a model may tell apart.
pub const MOST_CLASSES: usize = 1_000;

/// Most names of classes in a message.
const NAMED: usize = 12;

/// The method that stands in the header of a model whose training nobody here knows.
pub const IMPORTED: &str = "imported";

/// What a file is to be read as.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Wanted {
    /// The architecture; none for the one that fits.
    pub architecture: Option<Architecture>,
    /// The classes' names, in label order.
    pub classes: Vec<String>,
    /// The dataset that the names are from; empty where they are only numbers.
    pub dataset: String,
    /// Which of the networks in the file, by [`Candidate::path`]; none for the only one.
    pub weights: Option<String>,
    /// The network's first layer.
    pub normaliser: NormaliserChoice,
    /// Whether it is wanted even if its answers may be others than those of the code that wrote it.
    pub despite_doubt: bool,
}

/// What the first layer of an imported network is to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NormaliserChoice {
    /// What the file's keys tell: the normaliser among them, or none.
    #[default]
    AsKeysTell,
    /// None: the network takes pixels in [0, 1] as they are.
    None,
    /// This one, as code outside of the network normalised its images.
    Given(Normaliser),
}

impl FromStr for NormaliserChoice {
    type Err = String;

    /// Empty for what the keys tell, `none`, or a [`Normaliser`].
    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "" => Ok(Self::AsKeysTell),
            text if text.eq_ignore_ascii_case("none") => Ok(Self::None),
            text => text.parse().map(Self::Given).map_err(|fault| format!("{fault}; or none")),
        }
    }
}

/// What was imported.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The header of the model that was written.
    pub header: ModelHeader,
    /// Its trainable parameters.
    pub parameters: usize,
    /// Its bytes.
    pub bytes: u64,
    /// What was taken off, left out or converted, each in a sentence.
    pub notes: Vec<String>,
}

/// Reads the file at `path` as `wanted` asks and writes it as a model to `out`.
///
/// # Errors
/// Naming everything that does not fit, or what is wrong with the file and what to do; `out` is then untouched.
pub fn import(path: &Path, wanted: &Wanted, out: &Path) -> Result<Report> {
    let (network, header, notes) = read(path, wanted)?;
    save_model(out, &network, &header)?;
    let bytes = fs::metadata(out).map_err(|e| EngineError::io(out, e))?.len();
    Ok(Report { header, parameters: network.weights.count(), bytes, notes })
}

/// What is to be said of a file that is one piece of several by its name, `model-00001-of-00002.safetensors`.
fn of_piece(path: &Path) -> &'static str {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    let numbers = stem.rsplit_once("-of-").and_then(|(front, all)| Some((front.rsplit_once('-')?.1, all)));
    match numbers {
        Some((own, all)) if is_number(own) && is_number(all) => {
            ". By its name it is one of several pieces: put the tensors of all of them into one dictionary, and save that"
        }
        _ => "",
    }
}

/// Whether a file is a model that an import made.
pub fn is_import(path: &Path) -> bool {
    load_model(path, &Device::Cpu).is_ok_and(|(_, header)| header.method == IMPORTED)
}

/// The network in a file, with its header and what was done to it.
fn read(path: &Path, wanted: &Wanted) -> Result<(Network, ModelHeader, Vec<String>)> {
    let error = |fault: String| EngineError::Model { path: path.to_owned(), fault: fault + of_piece(path) };
    let (contents, mut source) = file::open(path).map_err(error)?;
    let own = own_header(&contents);
    let outlines = Outlines::new(&Architecture::ALL)?;
    let Found { standing, mut misses } = candidates::find(&contents, &mut source, &outlines).map_err(error)?;
    if let Some(architecture) = wanted.architecture {
        let is_network = |path: &str| standing.iter().any(|one| one.candidate.path == path);
        misses = near::held_to(architecture, &contents, misses, is_network)?;
    }
    let whole: Vec<Candidate> =
        standing.iter().filter(|one| one.network.is_ok()).map(|one| one.candidate.clone()).collect();
    let is_only = standing.len() == 1;
    let Standing { mut candidate, network } = choice::choose(Found { standing, misses }, wanted).map_err(error)?;
    let it = if is_only { "it".into() } else { format!("what stands at {}", candidate.place()) };
    if candidate.classes != wanted.classes.len() {
        let (has, named) = (candidate.classes, wanted.classes.len());
        let way =
            if wanted.dataset.is_empty() { "name as many, or their number" } else { "name a dataset with as many" };
        // A comma in a name shows there.
        let names = wanted.classes.iter().map(|class| format!("“{class}”")).take(NAMED).collect::<Vec<_>>().join(" ");
        let more = if named > NAMED { " …" } else { "" };
        return Err(error(format!("{it} tells {has} classes apart, not {named} ({names}{more}): {way}")));
    }
    let mut network = network.map_err(|fault| error(fault + &choice::instead(&candidate, &whole)))?;
    if let Some(doubt) = candidate.doubt.as_ref().filter(|_| !wanted.despite_doubt) {
        return Err(error(format!(
            "{it} fits a {}, but {doubt}. To take it nevertheless, say so in the form or by --despite-doubt, and look at its \
             accuracy then",
            candidate.architecture
        )));
    }
    let normaliser = first_layer(&candidate, wanted.normaliser).map_err(error)?;
    network = network.with_normaliser(normaliser);
    numbers::answers(&mut network).map_err(error)?;
    let of_normaliser = of_first_layer(&mut candidate, wanted.normaliser, own.is_some());
    let mut notes = candidate.notes();
    notes.extend(candidate.doubt.map(|doubt| format!("It was taken although {doubt}.")));
    notes.extend(of_normaliser);
    if own.is_some() {
        notes.push("It bears a header of Retort: classes, dataset, method and seed were taken from there.".into());
    }
    let header = ModelHeader {
        normaliser,
        ..own.unwrap_or_else(|| ModelHeader {
            architecture: candidate.architecture,
            normaliser: None,
            classes: wanted.classes.clone(),
            dataset: wanted.dataset.clone(),
            method: IMPORTED.into(),
            seed: 0,
            epoch: None,
        })
    };
    Ok((network, header, notes))
}

/// The first layer of a network: what was asked for, else what its keys tell.
fn first_layer(candidate: &Candidate, choice: NormaliserChoice) -> Result<Option<Normaliser>, String> {
    match (choice, &candidate.unclear_normaliser) {
        (NormaliserChoice::AsKeysTell, Some(unclear)) => {
            Err(format!("{unclear}; name the normaliser, or none, in the form or by --normaliser"))
        }
        (NormaliserChoice::AsKeysTell, None) => Ok(candidate.normaliser),
        (NormaliserChoice::None, _) => Ok(None),
        (NormaliserChoice::Given(normaliser), _) => {
            normaliser.fault().map_or(Ok(Some(normaliser)), |fault| Err(format!("the normaliser {fault}")))
        }
    }
}

/// What is said of the normaliser of a network that was taken, where its notes say nothing.
fn of_first_layer(candidate: &mut Candidate, choice: NormaliserChoice, is_own: bool) -> Vec<String> {
    let mut notes = Vec::new();
    match choice {
        NormaliserChoice::Given(given) => notes.push(format!("Its first layer normalises pixels by {}, as was asked.", given.in_full())),
        NormaliserChoice::None => {}
        NormaliserChoice::AsKeysTell if candidate.normaliser.is_none() && !is_own => notes.push(
            "No key of its own tells of a normaliser, so the network takes pixels in [0, 1] as they are. If the code that \
             trained it normalised its images outside of the network, import it again with that normaliser."
                .into(),
        ),
        NormaliserChoice::AsKeysTell => return notes,
    }
    // What was asked for counts, whatever the keys tell.
    let asked = if let NormaliserChoice::Given(given) = choice { Some(given) } else { None };
    if candidate.normaliser != asked
        && let (Some(found), Some([mean, std])) = (candidate.normaliser.take(), &candidate.normaliser_keys)
    {
        let (mean, std) = (shown(mean), shown(std));
        notes.push(format!(
            "Its keys {mean} and {std} hold the normaliser {}, which was not taken, as was asked.",
            found.in_full()
        ));
    }
    notes
}

/// What the file says about itself.
///
/// # Errors
/// When it is not one that can be imported: what it is, and what to do.
pub fn describe(path: &Path) -> Result<Description> {
    let error = |fault: String| EngineError::Model { path: path.to_owned(), fault };
    let (contents, mut source) = file::open(path).map_err(error)?;
    let outlines = Outlines::new(&Architecture::ALL)?;
    let Found { standing, misses } = candidates::find(&contents, &mut source, &outlines).map_err(error)?;
    Ok(Description {
        format: contents.format,
        bytes: fs::metadata(path).map_err(|e| EngineError::io(path, e))?.len(),
        header: own_header(&contents),
        misses: near::listed(misses, !standing.is_empty()),
        candidates: standing.into_iter().map(|one| one.candidate).collect(),
    })
}

/// Gives a model's classes other names; its numbers stay as they are.
///
/// # Errors
/// When the file is not a model of Retort, tells another number of classes apart, or has one of these names for another class;
/// it is then untouched.
pub fn set_classes(path: &Path, classes: Vec<String>, dataset: String) -> Result<ModelHeader> {
    let (network, header) = load_model(path, &Device::Cpu)?;
    if classes.len() != header.classes.len() {
        let fault = format!("it tells {} classes apart, not {}: name as many", header.classes.len(), classes.len());
        return Err(EngineError::Model { path: path.to_owned(), fault });
    }
    if !crate::classes::are_numbered(&header.classes)
        && let Some(fault) = moved(&header.classes, &classes)
    {
        return Err(EngineError::Model { path: path.to_owned(), fault });
    }
    let header = ModelHeader { classes, dataset, ..header };
    save_model(path, &network, &header)?;
    Ok(header)
}

/// Why classes that have names cannot be given others; none where every name stays in its place.
fn moved(have: &[String], wanted: &[String]) -> Option<String> {
    let place = |class: &String| wanted.iter().position(|other| other == class);
    let (class, from, to) = have
        .iter()
        .zip(0..)
        .find_map(|(class, from)| place(class).filter(|to| *to != from).map(|to| (class, from, to)))?;
    let is_known = crate::classes::class_order(have, wanted).is_some();
    let needless = if is_known {
        ", and answers are matched by these names wherever it is used, so nothing is to be set"
    } else {
        ""
    };
    Some(format!(
        "its classes have names already: “{class}” is its class {from}, not {to} (counted from 0){needless}. If its names are wrong, \
         import its file again with the right ones"
    ))
}

/// The header that Retort wrote into the file. Retort writes no control characters into names, which could play tricks with
/// a terminal.
fn own_header(contents: &Contents) -> Option<ModelHeader> {
    let header: ModelHeader = serde_json::from_str(contents.header.as_deref()?).ok()?;
    let is_clean =
        header.classes.iter().chain([&header.dataset, &header.method]).all(|name| !name.contains(char::is_control));
    is_clean.then_some(header)
}
