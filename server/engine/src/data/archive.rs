//! Walks through a tar archive from anywhere without ever unpacking it to disk, and trusts nothing in it.

use std::{
    cell::Cell,
    fs::File,
    io::{self, BufReader, Read},
    ops::ControlFlow,
    path::Path,
    rc::Rc,
};

use flate2::bufread::MultiGzDecoder;

use super::progress::Progress;
use crate::{EngineError, Result};

/// How much an archive may hold, so that a hostile one cannot fill the memory or keep us busy for ever.
#[derive(Clone, Copy, Debug)]
struct Limits {
    members: usize,
    bytes: u64,
}

const LIMITS: Limits = Limits { members: 1_000_000, bytes: 8 << 30 };
/// What long names and other extended headers before one member may take.
const HEADERS: u64 = 1 << 20;

/// A file or folder of an archive.
pub(super) struct Member<'a> {
    /// The parts of its name; none is `..`, and the name was not absolute.
    pub parts: Vec<String>,
    /// Whether it is a folder.
    pub is_folder: bool,
    size: u64,
    content: &'a mut dyn Read,
}

impl Member<'_> {
    /// Its name.
    pub fn name(&self) -> String {
        self.parts.join("/")
    }

    /// Its content, refused before it is read when it is longer than `limit` bytes.
    pub fn read(&mut self, limit: usize) -> Result<Vec<u8>> {
        if self.size > limit as u64 {
            let (name, size) = (self.name(), self.size);
            return Err(EngineError::Data(format!("{name} has {size} bytes; at most {limit} are expected of it")));
        }
        let mut bytes = Vec::with_capacity(self.size as usize);
        self.content
            .read_to_end(&mut bytes)
            .map_err(|e| EngineError::Data(format!("{} cannot be read out of the archive: {e}", self.name())))?;
        Ok(bytes)
    }
}

