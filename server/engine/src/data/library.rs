//! The datasets that there are: the bundled one, and those that were imported into a folder.

use std::{
    fs,
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use retort_spec::BUNDLED_DATASET;
use serde::Serialize;

use super::{
    bundled,
    container::Container,
    dataset::Dataset,
    download::download,
    import::Import,
    listing::Listing,
    official::{self, Official},
    options::{ImportOptions, Links},
    progress::Watch,
    report::ImportReport,
    samples, source, stored,
};
use crate::{EngineError, Result};

const FILE: &str = "dataset.safetensors";
const MAX_NAME: usize = 64;

/// A folder of imported datasets, each in a folder of its name.
#[derive(Clone, Debug)]
pub struct Library {
    dir: PathBuf,
}

/// A dataset as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DatasetInfo {
    /// The name that specs use.
    pub name: String,
    /// The name that people read.
    pub title: String,
    /// The names of the classes, in the order of the labels.
    pub classes: Vec<String>,
    /// How many training images.
    pub train: usize,
    /// How many test images.
    pub test: usize,
    /// Where the images come from.
    pub origin: String,
    /// SHA-256 of its images and labels.
    pub sha256: String,
    /// Whether the program carries it inside itself.
    pub bundled: bool,
    /// Why it cannot be used, and what to do; all that is not known then is empty or 0.
    pub fault: Option<String>,
}

/// A dataset that [`Library::fetch`] knows an official address for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fetchable {
    /// The name under which it is fetched and kept.
    pub name: &'static str,
    /// The name that people read.
    pub title: &'static str,
    /// What is downloaded, in bytes.
    pub bytes: u64,
    /// The official address.
    pub url: &'static str,
}

