//! The stack machine whose program a pickle is.

mod literals;

use std::collections::HashMap;

use super::{Pickle, Place, Value};

/// Bytes of the longest name of a class that is kept. Five bytes of a pickle can put one together anew.
const LONGEST_NAME: usize = 120;

/// Most values that are kept, so that their memory is bounded: about one for each two bytes of the longest pickle.
const MOST_VALUES: usize = 1 << 24;

/// Values that are all alike stand in the list once, at these places: histories have a million of them.
const ALIKE: [Value; 4] = [Value::Other("None"), Value::Other("a number"), Value::Bool(false), Value::Bool(true)];
const NONE: Place = 0;
const NUMBER: Place = 1;
const FALSE: Place = 2;

/// The dicts of the standard library.
const DICTS: [&str; 5] =
    ["collections.OrderedDict", "collections.defaultdict", "collections.Counter", "builtins.dict", "__builtin__.dict"];

const ENDS: &str = "ends in the middle of a value";
const EMPTY: &str = "takes a value where there is none";

/// The pickle at the start of `bytes`, and how many of them it takes.
///
/// # Errors
/// As [`Pickle::parse`].
pub fn run(bytes: &[u8]) -> Result<(Pickle, usize), String> {
    let values = ALIKE.to_vec();
    let (states, memo) = (HashMap::new(), HashMap::new());
    let mut machine = Machine { rest: bytes, length: bytes.len(), values, states, stack: vec![], marks: vec![], memo };
    loop {
        let instruction = machine.byte()?;
        if instruction == b'.' {
            let root = machine.pop()?;
            let taken = bytes.len() - machine.rest.len();
            return Ok((Pickle { values: machine.values, states: machine.states, root }, taken));
        }
        if machine.values.len().max(machine.memo.len()) > MOST_VALUES {
            return Err("builds more than 16 million values".into());
        }
        let at = bytes.len() - machine.rest.len() - 1;
        machine.step(instruction).map_err(|fault| format!("{fault} (at byte {at})"))?;
    }
}

struct Machine<'a> {
    rest: &'a [u8],
    /// Bytes of the whole.
    length: usize,
    values: Vec<Value>,
    states: HashMap<Place, Place>,
    stack: Vec<Place>,
    /// Heights of the stack that were marked.
    marks: Vec<usize>,
    memo: HashMap<usize, Place>,
}

