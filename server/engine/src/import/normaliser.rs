//! The mean and deviation of pixels that a network keeps among its tensors, whatever they are called.

use retort_spec::Normaliser;

use super::{
    contents::{Declared, Dictionary},
    file::Source,
    fit::{Fit, Rest, outwards},
    shown,
};

/// What a tensor's name says of it.
const MEANS: [&str; 4] = ["mean", "mu", "avg", "center"];
const DEVIATIONS: [&str; 4] = ["std", "sigma", "dev", "scale"];

/// What one number for all colour planes must be called.
const PAIRS: [[&str; 2]; 2] = [["mean", "std"], ["mu", "sigma"]];

/// A normaliser, and where it was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The normaliser in pixel units.
    pub normaliser: Normaliser,
    /// The keys of mean and deviation.
    pub keys: [String; 2],
    /// Whether the file has it for pixels from 0 to 255.
    pub is_of_bytes: bool,
}

/// Three numbers of a file.
struct Three<'a> {
    key: &'a str,
    values: [f64; 3],
}

/// Whose the numbers are that may be a mean or a deviation of pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    /// The network's: they stand in its branch, or directly around that.
    Own,
    /// This one's or another network's: they stand directly around both.
    Shared,
    /// Nobody's that is known: they stand apart, as in an attack.
    Apart,
    /// Another network's, in whose branch they stand.
    Other,
}

/// The normaliser of a network; none where there is none.
///
/// # Errors
/// In words, when there are numbers that may be one and it is not clear which or whose, or that cannot be one.
pub fn find(fit: &Fit, source: &mut Source) -> Result<Option<Found>, String> {
    let mut all = Vec::new();
    for part in fit.rest.iter().filter(|part| may_be(part, &fit.rest)) {
        let owner = owner(&part.name, fit);
        if owner != Owner::Other {
            let values = read(source, part.tensor).map_err(|fault| format!("{}: {fault}", shown(part.key)))?;
            all.push((owner, Three { key: part.key, values }));
        }
    }
    let is_there = |owner: Owner| all.iter().any(|(of, _)| *of == owner);
    let nearest = [Owner::Own, Owner::Shared, Owner::Apart].into_iter().find(|owner| is_there(*owner));
    let mut threes: Vec<Three> = Vec::new();
    for (owner, three) in all {
        // The same numbers again are those of a copy.
        let is_copy = threes.iter().any(|other| last(other.key) == last(three.key) && other.values == three.values);
        if Some(owner) == nearest && !is_copy {
            threes.push(three);
        }
    }
    let whose = match nearest {
        Some(Owner::Shared) => "stand beside several networks, and it cannot be told whether they are this one's",
        Some(Owner::Apart) => "stand apart from the network, and it cannot be told whether they are its normaliser",
        _ => "",
    };
    match threes.as_slice() {
        [] => Ok(None),
        _ if !whose.is_empty() => {
            let keys = threes.iter().map(|three| shown(three.key)).collect::<Vec<_>>().join(", ");
            let found = if let [one, other] = threes.as_slice() { pair(one, other).ok() } else { None };
            let which = found.map(|found| format!(" ({})", found.normaliser.in_full())).unwrap_or_default();
            Err(format!("{keys}{which} {whose}"))
        }
        [one, other] => pair(one, other).map(Some),
        _ => {
            let names: Vec<_> = threes.iter().map(|three| shown(three.key)).collect();
            Err(format!(
                "it cannot be told which of these are the mean and the deviation of pixels: {}",
                names.join(", ")
            ))
        }
    }
}

/// Most tensors of a dictionary that is looked into for a normaliser beside a network.
const FEW: usize = 16;
/// Most normalisers beside a network that are told.
const MOST_TOLD: usize = 3;

/// Whether a key is one of a mean or a deviation.
pub fn is_named(key: &str) -> bool {
    says(key, &MEANS) || says(key, &DEVIATIONS)
}

/// Whether a dictionary of few tensors has what may be a mean and a deviation of pixels.
pub fn may_stand_in(dictionary: &Dictionary) -> bool {
    dictionary.tensors.len() <= FEW && both(dictionary).is_some()
}

/// The mean and the deviation of a dictionary, by names and shapes.
fn both(dictionary: &Dictionary) -> Option<[(&String, &Declared); 2]> {
    let one = |words: &[&str]| {
        let mut found = dictionary.tensors.iter().filter(|(key, _)| says(key, words));
        found.find(|(key, tensor)| is_by_channel(tensor) || is_one(tensor) && PAIRS.as_flattened().contains(&last(key)))
    };
    Some([one(&MEANS)?, one(&DEVIATIONS)?])
}

