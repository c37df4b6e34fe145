//! Stochastic gradient descent over a list of parameters.

use candle_core::{Result, Tensor};

use super::weights::Named;
use crate::ops::{SgdStep, sgd_step};

/// The velocities of SGD with momentum, one a parameter.
pub struct Sgd {
    velocities: Vec<Tensor>,
}

impl Sgd {
    /// Velocities of zero for these parameters.
    ///
    /// # Errors
    /// When the device has no memory left.
    pub fn new(parameters: &[Named]) -> Result<Self> {
        let velocities = parameters.iter().map(|p| p.tensor.zeros_like()?.copy()).collect::<Result<_>>()?;
        Ok(Self { velocities })
    }

    /// Moves every parameter that has a gradient; as in PyTorch, the others do not even decay.
    ///
    /// # Errors
    /// When a gradient's shape is not its parameter's.
    pub fn step(&mut self, parameters: &mut [Named], gradients: &[Option<Tensor>], step: SgdStep) -> Result<()> {
        for ((parameter, velocity), gradient) in parameters.iter_mut().zip(&mut self.velocities).zip(gradients) {
            if let Some(gradient) = gradient {
                sgd_step(&mut parameter.tensor, velocity, gradient, step)?;
            }
        }
        Ok(())
    }

    /// The velocities, in the order of the parameters.
    pub fn velocities(&self) -> &[Tensor] {
        &self.velocities
    }

    /// Sets the velocities.
    pub fn restore(&mut self, velocities: Vec<Tensor>) {
        self.velocities = velocities;
    }
}
