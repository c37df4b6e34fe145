//! Datasets that their makers publish as a few binary files, each of a known size and checksum (methods.md §9).

mod cifar10;
mod cifar100;
mod stl10;

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap},
};

use md5::{Digest, Md5};

pub(super) use self::{cifar10::CIFAR10, cifar100::CIFAR100, stl10::STL10};
use super::{
    dataset::{Dataset, IMAGE_BYTES, Split},
    download::Checksum,
    import::Import,
    listing::{Entry, Listing},
    progress::Watch,
    report::ImportReport,
    stored::hex,
};
use crate::{EngineError, Result};

/// Those that can be read and fetched.
pub(super) static ALL: &[&Official] = &[&CIFAR10, &CIFAR100, &STL10];

/// The names of the datasets that can be fetched, each with its classes in label order.
pub fn official_classes() -> impl Iterator<Item = (&'static str, &'static [&'static str])> {
    ALL.iter().map(|official| (official.name, official.classes))
}

/// Each of them whose binary files lie in a folder of `listing`, with that folder.
pub(super) fn find(listing: &Listing) -> Vec<(&'static Official, Vec<String>)> {
    let mut found = Vec::new();
    for &official in ALL {
        let is_binary = |entry: &Entry| official.files().any(|file| file.name == entry.file_name());
        let there = listing.files().filter(|(_, entry, _)| is_binary(entry));
        let folders: BTreeSet<&[String]> = there.map(|(_, entry, _)| entry.folder()).collect();
        found.extend(folders.into_iter().map(|folder| (official, folder.to_vec())));
    }
    found
}

/// The names of a hundred classes take about a thousand bytes.
const MAX_NAMES_BYTES: usize = 10_000;
/// Bytes of the largest file that is read; the largest official one has 221 MB.
const MAX_FILE_BYTES: usize = 2 << 30;

/// A dataset, and what its files must be.
#[derive(Clone, Debug)]
pub(super) struct Official {
    /// The name under which it is fetched.
    pub name: &'static str,
    /// The name that people read.
    pub title: &'static str,
    /// Where the images of its official files come from.
    pub origin: &'static str,
    /// What is done to the images, if anything.
    pub change: Option<&'static str>,
    /// The archive at its official address.
    pub archive: Archive,
    /// The file that names the classes, one a line.
    pub names: &'static str,
    /// The classes that it names, in label order: a model may tell them apart before the dataset is here.
    pub classes: &'static [&'static str],
    /// The binary files of the training split and those of the test split, in the order of their images.
    pub files: [Cow<'static, [BinFile]>; 2],
    /// The images of one file, its labels, or both.
    pub decode: fn(&BinFile, &[u8]) -> Result<Split>,
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

/// What was read of a dataset so far.
#[derive(Default)]
struct Parts {
    /// The faults too: one that other files tell more of is told last.
    decoded: HashMap<&'static str, Result<Split>>,
    classes: Option<Vec<String>>,
    checksums: Checksums,
}

/// Whether files are those that a dataset's makers published.
#[derive(Debug, Default)]
pub(super) struct Checksums {
    held: usize,
    /// What does not hold, in words.
    faults: Vec<String>,
}

impl Checksums {
    /// Compares a file with what was published.
    pub fn add(&mut self, name: &str, bytes: &[u8], md5: &str, size: Option<usize>) {
        let found = md5_hex(bytes);
        if found == md5 {
            self.held += 1;
        } else if let Some(size) = size.filter(|size| *size != bytes.len()) {
            self.faults.push(format!("{name} has {} bytes, not {size}", bytes.len()));
        } else {
            self.faults.push(format!("{name} was altered, its MD5 is {found}, not {md5}"));
        }
    }

    /// Whether all files are the published ones; none of them is, when this is not so.
    ///
    /// # Errors
    /// When some are and others are not: then the others are damaged, and `again` says what to do.
    pub fn are_official(&self, title: &str, again: &str) -> Result<bool> {
        match self.faults.first() {
            None => Ok(true),
            Some(_) if self.held == 0 => Ok(false),
            Some(fault) => {
                Err(EngineError::Data(format!("{fault}, while other files are the official ones of {title}: {again}")))
            }
        }
    }
}

impl Official {
    /// Whether one of its files has this name.
    pub fn has_file(&self, name: &str) -> bool {
        name == self.names || self.files().any(|file| file.name == name)
    }

    /// Reads the binary files in a folder of `listing`. What else lies there is passed over.
    ///
    /// Files that are not the official ones are read too, with as many images as they have.
    ///
    /// # Errors
    /// When a file is missing or holds no whole images, or when some files are official and others are not.
    pub fn read(&self, listing: &Listing, folder: &[String], watch: &mut Watch<'_>) -> Result<Import> {
        let there = listing.files().filter(|(_, e, _)| e.folder() == folder && self.has_file(e.file_name()));
        let wanted: Vec<usize> = there.map(|(i, ..)| i).collect();
        let mut parts = Parts::default();
        listing.read(&wanted, watch, &mut |entries, member| {
            for entry in entries {
                let name = listing.entries[*entry].file_name();
                let limit = if name == self.names { MAX_NAMES_BYTES } else { MAX_FILE_BYTES };
                self.add(&mut parts, name, &member.read(limit)?)?;
            }
            Ok(())
        })?;
        self.assemble(parts)
    }

    fn files(&self) -> impl Iterator<Item = &BinFile> {
        self.files.iter().flat_map(|files| files.iter())
    }

    /// Takes in one file.
    fn add(&self, parts: &mut Parts, name: &str, bytes: &[u8]) -> Result<()> {
        let Some(file) = self.files().find(|file| file.name == name) else {
            parts.classes = Some(self.read_names(bytes)?);
            return Ok(());
        };
        parts.checksums.add(name, bytes, &file.md5, Some(file.bytes));
        parts.decoded.insert(file.name, (self.decode)(file, bytes));
        Ok(())
    }

    fn read_names(&self, bytes: &[u8]) -> Result<Vec<String>> {
        let names = String::from_utf8_lossy(bytes);
        let names: Vec<String> = names.lines().map(str::trim).filter(|l| !l.is_empty()).map(str::to_owned).collect();
        if names.len() != self.classes.len() {
            let (file, found, classes) = (self.names, names.len(), self.classes.len());
            return Err(self.refuse(&format!("{file} names {found} classes, not {classes}")));
        }
        Ok(names)
    }

    fn assemble(&self, mut parts: Parts) -> Result<Import> {
        let is_official = parts.checksums.are_official(self.title, &self.again())?;
        let missing = |name: &str| self.refuse(&format!("{}'s file {name} is missing", self.title));
        let mut splits = [Split::default(), Split::default()];
        for (split, files) in splits.iter_mut().zip(&self.files) {
            for file in files.iter() {
                let part = parts.decoded.remove(file.name).ok_or_else(|| missing(file.name))??;
                split.images.extend(part.images);
                split.labels.extend(part.labels);
            }
            if split.images.len() != split.labels.len() * IMAGE_BYTES {
                let (images, labels) = (split.images.len() / IMAGE_BYTES, split.labels.len());
                return Err(self.refuse(&format!("{} has {images} images and {labels} labels", files[0].name)));
            }
        }
        let classes = parts.classes.ok_or_else(|| missing(self.names))?;
        let [train, test] = splits;
        let dataset = Dataset { classes, train, test, ..Dataset::default() };
        let kind = format!("the binary files of {}", self.title);
        let mut import = Import { dataset, report: ImportReport { kind, ..ImportReport::default() } };
        import.tell_official(is_official, self.title, self.origin);
        import.report.notes.extend(self.change.map(str::to_owned));
        Ok(import)
    }

    fn refuse(&self, fault: &str) -> EngineError {
        EngineError::Data(format!("{fault}: {}", self.again()))
    }

    fn again(&self) -> String {
        format!("download it again, for example with `retort data fetch {}`", self.name)
    }
}

fn md5_hex(bytes: &[u8]) -> String {
    hex(&Md5::digest(bytes))
}

#[cfg(test)]
pub(super) mod tests;
