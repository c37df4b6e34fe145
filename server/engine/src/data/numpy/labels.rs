//! Labels in an array: whole numbers, a column for each class, or the names of the classes as text.

use std::io::Read;

use unicode_normalization::UnicodeNormalization;

use super::array::{self, Header};
use crate::data::import::MAX_CLASSES;

/// Bytes of all labels of an array, at most.
const MAX_BYTES: usize = 1 << 30;

/// The labels of some images, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Labels {
    Numbers(Vec<u8>),
    Names(Vec<String>),
}

impl Labels {
    /// Whether an array of this shape may be labels. A column for each class, of which one is 1 in each row, is another way
    /// to write them.
    pub fn are(header: &Header) -> bool {
        match header.shape[..] {
            [_] | [_, 1] => true,
            [_, columns] => columns <= MAX_CLASSES && !header.is_text(),
            _ => false,
        }
    }

    /// Reads those of an array.
    ///
    /// # Errors
    /// In words that follow the array's name.
    pub fn read(header: &Header, content: &mut dyn Read) -> Result<Self, String> {
        let count = header.count().ok_or("has a shape that cannot be")?;
        let length = count.checked_mul(header.width).filter(|bytes| *bytes < MAX_BYTES).ok_or("has too many labels")?;
        let mut bytes = Vec::new();
        content.take(length as u64).read_to_end(&mut bytes).map_err(|e| format!("cannot be read: {e}"))?;
        if bytes.len() != length {
            return Err("was cut short".into());
        }
        header.order(&mut bytes);
        if header.is_text() {
            let names = array::texts(header.kind, header.width, &bytes).ok_or("has text that cannot be read")?;
            let names: Vec<String> = names.iter().map(|name| name.trim().nfc().collect()).collect();
            if let Some(i) = names.iter().position(String::is_empty) {
                return Err(format!("has an empty label, that of image {i}"));
            }
            // Numbers that were saved as text are in the order of numbers.
            let numbers: Option<Vec<u8>> = names.iter().map(|name| name.parse().ok()).collect();
            return Ok(numbers.map_or(Self::Names(names), Self::Numbers));
        }
        let numbers = array::small_numbers(header.kind, header.width, &bytes);
        let labels = match header.shape[..] {
            [_, columns] if columns > 1 => {
                numbers.and_then(|numbers| numbers.chunks_exact(columns).map(only_one).collect())
            }
            _ => numbers,
        };
        labels.map(Self::Numbers).ok_or_else(|| match header.shape[..] {
            [_, columns] if columns > 1 => format!(
                "has {columns} columns of which not exactly one is 1 in each row: an image has one label here, a whole number \
                 from 0 to 255"
            ),
            _ => "has labels that are not whole numbers from 0 to 255: at most 256 classes are possible".into(),
        })
    }

    pub const fn len(&self) -> usize {
        match self {
            Self::Numbers(numbers) => numbers.len(),
            Self::Names(names) => names.len(),
        }
    }
}

/// Where in a row the only 1 is, all else being 0.
fn only_one(row: &[u8]) -> Option<u8> {
    let at = row.iter().position(|number| *number == 1)?;
    (row.iter().filter(|number| **number != 0).count() == 1).then_some(at as u8)
}
