//! The mean and deviation of pixels that a network keeps among its tensors, whatever they are called.

use retort_spec::Normaliser;

use super::{
    file::{Declared, Source},
    fit::{Fit, outwards},
    shown,
};

/// What a tensor's name says of it.
const MEANS: [&str; 4] = ["mean", "mu", "avg", "center"];
const DEVIATIONS: [&str; 4] = ["std", "sigma", "dev", "scale"];

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

/// The normaliser of a network; none where there is none.
///
/// # Errors
/// In words, when there are numbers that may be one and it is not clear which, or that cannot be one.
pub fn find(fit: &Fit, source: &mut Source) -> Result<Option<Found>, String> {
    let mut all = Vec::new();
    for part in fit.rest.iter().filter(|part| is_by_channel(part.tensor)) {
        let values = read(source, part.tensor).map_err(|fault| format!("{}: {fault}", shown(part.key)))?;
        // One that is beside the network or beside what it stands in, and not in an attack's copy.
        let mut around = outwards(&part.name);
        let (holder, owner) = (around.next().unwrap_or_default(), around.next().unwrap_or_default());
        let is_near = outwards(&fit.prefix).any(|around| around == holder || around == owner);
        all.push((is_near, Three { key: part.key, values }));
    }
    let has_near = all.iter().any(|(is_near, _)| *is_near);
    let mut threes: Vec<Three> = Vec::new();
    for (is_near, three) in all {
        // The same numbers again are those of a copy.
        let is_copy = threes.iter().any(|other| last(other.key) == last(three.key) && other.values == three.values);
        if (is_near || !has_near) && !is_copy {
            threes.push(three);
        }
    }
    match threes.as_slice() {
        [] => Ok(None),
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

/// Whether a tensor has one number for each colour plane, and no others.
fn is_by_channel(tensor: &Declared) -> bool {
    tensor.is_float() && matches!(tensor.shape.as_slice(), [3] | [1, 3] | [3, 1, 1] | [1, 3, 1, 1])
}

/// Single precision is read as the decimal that it stands for, so that 0.4914 is that.
fn read(source: &mut Source, tensor: &Declared) -> Result<[f64; 3], String> {
    let read = source.read(tensor)?.flatten_all().and_then(|t| t.to_vec1::<f32>()).map_err(|e| e.to_string())?;
    let mut numbers = read.into_iter().map(|v| v.to_string().parse().unwrap_or_else(|_| f64::from(v)));
    Ok(std::array::from_fn(|_| numbers.next().unwrap_or(f64::NAN)))
}

fn last(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}

/// Which of two is the mean: by their names, else by their numbers.
fn pair(one: &Three, other: &Three) -> Result<Found, String> {
    let says = |three: &Three, words: &[&str]| words.iter().any(|word| last(three.key).to_lowercase().contains(word));
    let is_mean =
        |a: &Three, b: &Three| says(a, &MEANS) && !says(b, &MEANS) || says(b, &DEVIATIONS) && !says(a, &DEVIATIONS);
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
    if says(&std, &["var"]) {
        // As a batch norm divides, where it is one.
        let more = if says(&std, &["running_var"]) { 1e-5 } else { 0.0 };
        std.values = std.values.map(|v| (v + more).sqrt());
    }
    let is_of_bytes = mean.values.iter().any(|m| *m > 2.0) && std.values.iter().all(|s| *s > 1.0);
    // Single precision has seven digits.
    let in_pixels = |values: [f64; 3]| {
        if is_of_bytes { values.map(|v| (v / 255.0 * 1e7).round() / 1e7) } else { values }
    };
    let normaliser = Normaliser { mean: in_pixels(mean.values), std: in_pixels(std.values) };
    let keys = [mean.key.to_owned(), std.key.to_owned()];
    let is_of_pixels =
        normaliser.mean.iter().all(|m| (-0.1..=1.1).contains(m)) && normaliser.std.iter().all(|s| *s <= 1.2);
    match normaliser.fault() {
        Some(fault) => Err(format!("its normaliser, {} and {}, {fault}", shown(mean.key), shown(std.key))),
        None if !is_of_pixels => Err(format!(
            "{} and {} have the shapes of a mean and a deviation of pixels, but not their sizes: {:?} and {:?}",
            shown(mean.key),
            shown(std.key),
            mean.values,
            std.values
        )),
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
        assert!(told(("mean", MEAN), ("inv_std", STD.map(|s| 1.0 / s))).unwrap_err().contains("not their sizes"));
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
