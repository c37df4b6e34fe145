//! Facts that hold for every official dataset, and miniatures of them.

use super::*;
use crate::data::testing::{cifar10_files, cifar100_files, stl10_files, tar_gz, write_files};

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
    let inside = |(name, bytes): &(String, Vec<u8>)| (format!("{}/{name}", official.folder), bytes.clone());
    let files: Files = files.iter().map(inside).collect();
    write_files(dir.path(), &files);
    let path = dir.path().join("archive.tar.gz");
    fs::write(&path, tar_gz(&files)).unwrap();
    let archive = official.read_archive(&path, &mut |_| {});
    let folder = official.read_folder(dir.path(), &mut |_| {});
    let inner = official.read_folder(&dir.path().join(official.folder), &mut |_| {});
    let same = |other: &Result<Dataset>| match (&folder, other) {
        (Ok(folder), Ok(other)) => folder == other,
        (Err(folder), Err(other)) => folder.to_string() == other.to_string(),
        _ => false,
    };
    assert!(same(&archive) && same(&inner));
    folder
}

/// Each dataset with files of its miniature.
fn miniatures() -> [(Files, Official); 3] {
    let files = [cifar10_files(2), cifar100_files(2), stl10_files()];
    let mut all = ALL.into_iter();
    files.map(|files| {
        let official = miniature(all.next().unwrap(), &files);
        (files, official)
    })
}

#[test]
fn a_dataset_bears_its_names_and_as_many_images_as_labels() {
    for (files, official) in miniatures() {
        let dataset = read(&files, &official).unwrap();
        assert_eq!((dataset.name.as_str(), dataset.title.as_str()), (official.name, official.title));
        assert_eq!(dataset.classes.len(), official.classes);
        for split in [&dataset.train, &dataset.test] {
            assert!(!split.is_empty() && split.images.len() == split.len() * crate::data::IMAGE_BYTES);
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
        let expected = format!("names {} classes, not {}", official.classes + 1, official.classes);
        assert!(message.contains(&expected), "{message}");
    }
}

#[test]
fn the_published_sizes_are_those_of_whole_images() {
    let sizes = |official: &Official| official.files().map(|file| file.bytes).collect::<Vec<_>>();
    assert_eq!(sizes(&CIFAR10), [30_730_000; 6]);
    assert_eq!(sizes(&CIFAR100), [153_700_000, 30_740_000]);
    assert_eq!(sizes(&STL10), [138_240_000, 5_000, 221_184_000, 8_000]);
}
