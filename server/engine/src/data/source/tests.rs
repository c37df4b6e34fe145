use std::fs;

use super::*;
use crate::data::testing::{cifar10_files, cifar100_files, go_on, image_files, stl10_files, tar_gz, write_files};

fn read_path(path: &Path) -> Result<Import> {
    read(path, "x", &ImportOptions::default(), &mut go_on)
}

/// What these files are read as in a folder and in an archive.
fn imports(files: &[(String, Vec<u8>)]) -> [Result<Import>; 2] {
    let dir = tempfile::tempdir().unwrap();
    write_files(&dir.path().join("folder"), files);
    fs::write(dir.path().join("archive.tgz"), tar_gz(files)).unwrap();
    ["folder", "archive.tgz"].map(|name| read_path(&dir.path().join(name)))
}

#[test]
fn each_official_dataset_is_recognised_and_ones_own_files_of_its_form_are_not_called_by_its_name() {
    for (files, title, images) in [
        (cifar10_files(2), "CIFAR-10", (10, 2)),
        (cifar100_files(2), "CIFAR-100", (2, 2)),
        (stl10_files(), "STL-10", (3, 2)),
    ] {
        for import in imports(&files) {
            let Import { dataset, report } = import.unwrap();
            assert_eq!(report.kind, format!("the binary files of {title}"));
            assert_eq!((dataset.train.len(), dataset.test.len()), images);
            assert_eq!(dataset.title, "x");
            assert!(report.notes[0].contains(&format!("not the official files of {title}")), "{:?}", report.notes);
        }
    }
}

#[test]
fn the_report_tells_what_was_read_and_counts_every_class() {
    let [folder, archive] = imports(&image_files()).map(Result::unwrap);
    assert_eq!((folder.report.source.as_str(), folder.report.container.as_str()), ("folder", "a folder"));
    assert_eq!(archive.report.container, "a tar archive, compressed with gzip");
    assert_eq!(archive.report.source, "archive.tgz");
    assert_eq!(folder.dataset.origin, "images in folders imported from folder");
    let counts: Vec<_> = folder.report.classes.iter().map(|c| (c.class.as_str(), c.train, c.test)).collect();
    assert_eq!(counts, [("cat", 2, 2), ("dog", 2, 2)]);
}

#[test]
fn what_lies_beside_the_files_of_a_dataset_is_counted_as_left_out() {
    let mut files = cifar10_files(2);
    files.extend(["readme.html", "own/photo.png", ".DS_Store"].map(|name| (name.to_owned(), vec![1])));
    for import in imports(&files) {
        let left_out: Vec<_> = import.unwrap().report.left_out.iter().map(ToString::to_string).collect();
        assert_eq!(left_out.len(), 2, "{left_out:?}");
        assert!(left_out.contains(&"hidden files and folders: 1 (.DS_Store)".to_owned()), "{left_out:?}");
        let others = left_out.iter().find(|finding| finding.starts_with("other files, which are not read: 2"));
        assert!(others.is_some_and(|others| others.contains("readme.html")), "{left_out:?}");
    }
}

#[test]
fn files_that_are_pickles_by_name_only_do_not_matter() {
    let dir = tempfile::tempdir().unwrap();
    write_files(dir.path(), &image_files());
    write_files(dir.path(), &[("cifar-10-batches-py/data_batch_1".into(), vec![0])]);
    assert_eq!(read_path(dir.path()).unwrap().dataset.classes, ["cat", "dog"]);
}

#[test]
fn a_folder_of_two_datasets_is_not_guessed_at() {
    let dir = tempfile::tempdir().unwrap();
    write_files(&dir.path().join("cifar-10-batches-bin"), &cifar10_files(1));
    write_files(&dir.path().join("cifar-100-binary"), &cifar100_files(1));
    let message = read_path(dir.path()).unwrap_err().to_string();
    assert!(message.contains("the binary files of CIFAR-10 in cifar-10-batches-bin; the binary files of CIFAR-100"));
    assert_eq!(read_path(&dir.path().join("cifar-100-binary")).unwrap().dataset.classes.len(), 100);
}

#[test]
fn a_file_that_is_no_dataset_is_told_what_a_dataset_is_and_what_cannot_be_read_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    for (name, content, words) in [
        ("notes.zip", &b"hello"[..], "train/CLASS/IMAGE.png"),
        ("data.pt", b"\x80\x02}q.", "(files by their endings: pt: 1)"),
        ("images.7z", b"7z\xbc\xaf\x27\x1c\0\x04", "an archive of the format 7z, which is not read: unpack it"),
        ("train-images-idx3-ubyte", b"\0\0\x08\x03\0\0\0\x01\0\0\0\x1c", "a file of MNIST's own format (IDX)"),
        ("train.parquet", b"PAR1....", "train.parquet cannot be read"),
        (
            "train_32x32.mat",
            b"MATLAB 7.3 MAT-file",
            "an HDF5 file, as MATLAB 7.3 writes them, which is not read: save its images and labels with NumPy",
        ),
    ] {
        fs::write(dir.path().join(name), content).unwrap();
        let message = read_path(&dir.path().join(name)).unwrap_err().to_string();
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn what_save_to_disk_wrote_is_refused_with_how_to_write_parquet() {
    let files = ["train/data-00000-of-00001.arrow", "train/dataset_info.json", "dataset_dict.json"];
    for import in imports(&files.map(|name| (name.to_owned(), b"\xff\xff\xff\xffxxxx".to_vec()))) {
        let message = import.unwrap_err().to_string();
        assert!(
            message.contains("`save_to_disk` of Hugging Face's datasets") && message.contains("to_parquet"),
            "{message}"
        );
    }
}
