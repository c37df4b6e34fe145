//! A network: its architecture with its weights.

use candle_core::{Device, Result, Tensor};
use retort_spec::{Architecture, Normaliser};

use super::{
    forward::{Forward, Statistics},
    models::{self, Model},
    tape::{Tape, Value, Want},
    weights::{Builder, Weights},
};
use crate::ops::{nchw, nhwc};

/// An architecture with its weights, on a device.
pub struct Network {
    /// The architecture.
    pub architecture: Architecture,
    /// Number of classes.
    pub classes: usize,
    /// The first layer, where the network normalises its input; a new network has none.
    pub normaliser: Option<Normaliser>,
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
        Ok(Self { architecture, classes, normaliser: None, weights: builder.finish(), model })
    }

    /// Where its weights are.
    pub fn device(&self) -> &Device {
        self.weights.parameters.first().map_or(&Device::Cpu, |parameter| parameter.tensor.device())
    }

    /// A network whose weights have names and shapes, but no numbers of their own yet.
    ///
    /// # Errors
    /// When the device has no memory left.
    pub fn outline(architecture: Architecture, classes: usize) -> Result<Self> {
        let mut builder = Builder::outline();
        let model = models::build(architecture, classes, &mut builder)?;
        Ok(Self { architecture, classes, normaliser: None, weights: builder.finish(), model })
    }

    /// The same network behind this normaliser, or without one.
    #[must_use]
    pub fn with_normaliser(self, normaliser: Option<Normaliser>) -> Self {
        Self { normaliser, ..self }
    }

    /// Passes images `[N, 3, 32, 32]` with values in [0, 1] through the network.
    ///
    /// # Errors
    /// When the shapes do not fit, or the device has no memory left.
    pub fn forward(&mut self, images: &Tensor, statistics: Statistics, want: Want) -> Result<Pass> {
        let mut forward = Forward::new(&mut self.weights, statistics, want);
        let input = forward.input(&nhwc(images)?);
        let features = match &self.normaliser {
            Some(normaliser) => {
                let normalised = forward.normalise(normaliser, &input)?;
                self.model.features(&mut forward, &normalised)?
            }
            None => self.model.features(&mut forward, &input)?,
        };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing;

    const NORMALISER: Normaliser = Normaliser::PRESETS[0].1;

    fn normalised(architecture: Architecture) -> Network {
        Network::new(architecture, 10, 3, &Device::Cpu).unwrap().with_normaliser(Some(NORMALISER))
    }

    #[test]
    fn a_network_that_normalises_answers_pixels_as_a_plain_one_answers_what_they_are_normalised_to() {
        let images = testing::tensor(1, (3, 3, 32, 32)).abs().unwrap();
        let plane =
            |values: [f64; 3]| Tensor::new(&values.map(|v| v as f32), &Device::Cpu).unwrap().reshape((1, 3, 1, 1));
        let (mean, std) = (plane(NORMALISER.mean).unwrap(), plane(NORMALISER.std).unwrap());
        let shown = images.broadcast_sub(&mean).unwrap().broadcast_div(&std).unwrap();
        for architecture in [Architecture::ResNet8, Architecture::Wrn16x2] {
            let mut plain = Network::new(architecture, 10, 3, &Device::Cpu).unwrap();
            let mut network = normalised(architecture);
            for statistics in [Statistics::Batch, Statistics::Running] {
                let found = network.forward(&images, statistics, Want::Nothing).unwrap();
                let expected = plain.forward(&shown, statistics, Want::Nothing).unwrap();
                testing::assert_close(&found.logits, &expected.logits, 1e-5);
                assert_ne!(testing::values(&found.logits), testing::values(&plain.infer(&images).unwrap().0));
            }
        }
    }

    #[test]
    fn the_gradient_of_pixels_is_their_slope_through_the_normaliser() {
        let mut network = normalised(Architecture::ResNet8);
        let images = testing::tensor(1, (2, 3, 32, 32)).abs().unwrap();
        let slopes = testing::tensor(2, (2, 10));
        let pass = network.forward(&images, Statistics::Running, Want::Input).unwrap();
        let gradient = pass.input_gradient(Some(slopes.clone()), None).unwrap();
        for plane in 0..3 {
            // Along the gradient of one colour plane alone the slope is its squared norm.
            let mask = Tensor::new(&[0, 1, 2].map(|p| f32::from(u8::from(p == plane))), &Device::Cpu).unwrap();
            let direction = gradient.broadcast_mul(&mask.reshape((1, 3, 1, 1)).unwrap()).unwrap();
            let norm = testing::dot(&direction, &direction);
            let step = 1e-3 / norm.sqrt();
            let mut loss = |sign: f64| {
                let moved = (&images + (&direction * (sign * step)).unwrap()).unwrap();
                testing::dot(&network.infer(&moved).unwrap().0, &slopes)
            };
            let slope = (loss(1.0) - loss(-1.0)) / (2.0 * step);
            assert!((slope / norm - 1.0).abs() < 3e-2, "plane {plane}: {slope} against {norm}");
        }
    }
}
