//! The networks in a file.

use std::collections::BTreeMap;

use retort_spec::Architecture;

use super::{
    contents::{Contents, Declared, Dictionary},
    description::{Candidate, NearMiss, place, words},
    file::Source,
    fit::{Fit, Outlines, SEPARATORS},
    layers,
    names::Family,
    near, normaliser, numbers, own_header,
};
use crate::nn::Network;

/// Most networks of a file that are read. A file of a teacher and five students with their averages has twelve.
const MOST_NETWORKS: usize = 12;

/// Words by which averages over training steps are named.
const AVERAGES: [&str; 4] = ["ema", "swa", "averag", "shadow"];

/// A network in a file, read.
pub struct Standing {
    /// What is said of it.
    pub candidate: Candidate,
    /// The network, or what is wrong with its numbers.
    pub network: Result<Network, String>,
}

/// What a file holds.
pub struct Found {
    /// The networks, those that lie outermost first. Networks that are equal stand here once.
    pub standing: Vec<Standing>,
    /// What fits none, the nearest first.
    pub misses: Vec<NearMiss>,
}

/// What a file holds.
///
/// # Errors
/// In words that follow the file's name, when there is no memory left.
pub fn find(contents: &Contents, source: &mut Source, outlines: &Outlines) -> Result<Found, String> {
    let (mut fits, mut misses) = (Vec::new(), Vec::new());
    for dictionary in &contents.dictionaries {
        let found = outlines.search(dictionary);
        misses.extend(near::misses(dictionary, &found));
        fits.extend(found.fits.into_iter().map(|fit| (dictionary, fit)));
    }
    if fits.is_empty() {
        let whole: Vec<_> =
            contents.together.iter().map(|dictionary| (dictionary, outlines.search(dictionary))).collect();
        let of_whole: Vec<_> = whole.iter().flat_map(|(dictionary, found)| near::misses(dictionary, found)).collect();
        fits.extend(
            whole.into_iter().flat_map(|(dictionary, found)| found.fits.into_iter().map(move |fit| (dictionary, fit))),
        );
        if !fits.is_empty() {
            misses.clear();
        } else if !misses.iter().any(near::is_clear) {
            misses = [of_whole, misses].concat();
        }
    }
    fits.sort_by_key(|(dictionary, fit)| (dictionary.path.len(), fit.prefix.len()));
    fits.truncate(MOST_NETWORKS);
    near::sort(&mut misses);
    let (mut standing, mut read): (Vec<Standing>, Vec<&Fit>) = (Vec::new(), Vec::new());
    let places: Vec<&[String]> = fits.iter().map(|(dictionary, _)| dictionary.path.as_slice()).collect();
    for (dictionary, fit) in &fits {
        let is_alias = |other: &&Fit| other.architecture == fit.architecture && other.weights == fit.weights;
        let alias = read.iter().position(is_alias);
        let network = if alias.is_some() { Err(String::new()) } else { read_whole(fit, source) };
        let like = |other: &&mut Standing| {
            let of = &other.candidate;
            (of.architecture, of.classes) == (fit.architecture, fit.classes)
        };
        let mut candidate = candidate(contents, dictionary, fit, &places, source);
        let mut equal = alias;
        if let (None, Ok(network)) = (alias, &network) {
            for (i, other) in standing.iter_mut().enumerate().filter(|(_, other)| like(other)) {
                let Ok(theirs) = &other.network else { continue };
                let differing = numbers::differing(theirs, network)?;
                if differing == 0 && other.candidate.normaliser == candidate.normaliser {
                    equal = Some(i);
                }
                if i == 0 {
                    candidate.differing = Some(differing);
                }
            }
        }
        if let Some(i) = equal {
            let (place, same) = (candidate.place(), &mut standing[i].candidate);
            if place != same.place() && !same.same_as.contains(&place) {
                same.same_as.push(place);
            }
        } else {
            candidate.fault = network.as_ref().err().cloned();
            standing.push(Standing { candidate, network });
            read.push(fit);
        }
    }
    tell_normalisers_of_others(&mut standing);
    Ok(Found { standing, misses })
}

