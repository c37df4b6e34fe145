//! The layers of a network, and one forward pass through them.

use std::sync::Arc;

use candle_core::{Result, Tensor};
use retort_spec::Normaliser;

use super::{
    tape::{Pending, Tape, Value, Want},
    weights::{Builder, Init, Weights},
};
use crate::ops::{self, Conv2d, ConvWeights, Direction, Finish};

/// A convolution without bias.
#[derive(Clone, Copy, Debug)]
pub struct ConvLayer {
    weight: usize,
    conv: Conv2d,
}

impl ConvLayer {
    /// A square kernel from `inputs` to `outputs` channels.
    ///
    /// # Errors
    /// When the device has no memory left.
    pub fn new(b: &mut Builder, name: &str, [inputs, outputs]: [usize; 2], conv: Conv2d, init: Init) -> Result<Self> {
        let shape = [outputs, inputs / conv.groups, conv.kernel, conv.kernel];
        Ok(Self { weight: b.convolution(format!("{name}.weight"), &shape, conv, init)?, conv })
    }
}

/// A batch normalisation with its running statistics.
#[derive(Clone, Copy, Debug)]
pub struct BatchNormLayer {
    gamma: usize,
    beta: usize,
    mean: usize,
    variance: usize,
}

impl BatchNormLayer {
    /// γ = 1, β = 0, running mean 0 and variance 1.
    ///
    /// # Errors
    /// When the device has no memory left.
    pub fn new(b: &mut Builder, name: &str, channels: usize) -> Result<Self> {
        Ok(Self {
            gamma: b.constant(format!("{name}.weight"), channels, 1.0)?,
            beta: b.constant(format!("{name}.bias"), channels, 0.0)?,
            mean: b.buffer(format!("{name}.running_mean"), channels, 0.0)?,
            variance: b.buffer(format!("{name}.running_var"), channels, 1.0)?,
        })
    }
}

/// A convolution and the batch normalisation of its output.
#[derive(Clone, Copy, Debug)]
pub struct ConvNorm {
    /// The convolution.
    pub conv: ConvLayer,
    /// Its normalisation.
    pub norm: BatchNormLayer,
}

/// What follows a normalisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// Nothing.
    Identity,
    /// max(x, 0).
    Relu,
}

impl ConvNorm {
    /// Both of these names.
    ///
    /// # Errors
    /// When the device has no memory left.
    pub fn new(
        b: &mut Builder,
        [conv, norm]: [&str; 2],
        channels: [usize; 2],
        shape: Conv2d,
        init: Init,
    ) -> Result<Self> {
        let conv = ConvLayer::new(b, conv, channels, shape, init)?;
        Ok(Self { conv, norm: BatchNormLayer::new(b, norm, channels[1])? })
    }
}

/// The classifier.
#[derive(Clone, Copy, Debug)]
pub struct LinearLayer {
    /// Index of its weight among the parameters.
    pub weight: usize,
    /// Index of its bias among the parameters.
    pub bias: usize,
}

impl LinearLayer {
    /// A weight in PyTorch's default ±1/√inputs, and a bias.
    ///
    /// # Errors
    /// When the device has no memory left.
    pub fn new(b: &mut Builder, name: &str, inputs: usize, outputs: usize, bias: Bias) -> Result<Self> {
        let weight = b.parameter(format!("{name}.weight"), &[outputs, inputs], Init::Uniform)?;
        let name = format!("{name}.bias");
        let bias = match bias {
            Bias::Uniform => b.bias(name, outputs, inputs)?,
            Bias::Zero => b.constant(name, outputs, 0.0)?,
        };
        Ok(Self { weight, bias })
    }
}

/// How a classifier's bias starts.
#[derive(Clone, Copy, Debug)]
pub enum Bias {
    /// PyTorch's default ±1/√inputs.
    Uniform,
    /// Zeros, as in wide residual networks.
    Zero,
}

/// Which statistics batch-norm layers normalise by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statistics {
    /// The running ones, which stay as they are.
    Running,
    /// The batch's own; the running ones move a tenth of the way to them.
    Batch,
}

/// A running statistic's share of a new batch, as in PyTorch.
const MOMENTUM: f64 = 0.1;

/// One forward pass in the making.
pub struct Forward<'a> {
    weights: &'a mut Weights,
    statistics: Statistics,
    tape: Tape,
    /// By parameter: its place on the tape, made when it is first used.
    used: Vec<Option<Value>>,
    want: Want,
}