impl Machine<'_> {
    /// One instruction of protocols 2 to 5 (Python's `pickletools` lists them).
    fn step(&mut self, instruction: u8) -> Result<(), String> {
        match instruction {
            // Protocol and frame say nothing about values.
            0x80 => self.skip(1)?,
            0x95 => self.skip(8)?,
            b'N' => self.stack.push(NONE),
            0x88 | 0x89 => self.stack.push(FALSE + usize::from(instruction == 0x88)),
            b'K' | b'M' | b'J' | b'G' | 0x8a | 0x8b => self.number(instruction)?,
            b'X' | b'T' | b'U' | 0x8c | 0x8d => self.string(instruction)?,
            b'B' | b'C' | 0x8e | 0x96 => {
                let length = self.length(match instruction {
                    b'C' => 1,
                    b'B' => 4,
                    _ => 8,
                })?;
                self.skip(length)?;
                let range = self.last(length);
                self.push(Value::Bytes(range));
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.push(global(&module, &name));
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (Value::Text(name), Value::Text(module)) = (&self.values[name], &self.values[module]) else {
                    return Err("names something by what is not text".into());
                };
                let value = global(module, name);
                self.push(value);
            }
            b'Q' => {
                let id = self.pop()?;
                self.push(Value::Persistent(id));
            }
            b'(' => self.marks.push(self.stack.len()),
            b'0' if self.marks.last() == Some(&self.stack.len()) => {
                self.marks.pop();
            }
            b'0' => {
                self.pop()?;
            }
            b'1' => {
                self.pop_to_mark()?;
            }
            b'2' => self.stack.push(self.top()?),
            b'q' | b'r' | b'h' | b'j' | 0x94 => self.remember(instruction)?,
            _ => return self.compose(instruction),
        }
        Ok(())
    }

    /// The instructions that make a value of others.
    fn compose(&mut self, instruction: u8) -> Result<(), String> {
        match instruction {
            b')' => self.push(Value::Tuple(vec![])),
            0x85..=0x87 => {
                let at = self.stack.len().checked_sub(usize::from(instruction - 0x84)).ok_or(EMPTY)?;
                let parts = self.stack.split_off(at);
                self.push(Value::Tuple(parts));
            }
            b't' => {
                let parts = self.pop_to_mark()?;
                self.push(Value::Tuple(parts));
            }
            b'}' => self.push(Value::Dict(vec![])),
            b'd' => {
                let parts = self.pop_to_mark()?;
                self.push(Value::Dict(pairs(&parts)));
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set(&[key, value])?;
            }
            b'u' => {
                let parts = self.pop_to_mark()?;
                self.set(&parts)?;
            }
            b']' => self.push(Value::List(vec![])),
            b'l' => {
                let parts = self.pop_to_mark()?;
                self.push(Value::List(parts));
            }
            b'a' => {
                let part = self.pop()?;
                self.append(&[part])?;
            }
            b'e' => {
                let parts = self.pop_to_mark()?;
                self.append(&parts)?;
            }
            // What a set holds is no weights.
            0x8f => self.push(Value::Other("a set")),
            0x91 => {
                self.pop_to_mark()?;
                self.push(Value::Other("a set"));
            }
            0x90 => {
                self.pop_to_mark()?;
                self.top()?;
            }
            b'b' => {
                let state = self.pop()?;
                let top = self.top()?;
                if matches!(self.values[top], Value::Call(..)) {
                    self.states.insert(top, state);
                }
            }
            b'R' | 0x81 => self.call()?,
            0x92 => {
                self.pop()?;
                self.call()?;
            }
            // How Python 2 makes objects of classes of its old style.
            b'o' | b'i' => {
                let mut parts = self.pop_to_mark()?;
                if instruction == b'i' {
                    let (module, name) = (self.line()?, self.line()?);
                    self.push(global(&module, &name));
                } else {
                    let class = parts.first().copied().ok_or(EMPTY)?;
                    parts.remove(0);
                    self.stack.push(class);
                }
                self.push(Value::Tuple(parts));
                self.call()?;
            }
            other => return Err(format!("holds 0x{other:02x}, which is no instruction of the protocols 2 to 5")),
        }
        Ok(())
    }

    /// Notes a call. The dicts of the standard library start empty, or with a list of pairs, and are then filled as any.
    fn call(&mut self) -> Result<(), String> {
        let (arguments, function) = (self.pop()?, self.pop()?);
        let is_dict = matches!(&self.values[function], Value::Global(name) if DICTS.contains(&name.as_str()));
        let value = if is_dict { Value::Dict(self.pairs_of(arguments)) } else { Value::Call(function, arguments) };
        self.push(value);
        Ok(())
    }

    /// The entries of a dict that is made of a list of pairs, as Python 2 does; none of other arguments.
    fn pairs_of(&self, arguments: Place) -> Vec<(Place, Place)> {
        let parts = |at: Place| match &self.values[at] {
            Value::Tuple(parts) | Value::List(parts) => parts.as_slice(),
            _ => &[],
        };
        let pairs = parts(arguments).first().map_or(&[][..], |at| parts(*at));
        pairs.iter().filter_map(|at| if let [key, value] = parts(*at) { Some((*key, *value)) } else { None }).collect()
    }

    /// Adds keys and values to the dict on top. An object that takes them is a dict of a class of its own.
    fn set(&mut self, parts: &[Place]) -> Result<(), String> {
        let top = self.top()?;
        match &mut self.values[top] {
            Value::Dict(entries) => entries.extend(pairs(parts)),
            value @ Value::Call(..) => *value = Value::Dict(pairs(parts)),
            _ => {}
        }
        Ok(())
    }

    /// Adds to the list on top. What other objects do with it is not known.
    fn append(&mut self, parts: &[Place]) -> Result<(), String> {
        let top = self.top()?;
        if let Value::List(list) = &mut self.values[top] {
            list.extend(parts);
        }
        Ok(())
    }

    fn remember(&mut self, instruction: u8) -> Result<(), String> {
        let key = match instruction {
            b'q' | b'h' => self.length(1)?,
            b'r' | b'j' => self.length(4)?,
            _ => self.memo.len(),
        };
        if matches!(instruction, b'h' | b'j') {
            let at = *self.memo.get(&key).ok_or("names a value that it did not keep")?;
            self.stack.push(at);
        } else {
            self.memo.insert(key, self.top()?);
        }
        Ok(())
    }

    fn push(&mut self, value: Value) {
        self.stack.push(self.values.len());
        self.values.push(value);
    }

    fn pop(&mut self) -> Result<Place, String> {
        self.stack.pop().ok_or_else(|| EMPTY.into())
    }

    fn top(&self) -> Result<Place, String> {
        self.stack.last().copied().ok_or_else(|| EMPTY.into())
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Place>, String> {
        let at = self.marks.pop().filter(|at| *at <= self.stack.len()).ok_or(EMPTY)?;
        Ok(self.stack.split_off(at))
    }
}

fn global(module: &str, name: &str) -> Value {
    if module.len() + name.len() < LONGEST_NAME {
        Value::Global(format!("{module}.{name}"))
    } else {
        Value::Other("something with a very long name")
    }
}

fn pairs(parts: &[Place]) -> Vec<(Place, Place)> {
    parts.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect()
}
