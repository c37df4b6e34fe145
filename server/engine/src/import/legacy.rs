//! Checkpoints that `torch.save` wrote before PyTorch 1.6: five pickles (a magic number, the version of the format, the
//! machine, the object, the keys of its storages), then the numbers of each storage behind their count.

use std::{
    collections::HashMap,
    fs::File,
    io::{Read, Seek, SeekFrom},
};

use super::{
    contents::{Contents, Format, Place},
    declared::{Numbers, storage_type},
    dictionaries,
    file::{Source, Storages},
    pickle::{Pickle, Value},
    torch::{LARGEST_PICKLE, SAVE},
};

/// The magic number as it is pickled, behind two bytes that tell the protocol.
pub const MAGIC: &[u8] = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";

/// Reads what a file of `length` bytes declares; no numbers yet.
///
/// # Errors
/// In words that follow the file's name.
pub fn open(mut file: File, length: u64) -> Result<(Contents, Source), String> {
    let cut_off = |e: std::io::Error| format!("it is cut off ({e}): copy or download it again");
    let mut bytes = Vec::new();
    file.by_ref().take(LARGEST_PICKLE).read_to_end(&mut bytes).map_err(cut_off)?;
    let mut at = 0;
    let mut next = || {
        let is_cut = bytes.len() as u64 == LARGEST_PICKLE;
        let (pickle, taken) = Pickle::first(&bytes[at..]).map_err(|fault| match fault {
            _ if is_cut => format!("its pickle {fault}, or takes more than {LARGEST_PICKLE} bytes: {SAVE}"),
            _ => format!("its pickle {fault}: copy the file again, or {SAVE}"),
        })?;
        let start = at;
        at += taken;
        Ok::<_, String>((pickle, start))
    };
    let [_magic, _version, (machine, _), (object, start), (keys, end)] = [next()?, next()?, next()?, next()?, next()?];
    let of_object = bytes[start..end].to_vec();
    let is_big = |(key, value): &(usize, usize)| {
        machine.text(*key) == Some("little_endian") && machine.value(*value) == &Value::Bool(false)
    };
    if machine.dict(machine.root()).unwrap_or_default().iter().any(is_big) {
        return Err("its numbers have their most significant byte first: save it again on a usual machine".into());
    }
    let sizes = sizes(&object);
    let mut places = HashMap::new();
    let mut at = at as u64;
    for key in keys.sequence(keys.root()).unwrap_or_default() {
        let Some((key, size)) = keys.text(*key).and_then(|key| Some((key, *sizes.get(key)?))) else {
            return Err(format!("it holds a storage of a type that Retort does not read: {SAVE}"));
        };
        let mut count = [0; 8];
        file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(&mut count)).map_err(cut_off)?;
        let (start, room) = (at + 8, u64::from_le_bytes(count).checked_mul(size as u64));
        let Some(room) = room.filter(|room| start.checked_add(*room).is_some_and(|end| end <= length)) else {
            return Err("it is cut off: its storages are longer than the file; copy or download it again".into());
        };
        places.insert(key.to_owned(), Place::Bytes { start, length: room });
        at = start + room;
    }
    let nowhere = Place::Bytes { start: 0, length: 0 };
    let numbers = Numbers { storages: &|key| places.get(key).unwrap_or(&nowhere).clone(), bytes: &of_object };
    let [dictionaries, together, normalisers] =
        dictionaries::find(&object, &numbers).map_err(|what| format!("it holds {what}: {SAVE}"))?;
    let contents = Contents { format: Format::PyTorchLegacy, dictionaries, together, normalisers, header: None };
    let source = Source::new(Storages::Plain(file), &contents, object, of_object);
    Ok((contents, source))
}

/// The bytes of each storage's numbers, by its key.
fn sizes(object: &Pickle) -> HashMap<&str, usize> {
    object
        .ids()
        .filter_map(|id| {
            let [_, class, key, ..] = object.tuple(id)? else { return None };
            let Value::Global(class) = object.value(*class) else { return None };
            Some((object.text(*key)?, storage_type(class)?.size_in_bytes()))
        })
        .collect()
}
