//! Checkpoints that `torch.save` wrote in its zip format: a pickle that names the tensors, and a file with the numbers of
//! each storage.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufReader, Read},
};

use candle_core::DType;
use zip::{CompressionMethod, ZipArchive, read::ZipFile, result::ZipError};

use super::{
    file::{Contents, Declared, Source, Where},
    pickle::{Pickle, Place, Value},
    shown,
};

/// The archive, from which numbers are read when they are asked for.
pub type Archive = ZipArchive<BufReader<File>>;

/// Bytes of the largest pickle that is read. That of a ResNet-18 with its optimiser takes 60 kB.
const LARGEST_PICKLE: u64 = 8 << 20;

/// Dimensions of the tensors that are read. No weights have more than four.
const MOST_DIMENSIONS: usize = 8;

/// The keys under which training scripts keep the weights beside other things (methods.md §6).
const CONTAINERS: [&str; 3] = ["net", "model", "state_dict"];

/// How to save what can be read.
pub const SAVE: &str = "in PyTorch, save the weights alone: torch.save(net.state_dict(), path)";

/// Reads what a checkpoint declares; no numbers yet.
///
/// # Errors
/// In words that follow the file's name.
pub fn open(file: File) -> Result<(Contents, Source), String> {
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|e| zip_fault(&e))?;
    let names = archive.file_names().filter_map(Result::ok);
    let mut pickles: Vec<String> = names.filter(|n| n.split_once('/').is_some_and(is_pickle)).map(Into::into).collect();
    let Some(name) = pickles.pop().filter(|_| pickles.is_empty()) else {
        return Err(format!("this zip archive is no PyTorch checkpoint, as it does not hold one data.pkl: {SAVE}"));
    };
    let root = name.trim_end_matches("data.pkl");
    let byte_order = entry(&mut archive, &format!("{root}byteorder"), 16)?;
    if byte_order.is_some_and(|order| order != b"little") {
        return Err("its numbers have their most significant byte first: save it again on a usual machine".into());
    }
    let bytes = entry(&mut archive, &name, LARGEST_PICKLE)?.unwrap_or_default();
    let pickle =
        Pickle::parse(&bytes).map_err(|fault| format!("its pickle {fault}: copy the file again, or {SAVE}"))?;
    Ok((contents(&pickle, root)?, Source::Torch(Box::new(archive))))
}

/// Whether these are the folder and the name of a checkpoint's pickle. `torch.save` names the folder after the file.
fn is_pickle((folder, name): (&str, &str)) -> bool {
    name == "data.pkl" && folder.len() <= 255
}

/// A file of the archive; none where there is no such file.
fn find<'a>(archive: &'a mut Archive, name: &str) -> Result<Option<ZipFile<'a, BufReader<File>>>, String> {
    match archive.by_name(name) {
        Ok(file) if file.compression() != CompressionMethod::Stored => Err(COMPRESSED.into()),
        Ok(file) => Ok(Some(file)),
        Err(ZipError::FileNotFound) => Ok(None),
        Err(e) => Err(zip_fault(&e)),
    }
}

/// A small file of the archive, as a whole; none where there is no such file.
fn entry(archive: &mut Archive, name: &str, largest: u64) -> Result<Option<Vec<u8>>, String> {
    let Some(file) = find(archive, name)? else { return Ok(None) };
    let mut bytes = Vec::new();
    let size = file.take(largest + 1).read_to_end(&mut bytes).map_err(|e| damaged(&e))?;
    if size as u64 > largest {
        return Err(format!("its {} is larger than {largest} bytes: {SAVE}", shown(name)));
    }
    Ok(Some(bytes))
}

/// The state dict in a pickle, taken out of the containers around it.
fn contents(pickle: &Pickle, root: &str) -> Result<Contents, String> {
    let mut contents = Contents::default();
    let mut at = pickle.root();
    while let Some(entries) = pickle.dict(at) {
        let inner = CONTAINERS.iter().find_map(|container| {
            let is_it = |(key, value): &&(Place, Place)| {
                pickle.text(*key) == Some(container) && pickle.dict(*value).is_some() && *value != at
            };
            Some((*container, entries.iter().rev().find(is_it)?.1))
        });
        // A dict may hold itself; nobody nests containers deeper than this.
        let Some((container, inside)) = inner.filter(|_| contents.containers.len() < 4) else { break };
        let others = entries.iter().filter_map(|(key, _)| pickle.text(*key)).filter(|key| *key != container);
        contents.beside.extend(others.map(str::to_owned));
        contents.containers.push(container.into());
        at = inside;
    }
    let Some(entries) = pickle.dict(at) else {
        let is_object = matches!(pickle.value(at), Value::Call(..));
        let why = if is_object { ", whose code Retort does not run" } else { " and no weights by name" };
        return Err(format!("it holds {}{why}: {SAVE}", pickle.describe(at)));
    };
    for (key, value) in entries {
        let key = pickle.text(*key).map_or_else(|| pickle.describe(*key), str::to_owned);
        // As in Python, the last of two equal keys counts.
        if let Some(tensor) = declared(pickle, *value, root) {
            contents.others.remove(&key);
            contents.tensors.insert(key, tensor);
        } else {
            contents.tensors.remove(&key);
            contents.others.insert(key, pickle.describe(*value));
        }
    }
    if contents.tensors.is_empty() {
        return Err(format!("it holds no tensors by name, but {}: {SAVE}", listed(&contents.others)));
    }
    Ok(contents)
}

