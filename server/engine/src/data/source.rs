//! Finds out what a path given by a person holds, and reads it.

use std::{collections::BTreeMap, path::Path};

use super::{
    container::Container,
    content::Content,
    dataset::Dataset,
    hold_out::hold_out,
    images,
    import::{Import, some},
    listing::{Entry, HIDDEN, Listing},
    numpy,
    official::{self, Official},
    options::ImportOptions,
    parquet,
    progress::Watch,
    python_cifar::{self, PythonCifar},
    report::{self, Finding},
    svhn,
};
use crate::{EngineError, Result};

const KINDS: &str = "a dataset is a folder or an archive (tar, also compressed, or zip) with images as \
                     train/CLASS/IMAGE.png and test/CLASS/IMAGE.png, with the files of CIFAR-10, CIFAR-100, STL-10 or \
                     SVHN, with Hugging Face's Parquet files, or with arrays of NumPy";

/// What gets images and labels out of what is not read.
pub(super) const BY_NUMPY: &str = "save its images and labels with NumPy, `numpy.savez(\"data.npz\", x_train=…, y_train=…, \
                                   x_test=…, y_test=…)`";
const BY_NUMPY_TO: &str =
    "save with NumPy, `numpy.savez(\"data.npz\", x_train=…, y_train=…, x_test=…, y_test=…)`, and import that";

/// What a source was recognised as, and the folder in it where that lies.
enum Found {
    Official(&'static Official, Vec<String>),
    Python(&'static PythonCifar, Vec<String>),
    Svhn(Vec<usize>),
    Parquet(Vec<usize>),
    Numpy,
    Images,
}

impl Found {
    fn words(&self) -> String {
        let (what, folder) = match self {
            Self::Official(official, folder) => (format!("the binary files of {}", official.title), folder),
            Self::Python(cifar, folder) => (cifar.words(), folder),
            Self::Svhn(_) => return "MATLAB files".into(),
            Self::Parquet(_) => return "Parquet files".into(),
            Self::Numpy => return "NumPy arrays".into(),
            Self::Images => return "images in folders for training and for testing".into(),
        };
        if folder.is_empty() { what } else { format!("{what} in {}", folder.join("/")) }
    }

    /// Whether a file is one of those that are read as this.
    fn has(&self, i: usize, entry: &Entry, content: Content) -> bool {
        match self {
            Self::Official(official, folder) => entry.folder() == folder && official.has_file(entry.file_name()),
            Self::Python(cifar, folder) => entry.folder() == folder && cifar.has_file(entry.file_name()),
            Self::Svhn(files) | Self::Parquet(files) => files.contains(&i),
            Self::Numpy => numpy::is_read(entry.file_name(), content),
            Self::Images => true,
        }
    }

    /// How images to test on are added to it.
    fn how_to_test(&self) -> &'static str {
        match self {
            Self::Svhn(_) => "lay test_32x32.mat beside it, and import the folder or an archive of both",
            Self::Parquet(_) => {
                "lay a file named test-….parquet beside it, and import the folder or an archive of both"
            }
            Self::Numpy => "add arrays named x_test and y_test",
            Self::Official(..) | Self::Python(..) | Self::Images => "put some into test/CLASS/",
        }
    }
}

/// Reads the dataset at `path` and calls it `name`.
///
/// # Errors
/// When there is nothing at the path or no dataset, when it is not sound, and when `watch` breaks off.
pub(super) fn read(path: &Path, name: &str, options: &ImportOptions, watch: &mut Watch<'_>) -> Result<Import> {
    if !path.exists() {
        return Err(EngineError::Data(format!("there is no file or folder {}: {KINDS}", path.display())));
    }
    let shown = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    let source = options.source_name.clone().unwrap_or_else(|| shown.into_owned());
    let about = |e: EngineError| match e {
        EngineError::Data(fault) if !fault.contains(&source) => EngineError::Data(format!("{source}: {fault}")),
        e => e,
    };
    let container = Container::open(path, options.links)?;
    let described = container.describe();
    let listing = Listing::of(container, watch).map_err(about)?;
    let found = recognise(&listing).map_err(about)?;
    if let Some(inner) = only_archive(&listing, &found) {
        let options = ImportOptions { source_name: Some(source), ..options.clone() };
        let mut import = read(&listing.container.path_of(&inner.parts), name, &options, watch)?;
        import.report.notes.push(format!("Everything was read from the archive inside, {}.", inner.name()));
        return Ok(import);
    }
    let mut import = match &found {
        Found::Official(official, folder) => official.read(&listing, folder, watch),
        Found::Python(cifar, folder) => cifar.read(&listing, folder, watch),
        Found::Svhn(files) => svhn::read(&listing, files, watch),
        Found::Parquet(files) => parquet::read(&listing, files, options, watch),
        Found::Numpy => numpy::read(&listing, options, watch),
        Found::Images => images::read(&listing, options, watch),
    }
    .map_err(about)?;
    if !matches!(found, Found::Images) {
        leave_out_others(&listing, &found, &mut import.report.left_out);
    }
    complete(&mut import, options.test_percent, found.how_to_test()).map_err(about)?;
    let Dataset { title, origin, .. } = &mut import.dataset;
    if title.is_empty() {
        // The last part of the path is told and no more: pages with it are shown to others.
        (*title, *origin) = (name.to_owned(), format!("{} imported from {source}", import.report.kind));
    }
    name.clone_into(&mut import.dataset.name);
    (import.report.source, import.report.container) = (source, described);
    import.count();
    Ok(import)
}

/// Counts the files that are no part of what was recognised.
fn leave_out_others(listing: &Listing, found: &Found, left_out: &mut Vec<Finding>) {
    for (_, entry, _) in listing.files().filter(|(i, entry, content)| !found.has(*i, entry, *content)) {
        let what = if entry.is_hidden() { HIDDEN } else { "other files, which are not read" };
        report::count(left_out, what, &entry.name());
    }
}

/// Looks for each kind of dataset.
fn recognise(listing: &Listing) -> Result<Found> {
    let mut found = Vec::new();
    found.extend(official::find(listing).into_iter().map(|(official, folder)| Found::Official(official, folder)));
    found.extend(python_cifar::find(listing).into_iter().map(|(cifar, folder)| Found::Python(cifar, folder)));
    let matlab = svhn::find(listing);
    if !matlab.is_empty() {
        found.push(Found::Svhn(matlab));
    }
    let tables = parquet::find(listing);
    if !tables.is_empty() {
        found.push(Found::Parquet(tables));
    }
    if numpy::is_in(listing) {
        found.push(Found::Numpy);
    }
    if found.is_empty() {
        refuse_unread(listing)?;
    }
    if found.is_empty() || images::is_in_parts(listing) {
        found.push(Found::Images);
    }
    if let [_] = found.as_slice() {
        return Ok(found.remove(0));
    }
    let all: Vec<String> = found.iter().map(Found::words).collect();
    Err(EngineError::Data(format!(
        "there is more than one dataset ({}): name the folder of the one that is meant",
        all.join("; ")
    )))
}

/// The archive in a folder that holds nothing else of a dataset, as a download leaves it.
fn only_archive<'a>(listing: &'a Listing, found: &Found) -> Option<&'a Entry> {
    let mut archives = listing.files().filter(|(.., content)| content.is_packed());
    let (_, first, _) = archives.next()?;
    let is_only = archives.next().is_none() && listing.files().all(|(.., content)| !content.is_image());
    (listing.container.is_folder() && matches!(found, Found::Images) && is_only).then_some(first)
}

