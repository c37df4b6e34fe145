//! Tar archives, compressed or not, read as a stream.

use std::{
    cell::Cell,
    io::{self, BufReader, Read},
    rc::Rc,
};

use super::{Compression, Container, Counted, Member, MemberKind, Progress, Visit, Watch};
use crate::Result;

/// What long names and other extended headers before one member may take.
const HEADERS: u64 = 1 << 20;

/// Shows every member of the archive to `visit`.
pub(super) fn walk(
    container: &Container,
    compression: Compression,
    watch: &mut Watch<'_>,
    visit: &mut Visit<'_>,
) -> Result<()> {
    let damaged = |e: io::Error| {
        // The tar reader puts the bytes that it could not read into its words.
        let words = e.to_string();
        let fault = if words.contains("numeric field") { "what should be a header is none" } else { words.as_str() };
        container.refuse(&format!("is damaged, or no tar archive: {fault}"))
    };
    let file = container.file()?;
    let total = container.size()?;
    let (read, allowance) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let plain = compression.unpack(BufReader::with_capacity(1 << 16, Counted { inner: file, count: Rc::clone(&read) }));
    let mut tar = tar::Archive::new(Metered { inner: plain, allowance: Rc::clone(&allowance) });

    let mut tally = container.tally();
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
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        tally.add(&name, size)?;
        let parts = tally.parts(&name)?;
        let kind = if kind.is_file() || kind.is_contiguous() {
            MemberKind::File
        } else if kind.is_dir() {
            MemberKind::Folder
        } else {
            let target = entry.link_name_bytes().map(|name| String::from_utf8_lossy(&name).into_owned());
            match target {
                Some(target) if kind.is_hard_link() => MemberKind::HardLink(tally.parts(&target)?),
                Some(target) if kind.is_symlink() => {
                    return Err(container.refuse(&format!(
                        "holds {name:?}, a symbolic link to {target:?}, which an archive cannot bring along: pack the \
                         files themselves (`tar --dereference`)"
                    )));
                }
                _ => {
                    let fault = format!("holds {name:?}, which is a device or no plain file: pack plain files only");
                    return Err(container.refuse(&fault));
                }
            }
        };
        allowance.set(size + HEADERS);
        let mut member = Member { parts, kind, size, content: &mut entry };
        if !member.parts.is_empty() && visit(&mut member)?.is_break() {
            return Ok(());
        }
        if tally.is_turn_to_report() {
            Progress::bytes("reading", read.get(), total).tell(watch)?;
        }
    }
    // Behind the last member lies padding only; reading it checks the checksum of the compressed stream.
    allowance.set(HEADERS);
    io::copy(&mut tar.into_inner(), &mut io::sink()).map_err(damaged)?;
    Progress::bytes("reading", total, total).tell(watch)
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
