//! The step of stochastic gradient descent.

use std::mem::MaybeUninit;

use candle_core::{Result, Tensor, bail};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{
    data::{Data, tensor},
    simd::{dispatch, written},
};

/// The constants of a step.
#[derive(Clone, Copy, Debug)]
pub struct SgdStep {
    /// How fast.
    pub learning_rate: f64,
    /// Share of the last velocity that stays.
    pub momentum: f64,
    /// Pull towards 0, added to the gradient.
    pub weight_decay: f64,
}

/// PyTorch's SGD: `v ← momentum·v + gradient + weight_decay·θ`, `θ ← θ − learning_rate·v`; a velocity of zeros makes
/// the first step PyTorch's (methods.md §0). Both become new tensors, so that what was made from the old parameter can tell.
///
/// # Errors
/// When the shapes differ.
pub fn sgd_step(parameter: &mut Tensor, velocity: &mut Tensor, gradient: &Tensor, step: SgdStep) -> Result<()> {
    if parameter.dims() != gradient.dims() || parameter.dims() != velocity.dims() {
        bail!("a parameter of shape {:?} got a gradient of shape {:?}", parameter.dims(), gradient.dims());
    }
    if !parameter.device().is_cpu() {
        return plain(parameter, velocity, gradient, step);
    }
    let gradient = gradient.contiguous()?;
    let (mut moved, n) = (Vec::new(), parameter.elem_count());
    let accelerated = {
        let (p, v, g) = (Data::of(parameter)?, Data::of(velocity)?, Data::of(&gradient)?);
        let constants = Constants::from(step);
        let write = |to_v: &mut [MaybeUninit<f32>]| {
            let write = |to_p: &mut [MaybeUninit<f32>]| {
                let from = p.par_chunks(CHUNK).zip(v.par_chunks(CHUNK)).zip(g.par_chunks(CHUNK));
                let to = to_p.par_chunks_mut(CHUNK).zip(to_v.par_chunks_mut(CHUNK));
                from.zip(to).for_each(|(((p, v), g), (to_p, to_v))| dispatch(Step { p, v, g, to_p, to_v, constants }));
            };
            // SAFETY: all are of n floats, their chunks cover them, and a step writes every float of both its outputs.
            #[expect(unsafe_code, reason = "the output need not be filled with zeros first")]
            let written = unsafe { written(n, write) };
            moved = written;
        };
        // SAFETY: as above.
        #[expect(unsafe_code, reason = "the output need not be filled with zeros first")]
        unsafe {
            written(n, write)
        }
    };
    *parameter = tensor(moved, parameter.shape())?;
    *velocity = tensor(accelerated, velocity.shape())?;
    Ok(())
}

fn plain(parameter: &mut Tensor, velocity: &mut Tensor, gradient: &Tensor, step: SgdStep) -> Result<()> {
    let decayed = (gradient + (&*parameter * step.weight_decay)?)?;
    *velocity = ((&*velocity * step.momentum)? + decayed)?;
    *parameter = (&*parameter - (&*velocity * step.learning_rate)?)?;
    Ok(())
}

/// Numbers that one task moves.
const CHUNK: usize = 1 << 14;

#[derive(Clone, Copy)]
struct Constants {
    rate: f32,
    momentum: f32,
    decay: f32,
}

impl From<SgdStep> for Constants {
    fn from(step: SgdStep) -> Self {
        Self { rate: step.learning_rate as f32, momentum: step.momentum as f32, decay: step.weight_decay as f32 }
    }
}

struct Step<'a> {
    p: &'a [f32],
    v: &'a [f32],
    g: &'a [f32],
    to_p: &'a mut [MaybeUninit<f32>],
    to_v: &'a mut [MaybeUninit<f32>],
    constants: Constants,
}

impl WithSimd for Step<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Constants { rate, momentum, decay } = self.constants;
        let from = self.p.iter().zip(self.v).zip(self.g);
        for (((p, v), g), (to_p, to_v)) in from.zip(self.to_p.iter_mut().zip(self.to_v)) {
            let v = momentum * v + (g + decay * p);
            to_v.write(v);
            to_p.write(p - rate * v);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing, *};

    #[test]
    fn three_steps_equal_the_plain_expression() {
        let step = SgdStep { learning_rate: 0.1, momentum: 0.9, weight_decay: 0.01 };
        let (mut p, mut v) = (testing::tensor(1, (5, 7)), testing::tensor(2, (5, 7)).zeros_like().unwrap());
        let (mut plain_p, mut plain_v) = (p.copy().unwrap(), v.copy().unwrap());
        for seed in 3..6 {
            let gradient = testing::tensor(seed, (5, 7));
            sgd_step(&mut p, &mut v, &gradient, step).unwrap();
            plain(&mut plain_p, &mut plain_v, &gradient, step).unwrap();
        }
        testing::assert_close(&p, &plain_p, 1e-6);
    }

    #[test]
    fn one_parameter_follows_pytorchs_rule_by_hand() {
        // θ = 1, gradient 0.5 twice, lr 0.1, momentum 0.9, wd 0.2: v = 0.7, θ = 0.93; v = 0.63 + 0.686, θ = 0.7984.
        let step = SgdStep { learning_rate: 0.1, momentum: 0.9, weight_decay: 0.2 };
        let cpu = candle_core::Device::Cpu;
        let (mut p, mut v) = (Tensor::new(&[1f32], &cpu).unwrap(), Tensor::new(&[0f32], &cpu).unwrap());
        let gradient = Tensor::new(&[0.5f32], &cpu).unwrap();
        for expected in [0.93, 0.7984] {
            sgd_step(&mut p, &mut v, &gradient, step).unwrap();
            assert!((testing::values(&p)[0] - expected).abs() < 1e-6);
        }
    }
}
