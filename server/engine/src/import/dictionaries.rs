//! The dictionaries of tensors in a pickle, at any depth: in dicts, lists and tuples, and in objects, which stay unbuilt.

use std::collections::{BTreeMap, HashSet};

use super::{
    contents::Place as Storage,
    contents::{Declared, Dictionary},
    declared::{Numbers, declared, of_python},
    layer::Layer,
    normaliser,
    pickle::{Pickle, Place, Value},
    shown,
};

/// Most dicts, lists and objects that are looked into. Those that lie outermost come first.
const MOST_LOOKED_INTO: usize = 200_000;

/// Most tensors of one dictionary that are kept, one more than are compared.
const MOST_TENSORS: usize = super::fit::MOST_TENSORS + 1;

/// Most dictionaries that are remembered at a time.
const MOST_FOUND: usize = 4_096;

/// Most dictionaries that are kept: those with the most tensors. An optimiser has one of few tensors for each weight.
const MOST_KEPT: usize = 32;

/// Bytes of the longest name that a module's tensor gets by the modules around it.
const LONGEST_NAME: usize = 255;

/// Most values of other kinds that are listed beside the tensors of a dictionary.
const MOST_OTHERS: usize = 1_000;

/// Most names that are listed as standing beside a dictionary.
const MOST_BESIDE: usize = 50;

/// A value that is looked into, the one around it, and the name that it has there.
struct Node {
    value: Place,
    around: usize,
    name: String,
}

/// The dictionaries of tensors, those with the most tensors first, what those in one container are together, and those with
/// what may be a mean and a deviation of pixels; where there is none, what the pickle holds instead.
///
/// # Errors
/// In words that follow “it holds”.
pub fn find(pickle: &Pickle, numbers: &Numbers) -> Result<[Vec<Dictionary>; 3], String> {
    let mut nodes = vec![Node { value: pickle.root(), around: 0, name: String::new() }];
    let mut seen = HashSet::from([pickle.root()]);
    let mut found: Vec<(usize, Dictionary)> = Vec::new();
    let mut normalisers: Vec<(usize, Dictionary)> = Vec::new();
    let mut at = 0;
    while let Some(value) = nodes.get(at).map(|node| node.value) {
        let mut dictionary = match module(pickle, value, numbers) {
            Some(module) => module,
            None => entries(pickle, value, numbers, &mut |name, inner| {
                if nodes.len() < MOST_LOOKED_INTO && seen.insert(inner) {
                    nodes.push(Node { value: inner, around: at, name });
                }
            }),
        };
        dictionary.others.retain(|name, _| !dictionary.tensors.contains_key(name));
        if normalisers.len() < MOST_KEPT && normaliser::may_stand_in(&dictionary) {
            let tensors = dictionary.tensors.clone();
            normalisers.push((at, Dictionary { tensors, ..Dictionary::default() }));
        }
        if dictionary.tensors.values().any(|tensor| !matches!(tensor.place, Storage::Python(_))) {
            found.push((at, dictionary));
        }
        if found.len() > MOST_FOUND {
            keep_largest(&mut found);
        }
        at += 1;
    }
    let placed = |(at, dictionary)| place(pickle, &nodes, at, dictionary);
    let together = together(&nodes, &found).into_iter().map(placed).collect();
    keep_largest(&mut found);
    let [found, normalisers] = [found, normalisers].map(|all| all.into_iter().map(placed).collect::<Vec<_>>());
    if found.is_empty() { Err(instead(pickle)) } else { Ok([found, together, normalisers]) }
}

fn keep_largest(found: &mut Vec<(usize, Dictionary)>) {
    found.sort_by_key(|(_, dictionary)| std::cmp::Reverse(dictionary.tensors.len()));
    found.truncate(MOST_KEPT);
}

/// For each container of several dictionaries all their tensors, as if it were one: the parts of a network may have been
/// saved apart.
fn together(nodes: &[Node], found: &[(usize, Dictionary)]) -> Vec<(usize, Dictionary)> {
    let mut containers: BTreeMap<usize, (usize, Dictionary)> = BTreeMap::new();
    for (at, dictionary) in found {
        let (mut inside, mut prefix) = (*at, String::new());
        while inside > 0 && prefix.len() <= LONGEST_NAME {
            prefix = format!("{}.{prefix}", nodes[inside].name);
            inside = nodes[inside].around;
            let (parts, whole) = containers.entry(inside).or_default();
            *parts += 1;
            let room = MOST_TENSORS.saturating_sub(whole.tensors.len());
            let tensors = dictionary.tensors.iter().take(room);
            whole.tensors.extend(tensors.map(|(key, tensor)| (format!("{prefix}{key}"), tensor.clone())));
        }
    }
    let mut all: Vec<_> = containers.into_iter().filter(|(_, (parts, _))| *parts > 1).collect();
    all.sort_by_key(|(_, (_, whole))| std::cmp::Reverse(whole.tensors.len()));
    all.truncate(MOST_KEPT);
    all.into_iter().map(|(at, (_, whole))| (at, whole)).collect()
}

