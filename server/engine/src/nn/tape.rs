//! Reverse-mode differentiation of a network's body.
//!
//! Candle's own graph computes the gradient of every operand whether anybody wants it or not, and adds each to a fresh
//! tensor of zeros. An attack wants the gradient of its input alone; leaving the weights' out saves a third of its work.
//! Here, too, gradients that meet are added, and stopped by a ReLU, by the step that computes the last of them as it writes
//! it: see [`Pending`].

use candle_core::{Result, Tensor};

use crate::ops::{self, Finish};

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

/// What a step must still do to the gradient of one of its inputs before it hands it back.
#[derive(Default)]
pub struct Pending {
    add: Option<Tensor>,
    gate: Option<Tensor>,
}

impl Pending {
    /// Adds the gradient that came another way, and stops it where the ReLU that made the input was shut.
    pub const fn finish(&self) -> Finish<'_> {
        Finish { affine: None, add: self.add.as_ref(), relu: false, gate: self.gate.as_ref() }
    }

    /// Does so in a pass of its own, if there is anything to do.
    ///
    /// # Errors
    /// When the shapes differ.
    pub fn settle(&self, gradient: &Tensor) -> Result<Tensor> {
        if self.add.is_none() && self.gate.is_none() {
            return Ok(gradient.clone());
        }
        ops::finish(gradient, &self.finish())
    }

    /// The gradient where the step has none of its own.
    fn rest(self) -> Result<Option<Tensor>> {
        let gate = Self { add: None, gate: self.gate };
        self.add.map(|add| gate.settle(&add)).transpose()
    }
}

type Backward = Box<dyn FnOnce(&Tensor, &[Pending]) -> Result<Vec<Option<Tensor>>> + Send>;

struct Step {
    inputs: Vec<Option<usize>>,
    output: usize,
    backward: Backward,
}

/// Where gradients of one value meet.
struct Place {
    /// Steps that the value goes into.
    uses: usize,
    /// The value itself if a ReLU made it: its gradient is stopped where it is 0.
    gate: Option<Tensor>,
    gradient: Option<Tensor>,
}

/// The steps of a forward pass, in order.
#[derive(Default)]
pub struct Tape {
    steps: Vec<Step>,
    places: Vec<Place>,
}

impl Tape {
    /// A value whose gradient is wanted.
    pub fn leaf(&mut self, tensor: Tensor) -> Value {
        self.place(tensor, None)
    }

    fn place(&mut self, tensor: Tensor, gate: Option<Tensor>) -> Value {
        self.places.push(Place { uses: 0, gate, gradient: None });
        Value { tensor, place: Some(self.places.len() - 1) }
    }

    /// The result of an operation on `inputs`, `rectified` if a ReLU was its last step. `backward` gets the gradient of the
    /// operation before that ReLU, and what is pending for each input; it returns each tracked input's gradient, settled.
    /// It is dropped unused if no input is tracked.
    ///
    /// # Panics
    /// When two of the inputs are one and the same tracked value: what is pending for it cannot be given to both.
    pub fn record(
        &mut self,
        tensor: Tensor,
        inputs: &[&Value],
        rectified: bool,
        backward: impl FnOnce(&Tensor, &[Pending]) -> Result<Vec<Option<Tensor>>> + Send + 'static,
    ) -> Value {
        if !inputs.iter().any(|v| v.is_tracked()) {
            return Value::constant(tensor);
        }
        let inputs: Vec<_> = inputs.iter().map(|v| v.place).collect();
        for (i, place) in inputs.iter().enumerate().filter_map(|(i, place)| place.map(|place| (i, place))) {
            assert!(!inputs[..i].contains(&Some(place)), "an operation takes the same value twice");
            self.places[place].uses += 1;
        }
        let gate = rectified.then(|| tensor.clone());
        let value = self.place(tensor, gate);
        self.steps.push(Step { inputs, output: self.places.len() - 1, backward: Box::new(backward) });
        value
    }

    /// The gradients of `leaves`, given those of some values. A leaf that nothing depends on has none.
    ///
    /// # Errors
    /// When a step's gradient cannot be computed.
    pub fn gradients(self, seeds: Vec<(&Value, Tensor)>, leaves: &[Value]) -> Result<Vec<Option<Tensor>>> {
        let Self { steps, mut places } = self;
        for (value, gradient) in seeds {
            if let Some(place) = value.place {
                // A seed arrives before everything else; the gate falls with the last use.
                let settled = Pending { add: places[place].gradient.take(), gate: None }.settle(&gradient)?;
                places[place].gradient = Some(settled);
            }
        }
        for place in places.iter_mut().filter(|place| place.uses == 0) {
            place.shut()?;
        }
        for step in steps.into_iter().rev() {
            // What lies behind a step needs no gradient of it any more, so its memory is free from here on.
            let Some(gradient) = places[step.output].gradient.take() else {
                for place in step.inputs.into_iter().flatten() {
                    places[place].uses -= 1;
                    if places[place].uses == 0 {
                        places[place].shut()?;
                    }
                }
                continue;
            };
            let pending: Vec<Pending> = step.inputs.iter().map(|input| pending(&mut places, *input)).collect();
            let found = (step.backward)(&gradient, &pending)?;
            for ((input, found), pending) in step.inputs.into_iter().zip(found).zip(pending) {
                if let Some(place) = input {
                    places[place].gradient = match found {
                        Some(found) => Some(found),
                        // A step that has nothing to add leaves what is pending as it was.
                        None => pending.rest()?,
                    };
                }
            }
        }
        Ok(leaves.iter().map(|leaf| leaf.place.and_then(|p| places[p].gradient.take())).collect())
    }
}

