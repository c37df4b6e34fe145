//! Finds out what a path given by a person holds, and reads it.

use std::{ops::ControlFlow, path::Path};

use super::{
    archive,
    dataset::Dataset,
    image_folder,
    official::{self, Official},
    progress::Progress,
};
use crate::{EngineError, Result};

const KINDS: &str = "a dataset is a folder or a .tar, .tar.gz or .tgz archive, either with images as \
                     train/CLASS/IMAGE.png and test/CLASS/IMAGE.png or with the binary files of CIFAR-10, CIFAR-100 or \
                     STL-10";

/// What a folder or an archive holds.
enum Kind {
    Official(&'static Official),
    /// The version for Python of an official dataset, which is not read.
    Python(&'static Official),
    Images,
}

/// Reads the dataset at `path` and calls it `name`.
pub(super) fn read(path: &Path, name: &str, progress: &mut dyn FnMut(Progress)) -> Result<Dataset> {
    let refuse = |fault: String| Err(EngineError::Data(format!("{} {fault}", path.display())));
    if !path.exists() {
        return Err(EngineError::Data(format!("there is no file or folder {}: {KINDS}", path.display())));
    }
    let is_folder = path.is_dir();
    let kind = if is_folder { kind_of_folder(path)? } else { kind_of_archive(path)? };
    let dataset = match kind {
        Some(Kind::Official(official)) if is_folder => official.read_folder(path, progress)?,
        Some(Kind::Official(official)) => official.read_archive(path, progress)?,
        Some(Kind::Images) if is_folder => named(image_folder::read_folder(path, progress)?, path, name),
        Some(Kind::Images) => named(image_folder::read_archive(path, progress)?, path, name),
        Some(Kind::Python(Official { name, title, folder, .. })) => {
            return refuse(format!(
                "holds {title} as pickled for Python, which is not read: get its binary version with `retort data \
                 fetch {name}`, or import the archive or folder that has {folder}"
            ));
        }
        None => return refuse(format!("holds no dataset: {KINDS}")),
    };
    Ok(Dataset { name: name.to_owned(), ..dataset })
}

/// The last part of the path is told and no more: pages with it are shown to others.
fn named(dataset: Dataset, path: &Path, name: &str) -> Dataset {
    let file = path.file_name().map(|file| file.to_string_lossy().into_owned()).unwrap_or_default();
    Dataset { title: name.to_owned(), origin: format!("images imported from {file}"), ..dataset }
}

/// Looks at a folder's names.
fn kind_of_folder(dir: &Path) -> Result<Option<Kind>> {
    let mut there = official::ALL.into_iter().filter(|official| official.is_in(dir));
    if let Some(first) = there.next() {
        return match there.next() {
            None => Ok(Some(Kind::Official(first))),
            Some(second) => Err(EngineError::Data(format!(
                "{} holds {} and {}: name the folder of the one that is meant",
                dir.display(),
                first.title,
                second.title
            ))),
        };
    }
    if image_folder::is_image_folder(dir) {
        return Ok(Some(Kind::Images));
    }
    let pickled = |official: &&Official| official.python.iter().any(|n| dir.ends_with(n) || dir.join(n).exists());
    Ok(official::ALL.into_iter().find(pickled).map(Kind::Python))
}

/// Looks at an archive's names up to the first that tells.
fn kind_of_archive(path: &Path) -> Result<Option<Kind>> {
    let mut kind = None;
    archive::walk(path, &mut |_| {}, &mut |member| {
        let parts = &member.parts;
        let find = |is_it: &dyn Fn(&Official) -> bool| official::ALL.into_iter().find(|official| is_it(official));
        kind = if image_folder::is_in_a_split(parts) {
            Some(Kind::Images)
        } else if let Some(found) = find(&|official| parts.last().is_some_and(|name| official.has_file(name))) {
            Some(Kind::Official(found))
        } else {
            find(&|official| parts.iter().any(|part| official.python.contains(&part.as_str()))).map(Kind::Python)
        };
        Ok(if kind.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    Ok(kind)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::data::testing::{cifar10_files, cifar100_files, image_files, stl10_files, tar_gz, write_files};

    /// What is said of these files in a folder and of the same in an archive.
    fn refusals(files: &[(String, Vec<u8>)]) -> [String; 2] {
        let dir = tempfile::tempdir().unwrap();
        write_files(&dir.path().join("folder"), files);
        fs::write(dir.path().join("archive.tgz"), tar_gz(files)).unwrap();
        ["folder", "archive.tgz"].map(|name| read(&dir.path().join(name), "x", &mut |_| {}).unwrap_err().to_string())
    }

    #[test]
    fn each_official_dataset_is_recognised_by_the_names_of_its_files() {
        // The miniatures are then refused by their size, in the words of the reader that was chosen.
        for (files, first) in [
            (cifar10_files(2), "data_batch_1.bin has 6146 bytes, not 30730000"),
            (cifar100_files(2), "train.bin has 6148 bytes, not 153700000"),
            (stl10_files(), "train_X.bin has 82944 bytes, not 138240000"),
        ] {
            for message in refusals(&files) {
                assert!(message.contains(first), "{message}");
            }
        }
    }

    #[test]
    fn a_version_for_python_is_answered_with_how_to_get_the_binary_one() {
        for (name, fetch) in [
            ("cifar-10-batches-py/data_batch_1", "`retort data fetch cifar10`"),
            ("cifar-100-python/train", "`retort data fetch cifar100`"),
            ("data_batch_1", "`retort data fetch cifar10`"),
        ] {
            for message in refusals(&[(name.to_owned(), b"\x80\x02}".to_vec())]) {
                assert!(message.contains("pickled for Python") && message.contains(fetch), "{name}: {message}");
            }
        }
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("cifar-100-python")).unwrap();
        let inside = read(&dir.path().join("cifar-100-python"), "x", &mut |_| {}).unwrap_err().to_string();
        assert!(inside.contains("CIFAR-100 as pickled for Python"), "{inside}");
        fs::remove_dir(dir.path().join("cifar-100-python")).unwrap();
        fs::write(dir.path().join("cifar-10-python.tar.gz"), "").unwrap();
        let beside = read(dir.path(), "x", &mut |_| {}).unwrap_err().to_string();
        assert!(beside.contains("CIFAR-10 as pickled for Python"), "{beside}");
    }

    #[test]
    fn pickles_beside_a_dataset_that_can_be_read_do_not_matter() {
        let dir = tempfile::tempdir().unwrap();
        write_files(dir.path(), &image_files());
        write_files(dir.path(), &[("cifar-10-batches-py/data_batch_1".into(), vec![0])]);
        assert_eq!(read(dir.path(), "pets", &mut |_| {}).unwrap().classes, ["cat", "dog"]);
    }

    #[test]
    fn a_folder_of_two_datasets_is_not_guessed_at() {
        let dir = tempfile::tempdir().unwrap();
        write_files(&dir.path().join("cifar-10-batches-bin"), &cifar10_files(1));
        write_files(&dir.path().join("cifar-100-binary"), &cifar100_files(1));
        let message = read(dir.path(), "x", &mut |_| {}).unwrap_err().to_string();
        assert!(message.contains("holds CIFAR-10 and CIFAR-100: name the folder"), "{message}");
        let inside = read(&dir.path().join("cifar-100-binary"), "x", &mut |_| {}).unwrap_err().to_string();
        assert!(inside.contains("train.bin has"), "{inside}");
    }
}