/// Shows every file and folder of the `.tar`, `.tar.gz` or `.tgz` at `path` to `visit`, until that breaks off.
///
/// # Errors
/// When the archive is damaged, holds a link or a device, a name that leads out of it, or more than a dataset would.
pub(super) fn walk(
    path: &Path,
    progress: &mut dyn FnMut(Progress),
    visit: &mut dyn FnMut(&mut Member<'_>) -> Result<ControlFlow<()>>,
) -> Result<()> {
    walk_within(LIMITS, path, progress, visit)
}

fn walk_within(
    limits: Limits,
    path: &Path,
    progress: &mut dyn FnMut(Progress),
    visit: &mut dyn FnMut(&mut Member<'_>) -> Result<ControlFlow<()>>,
) -> Result<()> {
    let shown = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let refuse = |fault: String| EngineError::Data(format!("the archive {shown} {fault}"));
    let damaged = |e: io::Error| refuse(format!("is damaged or not a .tar, .tar.gz or .tgz file: {e}"));

    let file = File::open(path).map_err(|e| EngineError::io(path, e))?;
    let total = file.metadata().map_err(|e| EngineError::io(path, e))?.len();
    let (read, allowance) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let mut file = BufReader::new(Counted { inner: file, count: Rc::clone(&read) });
    let gzipped = io::BufRead::fill_buf(&mut file).map_err(|e| EngineError::io(path, e))?.starts_with(&[0x1f, 0x8b]);
    let plain: Box<dyn Read> = if gzipped { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
    let mut tar = tar::Archive::new(Metered { inner: plain, allowance: Rc::clone(&allowance) });

    let (mut members, mut bytes) = (0, 0_u64);
    let mut size = 0;
    let mut entries = tar.entries().map_err(damaged)?;
    loop {
        // What is left of the member before is skipped now, and then come the headers of the next one.
        allowance.set(size + HEADERS);
        let Some(entry) = entries.next() else { break };
        let mut entry = entry.map_err(damaged)?;
        let kind = entry.header().entry_type();
        size = entry.size();
        if kind.is_pax_global_extensions() {
            continue;
        }
        members += 1;
        bytes = bytes.saturating_add(size);
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if members > limits.members {
            return Err(refuse(format!("holds more than {} files; nothing was imported", limits.members)));
        }
        if bytes > limits.bytes {
            let limit = limits.bytes;
            return Err(refuse(format!("unpacks to more than {limit} bytes, at {name:?}; nothing was imported")));
        }
        if !(kind.is_file() || kind.is_dir()) {
            return Err(refuse(format!(
                "holds {name:?}, which is a link or a device: pack plain files only (`tar --dereference`)"
            )));
        }
        let parts = safe_parts(&entry.path_bytes())
            .ok_or_else(|| refuse(format!("holds the name {name:?}, which leads out of it; nothing was imported")))?;
        allowance.set(size + HEADERS);
        let mut member = Member { parts, is_folder: kind.is_dir(), size, content: &mut entry };
        if !member.parts.is_empty() && visit(&mut member)?.is_break() {
            return Ok(());
        }
        if members % 500 == 1 {
            progress(Progress::bytes("reading", read.get(), total));
        }
    }
    // Behind the last member lies padding only; reading it checks the checksum of the compressed stream.
    allowance.set(HEADERS);
    io::copy(&mut tar.into_inner(), &mut io::sink()).map_err(damaged)?;
    progress(Progress::bytes("reading", total, total));
    Ok(())
}

/// The parts of a member's name, unless it is absolute, contains `..` or is not text.
fn safe_parts(name: &[u8]) -> Option<Vec<String>> {
    let name = str::from_utf8(name).ok()?;
    let parts = name.split('/').filter(|part| !part.is_empty() && *part != ".");
    let hostile = name.starts_with('/') || name.contains(['\0', '\\']) || name.split('/').any(|part| part == "..");
    (!hostile).then(|| parts.map(str::to_owned).collect())
}

/// Counts the bytes that pass.
struct Counted<R> {
    inner: R,
    count: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.count.set(self.count.get() + n as u64);
        Ok(n)
    }
}

/// Fails when more is read than is allowed at this point: the tar reader keeps long names and extended headers in
/// memory, however long they claim to be.
struct Metered<R> {
    inner: R,
    allowance: Rc<Cell<u64>>,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        let left = self.allowance.get().checked_sub(n as u64);
        self.allowance.set(left.ok_or_else(|| io::Error::other("its headers are too long"))?);
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write};

    use flate2::{Compression, write::GzEncoder};

    use super::*;
    use crate::data::testing::{append, tar_gz};

    fn names_within(limits: Limits, archive: &[u8]) -> Result<Vec<String>> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.tar.gz");
        fs::write(&path, archive).unwrap();
        let mut names = Vec::new();
        walk_within(limits, &path, &mut |_| {}, &mut |member| {
            names.push(member.name());
            member.read(100)?;
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(names)
    }

    fn names(archive: &[u8]) -> Result<Vec<String>> {
        names_within(LIMITS, archive)
    }

    fn files(names: &[&str]) -> Vec<(String, Vec<u8>)> {
        names.iter().map(|name| ((*name).to_owned(), vec![1; 10])).collect()
    }

    #[test]
    fn members_are_shown_with_plain_names_whether_compressed_or_not() {
        let gz = tar_gz(&files(&["./train/cat/1.png", "test/x"]));
        assert_eq!(names(&gz).unwrap(), ["train/cat/1.png", "test/x"]);
        let mut tar = Vec::new();
        MultiGzDecoder::new(&gz[..]).read_to_end(&mut tar).unwrap();
        assert_eq!(names(&tar).unwrap(), ["train/cat/1.png", "test/x"]);
    }

    #[test]
    fn a_name_that_leads_out_of_the_archive_is_refused() {
        for hostile in ["../evil", "train/../../evil", "/etc/evil", "train/..", "a\\..\\evil"] {
            let message = names(&tar_gz(&files(&["train/ok", hostile]))).unwrap_err().to_string();
            assert!(message.contains("a.tar.gz") && message.contains("leads out"), "{hostile}: {message}");
        }
    }

    #[test]
    fn links_and_devices_are_refused() {
        for kind in [tar::EntryType::Symlink, tar::EntryType::Link, tar::EntryType::Char, tar::EntryType::Fifo] {
            let mut tar = tar::Builder::new(Vec::new());
            append(&mut tar, "train/cat/1.png", kind, b"");
            let message = names(&tar.into_inner().unwrap()).unwrap_err().to_string();
            assert!(message.contains("\"train/cat/1.png\", which is a link or a device"), "{message}");
        }
    }

    #[test]
    fn more_files_or_bytes_than_a_dataset_has_are_refused() {
        let archive = tar_gz(&files(&["a", "b", "c"]));
        assert_eq!(names_within(Limits { members: 3, bytes: 30 }, &archive).unwrap().len(), 3);
        let message = names_within(Limits { members: 2, bytes: 30 }, &archive).unwrap_err().to_string();
        assert!(message.contains("more than 2 files"), "{message}");
        let message = names_within(Limits { members: 3, bytes: 29 }, &archive).unwrap_err().to_string();
        assert!(message.contains("more than 29 bytes"), "{message}");
    }

    #[test]
    fn a_huge_member_is_refused_by_its_header_before_it_is_read() {
        let mut header = tar::Header::new_gnu();
        header.set_path("train/cat/1.png").unwrap();
        header.set_size(1 << 32);
        header.set_cksum();
        let message = names(header.as_bytes()).unwrap_err().to_string();
        assert!(message.contains("train/cat/1.png has 4294967296 bytes"), "{message}");
    }

    #[test]
    fn a_long_name_that_would_fill_the_memory_is_refused() {
        let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        append(&mut tar, "long", tar::EntryType::GNULongName, &vec![b'a'; 4 << 20]);
        append(&mut tar, "x", tar::EntryType::Regular, b"");
        let message = names(&tar.into_inner().unwrap().finish().unwrap()).unwrap_err().to_string();
        assert!(message.contains("headers are too long"), "{message}");
    }

    #[test]
    fn an_archive_that_was_cut_short_is_refused() {
        let archive = tar_gz(&files(&["a", "b"]));
        for cut in [archive.len() - 4, archive.len() / 2] {
            let message = names(&archive[..cut]).unwrap_err().to_string();
            assert!(message.contains("damaged") || message.contains("cannot be read"), "{message}");
        }
    }

    #[test]
    fn a_file_that_is_no_archive_is_refused() {
        let mut zip = Vec::from(*b"PK\x03\x04");
        zip.write_all(&[7; 2_000]).unwrap();
        assert!(names(&zip).unwrap_err().to_string().contains("not a .tar, .tar.gz or .tgz"));
    }
}
