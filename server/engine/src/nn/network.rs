//! A network: its architecture with its weights.

use candle_core::{Device, Result, Tensor};
use retort_spec::Architecture;

use super::{
    forward::{Forward, Statistics},
    tape::{Tape, Value, Want},
    weights::{Builder, Weights},
};
use crate::{
    models::{self, Model},
    ops::{nchw, nhwc},
};

/// An architecture with its weights, on a device.
pub struct Network {
    /// The architecture.
    pub architecture: Architecture,
    /// Number of classes.
    pub classes: usize,
    /// The numbers.
    pub weights: Weights,
    model: Box<dyn Model>,
}

/// What a forward pass gave, and the way back.
pub struct Pass {
    /// `[N, classes]`.
    pub logits: Tensor,
    /// The input of the classifier, `[N, features]`.
    pub features: Tensor,
    tape: Tape,
    ends: [Value; 2],
    leaves: Vec<Value>,
}

impl Network {
    /// A network with initial weights drawn from `seed`.
    ///
    /// # Errors
    /// When the device has no memory left.
    pub fn new(architecture: Architecture, classes: usize, seed: u64, device: &Device) -> Result<Self> {
        let mut builder = Builder::new(seed, device);
        let model = models::build(architecture, classes, &mut builder)?;
        Ok(Self { architecture, classes, weights: builder.finish(), model })
    }

    /// Passes images `[N, 3, 32, 32]` with values in [0, 1] through the network.
    ///
    /// # Errors
    /// When the shapes do not fit, or the device has no memory left.
    pub fn forward(&mut self, images: &Tensor, statistics: Statistics, want: Want) -> Result<Pass> {
        let mut forward = Forward::new(&mut self.weights, statistics, want);
        let input = forward.input(&nhwc(images)?);
        let features = self.model.features(&mut forward, &input)?;
        let logits = forward.linear(self.model.classifier(), &features)?;
        let (tape, parameters) = forward.finish();
        let leaves = if want == Want::Input { vec![input] } else { parameters };
        Ok(Pass {
            logits: logits.tensor.clone(),
            features: features.tensor.clone(),
            tape,
            ends: [logits, features],
            leaves,
        })
    }

    /// Logits and features of an inference: running statistics, no gradients.
    ///
    /// # Errors
    /// As [`Self::forward`].
    pub fn infer(&mut self, images: &Tensor) -> Result<(Tensor, Tensor)> {
        let pass = self.forward(images, Statistics::Running, Want::Nothing)?;
        Ok((pass.logits, pass.features))
    }

    /// Indices of the classifier's weight and bias among the parameters.
    pub fn classifier(&self) -> [usize; 2] {
        let layer = self.model.classifier();
        [layer.weight, layer.bias]
    }

    /// Length of the feature vector.
    ///
    /// # Errors
    /// Never, for a network made by [`Self::new`].
    pub fn features(&self) -> Result<usize> {
        self.weights.parameters[self.classifier()[0]].tensor.dim(1)
    }
}

impl Pass {
    /// The gradients of the leaves, given those of the logits and of the features: of the input, as one element `[N, H, W,
    /// C]`, if the pass wanted it, else of every parameter in order. A parameter that the loss does not depend on has none.
    ///
    /// # Errors
    /// When a gradient cannot be computed.
    pub fn backward(self, logits: Option<Tensor>, features: Option<Tensor>) -> Result<Vec<Option<Tensor>>> {
        let [of_logits, of_features] = &self.ends;
        let seeds = [(of_logits, logits), (of_features, features)];
        self.tape.gradients(seeds.into_iter().filter_map(|(v, g)| g.map(|g| (v, g))).collect(), &self.leaves)
    }

    /// The gradient of the images, `[N, 3, 32, 32]`, for a pass that wanted it.
    ///
    /// # Errors
    /// When it cannot be computed, or the output does not depend on the input.
    pub fn input_gradient(self, logits: Option<Tensor>, features: Option<Tensor>) -> Result<Tensor> {
        match self.backward(logits, features)?.pop().flatten() {
            Some(gradient) => nchw(&gradient),
            None => candle_core::bail!("the output does not depend on the input"),
        }
    }
}