impl Place {
    /// Stops the gradient where the ReLU was shut, after the last use.
    fn shut(&mut self) -> Result<()> {
        if let (Some(gradient), Some(gate)) = (&self.gradient, self.gate.take()) {
            self.gradient = Some(Pending { add: None, gate: Some(gate) }.settle(gradient)?);
        }
        Ok(())
    }
}

fn pending(places: &mut [Place], input: Option<usize>) -> Pending {
    let Some(place) = input.map(|p| &mut places[p]) else { return Pending::default() };
    place.uses -= 1;
    Pending { add: place.gradient.take(), gate: if place.uses == 0 { place.gate.take() } else { None } }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    fn number(value: f32) -> Tensor {
        Tensor::new(&[value], &Device::Cpu).unwrap()
    }

    fn product(tape: &mut Tape, a: &Value, b: &Value, rectified: bool) -> Value {
        let (x, y) = (a.tensor.clone(), b.tensor.clone());
        let mut tensor = (&x * &y).unwrap();
        if rectified {
            tensor = tensor.relu().unwrap();
        }
        tape.record(tensor, &[a, b], rectified, move |d, pending| {
            Ok(vec![Some(pending[0].settle(&(d * &y)?)?), Some(pending[1].settle(&(d * &x)?)?)])
        })
    }

    fn found(gradients: &[Option<Tensor>]) -> Vec<f32> {
        gradients.iter().map(|g| g.as_ref().unwrap().to_vec1::<f32>().unwrap()[0]).collect()
    }

    #[test]
    fn gradients_of_a_value_that_is_used_twice_are_added() {
        let mut tape = Tape::default();
        let (a, b) = (tape.leaf(number(3.0)), tape.leaf(number(5.0)));
        let ab = product(&mut tape, &a, &b, false);
        let aab = product(&mut tape, &ab, &a, false);
        let gradients = tape.gradients(vec![(&aab, number(1.0))], &[a, b]).unwrap();
        assert_eq!(found(&gradients), [30.0, 9.0]);
    }

    #[test]
    fn a_shut_relu_stops_all_gradients_that_meet_at_it_and_an_open_one_none() {
        // relu(ab) is used twice: with a and with b. Its gradient is a + b where it is open.
        for (a, expected) in [(3.0, [5.0 * 8.0 + 15.0, 3.0 * 8.0 + 15.0]), (-3.0, [0.0, 0.0])] {
            let mut tape = Tape::default();
            let (a, b) = (tape.leaf(number(a)), tape.leaf(number(5.0)));
            let ab = product(&mut tape, &a, &b, true);
            let (left, right) = (product(&mut tape, &ab, &a, false), product(&mut tape, &ab, &b, false));
            let seeds = vec![(&left, number(1.0)), (&right, number(1.0))];
            let gradients = tape.gradients(seeds, &[a, b]).unwrap();
            assert_eq!(found(&gradients), expected);
        }
    }

    #[test]
    fn a_relu_whose_last_use_has_no_gradient_is_shut_all_the_same() {
        let mut tape = Tape::default();
        let (a, b) = (tape.leaf(number(-3.0)), tape.leaf(number(5.0)));
        let ab = product(&mut tape, &a, &b, true);
        let unused = product(&mut tape, &ab, &a, false);
        let used = product(&mut tape, &ab, &b, false);
        assert!(unused.is_tracked());
        let gradients = tape.gradients(vec![(&used, number(1.0)), (&ab, number(1.0))], &[a, b]).unwrap();
        assert_eq!(found(&gradients), [0.0, 0.0]);
    }

    #[test]
    fn gradients_given_for_one_value_are_added_before_its_relu_stops_them() {
        for (a, expected) in [(3.0, 3.0), (-3.0, 0.0)] {
            let mut tape = Tape::default();
            let (a, b) = (tape.leaf(number(a)), tape.leaf(number(1.0)));
            let ab = product(&mut tape, &a, &b, true);
            let gradients = tape.gradients(vec![(&ab, number(1.0)), (&ab, number(2.0))], &[a]).unwrap();
            assert_eq!(found(&gradients), [expected]);
        }
    }

    #[test]
    #[should_panic(expected = "the same value twice")]
    fn an_operation_on_the_same_value_twice_is_refused() {
        let mut tape = Tape::default();
        let a = tape.leaf(number(3.0));
        product(&mut tape, &a, &a, false);
    }

    #[test]
    fn operations_on_constants_leave_no_step() {
        let mut tape = Tape::default();
        let (a, b) = (Value::constant(number(3.0)), Value::constant(number(5.0)));
        assert!(!product(&mut tape, &a, &b, false).is_tracked());
        assert!(tape.steps.is_empty());
    }
}