/// Where a network has no normaliser and another of the file has one, that is worth a look: an average over training steps, or a
/// student, was often trained behind the same.
fn tell_normalisers_of_others(standing: &mut [Standing]) {
    let having = standing.iter().find_map(|one| Some((one.candidate.place(), one.candidate.normaliser?)));
    let Some((place, normaliser)) = having else { return };
    let lacking = standing.iter_mut().map(|one| &mut one.candidate);
    for candidate in lacking.filter(|one| one.normaliser.is_none() && one.unclear_normaliser.is_none()) {
        candidate.remarks.push(format!(
            "Another network in the file, {place}, has the normaliser {}: if this one was trained behind it too, name \
             it.",
            normaliser.in_full()
        ));
    }
}

/// The network that was found, which must answer images by numbers.
fn read_whole(fit: &Fit, source: &mut Source) -> Result<Network, String> {
    let mut network = numbers::load(fit, source)?;
    numbers::answers(&mut network)?;
    Ok(network)
}

/// What is said of a network. `places` are the paths of the dictionaries in which networks were found.
fn candidate(
    contents: &Contents,
    dictionary: &Dictionary,
    fit: &Fit,
    places: &[&[String]],
    source: &mut Source,
) -> Candidate {
    let (normaliser, unclear_normaliser) = match normaliser::find(fit, source) {
        Ok(None) => (None, normaliser::beside(&dictionary.path, places, &contents.normalisers, source)),
        Ok(found) => (found, None),
        Err(fault) => (None, Some(fault)),
    };
    let normaliser_keys = normaliser.as_ref().map(|found| found.keys.clone());
    let taken = |key: &str| normaliser_keys.iter().flatten().any(|taken| taken == key);
    let prefix = fit.stripped.clone();
    let path = joined(&dictionary.path, &prefix);
    let tensors = fit.weights.iter().flatten();
    let mut dtypes: Vec<_> = tensors.clone().map(|(_, tensor)| format!("{:?}", tensor.dtype)).collect();
    dtypes.sort_unstable();
    dtypes.dedup();
    let of_lost = (!fit.lost.is_empty()).then(|| {
        let few = if fit.lost.len() <= 3 {
            fit.lost.iter().map(|key| (*key).to_owned()).collect()
        } else {
            groups(fit.lost.iter().copied(), &prefix)
        };
        let (are, they_compute) = if fit.lost.len() == 1 { ("is", "it computes") } else { ("are", "they compute") };
        format!("{} {are} no part of Retort's network, and what {they_compute} is lost", words(&few))
    });
    let doubts: Vec<String> = fit
        .doubt
        .map(str::to_owned)
        .into_iter()
        .chain(layers::doubts(&dictionary.layers, fit))
        .chain(of_lost)
        .chain(of_masks(contents, fit))
        .chain(fit.weights.iter().any(Option::is_none).then(|| NO_BIAS.to_owned()))
        .collect();
    Candidate {
        is_average: is_average(&path),
        path,
        container: dictionary.path.clone(),
        architecture: fit.architecture,
        classes: fit.classes,
        tensors: tensors.clone().count() + fit.counters.len(),
        parameters: fit.parameters(),
        dtypes,
        renamed: fit.renamed.clone(),
        is_of_bytes: normaliser.as_ref().is_some_and(|found| found.is_of_bytes),
        normaliser: normaliser.map(|found| found.normaliser),
        unclear_normaliser,
        doubt: (!doubts.is_empty()).then(|| doubts.join("; and ")),
        remarks: if own_header(contents).is_some() { Vec::new() } else { remarks(fit) },
        fault: None,
        left_out: groups(fit.rest.iter().map(|rest| rest.key).filter(|key| !taken(key)), &prefix),
        beside: dictionary.others.keys().chain(&dictionary.beside).cloned().collect(),
        same_as: Vec::new(),
        differing: None,
        pruned: tensors.filter(|(_, tensor)| tensor.mask.is_some()).count(),
        lacks_bias: fit.weights.iter().any(Option::is_none),
        prefix,
        normaliser_keys,
    }
}

