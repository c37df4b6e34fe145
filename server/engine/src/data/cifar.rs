//! CIFAR-10's official binary files (Krizhevsky 2009), every one checked against its checksum.

use std::{borrow::Cow, collections::BTreeMap, fs, ops::ControlFlow, path::Path};

use md5::{Digest, Md5};

use super::{
    archive::{self, Member},
    dataset::{Dataset, IMAGE_BYTES, Split},
    progress::Progress,
    stored::hex,
};
use crate::{EngineError, Result};

/// The folder that the official archive holds.
const FOLDER: &str = "cifar-10-batches-bin";
/// The file that names the classes.
const META: &str = "batches.meta.txt";
const CLASSES: usize = 10;
/// A label and an image.
const RECORD: usize = 1 + IMAGE_BYTES;

const WHAT_TO_DO: &str = "download it again, for example with `retort data fetch cifar10`";

/// One binary file, and what it must be.
#[derive(Clone, Debug)]
pub(super) struct BinFile {
    pub name: Cow<'static, str>,
    pub images: usize,
    pub md5: Cow<'static, str>,
}

/// The official files: five to train on, one to test on.
pub(super) const OFFICIAL: [BinFile; 6] = [
    official("data_batch_1.bin", "5dd7e06a14cb22eb9f671a540d1b7c25"),
    official("data_batch_2.bin", "5ea93a67294ea407fff1d09f752e9692"),
    official("data_batch_3.bin", "942cd6a4bcdd0dd3c604fbe906cb4421"),
    official("data_batch_4.bin", "ae636b3ba5c66a11e91e8cb52e771fcb"),
    official("data_batch_5.bin", "53f37980c15c3d472c316c40844f3f0d"),
    official("test_batch.bin", "803d5f7f4d78ea53de84dbe85f74fb6d"),
];

const fn official(name: &'static str, md5: &'static str) -> BinFile {
    BinFile { name: Cow::Borrowed(name), images: 10_000, md5: Cow::Borrowed(md5) }
}

/// Whether a file of this name belongs to CIFAR-10's binary files.
pub(super) fn is_cifar_file(name: &str) -> bool {
    name == META || OFFICIAL.iter().any(|file| file.name == name)
}

/// Whether `dir`, or the folder that the official archive makes in it, holds such files.
pub(super) fn is_cifar_folder(dir: &Path) -> bool {
    [dir.to_owned(), dir.join(FOLDER)].iter().any(|dir| OFFICIAL.iter().any(|file| dir.join(&*file.name).is_file()))
}

/// Reads the binary files in `dir`, or in the folder that the official archive makes in it.
pub(super) fn read_folder(dir: &Path, table: &[BinFile], progress: &mut dyn FnMut(Progress)) -> Result<Dataset> {
    let inner = dir.join(FOLDER);
    let dir = if inner.is_dir() { &inner } else { dir };
    let total: u64 = table.iter().map(|file| (file.images * RECORD) as u64).sum();
    let (mut files, mut done) = (BTreeMap::new(), 0);
    for name in table.iter().map(|file| &*file.name).chain([META]) {
        let path = dir.join(name);
        if path.is_file() {
            let bytes = fs::read(&path).map_err(|e| EngineError::io(&path, e))?;
            done += bytes.len() as u64;
            files.insert(name.to_owned(), bytes);
            progress(Progress::bytes("reading", done.min(total), total));
        }
    }
    assemble(&files, table)
}

/// Reads the binary files out of the official archive, without unpacking it to disk.
pub(super) fn read_archive(path: &Path, table: &[BinFile], progress: &mut dyn FnMut(Progress)) -> Result<Dataset> {
    let mut files = BTreeMap::new();
    archive::walk(path, progress, &mut |member: &mut Member<'_>| {
        let name = member.parts.last().map(String::as_str).unwrap_or_default();
        let expected = table.iter().find(|file| file.name == name).map(|file| file.images * RECORD);
        if let Some(limit) = expected.or_else(|| (name == META).then_some(10_000)) {
            let name = name.to_owned();
            files.insert(name, member.read(limit)?);
        }
        Ok(ControlFlow::Continue(()))
    })?;
    assemble(&files, table)
}

fn assemble(files: &BTreeMap<String, Vec<u8>>, table: &[BinFile]) -> Result<Dataset> {
    let file = |name: &str| {
        files.get(name).ok_or_else(|| EngineError::Data(format!("CIFAR-10's file {name} is missing: {WHAT_TO_DO}")))
    };
    let (mut train, mut test) = (Split::default(), Split::default());
    for expected in table {
        let split = if expected.name == "test_batch.bin" { &mut test } else { &mut train };
        read_records(expected, file(&expected.name)?, split)?;
    }
    let meta = String::from_utf8_lossy(file(META)?);
    let classes: Vec<String> = meta.lines().map(str::trim).filter(|l| !l.is_empty()).map(str::to_owned).collect();
    if classes.len() != CLASSES {
        let found = classes.len();
        return Err(EngineError::Data(format!("{META} names {found} classes, not {CLASSES}: {WHAT_TO_DO}")));
    }
    Ok(Dataset {
        name: "cifar10".into(),
        title: "CIFAR-10".into(),
        classes,
        origin: "the official binary files (Krizhevsky 2009), checksums verified".into(),
        train,
        validation: Split::default(),
        test,
    })
}