impl<'a> Forward<'a> {
    pub(super) fn new(weights: &'a mut Weights, statistics: Statistics, want: Want) -> Self {
        let used = vec![None; weights.parameters.len()];
        Self { weights, statistics, tape: Tape::default(), used, want }
    }

    pub(super) fn input(&mut self, x: &Tensor) -> Value {
        match self.want {
            Want::Input => self.tape.leaf(x.clone()),
            _ => Value::constant(x.clone()),
        }
    }

    pub(super) fn finish(mut self) -> (Tape, Vec<Value>) {
        if self.statistics == Statistics::Batch {
            self.weights.batches_tracked += 1;
        }
        let leaves = (0..self.used.len()).map(|index| self.parameter(index)).collect();
        (self.tape, leaves)
    }

    fn parameter(&mut self, index: usize) -> Value {
        if let Some(value) = &self.used[index] {
            return value.clone();
        }
        let tensor = self.weights.parameters[index].tensor.clone();
        let value = match self.want {
            Want::Parameters => self.tape.leaf(tensor),
            _ => Value::constant(tensor),
        };
        self.used[index] = Some(value.clone());
        value
    }

    /// Images `[N, H, W, 3]`, each colour plane less its mean and divided by its deviation.
    ///
    /// # Errors
    /// When x has other than three channels.
    pub(super) fn normalise(&mut self, normaliser: &Normaliser, x: &Value) -> Result<Value> {
        let Normaliser { mean, std } = normaliser;
        let by_plane = |values: [f64; 3]| Tensor::new(&values.map(|v| v as f32), x.tensor.device());
        let (scale, shift) = (by_plane(std.map(|s| 1.0 / s))?, by_plane([0, 1, 2].map(|c| -mean[c] / std[c]))?);
        let y = ops::finish(&x.tensor, &Finish { affine: Some((&scale, &shift)), ..Finish::default() })?;
        self.scaled(y, x, scale, false)
    }

    /// A convolution, and what is added to it if anything is.
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub fn conv(&mut self, layer: &ConvLayer, x: &Value, residual: Option<&Value>) -> Result<Value> {
        let w = self.parameter(layer.weight);
        let ways = self.ways(layer, x, None)?;
        let finish = Finish { add: residual.map(|r| &r.tensor), ..Finish::default() };
        let y = ops::conv2d(&x.tensor, &ways.forward, &finish)?;
        let gradients = ConvGradients::new(layer, ways, x, &w)?;
        let none = Value::constant(y.clone());
        Ok(self.tape.record(y, &[x, &w, residual.unwrap_or(&none)], false, move |dy, pending| {
            let (dx, dw) = gradients.compute(dy, &pending[0], &pending[1])?;
            Ok(vec![dx, dw, Some(pending[2].settle(dy)?)])
        }))
    }

    /// A convolution and its batch normalisation, then the residual add and the activation.
    ///
    /// # Errors
    /// When the shapes do not fit, or parameters are trained by running statistics.
    pub fn conv_norm(
        &mut self,
        ConvNorm { conv, norm }: &ConvNorm,
        x: &Value,
        residual: Option<&Value>,
        activation: Activation,
    ) -> Result<Value> {
        let relu = activation == Activation::Relu;
        let (w, gamma, beta) = (self.parameter(conv.weight), self.parameter(norm.gamma), self.parameter(norm.beta));
        let add = residual.map(|r| &r.tensor);
        if self.statistics == Statistics::Running {
            let affine = self.running_affine(norm)?;
            let ways = self.ways(conv, x, Some((norm, &affine.0)))?;
            let finish = Finish { affine: Some((&affine.0, &affine.1)), add, relu, gate: None };
            let y = ops::conv2d(&x.tensor, &ways.forward, &finish)?;
            // The scale is part of the weights on the way back.
            let gradients = ConvGradients::new(conv, ways, x, &w)?;
            let none = Value::constant(y.clone());
            return Ok(self.tape.record(y, &[x, residual.unwrap_or(&none)], relu, move |dy, pending| {
                let (dx, _) = gradients.compute(dy, &pending[0], &Pending::default())?;
                Ok(vec![dx, Some(pending[1].settle(dy)?)])
            }));
        }
        let ways = self.ways(conv, x, None)?;
        let sums = ops::conv2d(&x.tensor, &ways.forward, &Finish::default())?;
        let (mean, variance) = self.batch_statistics(norm, &sums)?;
        let (scale, shift) = ops::batch_norm_affine(&gamma.tensor, &beta.tensor, (&mean, &variance))?;
        let y = ops::finish(&sums, &Finish { affine: Some((&scale, &shift)), add, relu, gate: None })?;
        let gradients = ConvGradients::new(conv, ways, x, &w)?;
        let (scale, none) = (gamma.tensor.clone(), Value::constant(y.clone()));
        let inputs = [x, residual.unwrap_or(&none), &w, &gamma, &beta];
        Ok(self.tape.record(y, &inputs, relu, move |dy, pending| {
            let residual = pending[1].settle(dy)?;
            let finish = Finish::default();
            let of_norm = ops::batch_norm_gradient(&sums, &scale, (&mean, &variance), dy, &finish)?;
            drop(sums);
            let (of_gamma, of_beta) = (pending[3].settle(&of_norm.affine.0)?, pending[4].settle(&of_norm.affine.1)?);
            let (dx, dw) = gradients.compute(&of_norm.x, &pending[0], &pending[2])?;
            Ok(vec![dx, Some(residual), dw, Some(of_gamma), Some(of_beta)])
        }))
    }

