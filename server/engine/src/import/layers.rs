//! What the layers of a network that was saved whole compute beside what its tensors tell.

use std::collections::BTreeMap;

use super::{
    fit::{Fit, bare, outwards},
    pickle::{Pickle, Place, Value},
};
use crate::nn::Network;

/// A layer as its object tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Its class, without the module: `Conv2d`.
    class: String,
    /// Whether it has neither tensors nor layers of its own.
    is_bare: bool,
    /// Those of [`SETTINGS`] that it has.
    settings: BTreeMap<&'static str, String>,
    /// What it keeps that changes its answers, in words.
    changes: Vec<String>,
}

/// The attributes of PyTorch's layers by which they compute something else from the same tensors.
const SETTINGS: [&str; 5] = ["dilation", "eps", "padding", "padding_mode", "stride"];

/// Retort's batch norm has PyTorch's default.
const EPS: &str = "0.00001";

/// Layers of PyTorch that stand in the place of ReLU and compute something else.
const OTHER_ACTIVATIONS: [&str; 16] = [
    "SiLU",
    "Swish",
    "GELU",
    "LeakyReLU",
    "ELU",
    "CELU",
    "SELU",
    "PReLU",
    "RReLU",
    "ReLU6",
    "Hardswish",
    "Mish",
    "Softplus",
    "Tanh",
    "Sigmoid",
    "Threshold",
];

/// Layers without tensors that change no answer, or whose like every network of Retort has: in lower case.
const USUAL: [&str; 15] = [
    "adaptiveavgpool2d",
    "alphadropout",
    "avgpool2d",
    "dropout",
    "dropout1d",
    "dropout2d",
    "droppath",
    "featurealphadropout",
    "flatten",
    "identity",
    "moduledict",
    "modulelist",
    "relu",
    "sequential",
    "stochasticdepth",
];

impl Layer {
    /// The layer whose object stands at `module`.
    pub fn read(pickle: &Pickle, module: Place, is_bare: bool) -> Option<Self> {
        let (class, _) = pickle.call(module)?;
        let class = class.rsplit('.').next().unwrap_or(class).to_owned();
        let attributes = pickle.attributes(module).unwrap_or_default();
        let setting = |(key, value): &(Place, Place)| {
            let name = SETTINGS.into_iter().find(|name| pickle.text(*key) == Some(name))?;
            Some((name, written(pickle, *value)?))
        };
        let changes = attributes.iter().filter_map(|(key, value)| change(pickle, pickle.text(*key)?, *value)).collect();
        Some(Self { class, is_bare, settings: attributes.iter().filter_map(setting).collect(), changes })
    }

    fn computes(&self) -> bool {
        let is_usual = USUAL.contains(&self.class.to_lowercase().as_str()) || self.class.ends_with("Loss");
        self.is_bare && !is_usual
    }
}

/// What an attribute of a layer does to its answers, if it changes them.
fn change(pickle: &Pickle, name: &str, value: Place) -> Option<String> {
    let is_other = |activation: &str| {
        let bare: String = activation.to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect();
        OTHER_ACTIVATIONS.iter().any(|other| other.to_lowercase() == bare)
    };
    match (name, pickle.value(value)) {
        ("forward", _) => Some("a forward of its own".into()),
        ("_forward_hooks" | "_forward_pre_hooks", _) => {
            let of_torch = |hook: Place| pickle.call(hook).is_some_and(|(name, _)| name.starts_with("torch.nn.utils."));
            let hooks = pickle.dict(value)?.iter().filter(|(_, hook)| !of_torch(*hook)).count();
            (hooks > 0).then(|| "a forward hook".into())
        }
        (_, Value::Global(function)) => {
            let activation =
                function.strip_prefix("torch.nn.functional.").or_else(|| function.strip_prefix("torch."))?;
            is_other(activation).then(|| format!("the activation {activation}"))
        }
        (name, Value::Text(text))
            if name.starts_with("act") || name.starts_with("nonlin") || name.starts_with("non_lin") =>
        {
            is_other(text).then(|| format!("the activation {text}"))
        }
        _ => None,
    }
}

/// A setting as it is compared: one number for both ways where they are equal.
fn written(pickle: &Pickle, value: Place) -> Option<String> {
    match pickle.value(value) {
        Value::Text(text) => Some(text.clone()),
        Value::Int(number) => Some(number.to_string()),
        Value::Float(bits) => Some(f64::from_bits(*bits).to_string()),
        _ => {
            let parts: Vec<_> =
                pickle.sequence(value)?.iter().map(|part| written(pickle, *part)).collect::<Option<_>>()?;
            let first = parts.first()?;
            Some(if parts.iter().all(|part| part == first) { first.clone() } else { parts.join("×") })
        }
    }
}

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
    let mut computing: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (name, layer) in &layers {
        if (layer.computes() || OTHER_ACTIVATIONS.contains(&layer.class.as_str())) && is_passed(name, fit, &layers) {
            computing.entry(&layer.class).or_default().push(name.clone());
        }
    }
    let computing = computing.into_iter().map(|(class, names)| {
        let network = if OTHER_ACTIVATIONS.contains(&class) { "has ReLU" } else { "has no such layer" };
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
