//! The structure of a pickle: what Python would build from it, without building it.
//!
//! A pickle is a program for a stack machine that may name any function of the reader's Python and call it. Here a name
//! stays a name, and a call the note of a call. Values lie in one list and refer to each other by their places in it: no
//! value is copied however often it is named, nothing recurses however deeply values are nested, and memory stays in
//! proportion to the pickle's bytes. Candle's reader copies whatever is named twice, loses what is added to a dict after
//! it was first named, takes lengths on trust, and panics on short argument lists.

mod machine;
pub mod numpy;

use std::{collections::HashMap, ops::Range};

/// A value's place in the list.
pub type Place = usize;

/// A value, as far as weights need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Text of at most 255 bytes, as the names of weights are.
    Text(String),
    /// A whole number of at most 64 bits.
    Int(i64),
    /// A number with a fraction, by its bits.
    Float(u64),
    /// True or false.
    Bool(bool),
    /// A tuple.
    Tuple(Vec<Place>),
    /// A list.
    List(Vec<Place>),
    /// A dict, ordered or not.
    Dict(Vec<(Place, Place)>),
    /// A class or function by its full name of at most 120 bytes: `torch._utils._rebuild_tensor_v2`.
    Global(String),
    /// What calling the first with the arguments in the second would make.
    Call(Place, Place),
    /// What lies outside of the pickle under this id.
    Persistent(Place),
    /// Text that is longer: where in the pickle its bytes lie.
    LongText(Range<usize>),
    /// Bytes, or what Python 2 calls text and is none: where in the pickle they lie.
    Bytes(Range<usize>),
    /// Something that no weights consist of, in words: `a set`.
    Other(&'static str),
}

/// Values, and the one that stands for the whole.
#[derive(Debug)]
pub struct Pickle {
    values: Vec<Value>,
    /// What was put into an object after it was made: mostly a dict of its attributes.
    states: HashMap<Place, Place>,
    root: Place,
}

