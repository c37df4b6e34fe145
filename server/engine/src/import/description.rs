//! What a file is, before anything is kept of it.

use retort_spec::{Architecture, Normaliser};
use serde::{Deserialize, Serialize};

use super::{
    file::Format,
    miss::{Miss, listed},
    shown,
};
use crate::nn::ModelHeader;

/// What a file says about itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// How it holds its weights.
    pub format: Format,
    /// Its bytes.
    pub bytes: u64,
    /// The header that Retort wrote, if it did.
    pub header: Option<ModelHeader>,
    /// The networks in it, those that lie outermost first. Networks that are equal stand here once. When there are several,
    /// an import must be told which.
    pub candidates: Vec<Candidate>,
    /// Where there is none: what it holds instead, the nearest to a network first.
    pub misses: Vec<NearMiss>,
}

/// A network in a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Where it stands, as [`super::Wanted::weights`] takes it: `model.state_dict`; empty for the file's own dictionary.
    pub path: String,
    /// The keys of the containers around its weights, outermost first.
    pub container: Vec<String>,
    /// What was in front of the keys: `module.`; empty for nothing.
    pub prefix: String,
    /// Whether it is an average over training steps (EMA or SWA) by its name.
    pub is_average: bool,
    /// The architecture that its keys and shapes fit.
    pub architecture: Architecture,
    /// How many classes it tells apart.
    pub classes: usize,
    /// Its tensors in the file, counters included.
    pub tensors: usize,
    /// Its trainable parameters.
    pub parameters: usize,
    /// The types of its numbers, such as `F32`.
    pub dtypes: Vec<String>,
    /// A layer's name in the file and its name in Retort, where they differ.
    pub renamed: Option<[String; 2]>,
    /// The normaliser among its tensors, in pixel units: its first layer.
    pub normaliser: Option<Normaliser>,
    /// The keys of that normaliser's mean and deviation.
    pub normaliser_keys: Option<[String; 2]>,
    /// Whether the file has that normaliser for pixels from 0 to 255.
    pub is_of_bytes: bool,
    /// Why it is not clear whether there is a normaliser, if it is not: an import must then be told.
    pub unclear_normaliser: Option<String>,
    /// Why its answers may be others than those of the code that wrote it: an import must then be confirmed.
    pub doubt: Option<String>,
    /// What is wrong with its numbers, if anything: it cannot be imported then.
    pub fault: Option<String>,
    /// Tensors beside the network that are left out, by their first names with their counts.
    pub left_out: Vec<String>,
    /// The keys of other things that are left out: `optimizer`, `epoch`.
    pub beside: Vec<String>,
    /// Other places in the file at which the same network stands.
    pub same_as: Vec<String>,
    /// How many tensors differ from the first candidate's, where that has the same architecture and classes.
    pub differing: Option<usize>,
    /// Whether its last layer has no bias, which is 0 then.
    pub lacks_bias: bool,
}

/// Weights that fit no network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NearMiss {
    /// Where they stand; empty for the file's own dictionary.
    pub path: String,
    /// How many tensors there are.
    pub tensors: usize,
    /// The first keys.
    pub keys: Vec<String>,
    /// The nearest network with what differs; none where nothing is like one.
    pub nearest: Option<Miss>,
}

impl Candidate {
    /// Where it stands, in words: `state_dict`, or `the file itself`.
    pub fn place(&self) -> String {
        if self.path.is_empty() { "the file itself".into() } else { shown(&self.path) }
    }

    /// What an import takes off, leaves out or converts, each in a sentence.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let mut note = |is_so: bool, text: &dyn Fn() -> String| notes.extend(is_so.then(text));
        note(!self.container.is_empty(), &|| {
            format!("The weights were taken from {}.", shown(&self.container.join(".")))
        });
        note(!self.same_as.is_empty(), &|| format!("The same weights stand at {} too.", words(&self.same_as)));
        note(!self.beside.is_empty(), &|| format!("What stands beside them was left out: {}.", words(&self.beside)));
        note(!self.prefix.is_empty(), &|| format!("The prefix {} was taken off the keys.", shown(&self.prefix)));
        note(!self.left_out.is_empty(), &|| {
            format!("These are no part of the network and were left out: {}.", words(&self.left_out))
        });
        if let Some([theirs, ours]) = &self.renamed {
            note(true, &|| {
                format!("Its layers have other names than in Retort ({} for {ours}) and got Retort's.", shown(theirs))
            });
        }
        note(self.lacks_bias, &|| "Its last layer has no bias: it is 0.".into());
        note(self.dtypes.iter().any(|dtype| dtype != "F32"), &|| {
            format!("Numbers were converted from {} to F32.", self.dtypes.join(" and "))
        });
        if let (Some(normaliser), Some([mean, std])) = (&self.normaliser, &self.normaliser_keys) {
            note(true, &|| {
                let scale =
                    if self.is_of_bytes { ", which were for pixels from 0 to 255 and were divided by 255" } else { "" };
                let (mean, std) = (shown(mean), shown(std));
                format!("Its first layer normalises pixels by {normaliser}, found in {mean} and {std}{scale}.")
            });
        }
        notes
    }
}

/// Names from a file, as they may stand in a sentence.
fn words(names: &[String]) -> String {
    listed(&names.iter().map(|name| shown(name)).collect::<Vec<_>>())
}
