//! The stack machine whose program a pickle is.

use std::collections::HashMap;

use super::{Place, Value};

/// Bytes of the longest text that is kept. A text may be named by many others, each of which then copies it.
const LONGEST_TEXT: usize = 255;

/// Bytes of the longest name of a class that is kept. Five bytes of a pickle can put one together anew.
const LONGEST_NAME: usize = 120;

const ENDS: &str = "ends in the middle of a value";
const EMPTY: &str = "takes a value where there is none";

/// The values that a pickle makes, and the place of the one that stands for the whole.
///
/// # Errors
/// As [`super::Pickle::parse`].
pub fn run(bytes: &[u8]) -> Result<(Vec<Value>, Place), String> {
    let mut machine = Machine { rest: bytes, values: vec![], stack: vec![], marks: vec![], memo: HashMap::new() };
    loop {
        let instruction = machine.byte()?;
        if instruction == b'.' {
            let root = machine.pop()?;
            return Ok((machine.values, root));
        }
        let at = bytes.len() - machine.rest.len() - 1;
        machine.step(instruction).map_err(|fault| format!("{fault} (at byte {at})"))?;
    }
}

struct Machine<'a> {
    rest: &'a [u8],
    values: Vec<Value>,
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
            b'N' => self.push(Value::Other("None")),
            0x88 | 0x89 => self.push(Value::Other("a truth value")),
            b'K' | b'M' | b'J' | b'G' | 0x8a | 0x8b => self.number(instruction)?,
            b'X' | b'T' | b'U' | 0x8c | 0x8d => self.string(instruction)?,
            b'B' | b'C' | 0x8e | 0x96 => {
                let length = self.length(match instruction {
                    b'C' => 1,
                    b'B' => 4,
                    _ => 8,
                })?;
                self.skip(length)?;
                self.push(Value::Other("bytes"));
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
            b']' => self.push(Value::Other("a list")),
            0x8f => self.push(Value::Other("a set")),
            b'l' | 0x91 => {
                self.pop_to_mark()?;
                self.push(Value::Other(if instruction == b'l' { "a list" } else { "a set" }));
            }
            // What a list or a set holds, and the attributes of an object, are no weights.
            b'a' | b'b' => {
                self.pop()?;
                self.top()?;
            }
            b'e' | 0x90 => {
                self.pop_to_mark()?;
                self.top()?;
            }
            b'R' | 0x81 => self.call()?,
            0x92 => {
                self.pop()?;
                self.call()?;
            }
            other => return Err(format!("holds 0x{other:02x}, which is no instruction of the protocols 2 to 5")),
        }
        Ok(())
    }

    /// Notes a call. The dicts of the standard library start empty and are then filled as any dict.
    fn call(&mut self) -> Result<(), String> {
        let (arguments, function) = (self.pop()?, self.pop()?);
        let is_dict = matches!(&self.values[function], Value::Global(name)
            if name == "collections.OrderedDict" || name == "collections.defaultdict");
        self.push(if is_dict { Value::Dict(vec![]) } else { Value::Call(function, arguments) });
        Ok(())
    }

    /// Adds keys and values to the dict on top. What other objects do with them is not known.
    fn set(&mut self, parts: &[Place]) -> Result<(), String> {
        let top = self.top()?;
        if let Value::Dict(entries) = &mut self.values[top] {
            entries.extend(pairs(parts));
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

    fn number(&mut self, instruction: u8) -> Result<(), String> {
        let length = match instruction {
            b'K' => 1,
            b'M' => 2,
            b'J' => 4,
            b'G' => 8,
            0x8a => self.length(1)?,
            _ => self.length(4)?,
        };
        let bytes = self.take(length)?;
        let is_signed = !matches!(instruction, b'K' | b'M');
        let value = if instruction == b'G' || length > 8 {
            Value::Other("a number")
        } else {
            let sign = if is_signed && bytes.last().is_some_and(|b| *b >= 0x80) { 0xff } else { 0 };
            let mut wide = [sign; 8];
            wide[..length].copy_from_slice(bytes);
            Value::Int(i64::from_le_bytes(wide))
        };
        self.push(value);
        Ok(())
    }

    fn string(&mut self, instruction: u8) -> Result<(), String> {
        let width = match instruction {
            b'U' | 0x8c => 1,
            0x8d => 8,
            _ => 4,
        };
        let length = self.length(width)?;
        let text = std::str::from_utf8(self.take(length)?).map_err(|_| "holds text that is not UTF-8")?;
        let value = if length > LONGEST_TEXT { Value::Other("text") } else { Value::Text(text.to_owned()) };
        self.push(value);
        Ok(())
    }

    /// A little-endian length of `width` bytes.
    fn length(&mut self, width: usize) -> Result<usize, String> {
        let mut wide = [0; 8];
        wide[..width].copy_from_slice(self.take(width)?);
        usize::try_from(u64::from_le_bytes(wide)).map_err(|_| ENDS.into())
    }

    fn line(&mut self) -> Result<String, String> {
        let length = self.rest.iter().position(|b| *b == b'\n').ok_or(ENDS)?;
        let line = std::str::from_utf8(self.take(length)?).map_err(|_| "holds a name that is not UTF-8")?.to_owned();
        self.skip(1)?;
        Ok(line)
    }

    fn take(&mut self, length: usize) -> Result<&[u8], String> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(ENDS)?;
        self.rest = rest;
        Ok(taken)
    }

    fn skip(&mut self, length: usize) -> Result<(), String> {
        self.take(length).map(|_| ())
    }

    fn byte(&mut self) -> Result<u8, String> {
        Ok(self.take(1)?[0])
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
