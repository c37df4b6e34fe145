//! NumPy's arrays in pickles, as Python 2 and 3 write them in the protocols 2 to 5.

use std::borrow::Cow;

use super::{Pickle, Place, Value};

/// A type of numbers as NumPy writes it, `<f4`: what they are, and their width in bytes. None for those whose bytes are
/// in another order than here, and for what is no numbers.
pub(crate) fn dtype(text: &str) -> Option<(char, usize)> {
    let text = text.trim_start_matches(['|', '<', '=']);
    let kind = text.chars().next().filter(|kind| "uifb".contains(*kind))?;
    let width = text[1..].parse().ok().filter(|width| matches!(width, 1 | 2 | 4 | 8))?;
    Some((kind, width))
}

/// An array of numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Array<'a> {
    /// What its numbers are, in NumPy's letters: `u` for whole numbers without a sign.
    pub kind: char,
    /// Bytes of one number.
    pub width: usize,
    /// The lengths of its dimensions.
    pub shape: Vec<usize>,
    /// Its numbers, of which the last dimension runs fastest.
    pub bytes: Cow<'a, [u8]>,
}

/// The array at a place of the pickle `source`, and none where something else is or one of another order of bytes or
/// dimensions.
pub fn array<'a>(pickle: &Pickle, source: &'a [u8], at: Place) -> Option<Array<'a>> {
    of_any_order(pickle, source, at).filter(|(_, is_c_order)| *is_c_order).map(|(array, _)| array)
}

/// The same for any order of dimensions, and whether the last dimension runs fastest: else it is the first one.
pub fn of_any_order<'a>(pickle: &Pickle, source: &'a [u8], at: Place) -> Option<(Array<'a>, bool)> {
    let (name, arguments) = pickle.call(at)?;
    let (dtype_at, shape, bytes, is_c_order) = match name {
        "numpy.core.multiarray._reconstruct" | "numpy._core.multiarray._reconstruct" => {
            let [_, shape, dtype, is_fortran, bytes] = *pickle.tuple(pickle.state(at)?)? else { return None };
            (dtype, shape, bytes, *pickle.value(is_fortran) == Value::Bool(false))
        }
        "numpy.core.numeric._frombuffer" | "numpy._core.numeric._frombuffer" => {
            let [bytes, dtype, shape, order] = *pickle.tuple(arguments)? else { return None };
            (dtype, shape, bytes, pickle.text(order) == Some("C"))
        }
        _ => return None,
    };
    let shape: Vec<usize> = pickle.tuple(shape)?.iter().map(|length| pickle.count(*length)).collect::<Option<_>>()?;
    let (kind, width) = number_type(pickle, source, dtype_at)?;
    let bytes = raw(pickle, source, bytes)?;
    let count = shape.iter().try_fold(width, |product, length| product.checked_mul(*length))?;
    (bytes.len() == count).then_some((Array { kind, width, shape, bytes }, is_c_order))
}

/// The type of an array's numbers. Its state begins with a version and the order of bytes.
fn number_type(pickle: &Pickle, source: &[u8], at: Place) -> Option<(char, usize)> {
    let ("numpy.dtype", arguments) = pickle.call(at)? else { return None };
    let (kind, width) = dtype(&text(pickle, source, *pickle.tuple(arguments)?.first()?)?)?;
    let order = pickle.state(at).and_then(|state| pickle.tuple(state)?.get(1).copied());
    let is_foreign = order.and_then(|order| text(pickle, source, order)).is_some_and(|order| order == ">");
    (!is_foreign || width == 1).then_some((kind, width))
}

/// Text, however it was written.
pub fn text(pickle: &Pickle, source: &[u8], at: Place) -> Option<String> {
    raw(pickle, source, at).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// Bytes, however they were written.
fn raw<'a>(pickle: &Pickle, source: &'a [u8], at: Place) -> Option<Cow<'a, [u8]>> {
    match pickle.value(at) {
        Value::Bytes(range) | Value::LongText(range) => source.get(range.clone()).map(Cow::Borrowed),
        Value::Text(text) => Some(Cow::Owned(text.as_bytes().to_vec())),
        _ => {
            // Protocol 2 of Python 3 has no bytes: it writes the text that they are in Latin 1.
            let ("_codecs.encode", arguments) = pickle.call(at)? else { return None };
            let [encoded, encoding] = *pickle.tuple(arguments)? else { return None };
            if pickle.text(encoding) != Some("latin1") {
                return None;
            }
            let bytes = raw(pickle, source, encoded)?;
            let letters = std::str::from_utf8(&bytes).ok()?.chars();
            letters.map(|letter| u8::try_from(u32::from(letter)).ok()).collect::<Option<Vec<u8>>>().map(Cow::Owned)
        }
    }
}