/// The means and deviations that stand outside of a network's dictionary at `path` and nearer to no other network, in words
/// that ask about them; none where there are none. `places` are the paths of all networks' dictionaries.
pub fn beside(
    path: &[String],
    places: &[&[String]],
    normalisers: &[Dictionary],
    source: &mut Source,
) -> Option<String> {
    let mut found: Vec<(Normaliser, String)> = Vec::new();
    for other in normalisers {
        let near = |place: &[String]| place.iter().zip(&other.path).take_while(|(one, other)| one == other).count();
        if other.path == path || places.iter().any(|place| near(place) > near(path)) {
            continue;
        }
        let Some(both) = both(other) else { continue };
        let [one, other_one] = both.map(|(key, tensor)| Some(Three { key, values: read(source, tensor).ok()? }));
        let Some(pair) = one.zip(other_one).and_then(|(one, other)| pair(&one, &other).ok()) else { continue };
        if found.iter().all(|(normaliser, _)| *normaliser != pair.normaliser) {
            let place = |key: &str| shown(&[other.path.as_slice(), &[key.to_owned()]].concat().join("."));
            let [mean, std] = &pair.keys;
            let words = format!("{} and {} ({})", place(mean), place(std), pair.normaliser.in_full());
            found.push((pair.normaliser, words));
        }
    }
    found.truncate(MOST_TOLD);
    let words: Vec<_> = found.into_iter().map(|(_, words)| words).collect();
    (!words.is_empty())
        .then(|| format!("beside the weights stand {}, by which its images may be normalised", words.join(", and ")))
}

/// Whose numbers of this name are.
fn owner(name: &str, fit: &Fit) -> Owner {
    let level = outwards(&fit.prefix).find(|around| name.starts_with(around)).unwrap_or_default();
    let branch = |name: &str| name[level.len()..].split_once('.').map(|(first, _)| format!("{level}{first}."));
    let own = branch(name);
    // One of few outputs only mixes colours.
    let takes_images = |tensor: &Declared| matches!(tensor.shape.as_slice(), [(4..), 3, _, _]);
    // A copy of the network that shares its numbers is no other one.
    let is_copy = |tensor: &Declared| fit.weights.iter().flatten().any(|(_, own)| *own == tensor);
    let is_other = |part: &&Rest| part.name.starts_with(level) && takes_images(part.tensor) && !is_copy(part.tensor);
    let others = fit.rest.iter().filter(is_other).filter_map(|part| branch(&part.name));
    let mut others = others.filter(|other| !fit.prefix.starts_with(other.as_str()));
    if let Some(own) = &own
        && !fit.prefix.starts_with(own)
        && others.clone().any(|other| other == *own)
    {
        return Owner::Other;
    }
    let mut around = outwards(name);
    let (holder, owner) = (around.next().unwrap_or_default(), around.next().unwrap_or_default());
    if holder != level && owner != level {
        return Owner::Apart;
    }
    // A network with a normaliser of its own does not share this one.
    let has_own =
        |branch: &str| fit.rest.iter().any(|part| part.name.starts_with(branch) && is_by_channel(part.tensor));
    let is_shared = level != fit.prefix && others.any(|other| Some(&other) != own.as_ref() && !has_own(&other));
    if is_shared { Owner::Shared } else { Owner::Own }
}

/// Whether a part may be a mean or a deviation of pixels, by its shape or its name.
pub fn may_be(part: &Rest, rest: &[Rest]) -> bool {
    is_by_channel(part.tensor) || is_one_of_a_pair(part, rest)
}

/// Whether a tensor has one number for each colour plane, and no others.
fn is_by_channel(tensor: &Declared) -> bool {
    tensor.is_float() && matches!(tensor.shape.as_slice(), [3] | [1, 3] | [3, 1, 1] | [1, 3, 1, 1])
}

/// Whether a tensor has one number.
fn is_one(tensor: &Declared) -> bool {
    tensor.is_float() && tensor.shape.len() <= 4 && tensor.count() == Some(1)
}

/// Whether a part is one number for all colour planes, by its name a mean or a deviation whose other half stands beside it.
fn is_one_of_a_pair(part: &Rest, rest: &[Rest]) -> bool {
    let is_called = |part: &Rest, name: &str| is_one(part.tensor) && last(&part.name) == name;
    let beside = |name: &str| {
        let holder = &part.name[..part.name.len() - last(&part.name).len()];
        rest.iter().any(|other| is_called(other, name) && other.name == format!("{holder}{name}"))
    };
    PAIRS.iter().any(|[mean, std]| is_called(part, mean) && beside(std) || is_called(part, std) && beside(mean))
}

/// Single precision is read as the decimal that it stands for, so that 0.4914 is that. One number stands for all planes.
fn read(source: &mut Source, tensor: &Declared) -> Result<[f64; 3], String> {
    let read = source.read(tensor)?.flatten_all().and_then(|t| t.to_vec1::<f32>()).map_err(|e| e.to_string())?;
    let mut numbers = read.iter().cycle().map(|v| v.to_string().parse().unwrap_or_else(|_| f64::from(*v)));
    Ok(std::array::from_fn(|_| numbers.next().unwrap_or(f64::NAN)))
}

