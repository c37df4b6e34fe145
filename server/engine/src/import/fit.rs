//! Which network the keys and shapes of a dictionary of tensors are those of (methods.md §6).

mod keys;
mod lost;

use retort_spec::Architecture;

use super::{
    contents::{Declared, Dictionary},
    miss::Miss,
    names::{Doubt, Family},
};
use crate::{Result, nn::Network};
use keys::{Attempt, Keys};

/// Most tensors of a dictionary that is compared. The largest network with a copy of it and its optimiser has a thousand.
pub const MOST_TENSORS: usize = 20_000;

/// Wrappers of PyTorch that add a name to the keys of what is in them, wherever they stand: `DataParallel`,
/// `torch.compile`, fully sharded training, checkpointed activations, Fabric.
const WRAPPERS: [&str; 5] =
    ["module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_forward_module"];

/// What a tensor that is there is called in the file, and what it is.
pub type Named<'a> = (&'a str, &'a Declared);

/// A dictionary's tensors in their places of a network.
#[derive(Debug)]
pub struct Fit<'a> {
    /// The network's architecture.
    pub architecture: Architecture,
    /// How many classes it tells apart.
    pub classes: usize,
    /// What stands in front of every key of the network, wrappers left out.
    pub prefix: String,
    /// The same with its wrappers; those alone that are common, where the network has wrappers inside.
    pub stripped: String,
    /// Tensors in the order of the network's parameters and then its buffers; none for a last bias that is not there, and is 0.
    pub weights: Vec<Option<Named<'a>>>,
    /// Counters of batch-norm layers.
    pub counters: Vec<Named<'a>>,
    /// Tensors that are no part of the network.
    pub rest: Vec<Rest<'a>>,
    /// The keys of those that may compute something, which the network then lacks.
    pub lost: Vec<&'a str>,
    /// A layer's name in the file and in Retort, where they differ.
    pub renamed: Option<[String; 2]>,
    /// Why it may compute something else than Retort's network.
    pub doubt: Doubt,
}

/// A tensor that is no part of a network.
#[derive(Debug)]
pub struct Rest<'a> {
    /// Its key without wrappers.
    pub name: String,
    /// Its key.
    pub key: &'a str,
    /// What it is.
    pub tensor: &'a Declared,
}

/// What is like a network and fits none.
#[derive(Debug)]
pub struct Near<'a> {
    /// The key of its first convolution.
    stem: &'a str,
    /// Whether that takes images of three colours.
    takes_images: bool,
    /// What stands in front of its keys, wrappers included.
    pub front: &'a str,
    /// The network that it is nearest to, and what differs.
    pub miss: Miss,
}

/// What a dictionary holds.
#[derive(Debug, Default)]
pub struct Search<'a> {
    /// The networks, one for each place in it.
    pub fits: Vec<Fit<'a>>,
    /// What is like one and fits none, the nearest first.
    pub nears: Vec<Near<'a>>,
}

/// The names and shapes of a network's tensors.
struct Outline {
    architecture: Architecture,
    tensors: Vec<(String, Vec<usize>)>,
}

/// Architectures to compare with.
pub struct Outlines(Vec<Outline>);

impl Fit<'_> {
    /// How many numbers of the network are trained.
    pub fn parameters(&self) -> usize {
        let is_trained = |key: &str| !key.ends_with("running_mean") && !key.ends_with("running_var");
        let trained = self.weights.iter().flatten().filter(|(key, _)| is_trained(key));
        let missing = self.weights.iter().filter(|weight| weight.is_none()).count() * self.classes;
        trained.filter_map(|(_, tensor)| tensor.count()).sum::<usize>() + missing
    }
}

impl Outlines {
    /// Of these architectures.
    ///
    /// # Errors
    /// When there is no memory left.
    pub fn new(architectures: &[Architecture]) -> Result<Self> {
        let outline = |architecture: &Architecture| {
            let weights = Network::outline(*architecture, 10)?.weights;
            let all = weights.parameters.iter().chain(&weights.buffers);
            let tensors = all.map(|weight| (weight.name.clone(), weight.tensor.dims().to_vec())).collect();
            Ok(Outline { architecture: *architecture, tensors })
        };
        architectures.iter().map(outline).collect::<Result<_>>().map(Self)
    }

    /// The networks that a dictionary holds, and what else in it is like one.
    pub fn search<'a>(&self, dictionary: &'a Dictionary) -> Search<'a> {
        let Search { mut fits, mut nears } = Search::default();
        if dictionary.tensors.len() > MOST_TENSORS {
            return Search { fits, nears };
        }
        let keys = Keys::new(dictionary);
        for family in Family::ALL {
            for names in family.schemes(&|end| keys.ends.contains(end)) {
                for prefix in keys.prefixes(&names) {
                    let (classifier, classes) = keys.classifier(&prefix, &names);
                    let attempt = Attempt { names: &names, prefix: &prefix, classifier, classes };
                    for outline in self.0.iter().filter(|outline| Family::of(outline.architecture) == family) {
                        match keys.attempt(&attempt, outline) {
                            Ok(fit) if fits.iter().any(|other| other.prefix == fit.prefix) => {}
                            Ok(fit) => fits.push(fit),
                            Err(miss) if miss.is_far() => {}
                            Err(miss) => keep_nearest(&mut nears, keys.near(&attempt, miss)),
                        }
                    }
                }
            }
        }
        fits.sort_by_key(|fit| fit.prefix.len());
        let is_used =
            |key: &str| fits.iter().flat_map(|fit| fit.weights.iter().flatten()).any(|(used, _)| *used == key);
        nears.retain(|near| !is_used(near.stem));
        nears.sort_by_key(|near| near.miss.rank());
        // Only a convolution that takes images tells of a further network: others are layers of the first.
        let mut is_first = fits.is_empty();
        nears.retain(|near| std::mem::take(&mut is_first) || near.takes_images);
        let all_lost: Vec<_> = fits.iter().map(|fit| lost::of(fit, &fits, &nears)).collect();
        fits.iter_mut().zip(all_lost).for_each(|(fit, lost)| fit.lost = lost);
        Search { fits, nears }
    }
}

/// Of what begins with one convolution, the nearest is kept.
fn keep_nearest<'a>(nears: &mut Vec<Near<'a>>, near: Option<Near<'a>>) {
    let Some(near) = near else { return };
    match nears.iter_mut().find(|other| other.stem == near.stem) {
        Some(other) if near.miss.rank() < other.miss.rank() => *other = near,
        Some(_) => {}
        None => nears.push(near),
    }
}

/// What separates the names in a key: JAX and TensorFlow write slashes.
pub const SEPARATORS: [char; 2] = ['.', '/'];

/// A key without wrappers, its names separated by dots.
pub fn bare(key: &str) -> String {
    key.split(SEPARATORS).filter(|part| !WRAPPERS.contains(part)).collect::<Vec<_>>().join(".")
}

/// A prefix, what it stands in, and so on to the outermost: `a.b.`, `a.`, and nothing.
pub fn outwards(prefix: &str) -> impl Iterator<Item = &str> {
    let ends = prefix.match_indices('.').map(|(at, _)| at + 1).rev();
    ends.map(|end| &prefix[..end]).chain([""])
}