impl Library {
    /// The library in the folder `dir`, which need not exist yet.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// All datasets, the bundled one first and the others by name. Only descriptions are read, no images.
    ///
    /// A damaged dataset is listed with its fault, so that one bad file does not hide the others.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn list(&self) -> Result<Vec<DatasetInfo>> {
        let mut infos = vec![bundled_info()];
        for name in self.imported()? {
            infos.push(self.info(&name).unwrap_or_else(|fault| DatasetInfo {
                title: name.clone(),
                name,
                classes: Vec::new(),
                train: 0,
                test: 0,
                origin: String::new(),
                sha256: String::new(),
                bundled: false,
                fault: Some(fault.to_string()),
            }));
        }
        Ok(infos)
    }

    /// The dataset of this name; or that at this path, a folder or an archive as [`Library::import`] takes it.
    ///
    /// # Errors
    /// When there is no such dataset, with a list of those that there are; or when it is damaged.
    pub fn load(&self, name_or_path: &str) -> Result<Dataset> {
        if name_or_path == BUNDLED_DATASET {
            return bundled::load();
        }
        if is_name(name_or_path) && self.file(name_or_path).is_file() {
            return stored::read(&self.file(name_or_path), name_or_path);
        }
        if Path::new(name_or_path).exists() {
            let go_on = &mut |_| ControlFlow::Continue(());
            let import = source::read(Path::new(name_or_path), name_or_path, &ImportOptions::default(), go_on)?;
            return Ok(import.dataset);
        }
        Err(self.unknown(name_or_path)?)
    }

    /// A sheet with the first [`SAMPLES`](super::SAMPLES) training images of each class of the dataset `name`, a PNG.
    ///
    /// It has a row for each class in the order of the labels; from one image to the next there are
    /// [`SAMPLE_PITCH`](super::SAMPLE_PITCH) pixels, and what lies between them is transparent. Of a stored dataset no
    /// other images are read.
    ///
    /// # Errors
    /// When there is no such dataset, with a list of those that there are; or when it is damaged.
    pub fn samples(&self, name: &str) -> Result<Vec<u8>> {
        if name == BUNDLED_DATASET {
            let dataset = bundled::load()?;
            return samples::sheet(&samples::of_split(&dataset.train, dataset.classes.len()));
        }
        if is_name(name) && self.file(name).is_file() {
            return samples::sheet(&stored::samples(&self.file(name), name)?);
        }
        Err(self.unknown(name)?)
    }

    fn unknown(&self, name: &str) -> Result<EngineError> {
        let names = [vec![BUNDLED_DATASET.to_owned()], self.imported()?].concat().join(", ");
        Ok(EngineError::Data(format!(
            "there is no dataset “{name}”: there are {names}; `retort data import PATH --name NAME` adds a folder or \
             archive, `retort data fetch NAME` downloads {}",
            fetchable_names()
        )))
    }

    /// What the import of the dataset `name` took, left out and changed; none for the bundled dataset, and for one
    /// that was imported before reports were kept.
    ///
    /// # Errors
    /// When there is no such dataset, with a list of those that there are; or when it is damaged.
    pub fn report(&self, name: &str) -> Result<Option<ImportReport>> {
        if name == BUNDLED_DATASET {
            return Ok(None);
        }
        if is_name(name) && self.file(name).is_file() {
            return Ok(stored::describe(&self.file(name), name)?.0.report);
        }
        Err(self.unknown(name)?)
    }

    /// Reads the file or folder at `source` and keeps it as `name`, with the report of what was taken.
    ///
    /// # Errors
    /// When the name cannot be used or is taken, when `source` is no sound dataset, or when `watch` breaks off; nothing
    /// is stored then.
    pub fn import(
        &self,
        source: &Path,
        name: &str,
        options: &ImportOptions,
        watch: &mut Watch<'_>,
    ) -> Result<DatasetInfo> {
        self.check_free(name)?;
        self.store(&source::read(source, name, options, watch)?)
    }

    /// The datasets that [`Library::fetch`] downloads.
    pub fn fetchable() -> impl Iterator<Item = Fetchable> {
        official::ALL.iter().map(|o| Fetchable {
            name: o.name,
            title: o.title,
            bytes: o.archive.bytes,
            url: o.archive.url,
        })
    }

    /// Downloads a dataset of [`Library::fetchable`] from its official address or from `url`, and keeps it.
    ///
    /// An interrupted download is continued by the next call. Wherever the file comes from, its checksum is that of the
    /// official one.
    ///
    /// # Errors
    /// When the name is not known or taken, the download stops, `watch` breaks off, or the file is not the official one.
    pub fn fetch(&self, name: &str, url: Option<&str>, watch: &mut Watch<'_>) -> Result<DatasetInfo> {
        let Some(official) = official::ALL.iter().find(|official| official.name == name) else {
            let known = fetchable_names();
            return Err(EngineError::Data(format!(
                "there is no address for a dataset “{name}”: {known} can be fetched; import others with `retort data \
                 import PATH --name NAME`"
            )));
        };
        self.fetch_from(url.unwrap_or(official.archive.url), official, watch)
    }

    fn fetch_from(&self, url: &str, official: &Official, watch: &mut Watch<'_>) -> Result<DatasetInfo> {
        self.check_free(official.name)?;
        fs::create_dir_all(&self.dir).map_err(|e| EngineError::io(&self.dir, e))?;
        let part = self.part(official.name);
        download(url, &part, official.archive.bytes, &official.archive.checksum, watch)?;
        let info = self.store(&Self::read_fetched(&part, official, watch)?)?;
        fs::remove_file(&part).map_err(|e| EngineError::io(&part, e))?;
        Ok(info)
    }

    fn read_fetched(part: &Path, official: &Official, watch: &mut Watch<'_>) -> Result<Import> {
        let container = Container::open(part, Links::Refuse)?;
        let described = container.describe();
        let listing = Listing::of(container, watch)?;
        let folder = listing.files().find(|(_, entry, _)| official.has_file(entry.file_name()));
        let folder = folder.map(|(_, entry, _)| entry.folder().to_vec()).unwrap_or_default();
        let mut import = official.read(&listing, &folder, watch)?;
        official.name.clone_into(&mut import.dataset.name);
        let file = official.archive.url.rsplit('/').next().unwrap_or_default();
        (import.report.source, import.report.container) = (file.to_owned(), described);
        import.count();
        Ok(import)
    }

    /// Writes a dataset beside the others and renames its folder into place, so that it appears as a whole.
    fn store(&self, import: &Import) -> Result<DatasetInfo> {
        let dataset = &import.dataset;
        let beside = self.dir.join(format!(".{}.{}.tmp", dataset.name, std::process::id()));
        fs::create_dir_all(&beside).map_err(|e| EngineError::io(&beside, e))?;
        let target = self.dir.join(&dataset.name);
        // Renaming fails when somebody else has stored a dataset of this name meanwhile.
        let stored = stored::write(&beside.join(FILE), dataset, Some(&import.report))
            .and_then(|()| fs::rename(&beside, &target).map_err(|e| EngineError::io(&target, e)));
        if let Err(fault) = stored {
            // What is left of the attempt is of no use; the fault above is what matters.
            let _ = fs::remove_dir_all(&beside);
            return Err(fault);
        }
        self.info(&dataset.name)
    }

    /// A dataset's name made of a file's: `my-pets` of `My pets (2).tar.gz`; empty where nothing of it can stand
    /// in a name.
    pub fn suggested_name(file_name: &str) -> String {
        const ENDINGS: [&str; 12] =
            [".gz", ".bz2", ".xz", ".zst", ".tar", ".tgz", ".tbz2", ".txz", ".zip", ".npz", ".mat", ".parquet"];
        let lower = file_name.to_lowercase();
        let mut stem = lower.as_str();
        while let Some(shorter) = ENDINGS.iter().find_map(|ending| stem.strip_suffix(ending)) {
            stem = shorter;
        }
        let words = stem.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
        let name: String = words.collect::<Vec<_>>().join("-").chars().take(MAX_NAME).collect();
        name.trim_end_matches('-').to_owned()
    }

    /// Whether a dataset of this name could be kept.
    ///
    /// # Errors
    /// When no dataset can be called so, or one is already.
    pub fn check_free(&self, name: &str) -> Result<()> {
        if !is_name(name) {
            let suggested = Self::suggested_name(name);
            let suggestion = if suggested.is_empty() { String::new() } else { format!(", as in {suggested}") };
            return Err(EngineError::Data(format!(
                "“{name}” cannot be a dataset's name: use 1 to {MAX_NAME} of the characters a-z, 0-9 and -{suggestion}"
            )));
        }
        if name == BUNDLED_DATASET || self.file(name).exists() {
            return Err(EngineError::Data(format!("there is a dataset {name} already: choose another name")));
        }
        Ok(())
    }

    /// The names of the imported datasets, in alphabetical order.
    fn imported(&self) -> Result<Vec<String>> {
        if !self.dir.exists() {
            return Ok(Vec::new());
        }
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.dir).map_err(|e| EngineError::io(&self.dir, e))? {
            let entry = entry.map_err(|e| EngineError::io(&self.dir, e))?;
            names.extend(entry.file_name().into_string().ok().filter(|n| is_name(n) && self.file(n).is_file()));
        }
        names.sort_unstable();
        Ok(names)
    }

    fn info(&self, name: &str) -> Result<DatasetInfo> {
        let (description, [train, test]) = stored::describe(&self.file(name), name)?;
        let stored::Description { name, title, classes, origin, sha256, .. } = description;
        Ok(DatasetInfo { name, title, classes, train, test, origin, sha256, bundled: false, fault: None })
    }

    /// The file that a download is written to.
    fn part(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.tar.gz.part"))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name).join(FILE)
    }
}

fn fetchable_names() -> String {
    Library::fetchable().map(|dataset| dataset.name).collect::<Vec<_>>().join(", ")
}

fn bundled_info() -> DatasetInfo {
    DatasetInfo {
        name: BUNDLED_DATASET.into(),
        title: bundled::TITLE.into(),
        classes: bundled::classes(),
        train: bundled::TRAIN,
        test: bundled::TEST,
        origin: bundled::ORIGIN.into(),
        sha256: bundled::SHA256.into(),
        bundled: true,
        fault: None,
    }
}

fn is_name(text: &str) -> bool {
    let allowed = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    (1..=MAX_NAME).contains(&text.len()) && text.bytes().all(allowed)
}

mod unfinished;

#[cfg(test)]
mod tests;
