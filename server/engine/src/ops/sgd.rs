//! The step of stochastic gradient descent.

use candle_core::{CpuStorage, InplaceOp2, InplaceOp3, Layout, Result, Tensor, bail};

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
/// the first step PyTorch's (methods.md §0). On the CPU both change in place, elsewhere they are replaced.
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
    velocity.inplace_op3(&gradient.contiguous()?, parameter, &Accelerate(step))?;
    parameter.inplace_op2(velocity, &Move(step))
}

fn plain(parameter: &mut Tensor, velocity: &mut Tensor, gradient: &Tensor, step: SgdStep) -> Result<()> {
    let decayed = (gradient + (&*parameter * step.weight_decay)?)?;
    *velocity = ((&*velocity * step.momentum)? + decayed)?;
    *parameter = (&*parameter - (&*velocity * step.learning_rate)?)?;
    Ok(())
}

struct Accelerate(SgdStep);
struct Move(SgdStep);

fn whole<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::F32(values), Some((start, end))) => Ok(&values[start..end]),
        _ => bail!("SGD wants contiguous f32 numbers"),
    }
}

fn whole_mut<'a>(storage: &'a mut CpuStorage, layout: &Layout) -> Result<&'a mut [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::F32(values), Some((start, end))) => Ok(&mut values[start..end]),
        _ => bail!("SGD wants contiguous f32 numbers"),
    }
}

impl InplaceOp3 for Accelerate {
    fn name(&self) -> &'static str {
        "sgd-velocity"
    }

    fn cpu_fwd(
        &self,
        velocity: &mut CpuStorage,
        velocity_layout: &Layout,
        gradient: &CpuStorage,
        gradient_layout: &Layout,
        parameter: &CpuStorage,
        parameter_layout: &Layout,
    ) -> Result<()> {
        let velocity = whole_mut(velocity, velocity_layout)?;
        let (gradient, parameter) = (whole(gradient, gradient_layout)?, whole(parameter, parameter_layout)?);
        let (momentum, decay) = (self.0.momentum as f32, self.0.weight_decay as f32);
        pulp::Arch::new().dispatch(|| {
            for ((v, g), p) in velocity.iter_mut().zip(gradient).zip(parameter) {
                *v = momentum * *v + (g + decay * p);
            }
        });
        Ok(())
    }
}

impl InplaceOp2 for Move {
    fn name(&self) -> &'static str {
        "sgd-move"
    }

    fn cpu_fwd(&self, parameter: &mut CpuStorage, at: &Layout, velocity: &CpuStorage, from: &Layout) -> Result<()> {
        let (parameter, velocity) = (whole_mut(parameter, at)?, whole(velocity, from)?);
        let rate = self.0.learning_rate as f32;
        pulp::Arch::new().dispatch(|| {
            for (p, v) in parameter.iter_mut().zip(velocity) {
                *p -= rate * v;
            }
        });
        Ok(())
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
