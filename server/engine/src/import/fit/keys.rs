//! The keys of a dictionary of tensors, and one attempt to find a network's among them.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    ops::Bound,
};

use super::{Fit, Named, Near, Outline, Rest, SEPARATORS, bare, lost::UNUSED, outwards};
use crate::import::{
    MOST_CLASSES,
    contents::{Declared, Dictionary},
    miss::Miss,
    names::{CLASSIFIERS, Names},
    shown,
};

/// Most places of one dictionary at which a network of the same names is looked for.
const MOST_PREFIXES: usize = 8;

/// The counter of each batch-norm layer.
const COUNTER: &str = "num_batches_tracked";

/// A dictionary as it is looked at: by keys without wrappers.
pub struct Keys<'a> {
    tensors: BTreeMap<String, Named<'a>>,
    /// The ends of the keys, at every point.
    pub ends: HashSet<String>,
}

/// How a network's tensors are found in a dictionary.
pub struct Attempt<'n> {
    /// What its layers are called.
    pub names: &'n Names,
    /// What stands in front of them.
    pub prefix: &'n str,
    /// The last layer, with what stands in front of it.
    pub classifier: String,
    /// How many classes the last layer tells apart; none where there is no such layer.
    pub classes: Option<usize>,
}

impl<'a> Keys<'a> {
    /// Those of a dictionary.
    pub fn new(dictionary: &'a Dictionary) -> Self {
        let mut tensors = BTreeMap::new();
        for (key, tensor) in &dictionary.tensors {
            if tensors.insert(bare(key), (key.as_str(), tensor)).is_some() {
                // With and without a wrapper these are two networks: the wrapper tells them apart.
                tensors =
                    dictionary.tensors.iter().map(|(key, tensor)| (key.clone(), (key.as_str(), tensor))).collect();
                break;
            }
        }
        let mut ends = HashSet::new();
        for key in tensors.keys() {
            ends.insert(key.clone());
            ends.extend(key.match_indices('.').rev().take(8).map(|(at, _)| key[at + 1..].to_owned()));
        }
        Self { tensors, ends }
    }

    /// What stands in front of each convolution that is named as the first and takes images, the shortest first.
    pub fn prefixes(&self, names: &Names) -> Vec<String> {
        let stem = format!("{}.weight", names.stem[0]);
        let named = |is_stem: fn(&Declared) -> bool| -> Vec<String> {
            let stems = self.tensors.iter().filter(|(_, (_, tensor))| is_stem(tensor));
            let before = stems.filter_map(|(key, _)| key.strip_suffix(&stem));
            before.filter(|before| before.is_empty() || before.ends_with('.')).map(str::to_owned).collect()
        };
        let mut prefixes = named(|tensor| tensor.shape.len() == 4 && (1..=4).contains(&tensor.shape[1]));
        if prefixes.is_empty() {
            prefixes = named(|_| true);
        }
        prefixes.sort_by_key(String::len);
        prefixes.truncate(MOST_PREFIXES);
        prefixes
    }

    /// The last layer with what stands in front of it, and how many classes it tells apart: beside the network's other
    /// layers, or beside what they stand in.
    pub fn classifier(&self, prefix: &str, names: &Names) -> (String, Option<usize>) {
        let matrix = |layer: &str| {
            let (_, tensor) = self.tensors.get(&format!("{layer}.weight"))?;
            (tensor.shape.len() == 2).then(|| tensor.shape[0])
        };
        for around in outwards(prefix) {
            for name in [names.classifier].iter().chain(&CLASSIFIERS) {
                let layer = format!("{around}{name}");
                if let Some(classes) = matrix(&layer) {
                    return (layer, Some(classes));
                }
            }
        }
        // Under an unknown name, if there is one matrix alone.
        let matrices = self.tensors.iter().filter(|(_, (_, tensor))| tensor.shape.len() == 2 && tensor.is_float());
        let mut layers =
            matrices.filter_map(|(key, (_, tensor))| Some((key.strip_suffix(".weight")?, tensor.shape[0])));
        match (layers.next(), layers.next()) {
            (Some((layer, classes)), None) => (layer.to_owned(), Some(classes)),
            _ => (format!("{prefix}{}", names.classifier), None),
        }
    }

