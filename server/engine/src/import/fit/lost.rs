//! What stands beside a network's layers, is none of them, and computes something.

use super::{Fit, Near, Rest};
use crate::import::{contents::Declared, normaliser};

/// Layers that the WRN of TRADES's code carries and never uses.
pub const UNUSED: &str = "sub_block1";

/// How the names begin of what no image passes on its way: other networks, averages, attacks, and what training needs.
const ASIDE: [&str; 38] = [
    "teacher",
    "student",
    "ema",
    "swa",
    "avg",
    "averag",
    "shadow",
    "old",
    "target",
    "proxy",
    "attack",
    "aux",
    "perturb",
    "delta",
    "optim",
    "sched",
    "scaler",
    "criterion",
    "loss",
    "metric",
    "acc",
    "best",
    "distill",
    "kd",
    "crd",
    "queue",
    "memory",
    "bank",
    "proto",
    "center",
    "label",
    "step",
    "epoch",
    "iter",
    "num",
    "lr",
    "eps",
    "rng",
];

/// The keys of tensors in a network's branch, and around it where it is the only one, of which it cannot be said that they
/// compute nothing.
pub fn of<'a>(fit: &Fit<'a>, fits: &[Fit], nears: &[Near]) -> Vec<&'a str> {
    let is_copy = |other: &Fit| other.prefix == fit.prefix || other.weights == fit.weights;
    let is_only = nears.is_empty() && fits.iter().all(is_copy);
    let is_lost = |part: &&Rest| {
        (is_only || part.name.starts_with(&fit.prefix))
            && part.tensor.is_float()
            && !is_aside(&part.name)
            && !normaliser::may_be(part, &fit.rest)
            && !fits.iter().any(|other| is_of(part, other, fit))
            && !nears.iter().any(|near| !near.front.is_empty() && part.key.starts_with(near.front))
            && !is_of_classifier(part, fit)
            && !is_of_other_task(part, fit)
    };
    fit.rest.iter().filter(is_lost).map(|part| part.key).collect()
}

fn is_aside(name: &str) -> bool {
    let name = name.to_lowercase();
    let mut words = name.split(['.', '_', '-']);
    name.split('.').any(|part| part == UNUSED) || words.any(|word| ASIDE.iter().any(|aside| word.starts_with(aside)))
}

/// Whether a part is another network's, or stands in its branch.
fn is_of(part: &Rest, other: &Fit, fit: &Fit) -> bool {
    let is_branch = !other.prefix.is_empty() && !fit.prefix.starts_with(&other.prefix);
    is_branch && part.name.starts_with(&other.prefix) || other.weights.iter().flatten().any(|(key, _)| *key == part.key)
}

/// Whether a part stands in the branch of a whole classifier that is of no known architecture: a teacher under some name.
fn is_of_classifier(part: &Rest, fit: &Fit) -> bool {
    let level = super::outwards(&fit.prefix).find(|around| part.name.starts_with(around)).unwrap_or_default();
    let Some((first, _)) = part.name[level.len()..].split_once('.') else { return false };
    let branch = format!("{level}{first}.");
    let has = |is_it: &dyn Fn(&Declared) -> bool| {
        fit.rest.iter().any(|other| other.name.starts_with(&branch) && is_it(other.tensor))
    };
    has(&|tensor| matches!(tensor.shape.as_slice(), [_, 3, _, _]))
        && has(&|tensor| matches!(tensor.shape.as_slice(), [classes, _] if *classes == fit.classes))
}

/// Whether a part is of a further head that tells another number of classes apart from the same features: training had that
/// task too, and no image passes it on its way to the answers.
fn is_of_other_task(part: &Rest, fit: &Fit) -> bool {
    let matrix = |tensor: &Declared| <[usize; 2]>::try_from(tensor.shape.as_slice()).ok();
    let last = fit.weights.iter().flatten().find_map(|(_, tensor)| matrix(tensor));
    let Some((layer, _)) = part.name.rsplit_once('.') else { return false };
    let weight = fit.rest.iter().find(|other| other.name.strip_prefix(layer) == Some(".weight"));
    match (last, weight.and_then(|weight| matrix(weight.tensor))) {
        (Some([classes, features]), Some([others, inputs])) => {
            inputs == features && others != classes && others != features
        }
        _ => false,
    }
}