/// What stands directly in a dict, a list, a tuple or an object: its tensors by name. What can be looked into is handed on.
fn entries(pickle: &Pickle, value: Place, numbers: &Numbers, inner: &mut dyn FnMut(String, Place)) -> Dictionary {
    let mut dictionary = Dictionary::default();
    let mut entry = |name: &dyn Fn() -> String, value: Place| {
        if dictionary.tensors.len() >= MOST_TENSORS {
            return;
        }
        if let Some(tensor) = declared(pickle, value, numbers).or_else(|| of_normaliser(pickle, name, value)) {
            // As in Python, the last of two equal keys counts.
            dictionary.tensors.insert(name(), tensor);
            return;
        }
        if dictionary.others.len() < MOST_OTHERS {
            dictionary.others.insert(name(), pickle.describe(value));
        }
        if is_looked_into(pickle, value) {
            inner(name(), value);
        }
    };
    if let Some(entries) = pickle.dict(value).or_else(|| pickle.attributes(value)) {
        for (key, value) in entries {
            entry(&|| key_of(pickle, *key), *value);
        }
    } else if let Some(parts) = pickle.sequence(value) {
        for (i, part) in parts.iter().enumerate() {
            entry(&|| i.to_string(), *part);
        }
    }
    dictionary
}

/// Three of Python's numbers under a name of a mean or a deviation, as code keeps those of pixels.
fn of_normaliser(pickle: &Pickle, name: &dyn Fn() -> String, value: Place) -> Option<Declared> {
    of_python(pickle, value).filter(|_| normaliser::is_named(&name()))
}

fn key_of(pickle: &Pickle, key: Place) -> String {
    match pickle.value(key) {
        Value::Text(text) => text.clone(),
        Value::Int(number) => number.to_string(),
        _ => pickle.describe(key),
    }
}

fn is_looked_into(pickle: &Pickle, value: Place) -> bool {
    pickle.dict(value).is_some() || pickle.sequence(value).is_some() || pickle.attributes(value).is_some()
}

/// The tensors of a network that was saved as a whole, under the names of its state dict; none for another value.
fn module(pickle: &Pickle, value: Place, numbers: &Numbers) -> Option<Dictionary> {
    parts_of_module(pickle, value)?;
    let mut dictionary = Dictionary::default();
    let (mut open, mut seen) = (vec![(value, String::new())], HashSet::new());
    while let Some((module, prefix)) = open.pop() {
        let Some([parameters, buffers, modules]) = parts_of_module(pickle, module) else { continue };
        if !seen.insert(module) || prefix.len() > LONGEST_NAME || dictionary.tensors.len() >= MOST_TENSORS {
            continue;
        }
        let before = dictionary.tensors.len();
        for (key, value) in parameters.iter().chain(buffers) {
            let name = format!("{prefix}{}", key_of(pickle, *key));
            if let Some(tensor) = declared(pickle, *value, numbers) {
                dictionary.tensors.insert(name, tensor);
            } else if pickle.value(*value) != &Value::Other("None") {
                dictionary.others.insert(name, pickle.describe(*value));
            }
        }
        // Tensors that are no buffers, as the mean and deviation of pixels often are.
        for (key, value) in pickle.attributes(module).unwrap_or_default() {
            let name = key_of(pickle, *key);
            if let Some(tensor) =
                declared(pickle, *value, numbers).or_else(|| of_normaliser(pickle, &|| name.clone(), *value))
            {
                dictionary.tensors.insert(format!("{prefix}{name}"), tensor);
            }
        }
        let is_bare = modules.is_empty() && dictionary.tensors.len() == before;
        if let Some(layer) = Layer::read(pickle, module, is_bare) {
            dictionary.layers.insert(prefix.trim_end_matches('.').to_owned(), layer);
        }
        open.extend(modules.iter().map(|(key, value)| (*value, format!("{prefix}{}.", key_of(pickle, *key)))));
    }
    Some(dictionary)
}

type Entries<'a> = &'a [(Place, Place)];

/// The parameters, buffers and inner modules of an object that is a module of PyTorch.
fn parts_of_module(pickle: &Pickle, value: Place) -> Option<[Entries<'_>; 3]> {
    let attributes = pickle.attributes(value)?;
    let part = |name: &str| {
        let (_, part) = attributes.iter().find(|(key, _)| pickle.text(*key) == Some(name))?;
        pickle.dict(*part)
    };
    Some([part("_parameters")?, part("_buffers")?, part("_modules")?])
}

/// The dictionary with its path, and with the names that stand beside it and beside what is around it.
fn place(pickle: &Pickle, nodes: &[Node], mut at: usize, mut dictionary: Dictionary) -> Dictionary {
    while at > 0 {
        let Node { around, ref name, .. } = nodes[at];
        let value = nodes[around].value;
        let entries = pickle.dict(value).or_else(|| pickle.attributes(value)).unwrap_or_default();
        let others = entries.iter().map(|(key, _)| key_of(pickle, *key)).filter(|key| key != name);
        let room = MOST_BESIDE.saturating_sub(dictionary.beside.len());
        dictionary.beside.extend(others.take(room));
        dictionary.path.insert(0, name.clone());
        at = around;
    }
    dictionary
}

/// What a pickle without tensors holds.
fn instead(pickle: &Pickle) -> String {
    let root = pickle.root();
    match pickle.value(root) {
        Value::Dict(entries) => {
            let what = |(key, value): &(Place, Place)| {
                format!("{} ({})", shown(&key_of(pickle, *key)), pickle.describe(*value))
            };
            let mut named: BTreeMap<_, _> =
                entries.iter().map(|entry| (key_of(pickle, entry.0), what(entry))).collect();
            let more = named.len().saturating_sub(10);
            let first: Vec<String> = std::iter::from_fn(|| named.pop_first().map(|(_, what)| what)).take(10).collect();
            match (first.len(), more) {
                (0, _) => "no tensors, but an empty dict".into(),
                (_, 0) => format!("no tensors, but {}", first.join(", ")),
                _ => format!("no tensors, but {} and {more} more", first.join(", ")),
            }
        }
        Value::Call(..) => format!("{}, whose code Retort does not run, and no tensors", pickle.describe(root)),
        _ => format!("{} and no tensors", pickle.describe(root)),
    }
}
