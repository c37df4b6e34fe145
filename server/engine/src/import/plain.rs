//! Safetensors files.

use std::{
    fs::File,
    io::{Read, Seek},
};

use candle_core::DType;
use safetensors::{Dtype, tensor::Metadata};

use super::{
    contents::{Contents, Declared, Dictionary, Format, Place},
    file::{Source, Storages},
};
use crate::nn::HEADER;

/// Bytes of the largest header that is read. That of a ResNet-18 takes 12 kB.
const LARGEST_HEADER: u64 = 1 << 20;

/// Reads what a file of `bytes` bytes declares; no numbers yet.
///
/// # Errors
/// In words that follow the file's name.
pub fn open(mut file: File, bytes: u64) -> Result<(Contents, Source), String> {
    let cut_off = |e: std::io::Error| format!("it is cut off ({e}): copy or download it again");
    let mut length = [0; 8];
    file.rewind().and_then(|()| file.read_exact(&mut length)).map_err(cut_off)?;
    let length = u64::from_le_bytes(length);
    if length > LARGEST_HEADER {
        return Err(format!("its safetensors header would take {length} bytes: more than 1 MiB is not read"));
    }
    let mut header = vec![0; length as usize];
    file.read_exact(&mut header).map_err(cut_off)?;
    let metadata: Metadata = serde_json::from_slice(&header)
        .map_err(|e| format!("its safetensors header cannot be read ({e}): copy or write it again"))?;
    let start = 8 + length;
    if start.checked_add(metadata.data_len() as u64) != Some(bytes) {
        return Err("it is not as long as its safetensors header says: copy or download it again".into());
    }
    let mut dictionary = Dictionary::default();
    for (name, tensor) in metadata.tensors() {
        // As bytes, whose numbers are never read: quantised weights are told by their shapes.
        let dtype = match tensor.dtype {
            Dtype::I8 | Dtype::BOOL => Ok(DType::U8),
            dtype => DType::try_from(dtype),
        };
        match dtype {
            Ok(dtype) => {
                let (from, to) = tensor.data_offsets;
                let place = Place::Bytes { start: start + from as u64, length: to.saturating_sub(from) as u64 };
                let (shape, strides) = (tensor.shape.clone(), contiguous(&tensor.shape));
                dictionary.tensors.insert(name, Declared { dtype, shape, strides, offset: 0, place, mask: None });
            }
            Err(_) => {
                dictionary.others.insert(name, format!("numbers of the type {:?}", tensor.dtype));
            }
        }
    }
    if dictionary.tensors.is_empty() {
        return Err("it holds no tensors".into());
    }
    let header = metadata.metadata().as_ref().and_then(|m| m.get(HEADER).cloned());
    let contents =
        Contents { format: Format::Safetensors, dictionaries: vec![dictionary], header, ..Contents::default() };
    Ok((contents, Source::of(Storages::Plain(file))))
}

/// The strides of numbers that lie side by side in the order of the shape. Where there are none, the dimensions beside
/// the empty one may be of any size.
pub fn contiguous(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1_usize; shape.len()];
    for i in (1..shape.len()).rev() {
        strides[i - 1] = strides[i].saturating_mul(shape[i]);
    }
    strides
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strides_are_those_of_rows_and_never_overflow() {
        assert_eq!(contiguous(&[4, 3, 2]), [6, 2, 1]);
        assert_eq!(contiguous(&[]), [0; 0]);
        assert_eq!(contiguous(&[0, usize::MAX, usize::MAX])[0], usize::MAX);
    }
}
