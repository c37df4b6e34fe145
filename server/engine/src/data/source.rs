//! Finds out what a path given by a person holds, and reads it.

use std::{ops::ControlFlow, path::Path};

use super::{archive, cifar, dataset::Dataset, image_folder, progress::Progress};
use crate::{EngineError, Result};

const KINDS: &str = "a dataset is a folder or a .tar, .tar.gz or .tgz archive, either with images as \
                     train/CLASS/IMAGE.png and test/CLASS/IMAGE.png or with CIFAR-10's binary files";

/// Reads the dataset at `path` and calls it `name`.
pub(super) fn read(path: &Path, name: &str, progress: &mut dyn FnMut(Progress)) -> Result<Dataset> {
    let nothing = || EngineError::Data(format!("{} holds no dataset: {KINDS}", path.display()));
    if !path.exists() {
        return Err(EngineError::Data(format!("there is no file or folder {}: {KINDS}", path.display())));
    }
    let mut dataset = if path.is_dir() {
        if cifar::is_cifar_folder(path) {
            cifar::read_folder(path, &cifar::OFFICIAL, progress)?
        } else if image_folder::is_image_folder(path) {
            named(image_folder::read_folder(path, progress)?, path, name)
        } else {
            return Err(nothing());
        }
    } else {
        match kind_of_archive(path)?.ok_or_else(nothing)? {
            Kind::Cifar => cifar::read_archive(path, &cifar::OFFICIAL, progress)?,
            Kind::Images => named(image_folder::read_archive(path, progress)?, path, name),
        }
    };
    name.clone_into(&mut dataset.name);
    Ok(dataset)
}

/// The last part of the path is told and no more: pages with it are shown to others.
fn named(dataset: Dataset, path: &Path, name: &str) -> Dataset {
    let file = path.file_name().map(|file| file.to_string_lossy().into_owned()).unwrap_or_default();
    Dataset { title: name.to_owned(), origin: format!("images imported from {file}"), ..dataset }
}

enum Kind {
    Cifar,
    Images,
}

/// Looks at an archive's names up to the first that tells.
fn kind_of_archive(path: &Path) -> Result<Option<Kind>> {
    let mut kind = None;
    archive::walk(path, &mut |_| {}, &mut |member| {
        if image_folder::is_in_a_split(&member.parts) {
            kind = Some(Kind::Images);
        } else if member.parts.last().is_some_and(|name| cifar::is_cifar_file(name)) {
            kind = Some(Kind::Cifar);
        }
        Ok(if kind.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    Ok(kind)
}
