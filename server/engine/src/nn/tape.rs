//! Reverse-mode differentiation of a network's body.
//!
//! Candle's own graph computes the gradient of every operand whether anybody wants it or not, and adds each to a fresh
//! tensor of zeros. An attack wants the gradient of its input alone; leaving the weights' out saves a third of its work.

use candle_core::{Result, Tensor};

use crate::ops;

/// What a forward pass will be differentiated with respect to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// Nothing: an inference.
    Nothing,
    /// The input: an attack.
    Input,
    /// The parameters: a training step.
    Parameters,
}

/// A tensor, and its place on the tape if a gradient flows through it.
#[derive(Clone, Debug)]
pub struct Value {
    /// The numbers.
    pub tensor: Tensor,
    place: Option<usize>,
}

impl Value {
    /// A tensor that no gradient is wanted of.
    pub const fn constant(tensor: Tensor) -> Self {
        Self { tensor, place: None }
    }

    /// Whether a gradient flows through it.
    pub const fn is_tracked(&self) -> bool {
        self.place.is_some()
    }
}

type Backward = Box<dyn FnOnce(&Tensor) -> Result<Vec<Option<Tensor>>> + Send>;

struct Step {
    inputs: Vec<Option<usize>>,
    output: usize,
    backward: Backward,
}

/// The steps of a forward pass, in order.
#[derive(Default)]
pub struct Tape {
    steps: Vec<Step>,
    places: usize,
}

impl Tape {
    /// A value whose gradient is wanted.
    pub const fn leaf(&mut self, tensor: Tensor) -> Value {
        let place = self.places;
        self.places += 1;
        Value { tensor, place: Some(place) }
    }

    /// The result of an operation on `inputs`. `backward` gets the result's gradient and returns that of each input, or
    /// nothing for those that are not tracked; it is dropped unused if none is.
    pub fn record(
        &mut self,
        tensor: Tensor,
        inputs: &[&Value],
        backward: impl FnOnce(&Tensor) -> Result<Vec<Option<Tensor>>> + Send + 'static,
    ) -> Value {
        if !inputs.iter().any(|v| v.is_tracked()) {
            return Value::constant(tensor);
        }
        let value = self.leaf(tensor);
        let inputs = inputs.iter().map(|v| v.place).collect();
        self.steps.push(Step { inputs, output: self.places - 1, backward: Box::new(backward) });
        value
    }

    /// The gradients of `leaves`, given those of some values. A leaf that nothing depends on has none.
    ///
    /// # Errors
    /// When a step's gradient cannot be computed.
    pub fn gradients(self, seeds: Vec<(&Value, Tensor)>, leaves: &[Value]) -> Result<Vec<Option<Tensor>>> {
        let mut gradients: Vec<Option<Tensor>> = vec![None; self.places];
        for (value, gradient) in seeds {
            add(&mut gradients, value.place, gradient)?;
        }
        for step in self.steps.into_iter().rev() {
            // What lies behind a step needs no gradient of it any more, so its memory is free from here on.
            let Some(gradient) = gradients[step.output].take() else { continue };
            for (place, gradient) in step.inputs.into_iter().zip((step.backward)(&gradient)?) {
                if let Some(gradient) = gradient {
                    add(&mut gradients, place, gradient)?;
                }
            }
        }
        Ok(leaves.iter().map(|leaf| leaf.place.and_then(|p| gradients[p].take())).collect())
    }
}

fn add(gradients: &mut [Option<Tensor>], place: Option<usize>, gradient: Tensor) -> Result<()> {
    let Some(slot) = place.and_then(|p| gradients.get_mut(p)) else { return Ok(()) };
    *slot = Some(match slot.take() {
        Some(before) => ops::accumulate(&before, &gradient)?,
        None => gradient,
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    fn number(value: f32) -> Tensor {
        Tensor::new(&[value], &Device::Cpu).unwrap()
    }

    fn product(tape: &mut Tape, a: &Value, b: &Value) -> Value {
        let (x, y) = (a.tensor.clone(), b.tensor.clone());
        let tensor = (&x * &y).unwrap();
        tape.record(tensor, &[a, b], move |d| Ok(vec![Some((d * &y)?), Some((d * &x)?)]))
    }

    #[test]
    fn gradients_of_a_value_that_is_used_twice_are_added() {
        let mut tape = Tape::default();
        let (a, b) = (tape.leaf(number(3.0)), tape.leaf(number(5.0)));
        let ab = product(&mut tape, &a, &b);
        let aab = product(&mut tape, &ab, &a);
        let gradients = tape.gradients(vec![(&aab, number(1.0))], &[a, b]).unwrap();
        let found: Vec<f32> = gradients.iter().map(|g| g.as_ref().unwrap().to_vec1::<f32>().unwrap()[0]).collect();
        assert_eq!(found, [30.0, 9.0]);
    }

    #[test]
    fn operations_on_constants_leave_no_step() {
        let mut tape = Tape::default();
        let (a, b) = (Value::constant(number(3.0)), Value::constant(number(5.0)));
        assert!(!product(&mut tape, &a, &b).is_tracked());
        assert!(tape.steps.is_empty());
    }
}