fn read_records(expected: &BinFile, bytes: &[u8], split: &mut Split) -> Result<()> {
    let (name, size) = (&expected.name, expected.images * RECORD);
    if bytes.len() != size {
        let found = bytes.len();
        return Err(EngineError::Data(format!("{name} has {found} bytes, not {size}: {WHAT_TO_DO}")));
    }
    let found = md5_hex(bytes);
    if found != expected.md5 {
        let md5 = &expected.md5;
        return Err(EngineError::Data(format!("{name} was altered: its MD5 is {found}, not {md5}; {WHAT_TO_DO}")));
    }
    for (i, record) in bytes.chunks_exact(RECORD).enumerate() {
        if usize::from(record[0]) >= CLASSES {
            return Err(EngineError::Data(format!("{name}, image {i}: label {} is not below {CLASSES}", record[0])));
        }
        split.push(record[0], &record[1..]);
    }
    Ok(())
}

pub(super) fn md5_hex(bytes: &[u8]) -> String {
    hex(&Md5::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::testing::{cifar_files, tar_gz, write_files};

    fn read(files: &[(String, Vec<u8>)], table: &[BinFile]) -> Result<Dataset> {
        let dir = tempfile::tempdir().unwrap();
        write_files(dir.path(), files);
        read_folder(dir.path(), table, &mut |_| {})
    }

    #[test]
    fn binary_files_read_back_as_the_images_that_were_written() {
        let (files, table) = cifar_files(3);
        let dataset = read(&files, &table).unwrap();
        assert_eq!((dataset.train.len(), dataset.test.len()), (15, 3));
        assert_eq!(dataset.classes[9], "truck");
        for (f, (_, bytes)) in files[..5].iter().enumerate() {
            for i in 0..3 {
                let record = &bytes[i * RECORD..(i + 1) * RECORD];
                assert_eq!(dataset.train.labels[f * 3 + i], record[0]);
                assert_eq!(dataset.train.image(f * 3 + i), &record[1..]);
            }
        }
    }

    #[test]
    fn the_archive_gives_the_same_dataset_as_its_unpacked_folder() {
        let (files, table) = cifar_files(2);
        let dir = tempfile::tempdir().unwrap();
        let inside = |(name, bytes): &(String, Vec<u8>)| (format!("{FOLDER}/{name}"), bytes.clone());
        let files: Vec<_> = files.iter().map(inside).collect();
        write_files(dir.path(), &files);
        let archive = dir.path().join("cifar-10-binary.tar.gz");
        fs::write(&archive, tar_gz(&files)).unwrap();
        let unpacked = read_folder(dir.path(), &table, &mut |_| {}).unwrap();
        assert_eq!(read_archive(&archive, &table, &mut |_| {}).unwrap(), unpacked);
    }

    #[test]
    fn a_truncated_file_is_named_with_both_sizes() {
        let (mut files, table) = cifar_files(2);
        files[1].1.truncate(6_000);
        let message = read(&files, &table).unwrap_err().to_string();
        assert!(message.contains("data_batch_2.bin has 6000 bytes, not 6146"), "{message}");
    }

    #[test]
    fn an_altered_file_is_named_with_both_checksums() {
        let (mut files, table) = cifar_files(2);
        files[5].1[10] ^= 1;
        let message = read(&files, &table).unwrap_err().to_string();
        let (expected, found) = (&table[5].md5, md5_hex(&files[5].1));
        assert!(message.contains("test_batch.bin was altered"), "{message}");
        assert!(message.contains(&**expected) && message.contains(&found), "{message}");
    }

    #[test]
    fn a_missing_file_is_named() {
        let (mut files, table) = cifar_files(2);
        files.remove(3);
        assert!(read(&files, &table).unwrap_err().to_string().contains("data_batch_4.bin is missing"));
    }

    #[test]
    fn a_label_that_no_class_has_is_refused() {
        let (mut files, mut table) = cifar_files(2);
        files[0].1[RECORD] = 10;
        table[0].md5 = md5_hex(&files[0].1).into();
        let message = read(&files, &table).unwrap_err().to_string();
        assert!(message.contains("data_batch_1.bin, image 1: label 10"), "{message}");
    }
}
