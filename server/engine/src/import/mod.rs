//! Weights from elsewhere: PyTorch checkpoints, and safetensors files that Retort did not write.
//!
//! Only the structure of tensors is read; nothing that a file names is run. What a file declares is compared with the
//! names and shapes of the wanted network before memory is taken for its numbers.

mod file;
mod fit;
mod pickle;
mod plain;
#[cfg(test)]
mod tests;
mod torch;

use std::{fs, path::Path};

use candle_core::Device;
use retort_spec::{Architecture, Normaliser};
use serde::{Deserialize, Serialize};

pub use file::{Format, LARGEST_FILE};

use crate::{
    EngineError, Result,
    nn::{ModelHeader, Network, is_finite, save_model},
};
use file::{Contents, Declared, Source};
use fit::{Fit, listed};

/// Most classes that a model may tell apart.
pub const MOST_CLASSES: usize = 1_000;

/// The method that stands in the header of a model whose training nobody here knows.
pub const IMPORTED: &str = "imported";

/// What a file is to be read as.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// The architecture.
    pub architecture: Architecture,
    /// The classes' names, in label order.
    pub classes: Vec<String>,
    /// The dataset that the names are from; empty where they are only numbers.
    pub dataset: String,
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

/// What a file says about itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// How it holds its weights.
    pub format: Format,
    /// Its bytes.
    pub bytes: u64,
    /// The header that Retort wrote, if it did.
    pub header: Option<ModelHeader>,
    /// The keys of the dicts around the weights, outermost first.
    pub containers: Vec<String>,
    /// Its tensors.
    pub tensors: usize,
    /// Its trainable parameters; where it fits no architecture, all of its weights and biases.
    pub parameters: usize,
    /// The types of its weights, such as `F32`.
    pub dtypes: Vec<String>,
    /// Mean and deviation of each channel, where it normalises its input.
    pub normaliser: Option<[Vec<f32>; 2]>,
    /// The architecture that its keys and shapes fit, and how many classes it then tells apart.
    pub fits: Option<(Architecture, usize)>,
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

/// The network in a file, with its header and what was done to it.
fn read(path: &Path, wanted: &Wanted) -> Result<(Network, ModelHeader, Vec<String>)> {
    let error = |fault: String| EngineError::Model { path: path.to_owned(), fault };
    let classes = wanted.classes.len();
    if !(2..=MOST_CLASSES).contains(&classes) {
        return Err(error(format!("a model tells 2 to 1,000 classes apart, not {classes}")));
    }
    let (contents, mut source) = file::open(path).map_err(error)?;
    let own = own_header(&contents);
    if let Some(own) = own.as_ref().filter(|own| own.architecture != wanted.architecture) {
        return Err(error(format!("it is a {}, not a {}", own.architecture, wanted.architecture)));
    }
    if let Some(own) = own.as_ref().filter(|own| own.classes.len() != classes) {
        return Err(error(format!("it tells {} classes apart, not {classes}", own.classes.len())));
    }
    let mut network = Network::new(wanted.architecture, classes, 0, &Device::Cpu)?;
    let fit = Fit::new(&contents, &network)
        .map_err(|faults| error(format!("it does not fit a {} of {classes} classes: {faults}", wanted.architecture)))?;
    let notes = notes(&contents, &fit, own.is_some());
    let normaliser = normaliser(&fit, &mut source).and_then(|pair| pair.map(of_numbers).transpose()).map_err(error)?;
    let header = ModelHeader {
        normaliser,
        ..own.unwrap_or_else(|| ModelHeader {
            architecture: wanted.architecture,
            normaliser: None,
            classes: wanted.classes.clone(),
            dataset: wanted.dataset.clone(),
            method: IMPORTED.into(),
            seed: 0,
            epoch: None,
        })
    };
    fill(&mut network, &fit, &mut source).map_err(error)?;
    Ok((network.with_normaliser(normaliser), header, notes))
}

/// The normaliser of `mu` and `sigma`. Single precision is read as the decimal that it stands for, so that 0.4914 is that.
fn of_numbers([mean, std]: [Vec<f32>; 2]) -> Result<Normaliser, String> {
    let three = |values: Vec<f32>| -> [f64; 3] {
        let mut numbers = values.into_iter().map(|v| v.to_string().parse().unwrap_or_else(|_| f64::from(v)));
        std::array::from_fn(|_| numbers.next().unwrap_or(f64::NAN))
    };
    let normaliser = Normaliser { mean: three(mean), std: three(std) };
    normaliser.fault().map_or(Ok(normaliser), |fault| Err(format!("its normaliser, mu and sigma, {fault}")))
}

/// Reads every weight into its place.
fn fill(network: &mut Network, fit: &Fit, source: &mut Source) -> Result<(), String> {
    let weights = &mut network.weights;
    let mut wild = Vec::new();
    for (weight, (key, tensor)) in weights.parameters.iter_mut().chain(&mut weights.buffers).zip(&fit.weights) {
        let read = source.read(tensor).map_err(|fault| format!("{}: {fault}", shown(key)))?;
        if !is_finite(&read).map_err(|e| e.to_string())? {
            wild.push(weight.name.clone());
        }
        weight.tensor = read;
    }
    if !wild.is_empty() {
        return Err(format!("these tensors hold numbers that are not finite: {}", listed(&wild)));
    }
    // Layers of a network count the same passes; a file with odd counters is no worse a model.
    for (key, counter) in fit.counters.iter().filter(|(_, counter)| counter.count() == Some(1)) {
        let read = source.read(counter).map_err(|fault| format!("{}: {fault}", shown(key)))?;
        let passes = read.flatten_all().and_then(|t| t.to_vec1::<f32>()).map_err(|e| e.to_string())?;
        weights.batches_tracked = weights.batches_tracked.max(passes[0] as u64);
    }
    Ok(())
}

