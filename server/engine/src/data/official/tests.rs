//! Facts that hold for every official dataset, and miniatures of them.

use std::{fs, path::Path};

use super::*;
use crate::data::testing::{cifar10_files, cifar100_files, go_on, stl10_files, tar_gz, write_files};
use crate::data::{container::Container, options::Links};

type Files = Vec<(String, Vec<u8>)>;

/// The same dataset with these files in place of the large ones.
pub fn miniature(official: &Official, files: &[(String, Vec<u8>)]) -> Official {
    let small = |file: &BinFile| {
        let (_, bytes) = files.iter().find(|(name, _)| name == file.name).unwrap();
        BinFile { name: file.name, bytes: bytes.len(), md5: md5_hex(bytes).into() }
    };
    Official { files: official.files.each_ref().map(|files| files.iter().map(small).collect()), ..official.clone() }
}

/// What a folder and an archive of these files are read as, once both agree.
pub fn read(files: &[(String, Vec<u8>)], official: &Official) -> Result<Dataset> {
    let dir = tempfile::tempdir().unwrap();
    let inside = |(name, bytes): &(String, Vec<u8>)| (format!("around/{name}"), bytes.clone());
    let files: Files = files.iter().map(inside).collect();
    write_files(dir.path(), &files);
    let path = dir.path().join("archive.tar.gz");
    fs::write(&path, tar_gz(&files)).unwrap();
    let read = |path: &Path| {
        let listing = Listing::of(Container::open(path, Links::Follow)?, &mut go_on)?;
        let folder = listing.files().find(|(_, entry, _)| official.has_file(entry.file_name())).unwrap().1.folder();
        official.read(&listing, folder, &mut go_on).map(|import| import.dataset)
    };
    let (archive, folder) = (read(&path), read(dir.path()));
    match (&folder, &archive) {
        (Ok(folder), Ok(archive)) => assert_eq!(folder, archive),
        (Err(folder), Err(archive)) => assert_eq!(folder.to_string(), archive.to_string()),
        _ => panic!("the folder gives {folder:?}, the archive {archive:?}"),
    }
    folder
}

/// Each dataset with files of its miniature.
fn miniatures() -> [(Files, Official); 3] {
    let files = [cifar10_files(2), cifar100_files(2), stl10_files()];
    assert_eq!(files.len(), ALL.len(), "each has its miniature");
    let mut all = ALL.iter();
    files.map(|files| {
        let official = miniature(all.next().unwrap(), &files);
        (files, official)
    })
}

#[test]
fn a_dataset_whose_checksums_hold_bears_its_title_and_has_as_many_images_as_labels() {
    for (files, official) in miniatures() {
        let dataset = read(&files, &official).unwrap();
        assert_eq!(dataset.title, official.title);
        assert_eq!(dataset.classes.len(), official.classes.len());
        for split in [&dataset.train, &dataset.test] {
            assert!(!split.is_empty() && split.images.len() == split.len() * crate::data::IMAGE_BYTES);
        }
    }
}

#[test]
fn each_has_its_row_in_the_readme_and_classes_that_differ() {
    let readme = include_str!("../../../../../README.md");
    for official in ALL {
        assert!(readme.contains(official.title) && readme.contains(official.name), "{}", official.title);
        let different: std::collections::BTreeSet<_> = official.classes.iter().collect();
        assert_eq!(different.len(), official.classes.len());
    }
}

#[test]
fn the_classes_are_those_of_the_files() {
    for (files, official) in miniatures() {
        let (_, text) = files.iter().find(|(file, _)| file == official.names).unwrap();
        // The miniature of CIFAR-100 numbers its classes.
        if official.name != "cifar100" {
            assert_eq!(String::from_utf8_lossy(text).split_whitespace().collect::<Vec<_>>(), official.classes);
        }
    }
}

#[test]
fn a_truncated_file_is_named_with_both_sizes() {
    for (mut files, official) in miniatures() {
        let (name, bytes) = &mut files[0];
        let whole = bytes.len();
        bytes.truncate(whole - 3);
        let expected = format!("{name} has {} bytes, not {whole}", whole - 3);
        let message = read(&files, &official).unwrap_err().to_string();
        assert!(message.contains(&expected), "{message}");
        assert!(message.contains(&format!("`retort data fetch {}`", official.name)), "{message}");
    }
}

#[test]
fn an_altered_file_is_named_with_both_checksums() {
    for (mut files, official) in miniatures() {
        let (name, bytes) = &mut files[1];
        let (altered, expected) = (format!("{name} was altered"), md5_hex(bytes));
        bytes[1] ^= 1;
        let found = md5_hex(bytes);
        let message = read(&files, &official).unwrap_err().to_string();
        assert!(message.contains(&altered), "{message}");
        assert!(message.contains(&expected) && message.contains(&found), "{message}");
    }
}

#[test]
fn a_missing_file_is_named() {
    for (files, official) in miniatures() {
        for missing in 0..files.len() {
            let mut files = files.clone();
            let (name, _) = files.remove(missing);
            let message = read(&files, &official).unwrap_err().to_string();
            assert!(message.contains(&format!("{}'s file {name} is missing", official.title)), "{message}");
        }
    }
}

#[test]
fn another_number_of_class_names_is_refused() {
    for (mut files, official) in miniatures() {
        let names = files.last_mut().unwrap();
        names.1.extend_from_slice(b"\none more\n");
        let message = read(&files, &official).unwrap_err().to_string();
        let expected = format!("names {} classes, not {}", official.classes.len() + 1, official.classes.len());
        assert!(message.contains(&expected), "{message}");
    }
}

#[test]
fn files_of_which_no_checksum_holds_are_read_without_the_datasets_title() {
    for (mut files, official) in miniatures() {
        for (name, bytes) in files.iter_mut().filter(|(name, _)| name != official.names) {
            // A label, or a pixel: those of STL-10 stand in files of their own.
            bytes[0] = if name.ends_with("_y.bin") { 9 } else { 7 };
        }
        let dataset = read(&files, &official).unwrap();
        assert_eq!((dataset.title.as_str(), dataset.origin.as_str()), ("", ""));
    }
}

#[test]
fn the_published_sizes_are_those_of_whole_images() {
    let sizes = |official: &Official| official.files().map(|file| file.bytes).collect::<Vec<_>>();
    assert_eq!(sizes(&CIFAR10), [30_730_000; 6]);
    assert_eq!(sizes(&CIFAR100), [153_700_000, 30_740_000]);
    assert_eq!(sizes(&STL10), [138_240_000, 5_000, 221_184_000, 8_000]);
}
