//! The numbers of a network, by the names of PyTorch's state dict.

use candle_core::{DType, Device, Result, Tensor};

use super::packed::PackedWeights;
use crate::{
    ops::Conv2d,
    rng::{Purpose, Stream},
};

/// A tensor with its name.
#[derive(Clone, Debug)]
pub struct Named {
    /// The key in the state dict: `layer1.0.conv1.weight`.
    pub name: String,
    /// The numbers.
    pub tensor: Tensor,
}

/// What a network consists of: parameters, which are trained, and the batch-norm layers' running statistics.
#[derive(Clone, Debug, Default)]
pub struct Weights {
    /// Trained by SGD, in the order in which the layers were built.
    pub parameters: Vec<Named>,
    /// Running means and variances, in the same order.
    pub buffers: Vec<Named>,
    /// The convolutions, each with the index of its weight among the parameters.
    pub convolutions: Vec<(usize, Conv2d)>,
    /// Training passes that the running statistics have seen (PyTorch's `num_batches_tracked`).
    pub batches_tracked: u64,
    /// Convolution weights as their kernels read them, there and back.
    pub(super) packed: PackedWeights,
    pub(super) packed_backward: PackedWeights,
}

impl Weights {
    /// A copy that shares no memory with this one.
    ///
    /// # Errors
    /// When the device has no memory left.
    pub fn copy(&self) -> Result<Self> {
        let copy = |all: &[Named]| {
            all.iter().map(|n| Ok(Named { name: n.name.clone(), tensor: n.tensor.copy()? })).collect::<Result<_>>()
        };
        let (parameters, buffers) = (copy(&self.parameters)?, copy(&self.buffers)?);
        let (convolutions, batches_tracked) = (self.convolutions.clone(), self.batches_tracked);
        Ok(Self { parameters, buffers, convolutions, batches_tracked, ..Self::default() })
    }

    /// How many numbers are trained.
    pub fn count(&self) -> usize {
        self.parameters.iter().map(|p| p.tensor.elem_count()).sum()
    }
}

/// How a layer's weights start.
#[derive(Clone, Copy, Debug)]
pub enum Init {
    /// PyTorch's default: uniform in ±1/√fan-in.
    Uniform,
    /// Normal with variance 2 / fan-out (He et al. 2015).
    KaimingFanOut,
}

/// Collects the weights of a network while its layers are made.
pub struct Builder<'a> {
    weights: Weights,
    /// None for an outline.
    seed: Option<u64>,
    device: &'a Device,
}

impl<'a> Builder<'a> {
    /// A builder whose weights start from `seed`.
    pub fn new(seed: u64, device: &'a Device) -> Self {
        Self { weights: Weights::default(), seed: Some(seed), device }
    }

    /// A builder of weights that have names and shapes, but one number alone for each tensor and so hardly any memory.
    pub fn outline() -> Self {
        Self { weights: Weights::default(), seed: None, device: &Device::Cpu }
    }

    /// The finished weights.
    pub fn finish(self) -> Weights {
        self.weights
    }

    /// Adds a parameter; returns its index.
    pub(super) fn parameter(&mut self, name: String, shape: &[usize], init: Init) -> Result<usize> {
        let index = self.weights.parameters.len();
        let tensor = match self.stream(index) {
            Some(mut stream) => Tensor::from_vec(initial(&mut stream, shape, init), shape, self.device)?,
            None => Tensor::zeros(1, DType::F32, self.device)?.broadcast_as(shape)?,
        };
        self.weights.parameters.push(Named { name, tensor });
        Ok(index)
    }

    /// Adds the weight of a convolution; returns its index.
    pub(super) fn convolution(&mut self, name: String, shape: &[usize], conv: Conv2d, init: Init) -> Result<usize> {
        let index = self.parameter(name, shape, init)?;
        self.weights.convolutions.push((index, conv));
        Ok(index)
    }

    /// Adds a bias in ±1/√`fan_in`; returns its index.
    pub(super) fn bias(&mut self, name: String, n: usize, fan_in: usize) -> Result<usize> {
        let index = self.weights.parameters.len();
        let tensor = match self.stream(index) {
            Some(mut stream) => Tensor::from_vec(uniform(&mut stream, n, fan_in), n, self.device)?,
            None => Tensor::zeros(1, DType::F32, self.device)?.broadcast_as(n)?,
        };
        self.weights.parameters.push(Named { name, tensor });
        Ok(index)
    }

    /// Adds a vector parameter of equal numbers; returns its index.
    pub(super) fn constant(&mut self, name: String, n: usize, value: f32) -> Result<usize> {
        let tensor = self.filled(n, value)?;
        self.weights.parameters.push(Named { name, tensor });
        Ok(self.weights.parameters.len() - 1)
    }

    /// Adds a vector of running statistics; returns its index.
    pub(super) fn buffer(&mut self, name: String, n: usize, value: f32) -> Result<usize> {
        let tensor = self.filled(n, value)?;
        self.weights.buffers.push(Named { name, tensor });
        Ok(self.weights.buffers.len() - 1)
    }

    /// Each parameter has a stream of its own, so that a layer more leaves the others as they were.
    fn stream(&self, index: usize) -> Option<Stream> {
        self.seed.map(|seed| Stream::new(seed, Purpose::Weights, index as u64, 0))
    }

    fn filled(&self, n: usize, value: f32) -> Result<Tensor> {
        (Tensor::ones(n, DType::F32, self.device)? * f64::from(value))?.copy()
    }
}

/// Initial numbers of a `[out, in, …]` weight.
pub(crate) fn initial(stream: &mut Stream, shape: &[usize], init: Init) -> Vec<f32> {
    let count: usize = shape.iter().product();
    let area: usize = shape.iter().skip(2).product();
    match init {
        Init::Uniform => {
            let fan_in = shape.get(1).copied().unwrap_or(1) * area;
            uniform(stream, count, fan_in)
        }
        Init::KaimingFanOut => {
            let deviation = (2.0 / (shape[0] * area) as f32).sqrt();
            (0..count).map(|_| deviation * stream.normal()).collect()
        }
    }
}

/// `count` numbers uniform in ±1/√`fan_in`: PyTorch's default for weights and biases alike.
pub(crate) fn uniform(stream: &mut Stream, count: usize, fan_in: usize) -> Vec<f32> {
    let bound = 1.0 / (fan_in as f32).sqrt();
    (0..count).map(|_| stream.uniform(-bound, bound)).collect()
}
