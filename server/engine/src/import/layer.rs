//! A layer of a network that was saved whole, as its object tells.

use std::collections::BTreeMap;

use super::pickle::{Pickle, Place, Value};

/// A layer as its object tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Its class, without the module: `Conv2d`.
    pub class: String,
    /// Whether it has neither tensors nor layers of its own.
    is_bare: bool,
    /// Those of [`SETTINGS`] that it has.
    pub settings: BTreeMap<&'static str, String>,
    /// What it keeps that changes its answers, in words.
    pub changes: Vec<String>,
}

/// The attributes of PyTorch's layers by which they compute something else from the same tensors.
const SETTINGS: [&str; 5] = ["dilation", "eps", "padding", "padding_mode", "stride"];

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

    /// Whether it stands in the place of ReLU, and is none.
    pub fn is_other_activation(&self) -> bool {
        OTHER_ACTIVATIONS.contains(&self.class.as_str())
    }

    /// Whether it computes something without tensors of its own.
    pub fn computes(&self) -> bool {
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
