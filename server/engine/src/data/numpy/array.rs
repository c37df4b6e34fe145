//! One array in NumPy's own format (NEP 1), read as a stream.

use std::io::{self, Read};

use crate::pickle::numpy::dtype;

/// Bytes of the longest header that is read.
const MAX_HEADER: usize = 1 << 16;

/// What an array's header says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// What it holds, in NumPy's letters: `u` for whole numbers without a sign, `f` for floating point, `U` for text.
    pub kind: char,
    /// Bytes of one number or text.
    pub width: usize,
    /// Whether the first dimension runs fastest, as in Fortran, and not the last.
    pub is_fortran: bool,
    /// Whether the highest byte of a number or letter comes first.
    pub is_big_endian: bool,
    pub shape: Vec<usize>,
}

impl Header {
    /// Reads it off the beginning of a content.
    ///
    /// # Errors
    /// In words that follow the array's name.
    pub fn read(content: &mut dyn Read) -> Result<Self, String> {
        let cut = |e: io::Error| format!("cannot be read: {e}");
        let mut start = [0; 8];
        content.read_exact(&mut start).map_err(cut)?;
        // Version 1 has a length of two bytes, the later ones of four.
        let mut length = [0; 4];
        let width = if start[6] == 1 { 2 } else { 4 };
        content.read_exact(&mut length[..width]).map_err(cut)?;
        let length = u32::from_le_bytes(length) as usize;
        if length > MAX_HEADER {
            return Err("has a header that is too long".into());
        }
        let mut header = vec![0; length];
        content.read_exact(&mut header).map_err(cut)?;
        let text = String::from_utf8_lossy(&header);
        Self::parse(&text).ok_or_else(|| format!("holds neither plain numbers nor text: {}", text.trim()))
    }

    /// A dict as Python prints it: `{'descr': '|u1', 'fortran_order': False, 'shape': (10, 32, 32, 3), }`.
    fn parse(text: &str) -> Option<Self> {
        let value = |key: &str| Some(text.split_once(&format!("'{key}':"))?.1.trim_start());
        let descr = value("descr")?.strip_prefix('\'')?.split_once('\'')?.0;
        let is_big_endian = descr.starts_with('>');
        let descr = descr.trim_start_matches('>');
        let (kind, width) = dtype(descr).or_else(|| text_dtype(descr))?;
        let is_fortran = value("fortran_order")?.starts_with("True");
        let shape = value("shape")?.strip_prefix('(')?.split_once(')')?.0;
        let lengths = shape.split(',').map(str::trim).filter(|length| !length.is_empty());
        let shape = lengths.map(|length| length.parse().ok()).collect::<Option<_>>()?;
        Some(Self { kind, width, is_fortran, is_big_endian, shape })
    }

    /// Puts the lowest byte of each number or letter first.
    pub fn order(&self, bytes: &mut [u8]) {
        if self.is_big_endian {
            let width = if self.kind == 'U' { 4 } else { self.width };
            bytes.chunks_exact_mut(width).for_each(<[u8]>::reverse);
        }
    }

    /// Whether it holds text, each of the same length.
    pub const fn is_text(&self) -> bool {
        matches!(self.kind, 'U' | 'S')
    }

    /// How many numbers or texts it has.
    pub fn count(&self) -> Option<usize> {
        self.shape.iter().try_fold(1_usize, |count, length| count.checked_mul(*length))
    }
}

/// A type of text as NumPy writes it: `<U5` for five code points of four bytes each, `|S5` for five bytes.
fn text_dtype(text: &str) -> Option<(char, usize)> {
    let text = text.trim_start_matches(['|', '<', '=']);
    let kind = text.chars().next().filter(|kind| "US".contains(*kind))?;
    let length: usize = text[1..].parse().ok().filter(|length| *length > 0)?;
    Some((kind, if kind == 'U' { length.checked_mul(4)? } else { length }))
}

/// Texts out of their bytes as they lie in memory, each filled up with zeros; none where one is no Unicode.
pub(super) fn texts(kind: char, width: usize, bytes: &[u8]) -> Option<Vec<String>> {
    let text = |bytes: &[u8]| -> Option<String> {
        let letters: String = if kind == 'U' {
            bytes
                .as_chunks()
                .0
                .iter()
                .map(|letter| char::from_u32(u32::from_le_bytes(*letter)))
                .collect::<Option<_>>()?
        } else {
            std::str::from_utf8(bytes).ok()?.to_owned()
        };
        Some(letters.trim_end_matches('\0').to_owned())
    };
    bytes.chunks_exact(width).map(text).collect()
}

/// Whole numbers that fit a byte, out of their bytes as they lie in memory.
pub(crate) fn small_numbers(kind: char, width: usize, bytes: &[u8]) -> Option<Vec<u8>> {
    let number = |bytes: &[u8]| {
        let mut wide = [0; 8];
        wide[..width].copy_from_slice(bytes);
        match (kind, width) {
            ('i', _) if bytes.last().is_some_and(|highest| *highest >= 0x80) => None,
            ('u' | 'i' | 'b', _) => u8::try_from(u64::from_le_bytes(wide)).ok(),
            ('f', 4) => whole(f32::from_le_bytes([wide[0], wide[1], wide[2], wide[3]]).into()),
            ('f', 8) => whole(f64::from_le_bytes(wide)),
            _ => None,
        }
    };
    bytes.chunks_exact(width).map(number).collect()
}