    /// A batch normalisation of its own, then the ReLU.
    ///
    /// # Errors
    /// When the shapes do not fit, or parameters are trained by running statistics.
    pub fn norm_relu(&mut self, norm: &BatchNormLayer, x: &Value) -> Result<Value> {
        let (gamma, beta) = (self.parameter(norm.gamma), self.parameter(norm.beta));
        if self.statistics == Statistics::Running {
            let (scale, shift) = self.running_affine(norm)?;
            let finish = Finish { affine: Some((&scale, &shift)), relu: true, ..Finish::default() };
            let y = ops::finish(&x.tensor, &finish)?;
            return self.scaled(y, x, scale, true);
        }
        let (mean, variance) = self.batch_statistics(norm, &x.tensor)?;
        let (scale, shift) = ops::batch_norm_affine(&gamma.tensor, &beta.tensor, (&mean, &variance))?;
        let finish = Finish { affine: Some((&scale, &shift)), relu: true, ..Finish::default() };
        let y = ops::finish(&x.tensor, &finish)?;
        let (input, scale) = (x.tensor.clone(), gamma.tensor.clone());
        Ok(self.tape.record(y, &[x, &gamma, &beta], true, move |dy, pending| {
            let found = ops::batch_norm_gradient(&input, &scale, (&mean, &variance), dy, &pending[0].finish())?;
            let (of_gamma, of_beta) = (pending[1].settle(&found.affine.0)?, pending[2].settle(&found.affine.1)?);
            Ok(vec![Some(found.x), Some(of_gamma), Some(of_beta)])
        }))
    }

    /// Records y, which is x times `scale` by channel plus a constant, `rectified` if a ReLU was the last step.
    fn scaled(&mut self, y: Tensor, x: &Value, scale: Tensor, rectified: bool) -> Result<Value> {
        let nothing = scale.zeros_like()?;
        Ok(self.tape.record(y, &[x], rectified, move |dy, pending| {
            let finish = Finish { affine: Some((&scale, &nothing)), ..pending[0].finish() };
            Ok(vec![Some(ops::finish(dy, &finish)?)])
        }))
    }

    /// The weights of a layer for the ways that this pass takes. On the way back through a normalisation by running
    /// statistics they are multiplied by its scale.
    fn ways(&mut self, layer: &ConvLayer, x: &Value, norm: Option<(&BatchNormLayer, &Tensor)>) -> Result<Ways> {
        let weight = self.weights.parameters[layer.weight].tensor.clone();
        let forward = self
            .weights
            .packed
            .get(layer.weight, &[&weight], || ConvWeights::pack(&weight, layer.conv, Direction::Forward, None))?;
        if !x.is_tracked() {
            return Ok(Ways { forward, backward: None });
        }
        let (gamma, variance);
        let mut sources = vec![&weight];
        if let Some((norm, _)) = norm {
            gamma = self.weights.parameters[norm.gamma].tensor.clone();
            variance = self.weights.buffers[norm.variance].tensor.clone();
            sources.extend([&gamma, &variance]);
        }
        let scale = norm.map(|(_, scale)| scale);
        let backward = self
            .weights
            .packed_backward
            .get(layer.weight, &sources, || ConvWeights::pack(&weight, layer.conv, Direction::Backward, scale))?;
        Ok(Ways { forward, backward: Some(backward) })
    }

