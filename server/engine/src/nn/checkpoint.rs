//! Tensors on disk: finished models, and the state from which a stopped run goes on. Both are safetensors files that
//! appear as a whole or not at all.

use std::{collections::HashMap, fs, path::Path};

use candle_core::{DType, Device, Tensor, safetensors::Load};
use retort_spec::{Architecture, Normaliser};
use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};

use super::{network::Network, weights::Named};
use crate::{EngineError, Result, write_atomically};

/// The key of the file's metadata under which our header stands, as JSON. There is only one key, so that equal models
/// are equal files: safetensors writes several keys in random order.
pub(crate) const HEADER: &str = "retort";

/// What a model file says about itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelHeader {
    /// The architecture.
    pub architecture: Architecture,
    /// The network's first layer, where it normalises its input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normaliser: Option<Normaliser>,
    /// The classes' names, in label order.
    pub classes: Vec<String>,
    /// The dataset that it was trained on.
    pub dataset: String,
    /// The method that trained it.
    pub method: String,
    /// The seed of its training.
    pub seed: u64,
    /// The epoch that it was chosen from, counted from 1, if it is not that of the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<usize>,
}

/// Tensors and a JSON text, as one file.
pub struct StateFile {
    /// The tensors by name.
    pub tensors: Vec<Named>,
    /// Everything else.
    pub state: String,
}

impl StateFile {
    /// Writes the file, replacing an older one as a whole.
    ///
    /// # Errors
    /// When the disk refuses; an older file then stays.
    pub fn save(self, path: &Path) -> Result<()> {
        write_atomically(path, &self.serialize(path)?)
    }

    /// The bytes of the file, which is meant for `path`.
    pub(crate) fn serialize(self, path: &Path) -> Result<Vec<u8>> {
        let metadata = HashMap::from([(HEADER.to_owned(), self.state)]);
        let tensors = self.tensors.into_iter().map(|n| (n.name, n.tensor));
        safetensors::serialize(tensors, Some(metadata)).map_err(|e| model_error(path, &e.to_string()))
    }

    /// Reads a file to a device.
    ///
    /// # Errors
    /// When it is missing, truncated, or not one of ours.
    pub fn load(path: &Path, device: &Device) -> Result<Self> {
        Self::deserialize(path, &fs::read(path).map_err(|e| EngineError::io(path, e))?, device)
    }

    /// Reads the bytes of a file at `path` to a device.
    pub(crate) fn deserialize(path: &Path, bytes: &[u8], device: &Device) -> Result<Self> {
        let fault = |e: safetensors::SafeTensorError| {
            let way_out = "copy or train it again, or make a model of another format by `retort model import`";
            model_error(path, &format!("not a whole safetensors file ({e}): {way_out}"))
        };
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(fault)?;
        let state = metadata.metadata().as_ref().and_then(|m| m.get(HEADER).cloned());
        let foreign =
            "it was not written by Retort, as it has no Retort header: `retort model import` makes a model of it";
        let state = state.ok_or_else(|| model_error(path, foreign))?;
        let file = SafeTensors::deserialize(bytes).map_err(fault)?;
        let mut tensors = Vec::new();
        for (name, view) in file.iter() {
            tensors.push(Named { name: name.to_owned(), tensor: view.load(device)? });
        }
        Ok(Self { tensors, state })
    }

    /// Takes the tensor `name` out, which must have this shape and hold finite numbers.
    pub(crate) fn take(&mut self, name: &str, like: &Tensor) -> std::result::Result<Tensor, String> {
        let Some(at) = self.tensors.iter().position(|n| n.name == name) else {
            return Err(format!("the tensor {name} is missing"));
        };
        let tensor = self.tensors.swap_remove(at).tensor;
        if tensor.dims() != like.dims() || tensor.dtype() != like.dtype() {
            let (found, expected) = (tensor.shape(), like.shape());
            return Err(format!("{name} is {:?} {found:?}, expected {:?} {expected:?}", tensor.dtype(), like.dtype()));
        }
        match is_finite(&tensor) {
            Ok(true) if name.ends_with("running_var") && has_negative(&tensor)? => {
                Err(format!("{name} holds a negative number, which no variance can be"))
            }
            Ok(true) => Ok(tensor),
            Ok(false) => Err(format!("{name} holds numbers that are not finite")),
            Err(e) => Err(e.to_string()),
        }
    }
}

fn has_negative(tensor: &Tensor) -> std::result::Result<bool, String> {
    let values = tensor.flatten_all().and_then(|t| t.to_vec1::<f32>()).map_err(|e| e.to_string())?;
    Ok(values.iter().any(|v| *v < 0.0))
}

/// Whether all numbers of a tensor are finite.
pub(crate) fn is_finite(tensor: &Tensor) -> candle_core::Result<bool> {
    let sum = tensor.to_dtype(DType::F64)?.abs()?.sum_all()?.to_scalar::<f64>()?;
    Ok(sum.is_finite())
}

fn model_error(path: &Path, fault: &str) -> EngineError {
    EngineError::Model { path: path.to_owned(), fault: fault.to_owned() }
}

