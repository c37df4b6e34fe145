//! Variables in a file of MATLAB 5 to 7.2 (“MAT-File Level 5 File Format”), read from its bytes and trusted in nothing.

use std::io::Read;

use flate2::read::ZlibDecoder;

/// Bytes before the first element.
const HEADER: usize = 128;
/// Types of elements.
const MATRIX: u32 = 14;
const COMPRESSED: u32 = 15;
/// Bytes of the largest variable that is unpacked: 531,131 images of SVHN's extra part take 1.6 GB.
const MAX_BYTES: u64 = 2 << 30;

/// A variable: numbers in an array of any number of dimensions, the first of which runs fastest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Variable {
    pub name: String,
    pub dimensions: Vec<usize>,
    /// How its numbers are stored: 2 for bytes, 9 for doubles.
    kind: u32,
    data: Vec<u8>,
}

impl Variable {
    /// Its numbers where they are bytes.
    pub fn bytes(&self) -> Option<&[u8]> {
        (self.kind == 2).then_some(&self.data)
    }

    /// Its numbers where they are whole and fit a byte, however they are stored.
    pub fn small_numbers(&self) -> Option<Vec<u8>> {
        fn all<const N: usize>(data: &[u8], number: impl Fn([u8; N]) -> f64) -> Option<Vec<u8>> {
            let small = |n: f64| (0.0..256.0).contains(&n).then_some(n as u8).filter(|small| f64::from(*small) == n);
            data.as_chunks().0.iter().map(|bytes| small(number(*bytes))).collect()
        }
        let data = &self.data;
        match self.kind {
            1 => all(data, |b| i8::from_le_bytes(b).into()),
            2 => Some(data.clone()),
            3 => all(data, |b| i16::from_le_bytes(b).into()),
            4 => all(data, |b| u16::from_le_bytes(b).into()),
            5 => all(data, |b| i32::from_le_bytes(b).into()),
            6 => all(data, |b| u32::from_le_bytes(b).into()),
            7 => all(data, |b| f32::from_le_bytes(b).into()),
            9 => all(data, f64::from_le_bytes),
            12 => all(data, |b| i64::from_le_bytes(b) as f64),
            13 => all(data, |b| u64::from_le_bytes(b) as f64),
            _ => None,
        }
    }
}

/// The variables of a file that are arrays of numbers; others are passed over.
///
/// # Errors
/// In words that follow the file's name.
pub(super) fn variables(bytes: &[u8]) -> Result<Vec<Variable>, String> {
    if bytes.get(126..HEADER) != Some(b"IM") {
        return Err("is no MATLAB file of this kind of machine: its byte order is another".into());
    }
    let mut rest = &bytes[HEADER..];
    let mut variables = Vec::new();
    while !rest.is_empty() {
        let (kind, element) = element(&mut rest)?;
        match kind {
            COMPRESSED => {
                let mut unpacked = Vec::new();
                ZlibDecoder::new(element)
                    .take(MAX_BYTES)
                    .read_to_end(&mut unpacked)
                    .map_err(|e| format!("is damaged: a variable cannot be unpacked ({e})"))?;
                let mut inside = &unpacked[..];
                let (kind, element) = self::element(&mut inside)?;
                if kind == MATRIX {
                    variables.extend(variable(element)?);
                }
            }
            MATRIX => variables.extend(variable(element)?),
            _ => {}
        }
    }
    Ok(variables)
}

/// Takes the next element off `rest`: its type and its content.
fn element<'a>(rest: &mut &'a [u8]) -> Result<(u32, &'a [u8]), String> {
    let cut = || "is damaged: it ends in the middle of a variable".to_owned();
    let (tag, behind) = rest.split_at_checked(8).ok_or_else(cut)?;
    let word = |at: usize| u32::from_le_bytes([tag[at], tag[at + 1], tag[at + 2], tag[at + 3]]);
    // A short element stands in its own tag, with its length in the upper half of the first word.
    let short = (word(0) >> 16) as usize;
    if short > 0 {
        *rest = behind;
        return Ok((word(0) & 0xffff, tag.get(4..4 + short).ok_or_else(cut)?));
    }
    let length = word(4) as usize;
    let (content, behind) = behind.split_at_checked(length).ok_or_else(cut)?;
    // Elements begin at multiples of eight bytes, but those that are compressed.
    let padding = if word(0) == COMPRESSED { 0 } else { length.next_multiple_of(8) - length };
    *rest = behind.get(padding..).unwrap_or_default();
    Ok((word(0), content))
}

