//! Zip archives. Their directory is read first, and then each file where it lies.

use std::io::{self, BufReader, Read};

use zip::{
    ZipArchive,
    read::{ArchiveOffset, Config},
    result::ZipError,
};

use super::{Container, Member, MemberKind, Progress, Visit, Watch};
use crate::Result;

/// Shows every member of the archive to `visit`.
pub(super) fn walk(container: &Container, watch: &mut Watch<'_>, visit: &mut Visit<'_>) -> Result<()> {
    let damaged = |e: ZipError| container.refuse(&format!("is damaged, or no zip archive: {e}"));
    let file = BufReader::with_capacity(1 << 16, container.file()?);
    // An archive begins where its file begins. Looking for another beginning is guessing, and can find a wrong one.
    let config = Config { archive_offset: ArchiveOffset::Known(0) };
    let mut archive = ZipArchive::with_config(config, file).map_err(damaged)?;
    let mut tally = container.tally();
    let total = archive.len();
    if total > container.limits.members {
        let fault = format!("holds more than {} files; nothing was imported", container.limits.members);
        return Err(container.refuse(&fault));
    }
    for i in 0..total {
        let mut file = archive.by_index(i).map_err(|e| match e {
            e @ (ZipError::UnsupportedArchive(_) | ZipError::CompressionMethodNotSupported(_)) => {
                container.refuse(&format!("holds a file that cannot be unpacked ({e}): pack it as a plain zip file"))
            }
            e => damaged(e),
        })?;
        // Old Windows tools wrote backslashes between folders.
        let name = file.name().map_err(damaged)?.replace('\\', "/");
        let size = file.size();
        tally.add(&name, size)?;
        let parts = tally.parts(&name)?;
        if file.is_symlink() {
            let fault =
                format!("holds {name:?}, a symbolic link, which an archive cannot bring along: pack the file itself");
            return Err(container.refuse(&fault));
        }
        let kind = if file.is_dir() { MemberKind::Folder } else { MemberKind::File };
        let mut content = Exact { inner: &mut file, left: size };
        let mut member = Member { parts, kind, size, content: &mut content };
        if !member.parts.is_empty() && visit(&mut member)?.is_break() {
            return Ok(());
        }
        if tally.is_turn_to_report() {
            Progress::files("reading", i, total).tell(watch)?;
        }
    }
    Progress::files("reading", total, total).tell(watch)
}

/// Fails when more comes than was promised. The end is read too: there the checksum is compared.
struct Exact<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Exact<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        let left = self.left.checked_sub(n as u64);
        self.left = left.ok_or_else(|| io::Error::other("it is longer than the archive says"))?;
        Ok(n)
    }
}
