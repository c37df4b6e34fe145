//! Whether the keys and shapes of a file are those of a network (methods.md §6).

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use super::{
    file::{Contents, Declared},
    shown,
};
use crate::nn::Network;

/// Most names of each kind of fault in a message: more than the largest network has, but a hostile file may have
/// millions.
const LISTED: usize = 400;

/// What PyTorch's `DataParallel` puts before every key.
const WRAPPER: &str = "module.";

/// Layers that the WRN of TRADES's code carries and never uses.
const UNUSED: &str = "sub_block1.";

const COUNTER: &str = "num_batches_tracked";

/// A file's tensors in their places of a network.
#[derive(Debug)]
pub struct Fit<'a> {
    /// Keys with their tensors, in the order of the network's parameters and then its buffers.
    pub weights: Vec<(&'a str, &'a Declared)>,
    /// Counters of batch-norm layers.
    pub counters: Vec<(&'a str, &'a Declared)>,
    /// RobustBench's `mu` and `sigma`: the mean and the deviation by which the network normalises its input.
    pub normaliser: Option<[(&'a str, &'a Declared); 2]>,
    /// Whether a wrapper was taken off the keys.
    pub is_wrapped: bool,
    /// Tensors of layers that are never used.
    pub unused: usize,
}

/// Everything that does not fit, by name.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Faults {
    missing: Vec<String>,
    unexpected: Vec<String>,
    shaped: Vec<String>,
}

impl<'a> Fit<'a> {
    /// Finds the tensor for every weight of `network`, by name, type and shape.
    ///
    /// # Errors
    /// With every key that is missing, unexpected, or of another type or shape.
    pub fn new(contents: &'a Contents, network: &Network) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let mut named: BTreeMap<&str, (&str, &Declared)> = BTreeMap::new();
        let (mut is_wrapped, mut unused) = (false, 0);
        for (key, tensor) in &contents.tensors {
            let name = key.trim_start_matches(WRAPPER);
            is_wrapped |= name.len() < key.len();
            if name.starts_with(UNUSED) {
                unused += 1;
            } else if named.insert(name, (key, tensor)).is_some() {
                faults.unexpected.push(format!("{} (twice, with and without {WRAPPER})", shown(name)));
            }
        }
        let normaliser = match (named.remove("mu"), named.remove("sigma")) {
            (Some(mean), Some(deviation)) => Some([mean, deviation]),
            (None, None) => None,
            (one, _) => {
                faults.missing.push(if one.is_some() { "sigma" } else { "mu" }.into());
                None
            }
        };
        let mut weights = Vec::new();
        let expected = || network.weights.parameters.iter().chain(&network.weights.buffers);
        for weight in expected() {
            let Some((key, tensor)) = named.remove(weight.name.as_str()) else {
                faults.missing.push(weight.name.clone());
                continue;
            };
            if tensor.shape != weight.tensor.dims() || !tensor.is_float() {
                let (found, wanted) = (&tensor.shape, weight.tensor.dims());
                let kind = if tensor.is_float() { String::new() } else { format!("{:?} ", tensor.dtype) };
                faults.shaped.push(format!("{} is {kind}{found:?}, expected {wanted:?}", weight.name));
            }
            weights.push((key, tensor));
        }
        let layers: BTreeSet<_> = expected().filter_map(|w| w.name.strip_suffix("running_mean")).collect();
        let is_counter = |name: &str| name.strip_suffix(COUNTER).is_some_and(|layer| layers.contains(layer));
        let (counters, rest): (Vec<_>, Vec<_>) = named.into_iter().partition(|(name, _)| is_counter(name));
        faults.unexpected.extend(rest.into_iter().map(|(name, _)| shown(name)));
        faults.unexpected.extend(contents.others.iter().map(|(key, what)| format!("{} ({what})", shown(key))));
        if faults != Faults::default() {
            return Err(faults);
        }
        let counters = counters.into_iter().map(|(_, counter)| counter).collect();
        Ok(Self { weights, counters, normaliser, is_wrapped, unused })
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = [
            (&self.missing, "key is missing", "keys are missing"),
            (&self.unexpected, "key is unexpected", "keys are unexpected"),
            (&self.shaped, "tensor has another shape or type", "tensors have another shape or type"),
        ];
        let kinds = kinds.into_iter().filter(|(names, ..)| !names.is_empty());
        let parts = kinds.map(|(names, one, many)| {
            let what = if names.len() == 1 { one } else { many };
            format!("{} {what}: {}", names.len(), listed(names))
        });
        f.write_str(&parts.collect::<Vec<_>>().join("; "))
    }
}

