//! The embedding heads of contrastive distillation (methods.md §2.1): a linear layer for each network, trained with the
//! student, whose outputs are scaled to length 1.

use candle_core::{Device, Result, Tensor, Var, backprop::GradStore};

use crate::{
    nn::{Named, Sgd, initial_uniform},
    ops::SgdStep,
    rng::{Purpose, Stream},
};

/// Two heads with their optimiser.
pub(super) struct Heads {
    /// Weight and bias of the first, then of the second.
    layers: Vec<Var>,
    sgd: Sgd,
}

impl Heads {
    /// Heads for features of these lengths, in PyTorch's default initialisation.
    pub(super) fn new(seed: u64, inputs: [usize; 2], embedding: usize, device: &Device) -> Result<Self> {
        let mut layers = Vec::new();
        for (which, inputs) in inputs.into_iter().enumerate() {
            let mut stream = Stream::new(seed, Purpose::Heads, which as u64, 0);
            for (shape, count) in [(vec![embedding, inputs], embedding * inputs), (vec![embedding], embedding)] {
                let values = initial_uniform(&mut stream, count, inputs);
                layers.push(Var::from_tensor(&Tensor::from_vec(values, shape, device)?)?);
            }
        }
        let named: Vec<Named> = layers.iter().map(|layer| named("head", layer)).collect();
        Ok(Self { sgd: Sgd::new(&named)?, layers })
    }

    /// The embedding `[N, d]` of features by a head: linear, then scaled to length 1.
    pub(super) fn embed(&self, which: usize, features: &Tensor) -> Result<Tensor> {
        let [weight, bias] = [&self.layers[2 * which], &self.layers[2 * which + 1]];
        let v = features.matmul(&weight.t()?)?.broadcast_add(bias)?;
        v.broadcast_div(&(v.sqr()?.sum_keepdim(1)? + 1e-12)?.sqrt()?)
    }

    /// A step of SGD; a head that the loss does not depend on stays as it is.
    pub(super) fn step(&mut self, gradients: &GradStore, step: SgdStep) -> Result<()> {
        let mut parameters: Vec<Named> = self.layers.iter().map(|layer| named("head", layer)).collect();
        let gradients: Vec<_> = self.layers.iter().map(|layer| gradients.get(layer).cloned()).collect();
        self.sgd.step(&mut parameters, &gradients, step)?;
        for (layer, parameter) in self.layers.iter_mut().zip(parameters) {
            *layer = Var::from_tensor(&parameter.tensor)?;
        }
        Ok(())
    }

    /// What a checkpoint must keep.
    pub(super) fn state(&self) -> Vec<Named> {
        let mut state = Vec::new();
        for (i, (layer, velocity)) in self.layers.iter().zip(self.sgd.velocities()).enumerate() {
            state.push(named(&format!("head.{i}"), layer));
            state.push(named(&format!("head_velocity.{i}"), velocity));
        }
        state
    }

    /// Sets what [`Self::state`] gave, taken by name.
    pub(super) fn restore(&mut self, mut take: impl FnMut(String) -> Result<Tensor>) -> Result<()> {
        let mut velocities = Vec::new();
        for (i, layer) in self.layers.iter_mut().enumerate() {
            *layer = Var::from_tensor(&take(format!("head.{i}"))?)?;
            velocities.push(take(format!("head_velocity.{i}"))?);
        }
        self.sgd.restore(velocities);
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn layers(&self) -> &[Var] {
        &self.layers
    }
}

pub(super) fn named(name: &str, tensor: &Tensor) -> Named {
    Named { name: name.to_owned(), tensor: tensor.detach() }
}