/// Refuses what nothing was recognised in, with what it is and what to do.
fn refuse_unread(listing: &Listing) -> Result<()> {
    if listing.files().any(|(.., content)| content.is_image() || content.is_packed()) {
        return Ok(());
    }
    let fault = |what: String| Err(EngineError::Data(what));
    for (_, entry, content) in listing.files().filter(|(_, entry, _)| !entry.is_hidden()) {
        let name = entry.name();
        match content {
            Content::OtherArchive(format) => {
                return fault(format!("{name} is an archive of the format {format}, which is not read: unpack it"));
            }
            Content::Hdf5 => {
                return fault(format!(
                    "{name} is an HDF5 file, as MATLAB 7.3 writes them, which is not read: {BY_NUMPY}, and import that"
                ));
            }
            _ if entry.file_name().rsplit('.').next() == Some("arrow") => {
                return fault(format!(
                    "{name} was written by `save_to_disk` of Hugging Face's datasets, which is not read: write Parquet, \
                     `load_from_disk(…)[\"train\"].to_parquet(\"train.parquet\")` and the same for test, and import the folder of \
                     both"
                ));
            }
            Content::Idx => {
                return fault(format!(
                    "{name} is a file of MNIST's own format (IDX), which is not read: {BY_NUMPY}, and import that with its \
                     images made 32×32"
                ));
            }
            _ => {}
        }
    }
    let mut endings: BTreeMap<String, usize> = BTreeMap::new();
    for (_, entry, _) in listing.files().filter(|(_, entry, _)| !entry.is_hidden()) {
        let ending = entry.file_name().rsplit_once('.').map_or("without an ending", |(_, ending)| ending);
        *endings.entry(ending.to_owned()).or_default() += 1;
    }
    let mut endings: Vec<(String, usize)> = endings.into_iter().collect();
    endings.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    if endings.is_empty() {
        return Ok(());
    }
    let found: Vec<String> = endings.iter().take(5).map(|(ending, count)| format!("{ending}: {count}")).collect();
    fault(format!(
        "there are no images, nor other files that a dataset comes in (files by their endings: {}): {KINDS}. What only Python \
         reads, {BY_NUMPY_TO}",
        found.join(", ")
    ))
}

/// Makes test images where there are none.
fn complete(import: &mut Import, test_percent: Option<u8>, how_to_test: &str) -> Result<()> {
    let dataset = &mut import.dataset;
    match test_percent {
        None if dataset.test.is_empty() => {
            let unlabelled = import.report.left_out.iter().find(|finding| finding.what == images::UNLABELLED);
            let unlabelled = unlabelled.map_or_else(String::new, |f| format!(" ({} have no labels)", f.count));
            Err(EngineError::Data(format!(
                "there are {} images of {}, but none to test on{unlabelled}: {how_to_test}, or let `--test-percent 20` (a \
                 field of the form) hold 20 percent of each class out",
                dataset.train.len(),
                some(&dataset.classes)
            )))
        }
        None => Ok(()),
        Some(_) if !dataset.test.is_empty() => Err(EngineError::Data(format!(
            "there are {} test images already: leave `--test-percent` out (in the form, its field empty)",
            dataset.test.len()
        ))),
        Some(percent) => {
            hold_out(dataset, percent)?;
            let (train, test) = (dataset.train.len(), dataset.test.len());
            import.report.notes.push(format!(
                "There were no test images: {percent} percent of each class were held out, {test} of {}. The same ones \
                 are held out whenever this is imported.",
                train + test
            ));
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests;
