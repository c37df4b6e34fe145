//! Shows the files of a folder or an archive one after the other, without ever unpacking one to disk.
//!
//! What a container is shows in its first bytes, never in its name. Nothing in an archive is trusted: what it may hold is
//! limited, and no name leads out of it.

mod compression;
mod folder;
mod tar;
mod zip;

use std::{
    cell::Cell,
    fs::File,
    io::{self, Cursor, Read, Seek},
    ops::ControlFlow,
    path::{Path, PathBuf},
    rc::Rc,
};

use self::compression::Compression;
use super::{
    content::Content,
    options::Links,
    progress::{Progress, Watch},
};
use crate::{EngineError, Result};

/// How much an archive may hold, so that a hostile one cannot fill the memory or keep us busy for ever.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    members: usize,
    bytes: u64,
}

const LIMITS: Limits = Limits { members: 1_000_000, bytes: 8 << 30 };
/// So many bytes of a file tell what it is: a tar archive has its mark at byte 257.
pub(super) const HEAD: usize = 265;

/// A file or folder in a container.
pub(super) struct Member<'a> {
    /// The parts of its name; none is `..`, and the name was not absolute.
    pub parts: Vec<String>,
    /// What it is.
    pub kind: MemberKind,
    /// Bytes of its content, as the container says.
    pub size: u64,
    content: &'a mut dyn Read,
}

/// What a [`Member`] is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum MemberKind {
    File,
    Folder,
    /// The same file as an earlier one, under a second name.
    HardLink(Vec<String>),
    /// Something in a folder that is not read, and why.
    Unreadable(&'static str),
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
        // A file of a folder may have grown meanwhile.
        let read = (&mut *self.content).take(limit as u64).read_to_end(&mut bytes);
        read.map_err(|e| self.unreadable(&e))?;
        Ok(bytes)
    }

    /// Its content, to be read piece by piece.
    pub fn content(&mut self) -> &mut dyn Read {
        self.content
    }

    /// The refusal of a member whose content cannot be read.
    pub fn unreadable(&self, fault: &io::Error) -> EngineError {
        EngineError::Data(format!("{} cannot be read: {fault}", self.name()))
    }
}

/// What a path leads to.
#[derive(Clone, Debug)]
pub(super) struct Container {
    path: PathBuf,
    /// What it holds, where it lies in memory and not at its path.
    bytes: Option<Rc<[u8]>>,
    form: Form,
    links: Links,
    limits: Limits,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Folder,
    /// One file that is no archive.
    File,
    Tar(Compression),
    Zip,
}

trait ReadSeek: Read + Seek {}

impl<T: Read + Seek> ReadSeek for T {}

/// What is done with each member; it breaks off when no more are wanted.
pub(super) type Visit<'a> = dyn FnMut(&mut Member<'_>) -> Result<ControlFlow<()>> + 'a;

impl Container {
    /// Looks at the first bytes of what lies at `path`.
    ///
    /// # Errors
    /// When nothing is there or it cannot be read.
    pub fn open(path: &Path, links: Links) -> Result<Self> {
        let form = if path.is_dir() { Form::Folder } else { form_of(path)? };
        Ok(Self { path: path.to_owned(), bytes: None, form, links, limits: LIMITS })
    }

    /// A zip archive in memory that has this name.
    pub fn zip(name: &str, bytes: Vec<u8>) -> Self {
        let (form, links, limits) = (Form::Zip, Links::Refuse, LIMITS);
        Self { path: name.into(), bytes: Some(bytes.into()), form, links, limits }
    }

    /// What it is, in words: `a tar archive, compressed with gzip`.
    pub fn describe(&self) -> String {
        match self.form {
            Form::Folder => "a folder".into(),
            Form::File => "a file".into(),
            Form::Zip => "a zip archive".into(),
            Form::Tar(compression) => format!("a tar archive{}", compression.words()),
        }
    }

    /// Whether it is a folder.
    pub fn is_folder(&self) -> bool {
        self.form == Form::Folder
    }

    /// The path of a member of a folder.
    pub fn path_of(&self, parts: &[String]) -> PathBuf {
        self.path.join(parts.join("/"))
    }

    /// Shows every member to `visit`, always in the same order while nobody changes the container.
    ///
    /// # Errors
    /// When a folder cannot be read; when an archive is damaged, or holds a symbolic link or a device, a name that leads
    /// out of it, or more than a dataset would; and when `watch` breaks off.
    ///
    /// `what` is what progress is told as.
    pub fn walk(&self, what: &'static str, watch: &mut Watch<'_>, visit: &mut Visit<'_>) -> Result<()> {
        let told = &mut |progress: Progress| watch(Progress { what, ..progress });
        match self.form {
            Form::Folder => folder::walk(&self.path, self.links, told, visit),
            Form::File => self.show_file(visit),
            Form::Tar(compression) => tar::walk(self, compression, told, visit),
            Form::Zip => zip::walk(self, told, visit),
        }
    }

