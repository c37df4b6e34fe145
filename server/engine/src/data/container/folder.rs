//! Folders on disk.

use std::{
    fs::{self, File},
    io::{self, Read},
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use super::{Links, Member, MemberKind, Progress, Visit, Watch};
use crate::{EngineError, Result};

/// Shows every file and folder below `dir` to `visit`, those of each folder by name.
pub(super) fn walk(dir: &Path, links: Links, watch: &mut Watch<'_>, visit: &mut Visit<'_>) -> Result<()> {
    let mut walk = Walk { links, watch, visit, ancestors: Vec::new(), seen: 0 };
    walk.folder(dir, &mut Vec::new()).map(|_| ())
}

struct Walk<'a, 'w, 'v> {
    links: Links,
    watch: &'a mut Watch<'w>,
    visit: &'a mut Visit<'v>,
    /// The folders that lead to where the walk is: a link to one of them would never end.
    ancestors: Vec<PathBuf>,
    seen: usize,
}

impl Walk<'_, '_, '_> {
    fn folder(&mut self, dir: &Path, parts: &mut Vec<String>) -> Result<ControlFlow<()>> {
        let io = |e| EngineError::io(dir, e);
        self.ancestors.push(dir.canonicalize().map_err(io)?);
        let mut names = fs::read_dir(dir)
            .and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>())
            .map_err(io)?;
        names.sort_unstable();
        for name in names {
            let path = dir.join(&name);
            if name.to_str().is_none() {
                return Err(EngineError::Data(format!("{}: the name is not UTF-8; rename it", path.display())));
            }
            parts.push(name.to_string_lossy().into_owned());
            let flow = self.entry(&path, parts)?;
            parts.pop();
            if flow.is_break() {
                return Ok(flow);
            }
        }
        self.ancestors.pop();
        Ok(ControlFlow::Continue(()))
    }

    fn entry(&mut self, path: &Path, parts: &mut Vec<String>) -> Result<ControlFlow<()>> {
        self.seen += 1;
        if self.seen % 500 == 1 {
            Progress::files("reading", self.seen, 0).tell(self.watch)?;
        }
        let is_link = path.symlink_metadata().map_err(|e| EngineError::io(path, e))?.is_symlink();
        if is_link && self.links == Links::Refuse {
            let path = path.display();
            return Err(EngineError::Data(format!("{path} is a link: put there what it points to")));
        }
        match path.metadata() {
            Ok(metadata) if metadata.is_dir() => {
                if is_link && path.canonicalize().is_ok_and(|target| self.ancestors.contains(&target)) {
                    return self.show(
                        parts,
                        MemberKind::Unreadable("links to a folder that they lie in"),
                        0,
                        &mut io::empty(),
                    );
                }
                let flow = self.show(parts, MemberKind::Folder, 0, &mut io::empty())?;
                if flow.is_break() { Ok(flow) } else { self.folder(path, parts) }
            }
            Ok(metadata) if metadata.is_file() => {
                self.show(parts, MemberKind::File, metadata.len(), &mut Lazy { path, file: None })
            }
            Ok(_) => self.show(parts, MemberKind::Unreadable("devices and the like"), 0, &mut io::empty()),
            Err(_) if is_link => self.show(
                parts,
                MemberKind::Unreadable("links to what is not there or cannot be read"),
                0,
                &mut io::empty(),
            ),
            Err(e) => Err(EngineError::io(path, e)),
        }
    }

    fn show(
        &mut self,
        parts: &[String],
        kind: MemberKind,
        size: u64,
        content: &mut dyn Read,
    ) -> Result<ControlFlow<()>> {
        (self.visit)(&mut Member { parts: parts.to_vec(), kind, size, content })
    }
}

/// A file that is opened when it is read.
pub(super) struct Lazy<'a> {
    path: &'a Path,
    file: Option<File>,
}

impl Read for Lazy<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.file.is_none() {
            self.file = Some(File::open(self.path)?);
        }
        self.file.as_mut().map_or(Ok(0), |file| file.read(buffer))
    }
}
