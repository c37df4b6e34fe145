use sha2::{Digest, Sha256};

use super::*;
use crate::data::{
    ClassCount,
    download::Checksum,
    official::{ALL, Archive, CIFAR10, STL10, tests::miniature},
    testing::{Reply, cifar10_files, go_on, image_files, png, serve, stl10_files, tar_gz, write_files},
};

struct Fixture {
    library: Library,
    dir: tempfile::TempDir,
}

fn fixture() -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    write_files(&dir.path().join("images"), &image_files());
    let library = Library::new(dir.path().join("library"));
    Fixture { library, dir }
}

impl Fixture {
    fn images(&self) -> PathBuf {
        self.dir.path().join("images")
    }

    fn import(&self, name: &str) -> Result<DatasetInfo> {
        self.library.import(&self.images(), name, &ImportOptions::default(), &mut go_on)
    }

    /// Everything in the library's folder, hidden or not.
    fn kept(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(&self.library.dir) else { return Vec::new() };
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

#[test]
fn the_bundled_dataset_is_listed_as_it_loads() {
    let library = fixture().library;
    let info = library.list().unwrap().remove(0);
    let dataset = library.load(BUNDLED_DATASET).unwrap();
    assert_eq!((info.train, info.test), (dataset.train.len(), dataset.test.len()));
    assert_eq!(info.sha256, stored::sha256(&dataset));
    assert_eq!((info.name, info.title), (dataset.name, dataset.title));
    assert_eq!((info.classes, info.origin), (dataset.classes, dataset.origin));
}

#[test]
fn samples_are_shown_of_every_dataset_by_its_name_alone() {
    let f = fixture();
    f.import("pets").unwrap();
    for (name, size) in [(BUNDLED_DATASET, (338, 338)), ("pets", (338, 66))] {
        let sheet = image::load_from_memory(&f.library.samples(name).unwrap()).unwrap().into_rgba8();
        assert_eq!(sheet.dimensions(), size, "{name}");
    }
    let pets = image::load_from_memory(&f.library.samples("pets").unwrap()).unwrap().into_rgba8();
    let pixels = [(0, 0), (34, 0), (68, 0), (0, 34), (34, 34)].map(|(x, y)| pets.get_pixel(x, y).0);
    assert_eq!(pixels, [[1, 0, 7, 255], [1, 1, 7, 255], [0; 4], [0, 0, 7, 255], [0, 1, 7, 255]]);
    let path = f.images();
    for no_name in ["zoo", "../library/pets", path.to_str().unwrap()] {
        assert!(f.library.samples(no_name).unwrap_err().to_string().contains("there is no dataset"), "{no_name}");
    }
}

#[test]
fn an_imported_dataset_is_listed_and_loads_as_its_folder_does() {
    let f = fixture();
    let info = f.import("pets").unwrap();
    assert_eq!((info.train, info.test, info.bundled), (4, 4, false));
    assert_eq!(f.library.list().unwrap()[1], info);
    let (stored, read) = (f.library.load("pets").unwrap(), f.library.load(f.images().to_str().unwrap()).unwrap());
    assert_eq!((stored.train, stored.test, stored.classes), (read.train, read.test, read.classes));
    assert_eq!(stored.origin, "images in folders imported from images");
}

#[test]
fn a_name_is_plain_and_free() {
    let f = fixture();
    let long = "a".repeat(65);
    for bad in ["", "Pets", "../pets", "pets/1", ".pets", "pets ", long.as_str()] {
        assert!(f.import(bad).unwrap_err().to_string().contains("cannot be a dataset's name"), "{bad}");
    }
    f.import("pets").unwrap();
    for taken in ["pets", BUNDLED_DATASET] {
        assert!(f.import(taken).unwrap_err().to_string().contains("already"), "{taken}");
    }
    assert_eq!(f.kept(), ["pets"]);
}

#[test]
fn a_refused_import_leaves_nothing_behind() {
    let f = fixture();
    fs::write(f.images().join("train/cat/2.png"), png(31, [0; 3])).unwrap();
    assert!(f.import("pets").is_err());
    let hostile = f.dir.path().join("hostile.tar.gz");
    let mut files = image_files();
    files.push(("../evil.png".into(), png(32, [0; 3])));
    fs::write(&hostile, tar_gz(&files)).unwrap();
    let message = f.library.import(&hostile, "pets", &ImportOptions::default(), &mut go_on).unwrap_err().to_string();
    assert!(message.contains("hostile.tar.gz") && message.contains("../evil.png"), "{message}");
    assert_eq!(f.kept(), Vec::<String>::new());
}

#[test]
fn a_cancelled_import_leaves_nothing_behind() {
    let f = fixture();
    let cancelled = f.library.import(&f.images(), "pets", &ImportOptions::default(), &mut |_| ControlFlow::Break(()));
    assert!(matches!(cancelled, Err(EngineError::Cancelled)), "{cancelled:?}");
    assert_eq!(f.kept(), Vec::<String>::new());
}

#[test]
fn the_report_of_an_import_is_kept_with_the_dataset() {
    let f = fixture();
    f.import("pets").unwrap();
    let report = f.library.report("pets").unwrap().unwrap();
    assert_eq!(report.source, "images");
    let count = |class: &str| ClassCount { class: class.into(), train: 2, test: 2 };
    assert_eq!(report.classes, [count("cat"), count("dog")]);
    assert_eq!(f.library.report(BUNDLED_DATASET).unwrap(), None);
    assert!(f.library.report("zoo").unwrap_err().to_string().contains("there is no dataset"));
}

#[test]
fn a_dataset_of_before_reports_were_kept_still_opens() {
    let f = fixture();
    f.import("pets").unwrap();
    let dataset = f.library.load("pets").unwrap();
    stored::write(&f.library.file("pets"), &dataset, None).unwrap();
    assert_eq!(f.library.report("pets").unwrap(), None);
    assert_eq!(f.library.load("pets").unwrap(), dataset);
}

#[test]
fn an_unknown_name_is_answered_with_those_that_there_are() {
    let f = fixture();
    f.import("pets").unwrap();
    let message = f.library.load("cifar10").unwrap_err().to_string();
    assert!(message.contains("“cifar10”: there are fashion-mnist-5k, pets"), "{message}");
    assert!(message.contains("retort data import"), "{message}");
}

#[test]
fn a_path_without_a_dataset_is_refused_with_what_a_dataset_is() {
    let f = fixture();
    fs::create_dir(f.dir.path().join("empty")).unwrap();
    let dir = f.dir.path().join("empty");
    let message = f.library.load(dir.to_str().unwrap()).unwrap_err().to_string();
    assert!(message.contains("there are no images") && message.contains("train/CLASS/"), "{message}");
    let file = f.dir.path().join("nothing.tar.gz");
    fs::write(&file, tar_gz(&[("README".into(), vec![1])])).unwrap();
    assert!(f.library.load(file.to_str().unwrap()).unwrap_err().to_string().contains("there are no images"));
    let missing = f.library.import(&f.dir.path().join("gone"), "pets", &ImportOptions::default(), &mut go_on);
    assert!(missing.unwrap_err().to_string().contains("there is no file or folder"));
}

#[test]
fn a_damaged_dataset_is_listed_with_its_fault_beside_the_others() {
    let f = fixture();
    f.import("pets").unwrap();
    f.import("zoo").unwrap();
    let file = f.library.file("pets");
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    let list = f.library.list().unwrap();
    assert!(list[1].fault.as_ref().unwrap().contains("the dataset pets is damaged"));
    assert_eq!((list[2].name.as_str(), list[2].fault.as_ref()), ("zoo", None));
}

#[test]
fn progress_reaches_the_number_of_images() {
    let f = fixture();
    let mut last = None;
    let mut watch = |progress| {
        last = Some(progress);
        ControlFlow::Continue(())
    };
    f.library.import(&f.images(), "pets", &ImportOptions::default(), &mut watch).unwrap();
    assert_eq!(last, Some(crate::data::Progress::images("decoding", 8, 8)));
}

/// A miniature whose archive is this one.
fn fetchable(official: &Official, files: &[(String, Vec<u8>)], archive: &[u8], checksum: Checksum) -> Official {
    let archive = Archive { bytes: archive.len() as u64, checksum, ..official.archive.clone() };
    Official { archive, ..miniature(official, files) }
}

#[test]
fn cifar_is_fetched_in_two_attempts_and_only_then_stored() {
    let f = fixture();
    let files = cifar10_files(2);
    let archive = tar_gz(&files);
    let sha256 = Checksum::Sha256(stored::hex(&Sha256::digest(&archive)).into());
    let official = fetchable(&CIFAR10, &files, &archive, sha256);
    let server = serve(archive.clone(), vec![Reply::CutAfter(archive.len() / 2), Reply::Whole]);
    assert!(f.library.fetch_from(&server.url, &official, &mut go_on).is_err());
    assert_eq!(f.kept(), ["cifar10.tar.gz.part"]);
    assert_eq!(f.library.list().unwrap().len(), 1);
    let info = f.library.fetch_from(&server.url, &official, &mut go_on).unwrap();
    assert_eq!((info.title.as_str(), info.train, info.test), ("CIFAR-10", 10, 2));
    assert_eq!(f.kept(), ["cifar10"]);
}

#[test]
fn a_dataset_with_an_md5_is_fetched_likewise() {
    let f = fixture();
    let files = stl10_files();
    let archive = tar_gz(&files);
    let md5 = Checksum::Md5(stored::hex(&md5::Md5::digest(&archive)).into());
    let server = serve(archive.clone(), vec![Reply::Whole]);
    let official = fetchable(&STL10, &files, &archive, md5);
    let info = f.library.fetch_from(&server.url, &official, &mut go_on).unwrap();
    assert_eq!((info.name.as_str(), info.title.as_str(), info.train, info.test), ("stl10", "STL-10", 3, 2));
    assert_eq!(f.library.load("stl10").unwrap().train.labels, [0, 9, 4]);
}

#[test]
fn an_altered_archive_is_fetched_but_not_stored() {
    let f = fixture();
    let files = cifar10_files(2);
    let archive = tar_gz(&files);
    let server = serve(archive.clone(), vec![Reply::Whole]);
    let official = fetchable(&CIFAR10, &files, &archive, Checksum::Sha256("0".repeat(64).into()));
    let message = f.library.fetch_from(&server.url, &official, &mut go_on).unwrap_err().to_string();
    assert!(message.contains("SHA-256"), "{message}");
    assert_eq!(f.kept(), Vec::<String>::new());
}

#[test]
fn only_known_datasets_can_be_fetched() {
    let f = fixture();
    let message = f.library.fetch("imagenet", None, &mut go_on).unwrap_err().to_string();
    let known: Vec<_> = ALL.iter().map(|official| official.name).collect();
    let can_be = format!("{} can be fetched", known.join(", "));
    assert!(message.contains("“imagenet”") && message.contains(&can_be), "{message}");
    f.import("cifar10").unwrap();
    assert!(f.library.fetch("cifar10", None, &mut go_on).unwrap_err().to_string().contains("already"));
}

#[test]
fn what_an_interrupted_download_left_is_told_and_can_be_discarded() {
    let f = fixture();
    assert_eq!(f.library.downloaded("cifar10"), 0);
    fs::create_dir_all(&f.library.dir).unwrap();
    fs::write(f.library.part("cifar10"), "half").unwrap();
    fs::write(f.library.part("pets"), "not of ours").unwrap();
    assert_eq!(f.library.downloaded("cifar10"), 4);
    for name in ["cifar10", "cifar100", "pets", "../pets"] {
        f.library.discard_download(name).unwrap();
    }
    assert_eq!(f.kept(), ["pets.tar.gz.part"]);
}

#[test]
fn a_half_written_dataset_is_discarded_once_its_process_is_gone() {
    let f = fixture();
    f.import("pets").unwrap();
    for left in [".dogs.17.tmp", ".cats.18.tmp", ".hidden.tmp", "17.tmp"] {
        fs::create_dir_all(f.library.dir.join(left).join("inside")).unwrap();
    }
    f.library.discard_unfinished(|process| process == 17).unwrap();
    let mut kept = f.kept();
    kept.sort_unstable();
    assert_eq!(kept, [".cats.18.tmp", ".hidden.tmp", "17.tmp", "pets"]);
}

#[test]
fn a_name_is_suggested_from_what_the_file_is_called() {
    for (file, name) in [
        ("pets.zip", "pets"),
        ("My Pets (2).tar.gz", "my-pets-2"),
        ("cifar-10-python.tar.gz", "cifar-10-python"),
        ("..npz", ""),
        ("犬.zip", ""),
    ] {
        assert_eq!(Library::suggested_name(file), name, "{file}");
    }
    assert_eq!(Library::suggested_name(&"long ".repeat(50)).len(), 64);
}