    /// Reads a file of a folder.
    pub fn read_in_folder(&self, parts: &[String], read: &mut dyn FnMut(&mut Member<'_>) -> Result<()>) -> Result<()> {
        let path = self.path_of(parts);
        let mut file = File::open(&path).map_err(|e| EngineError::io(&path, e))?;
        let size = file.metadata().map_err(|e| EngineError::io(&path, e))?.len();
        read(&mut Member { parts: parts.to_vec(), kind: MemberKind::File, size, content: &mut file })
    }

    fn show_file(&self, visit: &mut Visit<'_>) -> Result<()> {
        let mut file = self.file()?;
        let size = self.size()?;
        let parts = vec![self.shown()];
        visit(&mut Member { parts, kind: MemberKind::File, size, content: &mut file }).map(|_| ())
    }

    fn file(&self) -> Result<Box<dyn ReadSeek + '_>> {
        Ok(match &self.bytes {
            Some(bytes) => Box::new(Cursor::new(&bytes[..])),
            None => Box::new(File::open(&self.path).map_err(|e| EngineError::io(&self.path, e))?),
        })
    }

    fn size(&self) -> Result<u64> {
        match &self.bytes {
            Some(bytes) => Ok(bytes.len() as u64),
            None => Ok(self.path.metadata().map_err(|e| EngineError::io(&self.path, e))?.len()),
        }
    }

    /// The last part of its path.
    fn shown(&self) -> String {
        self.path.file_name().unwrap_or(self.path.as_os_str()).to_string_lossy().into_owned()
    }

    fn refuse(&self, fault: &str) -> EngineError {
        EngineError::Data(format!("the archive {} {fault}", self.shown()))
    }

    /// Counts members and bytes against the limits.
    fn tally(&self) -> Tally<'_> {
        Tally { container: self, members: 0, bytes: 0 }
    }
}

/// What a file is: an archive by what it holds, below any compression.
fn form_of(path: &Path) -> Result<Form> {
    let io = |e| EngineError::io(path, e);
    let mut file = File::open(path).map_err(io)?;
    let head = head_of(&mut file).map_err(io)?;
    if Content::of(&head) == Content::Zip {
        return Ok(Form::Zip);
    }
    let compression = Compression::of(&head);
    if compression == Compression::None {
        return Ok(if Content::of(&head) == Content::Tar { Form::Tar(compression) } else { Form::File });
    }
    // A compressed file that is no tar archive, or is damaged from the start, is refused in the words of its reader.
    Ok(Form::Tar(compression))
}

/// The first bytes of a content, at most [`HEAD`].
pub(super) fn head_of(content: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(HEAD);
    content.take(HEAD as u64).read_to_end(&mut head)?;
    Ok(head)
}

struct Tally<'a> {
    container: &'a Container,
    members: usize,
    bytes: u64,
}

impl Tally<'_> {
    /// Adds one member, refused when it is one too many.
    fn add(&mut self, name: &str, size: u64) -> Result<()> {
        let limits = self.container.limits;
        self.members += 1;
        self.bytes = self.bytes.saturating_add(size);
        if self.members > limits.members {
            let fault = format!("holds more than {} files; nothing was imported", limits.members);
            return Err(self.container.refuse(&fault));
        }
        if self.bytes > limits.bytes {
            let fault = format!("unpacks to more than {} bytes, at {name:?}; nothing was imported", limits.bytes);
            return Err(self.container.refuse(&fault));
        }
        Ok(())
    }

    /// The parts of a member's name, refused when they lead out of the archive.
    fn parts(&self, name: &str) -> Result<Vec<String>> {
        safe_parts(name).ok_or_else(|| {
            self.container.refuse(&format!("holds the name {name:?}, which leads out of it; nothing was imported"))
        })
    }

    fn is_turn_to_report(&self) -> bool {
        self.members % 500 == 1
    }
}

/// The parts of a member's name, unless it is absolute or contains `..`.
fn safe_parts(name: &str) -> Option<Vec<String>> {
    let parts = name.split('/').filter(|part| !part.is_empty() && *part != ".");
    let hostile = name.starts_with('/') || name.contains('\0') || name.split(['/', '\\']).any(|part| part == "..");
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

#[cfg(test)]
mod tests;
