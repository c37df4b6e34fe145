//! The checkpoints of a run: the newest, and the one before it, each with the checksum of all its bytes.

use std::{fs, io, path::Path, time::Instant};

use candle_core::Device;
use retort_spec::{Event, LogLevel};
use sha2::{Digest, Sha256};

use crate::{EngineError, Result, RunFolder, context::Context, crash_point, data::hex, folder::replace, nn::StateFile};

/// What stands before the checksum, which stands before the state.
const MARK: &str = "sha256:";
/// Hexadecimal digits of a checksum. Zeros stand in their place while it is computed.
const DIGITS: usize = 64;

/// Writes a checkpoint; the newest so far becomes the one before it.
///
/// # Errors
/// When the disk refuses; all older files then stay.
pub(crate) fn save(context: &mut Context, file: StateFile) -> Result<()> {
    let begun = Instant::now();
    write(context.folder, file)?;
    context.checkpoint_written(begun);
    Ok(())
}

fn write(folder: &RunFolder, file: StateFile) -> Result<()> {
    let (newest, before) = (folder.checkpoint(), folder.earlier_checkpoint());
    let state = format!("{MARK}{} {}", "0".repeat(DIGITS), file.state);
    let mut bytes = StateFile { state, ..file }.serialize(&newest)?;
    let place = place_of_checksum(&bytes).ok_or_else(|| EngineError::Data("a checkpoint has no header".into()))?;
    let sum = hex(&Sha256::digest(&bytes));
    bytes[place..place + DIGITS].copy_from_slice(sum.as_bytes());
    replace(&newest, &bytes, || {
        crash_point("checkpoint.beside");
        match fs::rename(&newest, &before) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => crash_point("checkpoint.between"),
        }
        Ok(())
    })?;
    crash_point("checkpoint.written");
    Ok(())
}

/// What `read` makes of the newest checkpoint that is whole; nothing where there is none. Those that are damaged are told in the
/// log: the work since the one before is done again, with the same numbers.
///
/// # Errors
/// When a file that is there cannot be read for a reason that may pass.
pub(crate) fn load<T>(
    context: &mut Context,
    device: &Device,
    read: impl Fn(StateFile) -> Result<T, String>,
) -> Result<Option<T>> {
    let files = [context.folder.checkpoint(), context.folder.earlier_checkpoint()];
    let mut damaged = Vec::new();
    let mut found = None;
    for path in files.iter().filter(|path| path.exists()) {
        match open(path, device) {
            Err(fault) if fault.may_pass() => return Err(fault),
            Err(fault) => damaged.push(fault.to_string()),
            Ok(file) => match read(file) {
                Err(fault) => damaged.push(format!("{}: {fault}", path.display())),
                Ok(read) => {
                    found = Some(read);
                    break;
                }
            },
        }
    }
    for (i, fault) in damaged.iter().enumerate() {
        let goes_on = match &found {
            None if i + 1 == damaged.len() => "There is no other one: the run starts again from the beginning",
            _ => "The run goes on from the one before it",
        };
        let message = format!("A checkpoint is damaged ({fault}). {goes_on}.");
        context.journal.write(Event::Log { level: LogLevel::Warning, message })?;
    }
    Ok(found)
}

/// Removes the checkpoints of a run that is over, which may be many times its model. They only take room; nothing is lost if
/// they stay.
pub(crate) fn remove(folder: &RunFolder) {
    for path in [folder.checkpoint(), folder.earlier_checkpoint()] {
        let _ = fs::remove_file(path);
    }
}

/// Reads a checkpoint whose checksum holds. One that was written before there were checksums has none.
fn open(path: &Path, device: &Device) -> Result<StateFile> {
    let mut bytes = fs::read(path).map_err(|e| EngineError::io(path, e))?;
    if let Some(place) = place_of_checksum(&bytes) {
        let said = bytes[place..place + DIGITS].to_vec();
        bytes[place..place + DIGITS].fill(b'0');
        if hex(&Sha256::digest(&bytes)).as_bytes() != said {
            let fault = "its checksum does not hold".to_owned();
            return Err(EngineError::Model { path: path.to_owned(), fault });
        }
    }
    let mut file = StateFile::deserialize(path, &bytes, device)?;
    if file.state.starts_with(MARK) {
        file.state = file.state.split_off((MARK.len() + DIGITS + 1).min(file.state.len()));
    }
    Ok(file)
}

/// Where in a file its checksum begins.
fn place_of_checksum(bytes: &[u8]) -> Option<usize> {
    let length = usize::try_from(u64::from_le_bytes(*bytes.first_chunk()?)).ok()?;
    let header = bytes.get(8..length.checked_add(8)?)?;
    let place = 8 + header.windows(MARK.len()).position(|window| window == MARK.as_bytes())? + MARK.len();
    (place + DIGITS <= 8 + length).then_some(place)
}

#[cfg(test)]
mod tests {
    use candle_core::Tensor;

    use super::*;
    use crate::nn::Named;

    fn file(state: &str) -> StateFile {
        let tensor = Tensor::new(&[1.0_f32, 2.0, 3.0], &Device::Cpu).unwrap();
        StateFile { tensors: vec![Named { name: "w".into(), tensor }], state: state.into() }
    }

    fn state(path: &Path) -> Result<String> {
        open(path, &Device::Cpu).map(|file| file.state)
    }

    #[test]
    fn the_newest_checkpoint_and_the_one_before_it_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let folder = RunFolder::at(dir.path());
        for i in 1..=3 {
            write(&folder, file(&format!("{{\"epoch\": {i}}}"))).unwrap();
        }
        assert_eq!(state(&folder.checkpoint()).unwrap(), "{\"epoch\": 3}");
        assert_eq!(state(&folder.earlier_checkpoint()).unwrap(), "{\"epoch\": 2}");
        remove(&folder);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let folder = RunFolder::at(dir.path());
        write(&folder, file("{}")).unwrap();
        let path = folder.checkpoint();
        let whole = fs::read(&path).unwrap();
        for i in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[i] ^= 1 << (i % 8);
            fs::write(&path, &flipped).unwrap();
            // Where the mark of the checksum is no more, the state is none either.
            assert_ne!(state(&path).ok().as_deref(), Some("{}"), "byte {i}");
            fs::write(&path, &whole[..i]).unwrap();
            assert!(state(&path).is_err(), "cut at {i}");
        }
    }

    #[test]
    fn a_checkpoint_of_before_there_were_checksums_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("checkpoint.safetensors");
        file("{\"epoch\": 7}").save(&path).unwrap();
        assert_eq!(state(&path).unwrap(), "{\"epoch\": 7}");
    }
}