/// A normaliser as the buffers by which RobustBench keeps it, `[1, 3, 1, 1]` each.
fn normaliser_buffers(normaliser: &Normaliser) -> Result<[Named; 2]> {
    let buffer = |name: &str, values: [f64; 3]| {
        let tensor = Tensor::new(&values.map(|v| v as f32), &Device::Cpu)?.reshape((1, 3, 1, 1))?;
        Ok::<_, EngineError>(Named { name: name.into(), tensor })
    };
    Ok([buffer("mu", normaliser.mean)?, buffer("sigma", normaliser.std)?])
}

/// The tensors of a network under PyTorch's names, counters and normaliser included.
fn state_dict(network: &Network) -> Result<Vec<Named>> {
    let weights = &network.weights;
    let mut all: Vec<Named> = weights.parameters.iter().chain(&weights.buffers).cloned().collect();
    for buffer in &weights.buffers {
        if let Some(layer) = buffer.name.strip_suffix("running_mean") {
            let tensor = Tensor::new(weights.batches_tracked as i64, &Device::Cpu)?;
            all.push(Named { name: format!("{layer}num_batches_tracked"), tensor });
        }
    }
    if let Some(normaliser) = &network.normaliser {
        all.extend(normaliser_buffers(normaliser)?);
    }
    Ok(all)
}

/// Writes a model under the key names of PyTorch's state dict (methods.md §6).
///
/// # Errors
/// When the disk refuses; an older file then stays.
pub fn save_model(path: &Path, network: &Network, header: &ModelHeader) -> Result<()> {
    let state = serde_json::to_string(header).map_err(|e| model_error(path, &e.to_string()))?;
    StateFile { tensors: state_dict(network)?, state }.save(path)
}

/// Reads a model; every tensor is checked before any is used.
///
/// # Errors
/// Naming the tensor that is missing, too many, of another shape, or not finite.
pub fn load_model(path: &Path, device: &Device) -> Result<(Network, ModelHeader)> {
    let mut file = StateFile::load(path, device)?;
    let header: ModelHeader = serde_json::from_str(&file.state)
        .map_err(|e| model_error(path, &format!("its Retort header is not that of a model ({e})")))?;
    let network = Network::new(header.architecture, header.classes.len(), 0, device)?;
    let mut network = network.with_normaliser(header.normaliser);
    if let Some(normaliser) = &header.normaliser {
        check_normaliser(normaliser, &mut file).map_err(|fault| model_error(path, &fault))?;
    }
    let weights = &mut network.weights;
    for named in weights.parameters.iter_mut().chain(&mut weights.buffers) {
        named.tensor = file.take(&named.name, &named.tensor).map_err(|fault| model_error(path, &fault))?;
    }
    for named in &file.tensors {
        if !named.name.ends_with("num_batches_tracked") {
            return Err(model_error(
                path,
                &format!("the tensor {} is not part of a {}", named.name, header.architecture),
            ));
        }
        weights.batches_tracked = named.tensor.to_scalar::<i64>().unwrap_or(0).max(0) as u64;
    }
    Ok((network, header))
}

/// Reads a model as [`load_model`] does, and tells what it is and how many trainable parameters it has.
///
/// # Errors
/// As [`load_model`].
pub fn check_model(path: &Path) -> Result<(ModelHeader, usize)> {
    let (network, header) = load_model(path, &Device::Cpu)?;
    Ok((header, network.weights.count()))
}

