//! What the layers of a network that was saved whole compute beside what its tensors tell.

use std::collections::BTreeMap;

use super::{
    fit::{Fit, bare, outwards},
    layer::Layer,
};
use crate::nn::Network;

/// Retort's batch norm has PyTorch's default.
const EPS: &str = "0.00001";

/// What a network's layers compute otherwise than those of Retort's, each in words that follow “but”.
pub fn doubts(layers: &BTreeMap<String, Layer>, fit: &Fit) -> Vec<String> {
    let layers: BTreeMap<String, &Layer> = layers.iter().map(|(name, layer)| (bare(name), layer)).collect();
    // The layers by what they have in common: what they have, and what Retort's have.
    let mut odd: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut note = |name: &str, what: String| odd.entry(what).or_default().push(name.to_owned());
    let layer_of = |key: &str| {
        let name = bare(key.rsplit_once('.')?.0);
        let layer = *layers.get(&name)?;
        Some((name, layer))
    };
    let convolutions = Network::outline(fit.architecture, fit.classes).map(|network| network.weights.convolutions);
    for (index, conv) in convolutions.unwrap_or_default() {
        let Some((name, layer)) = fit.weights[index].and_then(|(key, _)| layer_of(key)) else { continue };
        let own = [("stride", conv.stride), ("padding", conv.padding), ("dilation", 1)];
        let own = own.map(|(setting, number)| (setting, number.to_string()));
        for (setting, expected) in own.into_iter().chain([("padding_mode", "zeros".into())]) {
            let is_same = |found: &str| setting == "padding" && found == "same" && conv.stride == 1;
            if let Some(found) = layer.settings.get(setting).filter(|found| **found != expected && !is_same(found)) {
                note(&name, format!("a {} of {found}, and Retort's of {expected}", setting.replace('_', " ")));
            }
        }
    }
    for (key, _) in fit.weights.iter().flatten().filter(|(key, _)| key.ends_with(".running_var")) {
        if let Some((name, layer)) = layer_of(key)
            && let Some(found) = layer.settings.get("eps").filter(|found| *found != EPS)
        {
            note(&name, format!("an eps of {found}, and Retort's of {EPS}"));
        }
    }
    for (name, layer) in
        layers.iter().filter(|(name, layer)| !layer.changes.is_empty() && is_passed(name, fit, &layers))
    {
        for change in &layer.changes {
            note(name, format!("{change}, and what that computes is lost"));
        }
    }
    let settings: Vec<_> = odd.into_iter().map(|(what, names)| format!("{} {what}", having(&names))).collect();
    let mut computing: BTreeMap<(&str, bool), Vec<String>> = BTreeMap::new();
    for (name, layer) in &layers {
        if (layer.computes() || layer.is_other_activation()) && is_passed(name, fit, &layers) {
            computing.entry((&layer.class, layer.is_other_activation())).or_default().push(name.clone());
        }
    }
    let computing = computing.into_iter().map(|((class, is_activation), names)| {
        let network = if is_activation { "has ReLU" } else { "has no such layer" };
        format!(
            "{} of the class {class}, and Retort's network {network}: its answers are not those of this network",
            being(&names)
        )
    });
    settings.into_iter().chain(computing).collect()
}

/// Whether images on their way through a network pass this layer: it is inside, or in a chain with the network.
fn is_passed(name: &str, fit: &Fit, layers: &BTreeMap<String, &Layer>) -> bool {
    let inside = format!("{name}.");
    let around = outwards(&fit.prefix).find(|around| inside.starts_with(around)).unwrap_or_default();
    let is_chain = |name: &str| layers.get(name.trim_end_matches('.')).is_some_and(|layer| layer.class == "Sequential");
    around == fit.prefix || is_chain(around)
}

fn having(names: &[String]) -> String {
    match names {
        [one] if one.is_empty() => "it has".into(),
        [one] => format!("its layer {one} has"),
        [first, others @ ..] if first.is_empty() => format!("it and {} of its layers have", others.len()),
        [first, others @ ..] => format!("its layer {first} and {} more have", others.len()),
        [] => String::new(),
    }
}

fn being(names: &[String]) -> String {
    match names {
        [one] => format!("its layer {one} is"),
        [first, others @ ..] => format!("its layer {first}, like {} more, is", others.len()),
        [] => String::new(),
    }
}
