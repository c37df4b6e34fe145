//! The average of a network's weights over the steps of a training.

use candle_core::{Result, Tensor};
use retort_spec::WeightAveraging;

use crate::nn::{Named, Network, Weights};

/// An exponential moving average of weights and running statistics.
pub(super) struct Average {
    averaging: WeightAveraging,
    /// Steps that are in it.
    pub steps: u64,
    /// Parameters, then running statistics, in the network's order; nothing before the first step.
    values: Vec<Tensor>,
}

impl Average {
    /// Nothing yet.
    pub(super) const fn new(averaging: WeightAveraging) -> Self {
        Self { averaging, steps: 0, values: Vec::new() }
    }

    /// Takes the weights of a step in.
    pub(super) fn add(&mut self, weights: &Weights) -> Result<()> {
        let kept = self.averaging.decay_after(self.steps);
        let now = weights.parameters.iter().chain(&weights.buffers);
        self.values = match self.steps {
            // The network's own tensors are changed in their places.
            0 => now.map(|named| named.tensor.copy()).collect::<Result<_>>()?,
            _ => now
                .zip(&self.values)
                .map(|(named, average)| (average * kept)? + (&named.tensor * (1.0 - kept))?)
                .collect::<Result<_>>()?,
        };
        self.steps += 1;
        Ok(())
    }

    /// What a checkpoint must keep of it, by the names of the network's weights.
    pub(super) fn state<'a>(&'a self, weights: &'a Weights) -> impl Iterator<Item = Named> + 'a {
        let names = weights.parameters.iter().chain(&weights.buffers).map(|named| &named.name);
        names.zip(&self.values).map(|(name, value)| Named { name: name.clone(), tensor: value.clone() })
    }

    /// Sets what [`Self::state`] gave, and how many steps are in it.
    pub(super) fn restore(&mut self, values: Vec<Tensor>, steps: u64) {
        (self.values, self.steps) = (values, steps);
    }

    /// Puts the average in place of a network's weights; they stay as they are before the first step.
    pub(super) fn put_into(&self, network: &mut Network) {
        let weights = &mut network.weights;
        for (named, value) in weights.parameters.iter_mut().chain(&mut weights.buffers).zip(&self.values) {
            named.tensor = value.clone();
        }
    }
}

#[cfg(test)]
mod tests {
    use retort_spec::Architecture;

    use super::*;
    use crate::{
        golden::{Golden, network, tensor},
        ops::testing,
    };

    #[test]
    fn the_average_of_weights_and_running_statistics_is_that_of_pytorchs_averaged_model() {
        let golden = Golden::read("training");
        let mut network = network(Architecture::ResNet8);
        let mut average = Average::new(WeightAveraging { decay: 0.3 });
        for step in 0..5 {
            for named in network.weights.parameters.iter_mut().chain(&mut network.weights.buffers) {
                named.tensor = tensor(&format!("step {step} {}", named.name), named.tensor.dims());
            }
            average.add(&network.weights).unwrap();
        }
        let before = testing::values(&network.weights.parameters[0].tensor);
        average.put_into(&mut network);
        assert_ne!(testing::values(&network.weights.parameters[0].tensor), before);
        for (name, named) in [("conv", &network.weights.parameters[0]), ("mean", &network.weights.buffers[0])] {
            golden.hold(&format!("average.{name}"), &testing::values(&named.tensor), 1e-6);
        }
    }
}