/// The first keys with what they hold.
fn listed(others: &BTreeMap<String, String>) -> String {
    let first: Vec<_> = others.iter().take(10).map(|(key, what)| format!("{} ({what})", shown(key))).collect();
    match others.len() {
        0 => "an empty dict".into(),
        n if n > first.len() => format!("{} and {} more", first.join(", "), n - first.len()),
        _ => first.join(", "),
    }
}

/// The tensor that a call rebuilds; none for anything else, and for a tensor that is stored in another way (quantised,
/// sparse, with a pending negation).
fn declared(pickle: &Pickle, at: Place, root: &str) -> Option<Declared> {
    let (mut function, mut arguments) = pickle.call(at)?;
    if function == "torch._tensor._rebuild_from_type_v2" {
        let [inner, _, inner_arguments, _] = pickle.tuple(arguments)? else { return None };
        let Value::Global(name) = pickle.value(*inner) else { return None };
        (function, arguments) = (name, *inner_arguments);
    }
    if function == "torch._utils._rebuild_parameter" {
        (function, arguments) = pickle.call(*pickle.tuple(arguments)?.first()?)?;
    }
    let [storage, offset, shape, strides, rest @ ..] = pickle.tuple(arguments)? else { return None };
    let has_metadata = rest.get(2).is_some_and(|at| pickle.dict(*at).is_none_or(|dict| !dict.is_empty()));
    if function != "torch._utils._rebuild_tensor_v2" || has_metadata {
        return None;
    }
    let Value::Persistent(id) = pickle.value(*storage) else { return None };
    let [_, class, key, ..] = pickle.tuple(*id)? else { return None };
    let Value::Global(class) = pickle.value(*class) else { return None };
    let dtype = match class.strip_prefix("torch.")? {
        "FloatStorage" => DType::F32,
        "DoubleStorage" => DType::F64,
        "HalfStorage" => DType::F16,
        "BFloat16Storage" => DType::BF16,
        "LongStorage" => DType::I64,
        "IntStorage" => DType::I32,
        "ShortStorage" => DType::I16,
        "ByteStorage" => DType::U8,
        _ => return None,
    };
    let counts = |at: Place| {
        let parts = pickle.tuple(at).filter(|parts| parts.len() <= MOST_DIMENSIONS)?;
        parts.iter().map(|at| pickle.count(*at)).collect::<Option<Vec<_>>>()
    };
    let (shape, strides) = (counts(*shape)?, counts(*strides)?);
    let place = Where::Entry(format!("{root}data/{}", pickle.text(*key)?));
    (shape.len() == strides.len()).then_some(Declared { dtype, shape, strides, offset: pickle.count(*offset)?, place })
}

/// Reads `length` bytes of a storage from the byte `start` on.
///
/// # Errors
/// In words, when the storage is missing, compressed, shorter, or damaged.
pub fn read(archive: &mut Archive, name: &str, start: u64, length: usize) -> Result<Vec<u8>, String> {
    let mut file = find(archive, name)?.ok_or("its numbers are not in the file")?;
    let size = file.size();
    if start.checked_add(length as u64).is_none_or(|end| end > size) {
        return Err(format!("it needs more numbers than its {size} bytes of storage hold"));
    }
    io::copy(&mut file.by_ref().take(start), &mut io::sink()).map_err(|e| damaged(&e))?;
    let mut bytes = Vec::with_capacity(length);
    file.by_ref().take(length as u64).read_to_end(&mut bytes).map_err(|e| damaged(&e))?;
    if start == 0 && length as u64 == size {
        // At a storage's end the archive compares its checksum.
        file.read(&mut [0]).map_err(|e| damaged(&e))?;
    }
    if bytes.len() == length { Ok(bytes) } else { Err("its storage is cut off: copy the file again".into()) }
}

const COMPRESSED: &str = "its parts are compressed, which torch.save never does: save it again with torch.save";

fn damaged(e: &io::Error) -> String {
    format!("it is damaged ({e}): copy or download it again")
}

fn zip_fault(e: &ZipError) -> String {
    match e {
        ZipError::UnsupportedArchive(_) | ZipError::CompressionMethodNotSupported(_) => COMPRESSED.into(),
        e => format!("it is cut off or damaged ({e}): copy or download it again"),
    }
}
