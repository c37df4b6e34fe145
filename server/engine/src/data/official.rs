//! Datasets that their makers publish as a few binary files, each of a known size and checksum (methods.md §9).

mod cifar10;
mod cifar100;
mod stl10;

use std::{borrow::Cow, collections::HashMap, fs, ops::ControlFlow, path::Path};

use md5::{Digest, Md5};

pub(super) use self::{cifar10::CIFAR10, cifar100::CIFAR100, stl10::STL10};
use super::{
    archive,
    dataset::{Dataset, Split},
    download::Checksum,
    progress::Progress,
    stored::hex,
};
use crate::{EngineError, Result};

/// Those that can be read and fetched.
pub(super) static ALL: [&Official; 3] = [&CIFAR10, &CIFAR100, &STL10];

/// The names of a hundred classes take about a thousand bytes.
const MAX_NAMES_BYTES: usize = 10_000;

/// A dataset, and what its files must be.
#[derive(Clone, Debug)]
pub(super) struct Official {
    /// The name under which it is fetched.
    pub name: &'static str,
    /// The name that people read.
    pub title: &'static str,
    /// Where the images come from, and what was done to them.
    pub origin: &'static str,
    /// The archive at its official address.
    pub archive: Archive,
    /// The folder that this archive holds.
    pub folder: &'static str,
    /// The file that names the classes, one a line.
    pub names: &'static str,
    /// How many classes it names.
    pub classes: usize,
    /// The binary files of the training split and those of the test split, in the order of their images.
    pub files: [Cow<'static, [BinFile]>; 2],
    /// The images of one file, its labels, or both.
    pub decode: fn(&BinFile, &[u8]) -> Result<Split>,
    /// Files and folders by which its version for Python is known. That one is pickled, and a pickle is a program.
    pub python: &'static [&'static str],
}

/// An archive on the network.
#[derive(Clone, Debug)]
pub(super) struct Archive {
    pub url: &'static str,
    pub bytes: u64,
    pub checksum: Checksum,
}

/// One binary file, and what it must be.
#[derive(Clone, Debug)]
pub(super) struct BinFile {
    pub name: &'static str,
    pub bytes: usize,
    pub md5: Cow<'static, str>,
}

impl BinFile {
    const fn new(name: &'static str, bytes: usize, md5: &'static str) -> Self {
        Self { name, bytes, md5: Cow::Borrowed(md5) }
    }
}

/// What was read of a dataset so far: each binary file decoded, and the names of the classes.
#[derive(Default)]
struct Parts {
    decoded: HashMap<&'static str, Split>,
    classes: Option<Vec<String>>,
}

impl Official {
    /// Whether one of its binary files has this name.
    pub fn has_file(&self, name: &str) -> bool {
        self.files().any(|file| file.name == name)
    }

    /// Whether `dir`, or the folder that the official archive makes in it, holds its binary files.
    pub fn is_in(&self, dir: &Path) -> bool {
        [dir.to_owned(), dir.join(self.folder)].iter().any(|dir| self.files().any(|file| dir.join(file.name).is_file()))
    }

    /// Reads the binary files in `dir`, or in the folder that the official archive makes in it.
    ///
    /// # Errors
    /// When a file is missing, or is not the official one.
    pub fn read_folder(&self, dir: &Path, progress: &mut dyn FnMut(Progress)) -> Result<Dataset> {
        let inner = dir.join(self.folder);
        let dir = if inner.is_dir() { &inner } else { dir };
        let total: u64 = self.files().map(|file| file.bytes as u64).sum();
        let (mut parts, mut done) = (Parts::default(), 0);
        for name in self.files().map(|file| file.name).chain([self.names]) {
            let path = dir.join(name);
            if path.is_file() {
                let bytes = fs::read(&path).map_err(|e| EngineError::io(&path, e))?;
                self.add(&mut parts, name, &bytes)?;
                done += bytes.len() as u64;
                progress(Progress::bytes("reading", done.min(total), total));
            }
        }
        self.assemble(parts)
    }

    /// Reads the binary files out of the official archive, without unpacking it to disk. What else lies in the archive
    /// is passed over and not kept.
    ///
    /// # Errors
    /// When the archive is damaged, or when a file is missing or not the official one.
    pub fn read_archive(&self, path: &Path, progress: &mut dyn FnMut(Progress)) -> Result<Dataset> {
        let mut parts = Parts::default();
        archive::walk(path, progress, &mut |member| {
            let name = member.parts.last().cloned().unwrap_or_default();
            let expected = self.files().find(|file| file.name == name).map(|file| file.bytes);
            if let Some(limit) = expected.or_else(|| (name == self.names).then_some(MAX_NAMES_BYTES)) {
                self.add(&mut parts, &name, &member.read(limit)?)?;
            }
            Ok(ControlFlow::Continue(()))
        })?;
        self.assemble(parts)
    }

    fn files(&self) -> impl Iterator<Item = &BinFile> {
        self.files.iter().flat_map(|files| files.iter())
    }

    /// Takes in one file, once it is known to be the official one.
    fn add(&self, parts: &mut Parts, name: &str, bytes: &[u8]) -> Result<()> {
        let Some(file) = self.files().find(|file| file.name == name) else {
            parts.classes = Some(self.read_names(bytes)?);
            return Ok(());
        };
        if bytes.len() != file.bytes {
            let (found, size) = (bytes.len(), file.bytes);
            return Err(self.refuse(&format!("{name} has {found} bytes, not {size}")));
        }
        let (found, md5) = (md5_hex(bytes), &file.md5);
        if found != *md5 {
            return Err(self.refuse(&format!("{name} was altered, its MD5 is {found}, not {md5}")));
        }
        parts.decoded.insert(file.name, (self.decode)(file, bytes)?);
        Ok(())
    }

    fn read_names(&self, bytes: &[u8]) -> Result<Vec<String>> {
        let names = String::from_utf8_lossy(bytes);
        let names: Vec<String> = names.lines().map(str::trim).filter(|l| !l.is_empty()).map(str::to_owned).collect();
        if names.len() != self.classes {
            let (file, found, classes) = (self.names, names.len(), self.classes);
            return Err(self.refuse(&format!("{file} names {found} classes, not {classes}")));
        }
        Ok(names)
    }

    fn assemble(&self, mut parts: Parts) -> Result<Dataset> {
        let missing = |name: &str| self.refuse(&format!("{}'s file {name} is missing", self.title));
        let mut splits = [Split::default(), Split::default()];
        for (split, files) in splits.iter_mut().zip(&self.files) {
            for file in files.iter() {
                let part = parts.decoded.remove(file.name).ok_or_else(|| missing(file.name))?;
                split.images.extend(part.images);
                split.labels.extend(part.labels);
            }
        }
        let classes = parts.classes.ok_or_else(|| missing(self.names))?;
        let [train, test] = splits;
        let (name, title, origin) = (self.name.into(), self.title.into(), self.origin.into());
        Ok(Dataset { name, title, classes, origin, train, validation: Split::default(), test })
    }

    fn refuse(&self, fault: &str) -> EngineError {
        EngineError::Data(format!("{fault}: download it again, for example with `retort data fetch {}`", self.name))
    }
}

fn md5_hex(bytes: &[u8]) -> String {
    hex(&Md5::digest(bytes))
}

#[cfg(test)]
pub(super) mod tests;
