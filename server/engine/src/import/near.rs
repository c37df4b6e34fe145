//! What stands in a file and fits no network.

use retort_spec::Architecture;

use super::{
    candidates::joined,
    contents::{Contents, Dictionary},
    description::NearMiss,
    fit::{Named, Outlines, Search},
    meaning,
    miss::Miss,
    shown,
};
use crate::Result;

/// Most that a description lists.
const MOST_LISTED: usize = 12;

/// Tensors of a dictionary that are too few for a network. An optimiser has one of three for each weight.
const FEW: usize = 8;

/// What fits no network in a dictionary, by what was found in it.
pub fn misses(dictionary: &Dictionary, found: &Search) -> Vec<NearMiss> {
    if found.nears.is_empty() && found.fits.is_empty() {
        return vec![miss(dictionary, "", None)];
    }
    found.nears.iter().map(|near| miss(dictionary, near.front, Some(&near.miss))).collect()
}

fn miss(dictionary: &Dictionary, front: &str, nearest: Option<&Miss>) -> NearMiss {
    let inside = dictionary.tensors.iter().filter(|(key, _)| key.starts_with(front));
    let tensors: Vec<Named> = inside.map(|(key, tensor)| (key.as_str(), tensor)).collect();
    NearMiss {
        path: joined(&dictionary.path, front),
        tensors: tensors.len(),
        keys: tensors.iter().take(5).map(|(key, _)| shown(key)).collect(),
        nearest: nearest.cloned(),
        meaning: meaning::of(&tensors, nearest),
    }
}

/// Whether it is known what it is: of few tensors that are alike, only all together tell.
pub fn is_clear(miss: &NearMiss) -> bool {
    miss.nearest.is_some() || miss.meaning.is_some() && miss.tensors > FEW
}

/// The nearest first.
pub fn sort(misses: &mut [NearMiss]) {
    misses.sort_by_key(|miss| miss.nearest.as_ref().map_or((usize::MAX, 0), Miss::rank));
}

/// The same held to one architecture, where they are like it. `is_network` tells of a place whether a network stands there.
///
/// # Errors
/// When there is no memory left.
pub fn held_to(
    architecture: Architecture,
    contents: &Contents,
    misses: Vec<NearMiss>,
    is_network: impl Fn(&str) -> bool,
) -> Result<Vec<NearMiss>> {
    let outlines = Outlines::new(&[architecture])?;
    let all =
        contents.dictionaries.iter().flat_map(|dictionary| self::misses(dictionary, &outlines.search(dictionary)));
    let mut held: Vec<_> = all.filter(|miss| miss.nearest.is_some() && !is_network(&miss.path)).collect();
    sort(&mut held);
    let others: Vec<_> = misses.into_iter().filter(|miss| held.iter().all(|other| other.path != miss.path)).collect();
    held.extend(others);
    Ok(held)
}

/// Those that a description lists: what is like a network or as large as one, where there is any. An optimiser's
/// dictionaries are neither.
pub fn listed(mut misses: Vec<NearMiss>, has_networks: bool) -> Vec<NearMiss> {
    let is_like = |miss: &NearMiss| miss.is_told() || miss.tensors > FEW;
    if has_networks || misses.iter().any(is_like) {
        misses.retain(is_like);
    }
    misses.truncate(MOST_LISTED);
    misses
}
