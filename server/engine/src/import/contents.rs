//! What a file of weights declares.

use std::{collections::BTreeMap, fmt};

use candle_core::DType;
use serde::{Deserialize, Serialize};

use super::{layer::Layer, pickle};

/// How a file holds its weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// `torch.save`'s zip format, of PyTorch 1.6 and later.
    #[default]
    PyTorch,
    /// What `torch.save` wrote before PyTorch 1.6.
    PyTorchLegacy,
    /// Safetensors.
    Safetensors,
    /// A pickle of NumPy's arrays.
    NumPy,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PyTorch => "PyTorch checkpoint",
            Self::PyTorchLegacy => "PyTorch checkpoint of before 1.6",
            Self::Safetensors => "safetensors file",
            Self::NumPy => "pickle of NumPy's arrays",
        })
    }
}

/// What a file declares.
#[derive(Debug, Default)]
pub struct Contents {
    /// How it holds it.
    pub format: Format,
    /// The dictionaries of tensors, those with the most tensors first.
    pub dictionaries: Vec<Dictionary>,
    /// What the dictionaries in one container are together.
    pub together: Vec<Dictionary>,
    /// Dictionaries with what may be a mean and a deviation of pixels.
    pub normalisers: Vec<Dictionary>,
    /// The header that Retort wrote.
    pub header: Option<String>,
}

/// A dictionary of tensors in a file.
#[derive(Debug, Default)]
pub struct Dictionary {
    /// The keys under which it stands, outermost first; none for the file itself.
    pub path: Vec<String>,
    /// The tensors by their keys.
    pub tensors: BTreeMap<String, Declared>,
    /// What else stands among them, in words.
    pub others: BTreeMap<String, String>,
    /// The keys that stand beside it, and beside the containers around it.
    pub beside: Vec<String>,
    /// Its layers by their names, where the file tells them.
    pub layers: BTreeMap<String, Layer>,
}

/// A tensor that a file declares.
#[derive(Clone, Debug, PartialEq)]
pub struct Declared {
    /// The type of its numbers.
    pub dtype: DType,
    /// Its dimensions.
    pub shape: Vec<usize>,
    /// How many numbers of the storage lie between neighbours, by dimension.
    pub strides: Vec<usize>,
    /// How many numbers of the storage lie before its first.
    pub offset: usize,
    /// The storage.
    pub place: Place,
    /// By what its numbers are multiplied, where it was pruned.
    pub mask: Option<Box<Declared>>,
}

/// Where a storage lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In this file of the archive.
    Entry(String),
    /// In these bytes of the file.
    Bytes {
        /// Those before it.
        start: u64,
        /// Its own.
        length: u64,
    },
    /// At this place of the pickle itself, as an array of NumPy.
    Array(pickle::Place),
    /// Nowhere: they are three of Python's own numbers, here by their bits.
    Python([u64; 3]),
}

impl Declared {
    /// Whether it holds weights, and not counters or labels.
    pub const fn is_float(&self) -> bool {
        matches!(self.dtype, DType::F8E4M3 | DType::F16 | DType::BF16 | DType::F32 | DType::F64)
    }

    /// How many numbers it has; none when no file could hold so many.
    pub fn count(&self) -> Option<usize> {
        self.shape.iter().try_fold(1, |product: usize, n| product.checked_mul(*n))
    }

    /// How many numbers of the storage its first and its last enclose.
    pub fn span(&self) -> Option<usize> {
        if self.shape.contains(&0) {
            return Some(0);
        }
        let mut steps = self.shape.iter().zip(&self.strides);
        steps.try_fold(1, |span: usize, (n, stride)| span.checked_add((n - 1).checked_mul(*stride)?))
    }

    /// The numbers in the order of the shape, out of those that they enclose.
    pub fn gather(&self, flat: &[f32]) -> Vec<f32> {
        let mut places = vec![0];
        for (n, stride) in self.shape.iter().zip(&self.strides) {
            places = places.iter().flat_map(|at| (0..*n).map(move |i| at + i * stride)).collect();
        }
        places.into_iter().map(|at: usize| flat[at]).collect()
    }
}