/// Takes the buffers of a normaliser out of the file; they must hold its numbers.
fn check_normaliser(normaliser: &Normaliser, file: &mut StateFile) -> std::result::Result<(), String> {
    if let Some(fault) = normaliser.impossible() {
        return Err(format!("its normaliser {fault}"));
    }
    for expected in normaliser_buffers(normaliser).map_err(|e| e.to_string())? {
        let found = file.take(&expected.name, &expected.tensor)?;
        let numbers =
            |tensor: &Tensor| tensor.flatten_all().and_then(|t| t.to_vec1::<f32>()).map_err(|e| e.to_string());
        let (found, wanted) = (numbers(&found)?, numbers(&expected.tensor)?);
        if found != wanted {
            return Err(format!("{} is {found:?}, but the normaliser of its header has {wanted:?}", expected.name));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing;

    fn header() -> ModelHeader {
        ModelHeader {
            architecture: Architecture::ResNet8,
            normaliser: None,
            classes: (0..10).map(|c| format!("class {c}")).collect(),
            dataset: "d".into(),
            method: "pgd-at".into(),
            seed: 3,
            epoch: None,
        }
    }

    #[test]
    fn a_model_reads_back_with_the_same_logits_and_the_same_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let (path, again) = (dir.path().join("model.safetensors"), dir.path().join("again.safetensors"));
        let mut network = Network::new(Architecture::ResNet8, 10, 5, &Device::Cpu).unwrap();
        network.weights.batches_tracked = 17;
        save_model(&path, &network, &header()).unwrap();
        let (mut loaded, found) = load_model(&path, &Device::Cpu).unwrap();
        assert_eq!(found, header());
        let images = testing::tensor(1, (2, 3, 32, 32));
        let (logits, _) = network.infer(&images).unwrap();
        assert_eq!(testing::values(&loaded.infer(&images).unwrap().0), testing::values(&logits));
        save_model(&again, &loaded, &found).unwrap();
        assert_eq!(fs::read(path).unwrap(), fs::read(again).unwrap());
    }

    #[test]
    fn a_normaliser_is_kept_in_the_header_and_as_robustbenchs_buffers() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("model.safetensors");
        let normaliser = Some(Normaliser { mean: [0.1, 0.2, 0.3], std: [0.4, 0.5, 0.6] });
        let network = Network::new(Architecture::ResNet8, 10, 5, &Device::Cpu).unwrap();
        let mut network = network.with_normaliser(normaliser);
        save_model(&path, &network, &ModelHeader { normaliser, ..header() }).unwrap();
        let (mut loaded, found) = load_model(&path, &Device::Cpu).unwrap();
        assert_eq!((found.normaliser, loaded.normaliser), (normaliser, normaliser));
        let images = testing::tensor(1, (2, 3, 32, 32));
        let logits = |network: &mut Network| testing::values(&network.infer(&images).unwrap().0);
        assert_eq!(logits(&mut loaded), logits(&mut network));
        let tensors = StateFile::load(&path, &Device::Cpu).unwrap().tensors;
        for (name, values) in [("mu", [0.1f32, 0.2, 0.3]), ("sigma", [0.4, 0.5, 0.6])] {
            let buffer = &tensors.iter().find(|n| n.name == name).unwrap().tensor;
            assert_eq!((buffer.dims(), testing::values(buffer)), (&[1, 3, 1, 1][..], values.to_vec()));
        }
    }

    #[test]
    fn a_model_of_before_normalisers_had_bounds_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("model.safetensors");
        let normaliser = Some(Normaliser { mean: [125.0; 3], std: [63.0; 3] });
        let network = Network::new(Architecture::ResNet8, 10, 5, &Device::Cpu).unwrap();
        let network = network.with_normaliser(normaliser);
        save_model(&path, &network, &ModelHeader { normaliser, ..header() }).unwrap();
        assert_eq!(load_model(&path, &Device::Cpu).unwrap().0.normaliser, normaliser);
    }

    #[test]
    fn a_file_whose_header_and_buffers_normalise_differently_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("model.safetensors");
        let [(_, one), (_, other), ..] = Normaliser::PRESETS;
        let zero = Normaliser { std: [0.0; 3], ..one };
        let network = Network::new(Architecture::ResNet8, 10, 0, &Device::Cpu).unwrap();
        let mut network = network.with_normaliser(Some(one));
        for (header_has, said) in [(None, "is not part"), (Some(other), "mu is"), (Some(zero), "deviations")] {
            save_model(&path, &network, &ModelHeader { normaliser: header_has, ..header() }).unwrap();
            let message = load_model(&path, &Device::Cpu).err().unwrap().to_string();
            assert!(message.contains(said), "{message}");
        }
        network.normaliser = None;
        save_model(&path, &network, &ModelHeader { normaliser: Some(one), ..header() }).unwrap();
        assert!(load_model(&path, &Device::Cpu).err().unwrap().to_string().contains("mu is missing"));
    }

    #[test]
    fn a_truncated_file_is_refused_with_its_path() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("model.safetensors");
        let network = Network::new(Architecture::ResNet8, 10, 5, &Device::Cpu).unwrap();
        save_model(&path, &network, &header()).unwrap();
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        let message = load_model(&path, &Device::Cpu).err().unwrap().to_string();
        assert!(message.contains("model.safetensors") && message.contains("safetensors file"), "{message}");
    }

    #[test]
    fn a_model_of_another_shape_or_with_nan_is_refused_by_the_tensors_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("model.safetensors");
        let mut network = Network::new(Architecture::ResNet8, 10, 5, &Device::Cpu).unwrap();
        let wrong = ModelHeader { architecture: Architecture::ResNet20, ..header() };
        save_model(&path, &network, &wrong).unwrap();
        assert!(load_model(&path, &Device::Cpu).err().unwrap().to_string().contains("layer1.1.conv1.weight"));
        let last = network.weights.parameters.last_mut().unwrap();
        last.tensor = (&last.tensor * f64::NAN).unwrap();
        save_model(&path, &network, &header()).unwrap();
        assert!(load_model(&path, &Device::Cpu).err().unwrap().to_string().contains("fc.bias"));
    }

    #[test]
    fn a_model_with_a_negative_variance_is_refused_by_the_tensors_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("model.safetensors");
        let mut network = Network::new(Architecture::ResNet8, 10, 5, &Device::Cpu).unwrap();
        let buffers = &mut network.weights.buffers;
        let variance = buffers.iter_mut().rfind(|b| b.name.ends_with("running_var")).unwrap();
        variance.tensor = (&variance.tensor * -1.0).unwrap();
        let name = variance.name.clone();
        save_model(&path, &network, &header()).unwrap();
        let message = load_model(&path, &Device::Cpu).err().unwrap().to_string();
        assert!(message.contains(&format!("{name} holds a negative number")), "{message}");
    }
}
