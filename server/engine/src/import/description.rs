//! What a file is, before anything is kept of it.

use retort_spec::{Architecture, Normaliser};
use serde::{Deserialize, Serialize};

use super::{
    IMPORTED,
    contents::Format,
    miss::{Miss, first},
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
    /// What else it holds that is like a network or as large as one, and fits none: the nearest first. Where it holds no
    /// network, all that it holds instead.
    pub misses: Vec<NearMiss>,
}

/// A network in a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Where it stands: `model.state_dict`; empty for the file itself.
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
    /// What its keys cannot tell, each in a sentence.
    pub remarks: Vec<String>,
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
    /// How many of its tensors are multiplied by the masks of a pruning.
    pub pruned: usize,
}

/// Weights that fit no network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NearMiss {
    /// Where they stand, as [`Candidate::path`] has it.
    pub path: String,
    /// How many tensors there are.
    pub tensors: usize,
    /// The first keys.
    pub keys: Vec<String>,
    /// The nearest network with what differs; none where nothing is like one.
    pub nearest: Option<Miss>,
    /// What that means, where it is a known case: a sentence without its full stop.
    pub meaning: Option<String>,
}

impl Description {
    /// Where it is from, in words, where Retort wrote it: `pgd-at on cifar10, seed 7`.
    pub fn origin(&self) -> Option<String> {
        let ModelHeader { method, dataset, seed, .. } = self.header.as_ref()?;
        let is_named = !dataset.is_empty();
        Some(match method.as_str() {
            IMPORTED if is_named => format!("{IMPORTED}, with the classes of {dataset}"),
            IMPORTED => IMPORTED.into(),
            _ if is_named => format!("{method} on {dataset}, seed {seed}"),
            _ => format!("{method}, seed {seed}"),
        })
    }
}

impl NearMiss {
    /// What its first tensors are called.
    pub(super) fn first_tensors(&self) -> String {
        let keys = self.keys.join(", ");
        if self.tensors == 1 {
            format!("its only tensor is {keys}")
        } else {
            format!("the first of its {} tensors are {keys}", self.tensors)
        }
    }

    /// Whether there is more to say than that they fit nothing.
    pub(super) const fn is_told(&self) -> bool {
        self.nearest.is_some() || self.meaning.is_some()
    }

    /// That they fit nothing, what that means, and what they are nearest to, each in a sentence.
    pub fn notes(&self) -> Vec<String> {
        let what =
            if self.path.is_empty() { "The file itself" } else { &format!("What stands at {}", place(&self.path)) };
        let mut notes = vec![format!("{what} fits no network of Retort; {}.", self.first_tensors())];
        notes.extend(self.meaning.as_ref().map(|meaning| format!("{meaning}.")));
        notes.extend(
            self.nearest.as_ref().map(|nearest| format!("The nearest is {}, but {nearest}.", nearest.architecture)),
        );
        notes
    }
}

impl Candidate {
    /// Where it stands, in words: `state_dict`, or `the file itself`.
    pub fn place(&self) -> String {
        place(&self.path)
    }

    /// Where it stands, as [`super::Wanted::weights`] takes it.
    pub fn name(&self) -> String {
        if self.path.is_empty() { ITSELF.into() } else { shown(&self.path) }
    }

    /// What an import takes off, leaves out or converts, each in a sentence.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let mut note = |is_so: bool, text: &dyn Fn() -> String| notes.extend(is_so.then(text));
        note(!self.container.is_empty(), &|| {
            format!("The weights were taken from {}.", place(&self.container.join(".")))
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
        note(self.pruned > 0, &|| {
            format!("It was pruned: {} of its tensors were multiplied by their masks.", self.pruned)
        });
        note(self.lacks_bias, &|| "Its last layer has no bias: it is 0.".into());
        note(self.dtypes.iter().any(|dtype| dtype != "F32"), &|| {
            format!("Numbers were converted from {} to F32.", self.dtypes.join(" and "))
        });
        if let (Some(normaliser), Some([mean, std])) = (&self.normaliser, &self.normaliser_keys) {
            note(true, &|| {
                let scale =
                    if self.is_of_bytes { ", which were for pixels from 0 to 255 and were divided by 255" } else { "" };
                let (mean, std) = (shown(mean), shown(std));
                format!(
                    "Its first layer normalises pixels by {}, found in {mean} and {std}{scale}.",
                    normaliser.in_full()
                )
            });
        }
        notes.extend(self.remarks.iter().cloned());
        notes
    }
}

/// Most names in a sentence about what is left out.
const MOST_NAMES: usize = 20;

/// What names the file itself, among the places in it.
pub const ITSELF: &str = ".";

/// A place in a file, in words. One in a list has only a number.
pub fn place(path: &str) -> String {
    let first = path.split('.').next().unwrap_or_default();
    match path {
        "" => "the file itself".into(),
        _ if first.bytes().all(|c| c.is_ascii_digit()) => format!("entry {}", shown(path)),
        _ => shown(path),
    }
}

/// Names from a file, as they may stand in a sentence.
pub fn words(names: &[String]) -> String {
    first(MOST_NAMES, &names.iter().map(|name| shown(name)).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use retort_spec::Architecture;

    use super::*;

    #[test]
    fn a_file_of_retort_tells_how_it_was_made_and_an_imported_one_that_it_was() {
        let origin = |method: &str, dataset: &str| {
            let header = ModelHeader {
                architecture: Architecture::ResNet8,
                normaliser: None,
                classes: Vec::new(),
                dataset: dataset.into(),
                method: method.into(),
                seed: 7,
                epoch: None,
            };
            let (candidates, misses) = (Vec::new(), Vec::new());
            let format = Format::Safetensors;
            Description { format, bytes: 7, header: Some(header), candidates, misses }.origin().unwrap()
        };
        assert_eq!(origin("pgd-at", "cifar10"), "pgd-at on cifar10, seed 7");
        assert_eq!(origin(IMPORTED, "cifar10"), "imported, with the classes of cifar10");
        assert_eq!(origin(IMPORTED, ""), "imported");
    }
}