const NO_BIAS: &str = "its last layer has no bias, as where features and weights are normalised (hypersphere embedding), which \
    Retort's network does not do; if it is a plain layer, its bias is 0";

/// What it means that masks for a network's weights stand in a dictionary of their own, if they do.
fn of_masks(contents: &Contents, fit: &Fit) -> Option<String> {
    let is_of_weight = |(key, mask): (&String, &Declared)| {
        let is_its = |own: &str| own.ends_with(key.as_str()) || key.ends_with(own);
        fit.weights.iter().flatten().any(|(own, tensor)| is_its(own) && tensor.shape == mask.shape)
    };
    let is_masks = |other: &&Dictionary| {
        other.path.last().is_some_and(|name| name.to_lowercase().contains("mask"))
            && other.tensors.iter().all(is_of_weight)
    };
    let masks = contents.dictionaries.iter().find(is_masks)?;
    Some(format!("{} holds masks for its weights, which are not applied", place(&masks.path.join("."))))
}

/// What the keys of a network cannot tell, each in a sentence.
fn remarks(fit: &Fit) -> Vec<String> {
    let has = |end: &str| fit.weights.iter().flatten().any(|(key, _)| key.ends_with(end));
    let preact = fit.doubt.is_none() && Family::of(fit.architecture) == Family::PreActivation;
    let torchvision = fit.architecture == Architecture::ResNet18 && has("layer2.0.downsample.0.weight");
    [(preact, SHORTCUT_FROM_INPUT), (torchvision, MAX_POOL)]
        .into_iter()
        .filter(|(is_so, _)| *is_so)
        .map(|(_, remark)| remark.to_owned())
        .collect()
}

const SHORTCUT_FROM_INPUT: &str = "Code with these names may start a block's shortcut from its input, as Wong et al.'s \
    (fast_adversarial) does, where Retort's network, like Rice et al.'s and kuangliu's, starts it behind batch norm and ReLU: the \
    keys cannot tell, so look at its accuracy.";
const MAX_POOL: &str = "Its names are torchvision's, whose network has a max-pool behind the first convolution, and Retort's has \
    none: the keys cannot tell whether it was taken out, so look at its accuracy.";

/// A container's keys and a prefix as one path.
pub fn joined(container: &[String], prefix: &str) -> String {
    let prefix = prefix.trim_end_matches(SEPARATORS);
    container.iter().map(String::as_str).chain((!prefix.is_empty()).then_some(prefix)).collect::<Vec<_>>().join(".")
}

fn is_average(path: &str) -> bool {
    let path = path.to_lowercase();
    AVERAGES.iter().any(|word| path.split(['.', '_', '-']).any(|part| part.starts_with(word)))
}

/// Keys by their first names that are not those of the network, with how many there are.
fn groups<'k>(keys: impl Iterator<Item = &'k str>, prefix: &str) -> Vec<String> {
    let mut groups: BTreeMap<String, usize> = BTreeMap::new();
    for key in keys {
        let mut own = prefix.split(SEPARATORS).filter(|part| !part.is_empty());
        let mut parts = Vec::new();
        for part in key.split(SEPARATORS) {
            parts.push(part);
            if own.next() != Some(part) {
                break;
            }
        }
        *groups.entry(parts.join(".")).or_default() += 1;
    }
    let words = |(name, count)| if count == 1 { name } else { format!("{name} ({count} tensors)") };
    groups.into_iter().map(words).collect()
}
