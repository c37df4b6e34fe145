//! The layers of a network, and one forward pass through them.

use candle_core::{Result, Tensor};

use super::{
    tape::{Tape, Value, Want},
    weights::{Builder, Init, Weights},
};
use crate::ops::{self, Conv2d};

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
    pub fn new(b: &mut Builder, name: &str, inputs: usize, outputs: usize, conv: Conv2d, init: Init) -> Result<Self> {
        let shape = [outputs, inputs, conv.kernel, conv.kernel];
        Ok(Self { weight: b.parameter(format!("{name}.weight"), &shape, init)?, conv })
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

/// The classifier.
#[derive(Clone, Copy, Debug)]
pub struct LinearLayer {
    /// Index of its weight among the parameters.
    pub weight: usize,
    /// Index of its bias among the parameters.
    pub bias: usize,
}

impl LinearLayer {
    /// A weight and a bias, both in PyTorch's default ±1/√inputs.
    ///
    /// # Errors
    /// When the device has no memory left.
    pub fn new(b: &mut Builder, name: &str, inputs: usize, outputs: usize) -> Result<Self> {
        let weight = b.parameter(format!("{name}.weight"), &[outputs, inputs], Init::Uniform)?;
        let bias = b.bias(format!("{name}.bias"), outputs, inputs)?;
        Ok(Self { weight, bias })
    }
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

    /// A convolution.
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub fn conv(&mut self, layer: &ConvLayer, x: &Value) -> Result<Value> {
        let w = self.parameter(layer.weight);
        let conv = layer.conv;
        let y = ops::conv2d(&x.tensor, &w.tensor, conv)?;
        let (_, _, h, width) = x.tensor.dims4()?;
        let (of_x, of_w) = (x.is_tracked(), w.is_tracked());
        let (input, weight) = (x.tensor.clone(), w.tensor.clone());
        Ok(self.tape.record(y, &[x, &w], move |dy| {
            let dx = of_x.then(|| ops::conv2d_input_gradient(dy, &weight, conv, (h, width))).transpose()?;
            let dw = of_w.then(|| ops::conv2d_weight_gradient(&input, dy, conv)).transpose()?;
            Ok(vec![dx, dw])
        }))
    }

    /// A batch normalisation, then the residual add and the ReLU if there are.
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub fn batch_norm(
        &mut self,
        layer: &BatchNormLayer,
        x: &Value,
        residual: Option<&Value>,
        relu: bool,
    ) -> Result<Value> {
        let (gamma, beta) = (self.parameter(layer.gamma), self.parameter(layer.beta));
        let added = residual.map(|r| &r.tensor);
        let batch = self.statistics == Statistics::Batch;
        let (y, mean, variance) = if batch {
            let own = ops::batch_norm_train(&x.tensor, &gamma.tensor, &beta.tensor, added, relu)?;
            self.move_statistics(layer, &own, x.tensor.elem_count())?;
            (own.y, own.mean, own.variance)
        } else {
            let of = |i: usize| self.weights.buffers[i].tensor.clone();
            let (mean, variance) = (of(layer.mean), of(layer.variance));
            let statistics = (&mean, &variance);
            let y = ops::batch_norm_eval(&x.tensor, &gamma.tensor, &beta.tensor, statistics, added, relu)?;
            (y, mean, variance)
        };
        let affine = gamma.is_tracked();
        let (input, output, scale) = (x.tensor.clone(), y.clone(), gamma.tensor.clone());
        let constant = Value::constant(y.clone());
        let residual = residual.unwrap_or(&constant);
        Ok(self.tape.record(y, &[x, residual, &gamma, &beta], move |dy| {
            let found = ops::batch_norm_backward(&input, &output, &scale, (&mean, &variance), dy, relu, batch, affine)?;
            let (of_gamma, of_beta) = found.affine.unzip();
            Ok(vec![Some(found.x), Some(found.residual.unwrap_or_else(|| dy.clone())), of_gamma, of_beta])
        }))
    }

    fn move_statistics(&mut self, layer: &BatchNormLayer, own: &ops::BatchNormForward, elements: usize) -> Result<()> {
        let count = elements as f64 / own.mean.elem_count() as f64;
        // A batch of one number a channel has no unbiased variance; PyTorch refuses it.
        let unbiased = count / (count - 1.0).max(1.0);
        for (index, batch, share) in [(layer.mean, &own.mean, 1.0), (layer.variance, &own.variance, unbiased)] {
            let running = &mut self.weights.buffers[index].tensor;
            *running = ((&*running * (1.0 - MOMENTUM))? + (batch * (MOMENTUM * share))?)?;
        }
        Ok(())
    }

    /// The mean of every map.
    ///
    /// # Errors
    /// When x is no batch of maps.
    pub fn global_average_pool(&mut self, x: &Value) -> Result<Value> {
        let (_, _, h, w) = x.tensor.dims4()?;
        let y = ops::global_average_pool(&x.tensor)?;
        Ok(self.tape.record(y, &[x], move |dy| Ok(vec![Some(ops::global_average_pool_gradient(dy, (h, w))?)])))
    }

    /// A linear layer.
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub fn linear(&mut self, layer: &LinearLayer, x: &Value) -> Result<Value> {
        let (w, b) = (self.parameter(layer.weight), self.parameter(layer.bias));
        let y = ops::linear(&x.tensor, &w.tensor, &b.tensor)?;
        let (input, weight) = (x.tensor.clone(), w.tensor.clone());
        Ok(self.tape.record(y, &[x, &w, &b], move |dy| {
            let (dx, dw, db) = ops::linear_gradients(&input, &weight, dy)?;
            Ok(vec![Some(dx), Some(dw), Some(db)])
        }))
    }
}
