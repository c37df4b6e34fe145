//! Numbers, texts and lengths as a pickle writes them.

use std::ops::Range;

use super::{ENDS, Machine, NUMBER, Value};

/// Bytes of the longest text that is kept. A text may be named by many others, each of which then copies it.
const LONGEST_TEXT: usize = 255;

impl Machine<'_> {
    pub(super) fn number(&mut self, instruction: u8) -> Result<(), String> {
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
        if instruction == b'G' {
            let mut wide = [0; 8];
            wide.copy_from_slice(bytes);
            self.push(Value::Float(u64::from_be_bytes(wide)));
        } else if length > 8 {
            self.stack.push(NUMBER);
        } else {
            let sign = if is_signed && bytes.last().is_some_and(|b| *b >= 0x80) { 0xff } else { 0 };
            let mut wide = [sign; 8];
            wide[..length].copy_from_slice(bytes);
            self.push(Value::Int(i64::from_le_bytes(wide)));
        }
        Ok(())
    }

    pub(super) fn string(&mut self, instruction: u8) -> Result<(), String> {
        let width = match instruction {
            b'U' | 0x8c => 1,
            0x8d => 8,
            _ => 4,
        };
        let length = self.length(width)?;
        // Python 2 has one type for text and for bytes, as of a NumPy array.
        match std::str::from_utf8(self.take(length)?).map(str::to_owned) {
            Ok(text) if length <= LONGEST_TEXT => self.push(Value::Text(text)),
            Ok(_) => self.push(Value::LongText(self.last(length))),
            Err(_) => self.push(Value::Bytes(self.last(length))),
        }
        Ok(())
    }

    /// A little-endian length of `width` bytes.
    pub(super) fn length(&mut self, width: usize) -> Result<usize, String> {
        let mut wide = [0; 8];
        wide[..width].copy_from_slice(self.take(width)?);
        usize::try_from(u64::from_le_bytes(wide)).map_err(|_| ENDS.into())
    }

    pub(super) fn line(&mut self) -> Result<String, String> {
        let length = self.rest.iter().position(|b| *b == b'\n').ok_or(ENDS)?;
        let line = std::str::from_utf8(self.take(length)?).map_err(|_| "holds a name that is not UTF-8")?.to_owned();
        self.skip(1)?;
        Ok(line)
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&[u8], String> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(ENDS)?;
        self.rest = rest;
        Ok(taken)
    }

    /// Where the bytes lie that were taken last, so many.
    pub(super) fn last(&self, length: usize) -> Range<usize> {
        let end = self.length - self.rest.len();
        end - length..end
    }

    pub(super) fn skip(&mut self, length: usize) -> Result<(), String> {
        self.take(length).map(|_| ())
    }

    pub(super) fn byte(&mut self) -> Result<u8, String> {
        Ok(self.take(1)?[0])
    }
}
