//! A weights file of either format: what it declares, and its numbers one tensor at a time.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    path::Path,
};

use candle_core::{DType, Device, Tensor};
use serde::{Deserialize, Serialize};

use super::{plain, torch};

/// Bytes of the largest file that is read.
pub const LARGEST_FILE: u64 = 2 << 30;

/// How many numbers of its storage a tensor may lie apart, for each of its own.
const SPREAD: usize = 16;

/// The start of what `torch.save` wrote before PyTorch 1.6: a pickled number of ten bytes.
const LEGACY: &[u8] = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";

/// How a file holds its weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// `torch.save`'s zip format.
    #[default]
    PyTorch,
    /// Safetensors.
    Safetensors,
}

/// What a file declares.
#[derive(Debug, Default)]
pub struct Contents {
    /// How it holds it.
    pub format: Format,
    /// The tensors by their keys.
    pub tensors: BTreeMap<String, Declared>,
    /// What else stands among them, in words.
    pub others: BTreeMap<String, String>,
    /// The keys of the dicts around them, outermost first.
    pub containers: Vec<String>,
    /// The keys that stand beside the containers.
    pub beside: Vec<String>,
    /// The header that Retort wrote.
    pub header: Option<String>,
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
    pub place: Where,
}

/// Where a storage lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Where {
    /// In this file of the archive.
    Entry(String),
    /// From this byte of the file on.
    Byte(u64),
}

/// Where numbers are read from.
pub enum Source {
    /// The archive of a checkpoint.
    Torch(Box<torch::Archive>),
    /// A safetensors file.
    Safetensors(File),
}

/// Opens a file of either format and reads what it declares.
///
/// # Errors
/// In words that follow the file's name, and say what to do.
pub fn open(path: &Path) -> Result<(Contents, Source), String> {
    let metadata = fs::metadata(path).map_err(|e| e.to_string())?;
    if !metadata.is_file() {
        return Err("it is not a file".into());
    }
    if metadata.len() > LARGEST_FILE {
        return Err(format!("it is larger than 2 GiB, the most that is read: {}", torch::SAVE));
    }
    let mut file = File::open(path).map_err(|e| e.to_string())?;
    let mut start = Vec::new();
    file.by_ref().take(14).read_to_end(&mut start).map_err(|e| e.to_string())?;
    file.rewind().map_err(|e| e.to_string())?;
    match start.as_slice() {
        [b'P', b'K', 3, 4, ..] => torch::open(file),
        [0x80, _, rest @ ..] if rest == LEGACY => Err("it is in the format that PyTorch wrote before 1.6: load it \
            with a PyTorch of 1.6 or later, and save its weights again with torch.save(state, path)"
            .into()),
        // Before a bare pickle: a header's length may begin with a pickle's first byte.
        [_, _, _, _, _, _, _, _, b'{', ..] => plain::open(file, metadata.len()),
        [0x80, ..] => Err(format!("it is a bare pickle, not what torch.save writes: {}", torch::SAVE)),
        _ => Err("it is neither a PyTorch checkpoint in torch.save's zip format nor a safetensors file".into()),
    }
}

impl Declared {
    /// Whether it holds weights, and not counters or labels.
    pub const fn is_float(&self) -> bool {
        matches!(self.dtype, DType::F16 | DType::BF16 | DType::F32 | DType::F64)
    }

    /// How many numbers it has; none when no file could hold so many.
    pub fn count(&self) -> Option<usize> {
        self.shape.iter().try_fold(1, |product: usize, n| product.checked_mul(*n))
    }

    /// How many numbers of the storage its first and its last enclose.
    fn span(&self) -> Option<usize> {
        if self.shape.contains(&0) {
            return Some(0);
        }
        let mut steps = self.shape.iter().zip(&self.strides);
        steps.try_fold(1, |span: usize, (n, stride)| span.checked_add((n - 1).checked_mul(*stride)?))
    }

    /// The numbers in the order of the shape, out of those that they enclose.
    fn gather(&self, flat: &[f32]) -> Vec<f32> {
        let mut places = vec![0];
        for (n, stride) in self.shape.iter().zip(&self.strides) {
            places = places.iter().flat_map(|at| (0..*n).map(move |i| at + i * stride)).collect();
        }
        places.into_iter().map(|at: usize| flat[at]).collect()
    }
}

impl Source {
    /// The numbers of a tensor, as f32. What is read is bounded by the tensor's shape, which must be one that is expected.
    ///
    /// # Errors
    /// In words that follow the tensor's name.
    pub fn read(&mut self, tensor: &Declared) -> Result<Tensor, String> {
        let far = || "its numbers lie too far apart: call .contiguous() on it before saving".to_owned();
        let count = tensor.count().ok_or_else(far)?;
        let span = tensor.span().filter(|span| *span <= count.saturating_mul(SPREAD)).ok_or_else(far)?;
        let size = tensor.dtype.size_in_bytes();
        let start = tensor.offset.checked_mul(size).ok_or_else(far)? as u64;
        let bytes = match (self, &tensor.place) {
            (Self::Torch(archive), Where::Entry(name)) => torch::read(archive, name, start, span * size)?,
            (Self::Safetensors(file), Where::Byte(at)) => {
                let mut bytes = vec![0; span * size];
                let read = file.seek(SeekFrom::Start(*at)).and_then(|_| file.read_exact(&mut bytes));
                read.map_err(|e| format!("it cannot be read ({e}): copy the file again"))?;
                bytes
            }
            _ => return Err("its numbers are not in the file".into()),
        };
        let flat = Tensor::from_raw_buffer(&bytes, tensor.dtype, &[span], &Device::Cpu);
        let flat = flat.and_then(|flat| flat.to_dtype(DType::F32)?.to_vec1::<f32>()).map_err(|e| e.to_string())?;
        let values = tensor.gather(&flat);
        Tensor::from_vec(values, tensor.shape.as_slice(), &Device::Cpu).map_err(|e| e.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strides_and_offsets_pick_the_numbers_that_pytorch_means() {
        let flat: Vec<f32> = (0..12).map(|n| n as f32).collect();
        let tensor = |shape: &[usize], strides: &[usize]| Declared {
            dtype: DType::F32,
            shape: shape.into(),
            strides: strides.into(),
            offset: 0,
            place: Where::Byte(0),
        };
        // A transposed 4×3, every second column of a 3×4, a row repeated, a scalar.
        assert_eq!(tensor(&[3, 4], &[1, 3]).gather(&flat), [0., 3., 6., 9., 1., 4., 7., 10., 2., 5., 8., 11.]);
        assert_eq!(tensor(&[3, 2], &[4, 2]).gather(&flat), [0., 2., 4., 6., 8., 10.]);
        assert_eq!(tensor(&[2, 3], &[0, 1]).gather(&flat), [0., 1., 2., 0., 1., 2.]);
        assert_eq!(tensor(&[], &[]).gather(&flat), [0.]);
        assert_eq!(tensor(&[3, 4], &[1, 3]).span(), Some(12));
        assert_eq!(tensor(&[3, 2], &[4, 2]).span(), Some(11));
        assert_eq!(tensor(&[0, 9], &[9, 1]).span(), Some(0));
        assert_eq!(tensor(&[2, 2], &[usize::MAX, 1]).span(), None);
    }
}
