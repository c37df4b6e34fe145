//! Writing tar archives file by file, and putting files in their places.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::Path,
};

use anyhow::{Context, Result};
use jiff::Timestamp;
use tar::{Builder, EntryType, Header};

/// Adds a file, if it is there, as long as it is at this moment: its owner may append to it meanwhile.
///
/// # Errors
/// When it cannot be read, or the archive not be written.
pub fn add_file(archive: &mut Builder<impl Write>, name: &str, path: &Path) -> Result<()> {
    let file = match File::open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        file => file.with_context(|| format!("reading {}", path.display()))?,
    };
    let about = file.metadata()?;
    if about.is_file() {
        add(archive, name, file.take(about.len()), about.len())
            .with_context(|| format!("keeping {}", path.display()))?;
    }
    Ok(())
}

/// Adds `length` bytes under a name.
///
/// # Errors
/// When they cannot be read, or the archive not be written.
pub fn add(archive: &mut Builder<impl Write>, name: &str, bytes: impl Read, length: u64) -> Result<()> {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_size(length);
    header.set_mode(0o600);
    header.set_mtime(Timestamp::now().as_second().unsigned_abs());
    archive.append_data(&mut header, name, bytes)?;
    Ok(())
}

/// Renames a synced file or folder into another folder, so that it stays there after a power cut.
///
/// # Errors
/// When the disk refuses.
pub fn put(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    to.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}