    /// The network in its place, or what differs.
    pub fn attempt(&self, attempt: &Attempt, outline: &Outline) -> std::result::Result<Fit<'a>, Miss> {
        let Attempt { names, prefix, classifier, classes } = attempt;
        let renaming = names.renaming(outline.architecture, "");
        let mut miss = Miss::new(outline.architecture, classes.unwrap_or(0));
        let (mut weights, mut renamed, mut stripped) = (Vec::new(), None, None::<&str>);
        // The keys that were used, and their first parts behind the prefix.
        let (mut used, mut layers) = (HashSet::new(), BTreeSet::new());
        for (own, shape) in &outline.tensors {
            let (layer, part) = own.rsplit_once('.').unwrap_or((own, ""));
            let theirs = renaming.get(layer).map(String::as_str).unwrap_or_default();
            let is_classifier = theirs.is_empty();
            let name = if is_classifier { classifier.clone() } else { format!("{prefix}{theirs}") };
            let called = if is_classifier { name.strip_prefix(prefix).unwrap_or(&name) } else { theirs };
            if called != layer && renamed.is_none() {
                renamed = Some([called.to_owned(), layer.to_owned()]);
            }
            let mut shape = shape.clone();
            if let (true, Some(classes)) = (is_classifier, classes) {
                shape[0] = *classes;
            }
            let key = format!("{name}.{part}");
            layers.insert(first_part(name.strip_prefix(prefix).unwrap_or(&name)).to_owned());
            match self.tensors.get_key_value(&key) {
                Some((key, (original, tensor))) => {
                    used.insert(key.as_str());
                    if part == "running_mean" {
                        used.extend(self.counter(&name).map(|(key, _)| key.as_str()));
                    }
                    if tensor.shape == shape && tensor.is_float() {
                        miss.matched += 1;
                    } else {
                        miss.shaped(original, tensor, &shape);
                    }
                    if !is_classifier {
                        let front = front(original, &format!("{theirs}.{part}"));
                        stripped = Some(common(stripped.unwrap_or(front), front));
                    }
                    weights.push(Some((*original, *tensor)));
                }
                None if is_classifier && part == "bias" && classes.is_some() => weights.push(None),
                None => miss.missing.push(shown(&key)),
            }
        }
        let is_counter = |key: &str| key.ends_with(COUNTER) && used.contains(key);
        let counters = self.tensors.iter().filter(|(key, _)| is_counter(key)).map(|(_, named)| *named).collect();
        let mut rest = Vec::new();
        for (key, named) in self.tensors.iter().filter(|(key, _)| !used.contains(key.as_str())) {
            let is_part = key.strip_prefix(prefix).is_some_and(|inner| {
                layers.contains(first_part(inner)) || self.is_part_of_way(prefix, first_part(inner), names)
            });
            if is_part {
                miss.unexpected.push(shown(named.0));
            } else {
                rest.push(Rest { name: key.clone(), key: named.0, tensor: named.1 });
            }
        }
        if let Some(classes) = classes.filter(|classes| !(2..=MOST_CLASSES).contains(classes)) {
            miss.shaped
                .push(format!("{} tells {classes} classes apart, and a model tells 2 to 1,000", shown(classifier)));
        }
        if miss.is_none() {
            return Ok(Fit {
                architecture: outline.architecture,
                classes: classes.unwrap_or(0),
                prefix: (*prefix).to_owned(),
                stripped: stripped.unwrap_or_default().to_owned(),
                weights,
                counters,
                rest,
                lost: Vec::new(),
                renamed,
                doubt: names.doubt,
            });
        }
        Err(miss)
    }

    /// What is like a network at the place of an attempt, and what it misses; none where there is no first convolution.
    pub fn near(&self, attempt: &Attempt, miss: Miss) -> Option<Near<'a>> {
        let stem = format!("{}.weight", attempt.names.stem[0]);
        let (key, tensor) = self.tensors.get(&format!("{}{stem}", attempt.prefix))?;
        let takes_images = matches!(tensor.shape.as_slice(), [_, 3, _, _]);
        let front = if takes_images { front(key, &stem) } else { "" };
        Some(Near { stem: key, takes_images, front, miss })
    }

    fn counter(&self, layer: &str) -> Option<(&String, &Named<'a>)> {
        self.tensors.get_key_value(&format!("{layer}.{COUNTER}"))
    }

    /// Whether what has this name beside the network's layers may be one of them: a convolution or a norm that stands
    /// alone. A whole network is not, nor are heads, criteria and other things that no image passes on its way.
    fn is_part_of_way(&self, prefix: &str, name: &str, names: &Names) -> bool {
        if name == UNUSED {
            return false;
        }
        let (whole, inside) = (format!("{prefix}{name}"), format!("{prefix}{name}."));
        let stem = format!(".{}.weight", names.stem[0]);
        let mut has_norm_or_conv = false;
        let from = (Bound::Included(whole.clone()), Bound::Unbounded);
        let group = self.tensors.range(from).take_while(|(key, _)| key.starts_with(&whole));
        for (key, (_, tensor)) in group.filter(|(key, _)| **key == whole || key.starts_with(&inside)) {
            if key.ends_with(&stem) || tensor.shape.len() == 2 && tensor.is_float() {
                return false;
            }
            has_norm_or_conv |= tensor.shape.len() == 4 && tensor.shape[2] > 0 && tensor.count() > Some(3)
                || key.ends_with("running_mean");
        }
        has_norm_or_conv
    }
}

/// What stands in front of a tensor's own name.
fn front<'k>(key: &'k str, name: &str) -> &'k str {
    // A slash is as long as a dot.
    if key.replace('/', ".").ends_with(name) { &key[..key.len() - name.len()] } else { "" }
}

/// The parts that two prefixes begin with.
fn common<'k>(one: &'k str, other: &str) -> &'k str {
    let same = one.split_inclusive(SEPARATORS).zip(other.split_inclusive(SEPARATORS)).take_while(|(a, b)| a == b);
    &one[..same.map(|(part, _)| part.len()).sum()]
}

fn first_part(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}