/// What the file says about itself.
///
/// # Errors
/// When it is not one that can be imported: what it is, and what to do.
pub fn describe(path: &Path) -> Result<Description> {
    let error = |fault: String| EngineError::Model { path: path.to_owned(), fault };
    let (contents, mut source) = file::open(path).map_err(error)?;
    let mut description = Description {
        format: contents.format,
        bytes: fs::metadata(path).map_err(|e| EngineError::io(path, e))?.len(),
        header: own_header(&contents),
        containers: contents.containers.clone(),
        tensors: contents.tensors.len(),
        parameters: parameters(&contents),
        dtypes: dtypes(&contents),
        normaliser: None,
        fits: None,
    };
    for architecture in Architecture::ALL {
        let Some(classes) = classes_of(&contents) else { break };
        let network = Network::new(architecture, classes, 0, &Device::Cpu)?;
        if let Ok(fit) = Fit::new(&contents, &network) {
            description.parameters = network.weights.count();
            description.normaliser = normaliser(&fit, &mut source).map_err(error)?;
            description.fits = Some((architecture, classes));
            break;
        }
    }
    Ok(description)
}

/// The header that Retort wrote into the file. Retort writes no control characters into names, which could play tricks with
/// a terminal.
fn own_header(contents: &Contents) -> Option<ModelHeader> {
    let header: ModelHeader = serde_json::from_str(contents.header.as_deref()?).ok()?;
    let is_clean =
        header.classes.iter().chain([&header.dataset, &header.method]).all(|name| !name.contains(char::is_control));
    is_clean.then_some(header)
}

/// How many classes the last layer of a file tells apart.
fn classes_of(contents: &Contents) -> Option<usize> {
    let is_classifier = |key: &str| matches!(key.trim_start_matches("module."), "fc.weight" | "linear.weight");
    let (_, classifier) = contents.tensors.iter().find(|(key, _)| is_classifier(key))?;
    classifier.shape.first().copied().filter(|classes| (2..=MOST_CLASSES).contains(classes))
}

/// How many numbers the weights and biases of a file declare.
fn parameters(contents: &Contents) -> usize {
    let is_trained = |key: &str| matches!(key.rsplit('.').next(), Some("weight" | "bias"));
    let trained = contents.tensors.iter().filter(|(key, _)| is_trained(key));
    trained.filter_map(|(_, tensor)| tensor.count()).fold(0, usize::saturating_add)
}

/// The types of the weights, without counters.
fn dtypes(contents: &Contents) -> Vec<String> {
    let floats = contents.tensors.values().filter(|tensor| tensor.is_float());
    let mut dtypes: Vec<_> = floats.map(|tensor| format!("{:?}", tensor.dtype)).collect();
    dtypes.sort_unstable();
    dtypes.dedup();
    dtypes
}

/// Mean and deviation of each channel.
fn normaliser(fit: &Fit, source: &mut Source) -> Result<Option<[Vec<f32>; 2]>, String> {
    let Some(pair) = fit.normaliser else { return Ok(None) };
    let [mean, deviation] = pair.map(|(key, tensor): (&str, &Declared)| {
        if tensor.count() != Some(3) || !tensor.is_float() {
            return Err(format!("{} must be three numbers, one for each channel", shown(key)));
        }
        let read = source.read(tensor).map_err(|fault| format!("{}: {fault}", shown(key)))?;
        read.flatten_all().and_then(|t| t.to_vec1()).map_err(|e| e.to_string())
    });
    Ok(Some([mean?, deviation?]))
}

/// What was taken off, left out or converted.
fn notes(contents: &Contents, fit: &Fit, is_own: bool) -> Vec<String> {
    let mut notes = Vec::new();
    if !contents.containers.is_empty() {
        notes.push(format!("The weights were taken from {}.", contents.containers.join(", ")));
    }
    if !contents.beside.is_empty() {
        let names: Vec<_> = contents.beside.iter().map(|key| shown(key)).collect();
        notes.push(format!("What stands beside them was left out: {}.", listed(&names)));
    }
    if fit.is_wrapped {
        notes.push("The prefix module. was taken off the keys.".into());
    }
    if fit.unused > 0 {
        notes.push(format!("{} tensors of sub_block1, which is never used, were left out.", fit.unused));
    }
    let dtypes = dtypes(contents);
    if dtypes.iter().any(|dtype| dtype != "F32") {
        notes.push(format!("Numbers were converted from {} to F32.", dtypes.join(" and ")));
    }
    if is_own {
        notes.push("It bears a header of Retort: classes, dataset, method and seed were taken from there.".into());
    }
    notes
}

/// A name from a file, as it may stand in a message: without control characters, and not too long.
fn shown(name: &str) -> String {
    let mut letters = name.chars();
    let text: String = letters.by_ref().take(80).flat_map(char::escape_debug).collect();
    if letters.next().is_some() { text + "…" } else { text }
}