/// The variable that a matrix element holds, unless it is no array of real numbers.
fn variable(mut content: &[u8]) -> Result<Option<Variable>, String> {
    /// Classes of arrays: 6 for doubles to 15 for 64-bit whole numbers.
    const NUMBERS: std::ops::RangeInclusive<u8> = 6..=15;
    /// The flag for complex numbers.
    const COMPLEX: u8 = 8;
    let (_, flags) = element(&mut content)?;
    let is_numbers = flags.first().is_some_and(|class| NUMBERS.contains(class));
    if !is_numbers || flags.get(1).is_none_or(|flags| flags & COMPLEX != 0) {
        return Ok(None);
    }
    let (_, dimensions) = element(&mut content)?;
    let dimension = |bytes: &[u8; 4]| usize::try_from(i32::from_le_bytes(*bytes)).unwrap_or_default();
    let dimensions = dimensions.as_chunks().0.iter().map(dimension).collect();
    let (_, name) = element(&mut content)?;
    let name = String::from_utf8_lossy(name).into_owned();
    let (kind, data) = element(&mut content)?;
    Ok(Some(Variable { name, dimensions, kind, data: data.to_vec() }))
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Write;

    use super::*;

    fn tagged(kind: u32, content: &[u8]) -> Vec<u8> {
        let mut bytes = [kind.to_le_bytes(), (content.len() as u32).to_le_bytes()].concat();
        bytes.extend(content);
        if kind != COMPRESSED {
            bytes.resize(bytes.len().next_multiple_of(8), 0);
        }
        bytes
    }

    /// Name, dimensions, class, type of the numbers, numbers.
    type Parts<'a> = (&'a str, &'a [usize], u8, u32, &'a [u8]);

    /// A file of these variables.
    pub fn file(variables: &[Parts<'_>], compressed: bool) -> Vec<u8> {
        let mut bytes = b"MATLAB 5.0 MAT-file, made by a test".to_vec();
        bytes.resize(124, b' ');
        bytes.extend(b"\0\x01IM");
        for (name, dimensions, class, kind, data) in variables {
            let dimensions: Vec<u8> = dimensions.iter().flat_map(|d| (*d as i32).to_le_bytes()).collect();
            // A short name stands in its tag.
            let mut name_element = [1, 0, name.len() as u8, 0].to_vec();
            name_element.extend(name.as_bytes());
            name_element.resize(8, 0);
            let matrix =
                [tagged(6, &[*class, 0, 0, 0, 0, 0, 0, 0]), tagged(5, &dimensions), name_element, tagged(*kind, data)]
                    .concat();
            let matrix = tagged(MATRIX, &matrix);
            if compressed {
                let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
                packed.write_all(&matrix).unwrap();
                bytes.extend(tagged(COMPRESSED, &packed.finish().unwrap()));
            } else {
                bytes.extend(matrix);
            }
        }
        bytes
    }

    #[test]
    fn variables_are_read_compressed_or_not() {
        let doubles: Vec<u8> = [1.0_f64, 10.0].iter().flat_map(|n| n.to_le_bytes()).collect();
        for compressed in [false, true] {
            let file = file(&[("X", &[2, 3], 9, 2, &[1, 2, 3, 4, 5, 6]), ("y", &[2, 1], 6, 9, &doubles)], compressed);
            let read = variables(&file).unwrap();
            assert_eq!((read[0].name.as_str(), &read[0].dimensions[..]), ("X", &[2, 3][..]));
            assert_eq!(read[0].bytes(), Some(&[1, 2, 3, 4, 5, 6][..]));
            assert_eq!((read[1].bytes(), read[1].small_numbers()), (None, Some(vec![1, 10])));
        }
    }

    #[test]
    fn numbers_that_are_no_bytes_are_told_apart() {
        for number in [0.5_f64, -1.0, 256.0, f64::NAN] {
            let file = file(&[("y", &[1, 1], 6, 9, &number.to_le_bytes())], false);
            assert_eq!(variables(&file).unwrap()[0].small_numbers(), None, "{number}");
        }
    }

    #[test]
    fn a_file_that_was_cut_short_is_refused_wherever_it_was_cut() {
        for compressed in [false, true] {
            let whole = file(&[("X", &[2, 3], 9, 2, &[1, 2, 3, 4, 5, 6])], compressed);
            for length in HEADER + 1..whole.len() - 8 {
                assert!(variables(&whole[..length]).is_err(), "{length}");
            }
        }
    }
}
