//! Bare pickles of NumPy's arrays, as `pickle.dump` writes them.

use std::{fs::File, io::Read};

use super::{
    contents::{Contents, Format, Place},
    declared::Numbers,
    dictionaries,
    file::{Source, Storages},
    kinds,
    pickle::Pickle,
    torch::{LARGEST_PICKLE, SAVE},
};

/// Reads what a file declares that begins with `start`.
///
/// # Errors
/// In words that follow the file's name: what it is, when no arrays are in it.
pub fn open(file: File, start: &[u8]) -> Result<(Contents, Source), String> {
    let mut bytes = Vec::new();
    (&file).take(LARGEST_PICKLE + 1).read_to_end(&mut bytes).map_err(|e| format!("it cannot be read ({e})"))?;
    if bytes.len() as u64 > LARGEST_PICKLE {
        return Err(format!("it is a pickle of more than {LARGEST_PICKLE} bytes: {SAVE}"));
    }
    let unread = |fault: &str| format!("{}{fault}: {}", kinds::name(start), kinds::way_out(start));
    let pickle = Pickle::parse(&bytes).map_err(|fault| unread(&format!(", and {fault}")))?;
    // There are no storages beside it.
    let numbers = Numbers { storages: &|_| Place::Bytes { start: 0, length: 0 }, bytes: &bytes };
    let [dictionaries, together, normalisers] = dictionaries::find(&pickle, &numbers).map_err(|_| unread(""))?;
    let contents = Contents { format: Format::NumPy, dictionaries, together, normalisers, header: None };
    let source = Source::new(Storages::Plain(file), &contents, pickle, bytes);
    Ok((contents, source))
}