impl Pickle {
    /// Reads a pickle to its end.
    ///
    /// # Errors
    /// In words that follow “its pickle”: when it ends too early or holds what is not an instruction.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        Self::first(bytes).map(|(pickle, _)| pickle)
    }

    /// Reads the pickle at the start of `bytes`; returns how many of them it takes, too.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn first(bytes: &[u8]) -> Result<(Self, usize), String> {
        machine::run(bytes)
    }

    /// The place of the whole.
    pub const fn root(&self) -> Place {
        self.root
    }

    /// The value at a place.
    pub fn value(&self, at: Place) -> &Value {
        &self.values[at]
    }

    /// The entries of a dict.
    pub fn dict(&self, at: Place) -> Option<&[(Place, Place)]> {
        if let Value::Dict(entries) = self.value(at) { Some(entries) } else { None }
    }

    /// Text.
    pub fn text(&self, at: Place) -> Option<&str> {
        if let Value::Text(text) = self.value(at) { Some(text) } else { None }
    }

    /// The parts of a tuple.
    pub fn tuple(&self, at: Place) -> Option<&[Place]> {
        if let Value::Tuple(parts) = self.value(at) { Some(parts) } else { None }
    }

    /// The parts of a tuple or list.
    pub fn sequence(&self, at: Place) -> Option<&[Place]> {
        if let Value::Tuple(parts) | Value::List(parts) = self.value(at) { Some(parts) } else { None }
    }

    /// The attributes of an object.
    pub fn attributes(&self, at: Place) -> Option<&[(Place, Place)]> {
        self.dict(*self.states.get(&at)?)
    }

    /// What was put into an object after it was made.
    pub fn state(&self, at: Place) -> Option<Place> {
        self.states.get(&at).copied()
    }

    /// The ids of what lies outside.
    pub fn ids(&self) -> impl Iterator<Item = Place> {
        self.values.iter().filter_map(|value| if let Value::Persistent(id) = value { Some(*id) } else { None })
    }

    /// A number that is not negative.
    pub fn count(&self, at: Place) -> Option<usize> {
        if let Value::Int(number) = self.value(at) { usize::try_from(*number).ok() } else { None }
    }

    /// A number.
    pub fn number(&self, at: Place) -> Option<f64> {
        match self.value(at) {
            Value::Int(number) => Some(*number as f64),
            Value::Float(bits) => Some(f64::from_bits(*bits)),
            _ => None,
        }
    }

    /// The name of a call's function and the place of its arguments.
    pub fn call(&self, at: Place) -> Option<(&str, Place)> {
        let Value::Call(function, arguments) = self.value(at) else { return None };
        if let Value::Global(name) = self.value(*function) { Some((name, *arguments)) } else { None }
    }

    /// A value in words: `a dict`, `an object of posix.system`.
    pub fn describe(&self, at: Place) -> String {
        match self.value(at) {
            Value::Text(_) | Value::LongText(_) => "text".into(),
            Value::Bytes(_) => "bytes".into(),
            Value::Int(_) | Value::Float(_) => "a number".into(),
            Value::Bool(_) => "a truth value".into(),
            Value::Tuple(_) => "a tuple".into(),
            Value::List(_) => "a list".into(),
            Value::Dict(_) => "a dict".into(),
            Value::Global(name) => format!("the name {}", crate::shown::shown(name)),
            Value::Call(..) => match self.call(at) {
                Some((name, _)) => format!("an object of {}", crate::shown::shown(name)),
                None => "an object of a computed class".into(),
            },
            Value::Persistent(_) => "bare storage".into(),
            Value::Other(words) => (*words).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(bytes: &[u8]) -> String {
        Pickle::parse(bytes).unwrap_err()
    }

    #[test]
    fn a_dict_that_is_named_before_it_is_filled_is_the_same_dict() {
        // {"a": d, "b": d} with d = {"k": 1}: d is kept while it is empty, filled, and then named again.
        let pickle =
            Pickle::parse(b"\x80\x02}(X\x01\x00\x00\x00a}q\x01X\x01\x00\x00\x00kK\x01sX\x01\x00\x00\x00bh\x01u.")
                .unwrap();
        let entries = pickle.dict(pickle.root()).unwrap();
        assert_eq!(entries.len(), 2);
        assert_eq!(entries[0].1, entries[1].1);
        let [(key, value)] = pickle.dict(entries[1].1).unwrap() else { panic!("{pickle:?}") };
        assert_eq!((pickle.text(*key), pickle.count(*value)), (Some("k"), Some(1)));
    }

    #[test]
    fn a_call_stays_a_note_of_a_call() {
        let pickle = Pickle::parse(b"\x80\x02cposix\nsystem\nX\x04\x00\x00\x00true\x85R.").unwrap();
        assert_eq!(pickle.describe(pickle.root()), "an object of posix.system");
    }

    #[test]
    fn numbers_keep_their_signs() {
        let value = |bytes: &[u8]| {
            let pickle = Pickle::parse(bytes).unwrap();
            pickle.value(pickle.root()).clone()
        };
        assert_eq!(value(b"J\xff\xff\xff\xff."), Value::Int(-1));
        assert_eq!(value(b"M\xff\xff."), Value::Int(65_535));
        assert_eq!(value(b"\x8a\x02\x00\x80."), Value::Int(-32_768));
        assert_eq!(value(b"\x8a\x00."), Value::Int(0));
        assert_eq!(value(b"\x8a\x09\x01\x01\x01\x01\x01\x01\x01\x01\x01."), Value::Other("a number"));
    }

    #[test]
    fn a_pickle_that_lies_about_lengths_or_takes_what_is_not_there_is_refused() {
        assert_eq!(fault(b"X\xff\xff\xff\xffab."), "ends in the middle of a value (at byte 0)");
        assert_eq!(fault(b"\x8d\xff\xff\xff\xff\xff\xff\xff\xff."), "ends in the middle of a value (at byte 0)");
        assert_eq!(fault(b"}"), "ends in the middle of a value");
        assert_eq!(fault(b"R"), "takes a value where there is none (at byte 0)");
        assert_eq!(fault(b"Nt"), "takes a value where there is none (at byte 1)");
        // The tuple took what lay below the mark.
        assert_eq!(fault(b"NN(\x86t."), "takes a value where there is none (at byte 4)");
        assert_eq!(fault(b"h\x05."), "names a value that it did not keep (at byte 0)");
        assert!(fault(b"Pid\n.").starts_with("holds 0x50, which is no instruction"));
    }

    #[test]
    fn a_long_text_is_not_kept_since_it_may_be_named_often() {
        let text = |length: u8| [&[0x8d, length, 0, 0, 0, 0, 0, 0, 0][..], &vec![b'a'; usize::from(length)]].concat();
        let described = |bytes: &[u8]| {
            let pickle = Pickle::parse(bytes).unwrap();
            (pickle.text(pickle.root()).map(str::len), pickle.describe(pickle.root()))
        };
        assert_eq!(described(&[text(255), b".".to_vec()].concat()), (Some(255), "text".into()));
        let long = [&b"X\x00\x01\x00\x00"[..], &[b'a'; 256], b"."].concat();
        assert_eq!(described(&long), (None, "text".into()));
    }

    #[test]
    fn a_long_name_is_not_kept_since_it_may_be_put_together_often() {
        let described = |length: u8| {
            let name = [&[0x8c, length][..], &vec![b'a'; usize::from(length)]].concat();
            let pickle = Pickle::parse(&[&b"\x8c\x02os"[..], &name, b"\x93."].concat()).unwrap();
            pickle.describe(pickle.root())
        };
        assert_eq!(described(4), "the name os.aaaa");
        assert_eq!(described(200), "something with a very long name");
    }

    #[test]
    fn lists_and_objects_keep_what_was_put_into_them() {
        // [7, True] by append and appends; an object of c.D with the attribute a, made by either instruction of old.
        let pickle = Pickle::parse(b"](K\x07e\x88a.").unwrap();
        let parts = pickle.sequence(pickle.root()).unwrap();
        assert_eq!((pickle.count(parts[0]), pickle.value(parts[1])), (Some(7), &Value::Bool(true)));
        for made in [&b"cc\nD\n)\x81"[..], b"(cc\nD\no", b"(ic\nD\n"] {
            let pickle = Pickle::parse(&[made, b"}U\x01aK\x07sb."].concat()).unwrap();
            assert_eq!(pickle.describe(pickle.root()), "an object of c.D");
            let [(key, value)] = pickle.attributes(pickle.root()).unwrap() else { panic!("{pickle:?}") };
            assert_eq!((pickle.text(*key), pickle.count(*value)), (Some("a"), Some(7)));
        }
    }

    #[test]
    fn a_dict_of_a_class_of_its_own_and_one_of_python_2_hold_their_entries() {
        for bytes in [
            &b"cc\nD\n)\x81U\x01aK\x07s."[..],
            b"ccollections\nOrderedDict\n](](U\x01aK\x07ee\x85R.",
            b"c__builtin__\ndict\n](U\x01aK\x07\x86e\x85R.",
        ] {
            let pickle = Pickle::parse(bytes).unwrap();
            let [(key, value)] = pickle.dict(pickle.root()).unwrap() else { panic!("{pickle:?}") };
            assert_eq!((pickle.text(*key), pickle.count(*value)), (Some("a"), Some(7)));
        }
    }

    #[test]
    fn values_are_counted_and_those_that_are_all_alike_cost_nothing() {
        let many = |value: &[u8]| [&b"("[..], &value.repeat((1 << 24) + 1), b"l."].concat();
        assert!(fault(&many(b"}")).starts_with("builds more than 16 million values"));
        let numbers = Pickle::parse(&many(b"N")).unwrap();
        assert_eq!(numbers.sequence(numbers.root()).map(<[Place]>::len), Some((1 << 24) + 1));
    }

    #[test]
    fn a_million_nested_tuples_are_read_and_dropped() {
        let pickle = Pickle::parse(&[&b"N"[..], &vec![0x85; 1_000_000], b"."].concat()).unwrap();
        assert_eq!(pickle.tuple(pickle.root()).map(<[Place]>::len), Some(1));
    }
}
