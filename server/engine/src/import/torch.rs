//! Checkpoints that `torch.save` wrote in its zip format: a pickle that names the tensors, and a file with the numbers of
//! each storage.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
};

use zip::{
    CompressionMethod, ZipArchive,
    read::{ArchiveOffset, Config, ZipFile},
    result::ZipError,
};

use super::{
    contents::{Contents, Format, Place},
    declared::Numbers,
    dictionaries,
    file::{Source, Storages},
    pickle::Pickle,
    shown,
};

/// The archive, from which numbers are read when they are asked for.
pub type Archive = ZipArchive<BufReader<File>>;

/// Bytes of the largest pickle that is read. That of a ResNet-18 with its optimiser takes 60 kB, a history of a million
/// losses 10 MB. NumPy's arrays lie in the pickle itself, in as many bytes and a half where PyTorch writes them.
pub const LARGEST_PICKLE: u64 = 512 << 20;

/// How to save what can be read.
pub const SAVE: &str = "in PyTorch, save the weights alone: torch.save(net.state_dict(), path)";

/// Reads what a checkpoint declares; no numbers yet.
///
/// # Errors
/// In words that follow the file's name.
pub fn open(file: File) -> Result<(Contents, Source), String> {
    // PyTorch's archives begin with the file. Where they begin is not to be guessed, as behind their directory lie 76 bytes
    // that the directory's end does not tell of, and a directory whose first entry takes 76 bytes then seems to begin later.
    let config = Config { archive_offset: ArchiveOffset::Known(0) };
    let mut archive = ZipArchive::with_config(config, BufReader::new(file)).map_err(|e| zip_fault(&e))?;
    let names: Vec<String> = archive.file_names().filter_map(Result::ok).map(Into::into).collect();
    let is_program = names.iter().any(|name| name.split_once('/').is_some_and(|(_, name)| name == "constants.pkl"));
    if is_program {
        return Err(format!("it is a TorchScript program, which Retort does not run: {SAVE}"));
    }
    let mut pickles = names.iter().filter(|n| n.split_once('/').is_some_and(is_pickle));
    let (Some(name), None) = (pickles.next(), pickles.next()) else { return Err(other_archive(&names)) };
    let root = name.trim_end_matches("data.pkl");
    let byte_order = entry(&mut archive, &format!("{root}byteorder"), 16)?;
    if byte_order.is_some_and(|order| order != b"little") {
        return Err("its numbers have their most significant byte first: save it again on a usual machine".into());
    }
    let bytes = entry(&mut archive, name, LARGEST_PICKLE)?.unwrap_or_default();
    let pickle =
        Pickle::parse(&bytes).map_err(|fault| format!("its pickle {fault}: copy the file again, or {SAVE}"))?;
    let numbers = Numbers { storages: &|key| Place::Entry(format!("{root}data/{key}")), bytes: &bytes };
    let [dictionaries, together, normalisers] =
        dictionaries::find(&pickle, &numbers).map_err(|what| format!("it holds {what}: {SAVE}"))?;
    let contents = Contents { format: Format::PyTorch, dictionaries, together, normalisers, header: None };
    let source = Source::new(Storages::Archive(Box::new(archive)), &contents, pickle, bytes);
    Ok((contents, source))
}

/// What a zip archive is that is no checkpoint of PyTorch.
fn other_archive(names: &[String]) -> String {
    let inside = |endings: &[&str]| names.iter().find(|name| endings.iter().any(|ending| name.ends_with(ending)));
    if let Some(name) = inside(&[".pt", ".pth", ".tar", ".t7", ".ckpt", ".bin", ".safetensors"]) {
        if name.contains("sample_inputs") {
            return "it is a program of torch.export, which Retort does not run: load it with torch.export.load, and save its \
                    state_dict with torch.save"
                .into();
        }
        return format!("it is a zip archive around {}: unpack it, and take that file", shown(name));
    }
    if inside(&[".npy"]).is_some() {
        return "it holds arrays of NumPy: in Python, torch.save({key: torch.from_numpy(arrays[key]) for key in arrays}, \
                path) makes a checkpoint of them"
            .into();
    }
    format!("this zip archive is no PyTorch checkpoint, as it does not hold one data.pkl: {SAVE}")
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
    let mut bytes = Vec::with_capacity(length);
    if start == 0 && length as u64 == size {
        file.by_ref().take(length as u64).read_to_end(&mut bytes).map_err(|e| damaged(&e))?;
        // At a storage's end the archive compares its checksum.
        file.read(&mut [0]).map_err(|e| damaged(&e))?;
    } else {
        drop(file);
        let mut file = archive.by_name_seek(name).map_err(|e| zip_fault(&e))?;
        file.seek(SeekFrom::Start(start)).map_err(|e| damaged(&e))?;
        file.take(length as u64).read_to_end(&mut bytes).map_err(|e| damaged(&e))?;
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
        // The crate's own words are those of zip archives.
        _ => "it is cut off or damaged: copy or download it again".into(),
    }
}