fn whole(number: f64) -> Option<u8> {
    ((0.0..256.0).contains(&number) && number.fract() == 0.0).then_some(number as u8)
}

/// Makes bytes of pixels that are numbers from 0 to 1, to the nearest.
///
/// # Errors
/// When one is outside of 0 to 1, or no number.
pub(crate) fn pixels(width: usize, bytes: &[u8]) -> Result<Vec<u8>, String> {
    let pixel = |number: f64| {
        // Arithmetic in single precision leaves a little more than 1.
        if (-1e-4..=1.0001).contains(&number) {
            Ok((number * 255.0).round() as u8)
        } else {
            let is_normalised = if number < 0.0 { ", before they are normalised" } else { "" };
            Err(format!("has a pixel of {number}; save pixels as bytes, or as numbers from 0 to 1{is_normalised}"))
        }
    };
    match width {
        4 => bytes.as_chunks().0.iter().map(|b| pixel(f32::from_le_bytes(*b).into())).collect(),
        8 => bytes.as_chunks().0.iter().map(|b| pixel(f64::from_le_bytes(*b))).collect(),
        _ => Err("has pixels of 16 bits: save them as bytes, uint8".into()),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A file of an array.
    pub fn npy(descr: &str, shape: &[usize], data: &[u8]) -> Vec<u8> {
        let shape = shape.iter().fold(String::new(), |shape, length| format!("{shape}{length}, "));
        let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape}), }}\n");
        [&b"\x93NUMPY\x01\x00"[..], &(header.len() as u16).to_le_bytes(), header.as_bytes(), data].concat()
    }

    #[test]
    fn a_header_tells_type_order_and_shape() {
        let header = Header::read(&mut &npy("<i8", &[5], b"")[..]).unwrap();
        assert_eq!(header, Header { kind: 'i', width: 8, is_fortran: false, is_big_endian: false, shape: vec![5] });
        let text = "{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3), }";
        assert_eq!(
            Header::parse(text).unwrap(),
            Header { kind: 'u', width: 1, is_fortran: true, is_big_endian: false, shape: vec![2, 3] }
        );
    }

    #[test]
    fn what_is_neither_plain_numbers_nor_text_is_refused() {
        for descr in ["|O", "<U0", "<c8", ">c8", "<f3"] {
            let fault = Header::read(&mut &npy(descr, &[1], b"")[..]).unwrap_err();
            assert!(fault.contains("neither plain numbers nor text"), "{fault}");
        }
    }

    #[test]
    fn texts_of_code_points_and_of_bytes_are_read_without_what_fills_them_up() {
        let wide: Vec<u8> = "cat\0\0犬\0\0\0\0".chars().flat_map(|letter| u32::from(letter).to_le_bytes()).collect();
        assert_eq!(text_dtype("<U5"), Some(('U', 20)));
        assert_eq!(texts('U', 20, &wide).unwrap(), ["cat", "犬"]);
        assert_eq!(text_dtype("|S4"), Some(('S', 4)));
        assert_eq!(texts('S', 4, b"cat\0goat").unwrap(), ["cat", "goat"]);
        assert_eq!((texts('S', 1, b"\xff"), texts('U', 4, &[0xff; 4])), (None, None));
    }

    #[test]
    fn small_numbers_of_any_type_are_read_and_others_are_not() {
        let doubles: Vec<u8> = [3.0_f64, 255.0].iter().flat_map(|n| n.to_le_bytes()).collect();
        assert_eq!(small_numbers('f', 8, &doubles), Some(vec![3, 255]));
        assert_eq!(small_numbers('i', 8, &7_i64.to_le_bytes()), Some(vec![7]));
        assert_eq!(small_numbers('i', 1, &[0xff]), None);
        for (kind, bytes) in [('i', (-1_i64).to_le_bytes()), ('u', 256_u64.to_le_bytes()), ('f', 0.5_f64.to_le_bytes())]
        {
            assert_eq!(small_numbers(kind, 8, &bytes), None);
        }
    }

    #[test]
    fn pixels_from_0_to_1_become_the_nearest_bytes_and_others_are_refused() {
        let floats: Vec<u8> = [0.0_f32, 1.0, 0.5, 1.0 / 255.0].iter().flat_map(|n| n.to_le_bytes()).collect();
        assert_eq!(pixels(4, &floats).unwrap(), [0, 255, 128, 1]);
        assert!(
            pixels(4, &1.5_f32.to_le_bytes())
                .unwrap_err()
                .ends_with("a pixel of 1.5; save pixels as bytes, or as numbers from 0 to 1")
        );
        assert!(pixels(4, &(-2.1_f32).to_le_bytes()).unwrap_err().contains("before they are normalised"));
        assert!(pixels(4, &f32::NAN.to_le_bytes()).is_err());
    }
}