/// Whether the last name of a key has one of these words in it.
fn says(key: &str, words: &[&str]) -> bool {
    let name = last(key).to_lowercase();
    words.iter().any(|word| name.contains(word))
}

fn last(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}

/// Which of two is the mean: by their names, else by their numbers.
fn pair(one: &Three, other: &Three) -> Result<Found, String> {
    let is_mean = |Three { key: a, .. }: &Three, Three { key: b, .. }: &Three| {
        says(a, &MEANS) && !says(b, &MEANS) || says(b, &DEVIATIONS) && !says(a, &DEVIATIONS)
    };
    let (mean, std) = match (is_mean(one, other), is_mean(other, one)) {
        (true, false) => (one, other),
        (false, true) => (other, one),
        // Natural images have means above their deviations, in every plane.
        _ if (0..3).all(|c| one.values[c] > other.values[c] && other.values[c] > 0.0) => (one, other),
        _ if (0..3).all(|c| other.values[c] > one.values[c] && one.values[c] > 0.0) => (other, one),
        _ => {
            return Err(format!(
                "it cannot be told which of {} and {} is the mean of pixels and which the deviation",
                shown(one.key),
                shown(other.key)
            ));
        }
    };
    let mut std = Three { key: std.key, values: std.values };
    if says(std.key, &["var"]) {
        // As a batch norm divides, where it is one.
        let more = if says(std.key, &["running_var"]) { 1e-5 } else { 0.0 };
        std.values = std.values.map(|v| ((v + more).sqrt() * 1e7).round() / 1e7);
    }
    let is_of_bytes = mean.values.iter().any(|m| *m > 2.0) && std.values.iter().all(|s| *s > 1.0);
    // Single precision has seven digits.
    let in_pixels = |values: [f64; 3]| {
        if is_of_bytes { values.map(|v| (v / 255.0 * 1e7).round() / 1e7) } else { values }
    };
    let normaliser = Normaliser { mean: in_pixels(mean.values), std: in_pixels(std.values) };
    let keys = [mean.key.to_owned(), std.key.to_owned()];
    match normaliser.fault() {
        Some(fault) => Err(format!("its normaliser, {} and {}, {fault}", shown(mean.key), shown(std.key))),
        None => Ok(Found { normaliser, keys, is_of_bytes }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(one: (&str, [f64; 3]), other: (&str, [f64; 3])) -> Result<Found, String> {
        let [one, other] = [one, other].map(|(key, values)| Three { key, values });
        pair(&one, &other)
    }

    const MEAN: [f64; 3] = [0.4914, 0.4822, 0.4465];
    const STD: [f64; 3] = [0.2471, 0.2435, 0.2616];

    #[test]
    fn mean_and_deviation_are_told_apart_by_their_names_and_else_by_their_numbers() {
        for names in [["mu", "sigma"], ["n.new_mean", "n.new_std"], ["0.a", "0.b"], ["x", "norm_std"]] {
            let found = told((names[0], MEAN), (names[1], STD)).unwrap();
            assert_eq!((found.normaliser, found.is_of_bytes), (Normaliser::PRESETS[0].1, false), "{names:?}");
            assert_eq!(told((names[1], STD), (names[0], MEAN)).unwrap(), found, "{names:?}");
        }
        // By their names even where the numbers would say otherwise.
        assert_eq!(told(("std", [1.0; 3]), ("mean", [0.0; 3])).unwrap().normaliser.std, [1.0; 3]);
        let by_variance = told(("running_mean", MEAN), ("running_var", [0.04; 3])).unwrap().normaliser;
        assert!(by_variance.std.iter().all(|s| (s - 0.2).abs() < 1e-4), "{by_variance:?}");
        assert!(
            told(("mean", MEAN), ("inv_std", STD.map(|s| 1.0 / s)))
                .unwrap_err()
                .ends_with("where they are 1 / deviation, it is cifar10 = 0.4914 0.4822 0.4465 / 0.2471 0.2435 0.2616")
        );
        assert!(told(("a", [0.5; 3]), ("b", [0.5; 3])).unwrap_err().contains("which of a and b is the mean"));
    }

    #[test]
    fn numbers_of_pixels_up_to_255_are_made_those_of_pixels_up_to_1() {
        let found = told(("mean", MEAN.map(|m| m * 255.0)), ("std", STD.map(|s| s * 255.0))).unwrap();
        let off = |a: [f64; 3], b: [f64; 3]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-12);
        assert!(found.is_of_bytes && off(found.normaliser.mean, MEAN) && off(found.normaliser.std, STD), "{found:?}");
    }

    #[test]
    fn a_deviation_of_0_is_refused_by_its_name() {
        let fault = told(("mu", MEAN), ("sigma", [0.25, 0.0, 1.0])).unwrap_err();
        assert!(fault.contains("mu and sigma") && fault.contains("deviations above 0"), "{fault}");
    }
}