    /// Scale and shift of a normalisation by its running statistics.
    fn running_affine(&self, norm: &BatchNormLayer) -> Result<(Tensor, Tensor)> {
        if self.want == Want::Parameters {
            candle_core::bail!("parameters are trained by the batch's own statistics, not by the running ones");
        }
        let (parameters, buffers) = (&self.weights.parameters, &self.weights.buffers);
        let statistics = (&buffers[norm.mean].tensor, &buffers[norm.variance].tensor);
        ops::batch_norm_affine(&parameters[norm.gamma].tensor, &parameters[norm.beta].tensor, statistics)
    }

    /// The statistics of a batch, towards which the running ones move.
    fn batch_statistics(&mut self, norm: &BatchNormLayer, x: &Tensor) -> Result<(Tensor, Tensor)> {
        let (mean, variance) = ops::batch_norm_statistics(x)?;
        let count = (x.elem_count() / mean.elem_count()) as f64;
        // A batch of one number a channel has no unbiased variance; PyTorch refuses it.
        let unbiased = count / (count - 1.0).max(1.0);
        for (index, batch, share) in [(norm.mean, &mean, 1.0), (norm.variance, &variance, unbiased)] {
            let running = &mut self.weights.buffers[index].tensor;
            *running = ((&*running * (1.0 - MOMENTUM))? + (batch * (MOMENTUM * share))?)?;
        }
        Ok((mean, variance))
    }

    /// The mean of every map.
    ///
    /// # Errors
    /// When x is no batch of maps.
    pub fn global_average_pool(&mut self, x: &Value) -> Result<Value> {
        let (_, h, w, _) = x.tensor.dims4()?;
        let y = ops::global_average_pool(&x.tensor)?;
        Ok(self.tape.record(y, &[x], false, move |dy, pending| {
            Ok(vec![Some(ops::global_average_pool_gradient(dy, (h, w), &pending[0].finish())?)])
        }))
    }

    /// A linear layer.
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub fn linear(&mut self, layer: &LinearLayer, x: &Value) -> Result<Value> {
        let (w, b) = (self.parameter(layer.weight), self.parameter(layer.bias));
        let y = ops::linear(&x.tensor, &w.tensor, &b.tensor)?;
        let (input, weight) = (x.tensor.clone(), w.tensor.clone());
        Ok(self.tape.record(y, &[x, &w, &b], false, move |dy, pending| {
            let (dx, dw, db) = ops::linear_gradients(&input, &weight, dy)?;
            let settled = [dx, dw, db].into_iter().zip(pending).map(|(d, pending)| Ok(Some(pending.settle(&d)?)));
            settled.collect()
        }))
    }
}

/// The weights of a convolution for the way there, and for the way back where there is one.
struct Ways {
    forward: Arc<ConvWeights>,
    backward: Option<Arc<ConvWeights>>,
}

/// What the gradients of a convolution are computed from.
struct ConvGradients {
    conv: Conv2d,
    backward: Option<Arc<ConvWeights>>,
    /// The input, if the weights' gradient is wanted.
    input: Option<Tensor>,
    side: (usize, usize),
}

impl ConvGradients {
    fn new(layer: &ConvLayer, ways: Ways, x: &Value, w: &Value) -> Result<Self> {
        let (_, h, width, _) = x.tensor.dims4()?;
        let input = w.is_tracked().then(|| x.tensor.clone());
        Ok(Self { conv: layer.conv, backward: ways.backward, input, side: (h, width) })
    }

    /// Those of the input, settled, and of the weights.
    fn compute(self, dy: &Tensor, of_x: &Pending, of_w: &Pending) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let dw = self.input.map(|x| of_w.settle(&ops::conv2d_weight_gradient(&x, dy, self.conv)?)).transpose()?;
        let finish = of_x.finish();
        let dx = self.backward.map(|w| ops::conv2d_input_gradient(dy, &w, self.side, &finish)).transpose()?;
        Ok((dx, dw))
    }
}