/// The first names, and how many more there are.
pub fn listed(names: &[String]) -> String {
    let first = names[..names.len().min(LISTED)].join(", ");
    match names.len().saturating_sub(LISTED) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};
    use retort_spec::Architecture;

    use super::*;
    use crate::import::file::Where;

    fn network() -> Network {
        Network::new(Architecture::ResNet8, 10, 1, &Device::Cpu).unwrap()
    }

    /// The contents of a file that fits, with `prefix` before every key.
    fn contents(prefix: &str) -> Contents {
        let mut contents = Contents::default();
        let weights = network().weights;
        for weight in weights.parameters.iter().chain(&weights.buffers) {
            add(&mut contents, &format!("{prefix}{}", weight.name), weight.tensor.dims());
        }
        contents
    }

    fn add(contents: &mut Contents, key: &str, shape: &[usize]) {
        let (shape, place) = (shape.to_vec(), Where::Byte(0));
        let tensor = Declared { dtype: DType::F32, strides: vec![1; shape.len()], shape, offset: 0, place };
        contents.tensors.insert(key.into(), tensor);
    }

    #[test]
    fn wrappers_come_off_however_often_and_unused_layers_do_not_count() {
        let mut contents = contents("module.module.");
        add(&mut contents, "module.module.sub_block1.layer.0.bn1.weight", &[16]);
        add(&mut contents, "module.module.mu", &[1, 3, 1, 1]);
        add(&mut contents, "module.module.sigma", &[1, 3, 1, 1]);
        add(&mut contents, "module.module.bn1.num_batches_tracked", &[]);
        let fit = Fit::new(&contents, &network()).unwrap();
        assert_eq!((fit.weights[0].0, fit.is_wrapped, fit.unused), ("module.module.conv1.weight", true, 1));
        assert_eq!((fit.counters.len(), fit.normaliser.is_some()), (1, true));
    }

    #[test]
    fn everything_that_does_not_fit_is_told_at_once() {
        let mut contents = contents("");
        contents.tensors.remove("layer1.0.bn1.bias");
        contents.tensors.remove("conv1.weight");
        contents.tensors.get_mut("layer1.0.bn2.weight").unwrap().dtype = DType::I64;
        add(&mut contents, "fc.bias", &[100]);
        add(&mut contents, "module.fc.bias", &[10]);
        add(&mut contents, "extra.num_batches_tracked", &[]);
        add(&mut contents, "mu", &[1, 3, 1, 1]);
        contents.others.insert("epoch".into(), "a number".into());
        let message = Fit::new(&contents, &network()).unwrap_err().to_string();
        assert_eq!(
            message,
            "3 keys are missing: sigma, conv1.weight, layer1.0.bn1.bias; 3 keys are unexpected: fc.bias (twice, with \
             and without module.), extra.num_batches_tracked, epoch (a number); 1 tensor has another shape or type: \
             layer1.0.bn2.weight is I64 [16], expected [16]"
        );
    }

    #[test]
    fn every_key_of_a_network_is_named_and_of_a_hostile_file_the_first() {
        let mut contents = Contents::default();
        for i in 0..1_000 {
            add(&mut contents, &format!("k{i:03}"), &[1]);
        }
        let message = Fit::new(&contents, &network()).unwrap_err().to_string();
        let (missing, unexpected) = message.split_once("; ").unwrap();
        assert!(missing.starts_with("47 keys are missing: conv1.weight, bn1.weight"), "{missing}");
        assert_eq!(missing.matches(", ").count(), 46);
        assert!(unexpected.starts_with("1000 keys are unexpected: k000, k001"), "{unexpected}");
        assert!(unexpected.ends_with("k399 and 600 more"), "{unexpected}");
    }
}
