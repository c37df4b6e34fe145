//! One step of a training.

use candle_core::{Tensor, Var};

use crate::{
    EngineError, Result,
    answers::{broken_rows, counted},
    methods::{Batch, Objective, StudentOutput},
    nn::{Network, Sgd, Statistics, Want},
    ops::SgdStep,
};

/// What a step found.
pub(crate) struct Updated {
    /// The loss.
    pub loss: f64,
    /// The logits of the first pass.
    pub logits: Tensor,
    /// The norm (ℓ2) of the loss's gradient over all parameters, before weight decay.
    pub gradient_norm: f64,
}

/// One batch: attack, forward passes, loss, backward passes, step.
///
/// # Errors
/// When the loss is not finite: [`EngineError::Teacher`] if that is a teacher's fault, else [`EngineError::Diverged`].
/// Nothing has been changed then but the running statistics.
pub(crate) fn update(
    network: &mut Network,
    objective: &mut dyn Objective,
    batch: &Batch,
    sgd: &mut Sgd,
    step: SgdStep,
) -> Result<Updated> {
    let inputs = objective.inputs(network, batch)?;
    let mut passes = Vec::new();
    for images in &inputs {
        passes.push(network.forward(images, Statistics::Batch, Want::Parameters)?);
    }
    let leaves: Vec<(Var, Var)> = passes
        .iter()
        .map(|pass| Ok((Var::from_tensor(&pass.logits)?, Var::from_tensor(&pass.features)?)))
        .collect::<Result<_>>()?;
    let answers: Vec<StudentOutput> =
        leaves.iter().map(|(logits, features)| StudentOutput { logits, features }).collect();
    let loss = objective.loss(&answers, &inputs, batch)?;
    let value = f64::from(loss.to_scalar::<f32>()?);
    if !value.is_finite() {
        let shown = std::iter::once(&batch.images).chain(&inputs);
        let shown: Vec<&Tensor> = shown.collect();
        for (place, teacher) in objective.teachers().into_iter().enumerate() {
            if let Some(fault) = teacher_fault(teacher, &shown, batch)? {
                return Err(EngineError::Teacher { place, fault });
            }
        }
        return Err(EngineError::Diverged(format!(
            "the loss became {value} in epoch {}, step {}: lower the learning rate, or raise the temperature",
            batch.epoch + 1,
            batch.step + 1
        )));
    }
    let gradients = loss.backward()?;
    let of = |var: &Var| gradients.get(var).cloned();
    let mut parameters: Vec<Option<Tensor>> = Vec::new();
    for (pass, (logits, features)) in passes.into_iter().zip(&leaves) {
        let found = pass.backward(of(logits), of(features))?;
        parameters = if parameters.is_empty() {
            found
        } else {
            parameters.into_iter().zip(found).map(|(a, b)| sum(a, b)).collect::<Result<_>>()?
        };
    }
    let gradient_norm = norm(&parameters)?;
    sgd.step(&mut network.weights.parameters, &parameters, step)?;
    objective.after_step(&gradients, batch, step)?;
    Ok(Updated { loss: value, logits: leaves[0].0.as_tensor().clone(), gradient_norm })
}

/// The ℓ2 norm of all gradients together; one number leaves the device.
fn norm(gradients: &[Option<Tensor>]) -> Result<f64> {
    let squares = gradients.iter().flatten().map(|gradient| gradient.sqr()?.sum_all());
    let squares: Vec<Tensor> = squares.collect::<candle_core::Result<_>>()?;
    if squares.is_empty() {
        return Ok(0.0);
    }
    Ok(f64::from(Tensor::stack(&squares, 0)?.sum_all()?.to_scalar::<f32>()?).sqrt())
}

/// That a teacher's answers to the images of a batch, shown as one of these, are no numbers that a student could learn from.
fn teacher_fault(teacher: &mut Network, shown: &[&Tensor], batch: &Batch) -> Result<Option<String>> {
    for images in shown {
        let (logits, features) = teacher.infer(images)?;
        let rows = broken_rows(&[&logits, &features])?;
        if !rows.is_empty() {
            let places: Vec<usize> = rows.iter().map(|row| batch.indices[*row] as usize).collect();
            return Ok(Some(format!(
                "in epoch {}, step {} the teacher answers {} with numbers that are not finite, so nothing can be learnt from \
                 it: evaluate it to see whether it is whole, or choose another teacher",
                batch.epoch + 1,
                batch.step + 1,
                counted(&places, batch.indices.len(), "training images")
            )));
        }
    }
    Ok(None)
}

fn sum(a: Option<Tensor>, b: Option<Tensor>) -> Result<Option<Tensor>> {
    Ok(match (a, b) {
        (Some(a), Some(b)) => Some((a + b)?),
        (a, b) => a.or(b),
    })
}
