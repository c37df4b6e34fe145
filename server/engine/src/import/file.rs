//! A weights file of either format: what it declares, and its numbers one tensor at a time.

use std::{
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    path::Path,
};

use candle_core::{DType, Device, Tensor};

use super::{
    bare,
    contents::{Contents, Declared, Place},
    kinds, legacy,
    pickle::{Pickle, numpy},
    plain, pruned, torch,
};

/// Bytes by which a file's kind is told.
const LONGEST_START: u64 = 512;

/// Bytes of the largest file that is read.
pub const LARGEST_FILE: u64 = 2 << 30;

/// How many numbers of its storage a tensor may lie apart, for each of its own.
const SPREAD: usize = 16;

/// Where numbers are read from.
pub struct Source {
    storages: Storages,
    /// The pickle and its bytes, where arrays of NumPy lie in it.
    pickle: Option<(Pickle, Vec<u8>)>,
}

/// Where storages lie.
pub enum Storages {
    /// The archive of a checkpoint.
    Archive(Box<torch::Archive>),
    /// A file in which storages lie as they are.
    Plain(File),
}

/// Opens a file of either format and reads what it declares.
///
/// # Errors
/// In words that follow the file's name, and say what to do.
pub fn open(path: &Path) -> Result<(Contents, Source), String> {
    let metadata = fs::metadata(path).map_err(|e| e.to_string())?;
    if !metadata.is_file() {
        let is_distributed = path.join(".metadata").is_file();
        return Err(if is_distributed {
            "it is a folder of torch.distributed.checkpoint: make one file of it by \
             `torch.distributed.checkpoint.format_utils.dcp_to_torch_save(folder, \"model.pt\")`, and take that"
                .into()
        } else {
            "it is not a file".into()
        });
    }
    if metadata.len() > LARGEST_FILE {
        return Err(format!("it is larger than 2 GiB, the most that is read: {}", torch::SAVE));
    }
    let mut file = File::open(path).map_err(|e| e.to_string())?;
    let mut start = Vec::new();
    file.by_ref().take(LONGEST_START).read_to_end(&mut start).map_err(|e| e.to_string())?;
    file.rewind().map_err(|e| e.to_string())?;
    let (mut contents, source) = match start.as_slice() {
        [b'P', b'K', 3, 4, ..] => torch::open(file),
        [0x80, _, rest @ ..] if rest.starts_with(legacy::MAGIC) => legacy::open(file, metadata.len()),
        // Before a bare pickle: a header's length may begin with a pickle's first byte.
        [_, _, _, _, _, _, _, _, b'{', ..] => plain::open(file, metadata.len()),
        [0x80, 2..=5, ..] => bare::open(file, &start),
        _ => return Err(format!("{}: {}", kinds::name(&start), kinds::way_out(&start))),
    }?;
    contents.dictionaries.iter_mut().chain(&mut contents.together).for_each(pruned::put_together);
    Ok((contents, source))
}

impl Source {
    /// Storages alone.
    pub const fn of(storages: Storages) -> Self {
        Self { storages, pickle: None }
    }

    /// Storages, with the pickle that names them where numbers lie in that.
    pub fn new(storages: Storages, contents: &Contents, pickle: Pickle, bytes: Vec<u8>) -> Self {
        let mut tensors = contents.dictionaries.iter().flat_map(|dictionary| dictionary.tensors.values());
        let has_arrays = tensors.any(|tensor| matches!(tensor.place, Place::Array(_)));
        Self { storages, pickle: has_arrays.then_some((pickle, bytes)) }
    }

    /// The numbers of a tensor, as f32. What is read is bounded by the tensor's shape, which must be one that is expected.
    ///
    /// # Errors
    /// In words that follow the tensor's name.
    pub fn read(&mut self, tensor: &Declared) -> Result<Tensor, String> {
        let values = self.values(tensor)?;
        match &tensor.mask {
            Some(mask) => self.values(mask).and_then(|mask| (values * mask).map_err(|e| e.to_string())),
            None => Ok(values),
        }
    }

    /// The numbers without their mask.
    fn values(&mut self, tensor: &Declared) -> Result<Tensor, String> {
        let far = || "its numbers lie too far apart: call .contiguous() on it before saving".to_owned();
        if let Place::Python(bits) = &tensor.place {
            let numbers = bits.map(|bits| f64::from_bits(bits) as f32);
            return Tensor::new(&numbers, &Device::Cpu).map_err(|e| e.to_string());
        }
        let count = tensor.count().ok_or_else(far)?;
        let span = tensor.span().filter(|span| *span <= count.saturating_mul(SPREAD)).ok_or_else(far)?;
        let size = tensor.dtype.size_in_bytes();
        let first = tensor.offset.checked_mul(size).ok_or_else(far)? as u64;
        let bytes = match (&mut self.storages, &tensor.place) {
            (Storages::Archive(archive), Place::Entry(name)) => torch::read(archive, name, first, span * size)?,
            (Storages::Plain(file), Place::Bytes { start, length }) => {
                if first.checked_add((span * size) as u64).is_none_or(|end| end > *length) {
                    return Err(format!("it needs more numbers than its {length} bytes of storage hold"));
                }
                let mut bytes = vec![0; span * size];
                let read = file.seek(SeekFrom::Start(start + first)).and_then(|_| file.read_exact(&mut bytes));
                read.map_err(|e| format!("it cannot be read ({e}): copy the file again"))?;
                bytes
            }
            (_, Place::Array(at)) => {
                let array = self.pickle.as_ref().and_then(|(pickle, bytes)| numpy::of_any_order(pickle, bytes, *at));
                array.ok_or("it cannot be read")?.0.bytes.into_owned()
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
            place: Place::Bytes { start: 0, length: 0 },
            mask: None,
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
