use crate::{
    EngineError, Result,
    data::{
        import::Import,
        options::{ImportOptions, Links},
        report::Finding,
        source,
        testing::{go_on, image_files, import_files, import_files_as, png, write_files},
    },
};

type Files = Vec<(String, Vec<u8>)>;

fn refusal(files: &Files) -> String {
    import_files(files).unwrap_err().to_string()
}

fn with(name: &str, bytes: Vec<u8>) -> Files {
    let mut files = image_files();
    files.push((name.to_owned(), bytes));
    files
}

/// The usual files with other folders for the two parts.
fn renamed(train: &str, test: &str) -> Files {
    let rename = |(name, bytes): (String, Vec<u8>)| {
        let (part, rest) = name.split_once('/').unwrap();
        (format!("{}/{rest}", if part == "train" { train } else { test }), bytes)
    };
    image_files().into_iter().map(rename).collect()
}

fn finding(findings: &[Finding], what: &str) -> (usize, Vec<String>) {
    let found = findings.iter().find(|finding| finding.what.contains(what)).unwrap_or_else(|| panic!("{findings:?}"));
    (found.count, found.examples.clone())
}

#[test]
fn classes_and_images_come_in_alphabetical_order_as_colour_planes() {
    let dataset = import_files(&image_files()).unwrap().dataset;
    assert_eq!(dataset.classes, ["cat", "dog"]);
    assert_eq!(dataset.train.labels, [0, 0, 1, 1]);
    let planes = |red: u8, green: u8| [[red; 1024], [green; 1024], [7; 1024]].concat();
    assert_eq!(dataset.train.images, [planes(1, 0), planes(1, 1), planes(0, 0), planes(0, 1)].concat());
    assert_eq!(dataset.test.images, [planes(2, 0), planes(2, 1), planes(3, 0), planes(3, 1)].concat());
}

#[test]
fn the_usual_layout_has_nothing_to_report() {
    let report = import_files(&image_files()).unwrap().report;
    assert_eq!((report.left_out, report.changed, report.notes), (vec![], vec![], vec![]));
}

#[test]
fn folders_of_the_parts_are_known_by_any_usual_name_and_in_any_folder_around_them() {
    let plain = import_files(&image_files()).unwrap().dataset;
    for (train, test) in [
        ("Train", "Test"),
        ("training", "testing"),
        ("train", "val"),
        ("TRAIN", "valid"),
        ("train", "validation"),
        ("train_set", "test_set"),
        ("tinyset/train", "tinyset/test"),
        ("a/b c/train", "a/b c/val"),
        ("test/train", "test/test"),
        ("training_images/train", "test_images/test"),
        ("seg_train/seg_train", "seg_test/seg_test"),
        ("pets-train", "pets-test"),
        ("1/train", "2/test"),
    ] {
        let import = import_files(&renamed(train, test)).unwrap();
        assert_eq!((import.dataset.train, import.dataset.test), (plain.train.clone(), plain.test.clone()), "{train}");
        let notes = import.report.notes.join(" ");
        assert!(train == "train" || notes.contains(train), "{train}: {notes}");
        assert!(test == "test" || notes.contains(test), "{test}: {notes}");
    }
}

#[test]
fn validation_images_beside_test_images_are_left_out_and_counted() {
    let mut files = image_files();
    let validation: Files = renamed("train", "val").into_iter().filter(|(name, _)| name.starts_with("val")).collect();
    files.extend(validation);
    let import = import_files(&files).unwrap();
    assert_eq!((import.dataset.train.len(), import.dataset.test.len()), (4, 4));
    assert_eq!(finding(&import.report.left_out, "validation images").0, 4);
}

#[test]
fn a_class_may_be_called_as_a_part_is() {
    let files: Files =
        image_files().into_iter().map(|(name, bytes)| (name.replace("/cat/", "/train/"), bytes)).collect();
    assert_eq!(import_files(&files).unwrap().dataset.classes, ["dog", "train"]);
}

#[test]
fn what_is_no_image_is_left_out_and_counted_in_one_line() {
    let mut files = with("train/cat/Thumbs.db", b"\xd0\xcf\x11\xe0".to_vec());
    for name in ["train/desktop.ini", "labels.csv", "README", "train/dog/notes", "train/cat/meta/1.json"] {
        files.push((name.to_owned(), b"text".to_vec()));
    }
    let hidden =
        ["train/cat/._0.png", ".DS_Store", "test/.x/1.png", "__MACOSX/train/cat/._1.png", "train/@eaDir/1.png"];
    files.extend(hidden.map(|name| (name.to_owned(), vec![0])));
    let import = import_files(&files).unwrap();
    let plain = import_files(&image_files()).unwrap().dataset;
    assert_eq!((import.dataset.train, import.dataset.test), (plain.train, plain.test));
    assert_eq!(finding(&import.report.left_out, "files that are no images").0, 6);
    assert!(finding(&import.report.left_out, "hidden files").0 >= 5);
}

#[test]
fn an_image_is_known_by_what_it_holds_and_not_by_its_name() {
    for name in ["train/cat/2.PNG", "train/cat/2.jpg", "train/cat/2"] {
        assert_eq!(import_files(&with(name, png(32, [4; 3]))).unwrap().dataset.train.len(), 5, "{name}");
    }
}

#[test]
fn images_may_lie_deeper_inside_of_a_class() {
    let dataset = import_files(&with("train/cat/more/9.png", png(32, [4; 3]))).unwrap().dataset;
    assert_eq!(dataset.train.labels, [0, 0, 0, 1, 1]);
}

#[test]
fn images_outside_of_the_classes_are_left_out_and_counted() {
    for (name, outside) in
        [("train/overview.png", "the folders of classes"), ("logo.png", "test, train"), ("old/1.png", "test, train")]
    {
        let import = import_files(&with(name, png(32, [4; 3]))).unwrap();
        assert_eq!(import.dataset.train.len(), 4);
        let of = finding(&import.report.left_out, &format!("images outside of {outside}"));
        assert_eq!(of, (1, vec![name.to_owned()]));
    }
}

#[test]
fn another_size_is_refused_with_how_many_have_which_and_made_32_by_32_when_asked_for() {
    let mut files = with("train/cat/big.png", png(64, [8; 3]));
    files.push(("test/dog/big.png".into(), png(64, [8; 3])));
    files.push(("test/dog/odd.png".into(), png(28, [8; 3])));
    let message = refusal(&files);
    assert!(message.contains("3 are not: 2 of 64×64 (as train/cat/big.png), 1 of 28×28"), "{message}");
    assert!(message.contains("--resize"), "{message}");
    let import = import_files_as(&files, &ImportOptions { resize: true, ..ImportOptions::default() }).unwrap();
    assert_eq!((import.dataset.train.len(), import.dataset.test.len()), (5, 6));
    assert_eq!(import.dataset.train.image(2), [8; 3072]);
    assert_eq!(finding(&import.report.changed, "of other sizes").0, 3);
    assert!(import.report.notes[0].contains("64×64 (2), 28×28 (1)"), "{:?}", import.report.notes);
}

#[test]
fn that_test_images_lack_is_told_with_what_else_is_wrong() {
    let mut files = at(&["cat/1.png", "dog/1.png"]);
    files.push(("cat/2.png".into(), png(64, [0; 3])));
    let message = refusal(&files);
    assert!(message.contains("1 of 64×64") && message.contains("Also, there are no images to test on"), "{message}");
    let options = ImportOptions { test_percent: Some(20), ..ImportOptions::default() };
    let message = import_files_as(&files, &options).unwrap_err().to_string();
    assert!(!message.contains("to test on"), "{message}");
}

#[test]
fn every_broken_image_is_named_at_once_and_many_are_counted() {
    let mut files = with("test/dog/bad.png", b"hello".to_vec());
    files.push(("test/dog/empty.jpg".into(), vec![]));
    let message = refusal(&files);
    assert!(message.contains("test/dog/bad.png is no image by what it holds"), "{message}");
    assert!(message.contains("test/dog/empty.jpg is empty"), "{message}");
    files.extend((0..20).map(|i| (format!("train/cat/x{i}.png"), vec![])));
    assert!(refusal(&files).contains("and 12 more: replace them"), "{}", refusal(&files));
}

#[test]
fn a_class_that_one_part_lacks_is_named() {
    let message = refusal(&with("test/fox/1.png", png(32, [0; 3])));
    assert!(message.contains("the class “fox” is in the test images but not in the training images"), "{message}");
}

/// Images of one colour at these places.
fn at(places: &[&str]) -> Files {
    let image = |(i, place): (usize, &&str)| ((*place).to_owned(), png(32, [i as u8; 3]));
    places.iter().enumerate().map(image).collect()
}

#[test]
fn folders_of_parts_kinds_and_folds_are_no_classes() {
    for (places, said) in [
        (&["train/cat.0.png", "train/dog.1.png", "test1/0.png"][..], "but no folders of classes"),
        (&["images/a_1.png", "annotations/trimaps/a_1.png"], "only “annotations”, “images”"),
        (&["images/001.gull/a.png", "images/002.owl/a.png", "segmentations/001.gull/a.png"], "only “images”"),
        (&["images/1.png", "images/2.png"], "only “images”"),
        (
            &["fold1/cat/1.png", "fold1/dog/1.png", "fold2/cat/2.png", "fold2/dog/2.png"],
            "the folders fold1 and fold2 both hold cat, dog",
        ),
        (
            &["clean/cat/1.png", "clean/dog/1.png", "adv/eps8/cat/2.png", "adv/eps8/dog/2.png"],
            "the folders adv and clean both hold cat, dog",
        ),
    ] {
        let options = ImportOptions { test_percent: Some(50), ..ImportOptions::default() };
        let message = import_files_as(&at(places), &options).unwrap_err().to_string();
        assert!(message.contains(said), "{message}");
    }
}

#[test]
fn validation_images_serve_where_the_test_images_have_no_classes() {
    let import = import_files(&at(&[
        "train/n01/images/a.png",
        "train/n02/images/b.png",
        "val/n01/c.png",
        "val/n02/d.png",
        "test/images/e.png",
    ]));
    let import = import.unwrap();
    assert_eq!((import.dataset.train.len(), import.dataset.test.len()), (2, 2));
    assert_eq!(finding(&import.report.left_out, "test images without labels").0, 1);
    let flat = at(&["train/n01/images/a.png", "train/n02/images/b.png", "val/images/c.png", "test/images/e.png"]);
    assert!(refusal(&flat).contains("none to test on (2 have no labels)"), "{}", refusal(&flat));
}

#[test]
fn numbers_in_the_order_of_text_classes_that_are_alike_and_merged_folders_are_told() {
    let places: Vec<String> = (0..12).flat_map(|i| ["train", "test"].map(|part| format!("{part}/{i}/x.png"))).collect();
    let places: Vec<&str> = places.iter().map(String::as_str).collect();
    let notes = import_files(&at(&places)).unwrap().report.notes;
    assert!(notes[0].contains("not as numbers: 0, 1, 10, 11, 2 …"), "{notes:?}");
    let places = [1, 2, 10].map(|n| ["train", "test"].map(|part| format!("{part}/class_{n}/x.png"))).concat();
    let places: Vec<&str> = places.iter().map(String::as_str).collect();
    let notes = import_files(&at(&places)).unwrap().report.notes;
    assert!(notes[0].contains("not as numbers: class_1, class_10, class_2 …"), "{notes:?}");
    let places = ["train/Cat/a.png", "train/cat/a.png", "test/Cat/a.png", "test/cat/a.png", "train/cat/b/c.png"];
    let notes = import_files(&at(&places)).unwrap().report.notes;
    assert!(notes.iter().any(|note| note.contains("“Cat” and “cat” are two classes")), "{notes:?}");
    assert!(notes.iter().any(|note| note.contains("were not told apart: 1, as cat/b.")), "{notes:?}");
}

#[test]
fn a_file_that_may_hold_labels_and_is_not_understood_is_named() {
    let mut files = at(&["train/1.png", "train/2.png"]);
    for table in ["sampleSubmission.csv", "Meta.csv", "trainLabels.json", "notes.txt"] {
        files.push((table.into(), b"id,label".to_vec()));
    }
    assert!(
        refusal(&files)
            .contains("trainLabels.json was not understood as their labels: a file labels.csv with the columns"),
        "{}",
        refusal(&files)
    );
}

#[test]
fn a_pointer_of_git_lfs_is_told_as_one() {
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 1024\n".to_vec();
    assert!(refusal(&with("train/cat/9.png", pointer)).contains("`git lfs pull`"));
}

#[test]
fn classes_that_are_one_but_for_their_capitals_are_told() {
    let mut files = image_files();
    for (name, _) in &mut files {
        *name = name.replace("test/dog", "test/Dogs");
    }
    let message = refusal(&files);
    assert!(message.contains("“dog” and “Dogs” seem to be one class; give its folders the same name"), "{message}");
}

#[test]
fn empty_folders_are_left_out() {
    let dir = tempfile::tempdir().unwrap();
    write_files(dir.path(), &image_files());
    std::fs::create_dir_all(dir.path().join("train/fox/old")).unwrap();
    let import = source::read(dir.path(), "x", &ImportOptions::default(), &mut go_on).unwrap();
    assert_eq!(import.dataset.classes, ["cat", "dog"]);
    assert_eq!(finding(&import.report.left_out, "folders without images").0, 2);
}

#[test]
fn one_class_or_more_than_a_byte_can_count_are_refused() {
    let only: Files = image_files().into_iter().filter(|(name, _)| name.contains("cat")).collect();
    assert!(refusal(&only).contains("one class only, “cat”"), "{}", refusal(&only));
    let image = png(32, [0; 3]);
    let many = |n: usize| -> Files {
        let names = (0..n).flat_map(|i| ["train", "test"].map(|part| format!("{part}/{i:03}/1.png")));
        names.map(|name| (name, image.clone())).collect()
    };
    assert_eq!(import_files(&many(256)).unwrap().dataset.classes.len(), 256);
    assert!(refusal(&many(257)).contains("there are 257 classes; at most 256"), "{}", refusal(&many(257)));
}

#[test]
fn a_class_in_two_unicode_forms_is_one_class() {
    let mut files = image_files();
    for (name, _) in &mut files {
        *name = name.replace("train/cat", "train/caf\u{e9}").replace("test/cat", "test/cafe\u{301}");
    }
    let import = import_files(&files).unwrap();
    assert_eq!(import.dataset.classes, ["caf\u{e9}", "dog"]);
    assert!(import.report.notes[0].contains("“caf\u{e9}” is spelt in 2 Unicode forms"), "{:?}", import.report.notes);
}

#[test]
fn without_test_images_the_way_out_is_told_and_a_share_of_each_class_can_be_held_out() {
    let flat: Files = (0..20).map(|i| (format!("{}/{i}.png", ["cat", "dog"][i % 2]), png(32, [i as u8; 3]))).collect();
    let message = refusal(&flat);
    assert!(
        message.contains("20 images of 2 classes (“cat”, “dog”), but none to test on")
            && message.contains("--test-percent 20")
    );
    let options = ImportOptions { test_percent: Some(20), ..ImportOptions::default() };
    let import = import_files_as(&flat, &options).unwrap();
    assert_eq!((import.dataset.train.len(), import.dataset.test.len()), (16, 4));
    assert!(import.report.notes.iter().any(|note| note.contains("20 percent of each class were held out")));
    let message = import_files_as(&image_files(), &options).unwrap_err().to_string();
    assert!(message.contains("there are 4 test images already"), "{message}");
}

#[test]
fn test_images_without_classes_are_left_out_and_the_way_out_is_told() {
    let mut files: Files = image_files().into_iter().filter(|(name, _)| name.starts_with("train")).collect();
    files.extend((0..3).map(|i| (format!("test/{i}.png"), png(32, [0; 3]))));
    let message = refusal(&files);
    assert!(message.contains("none to test on (3 have no labels): put some into test/CLASS/, or let"), "{message}");
    let options = ImportOptions { test_percent: Some(50), ..ImportOptions::default() };
    let import = import_files_as(&files, &options).unwrap();
    assert_eq!((import.dataset.train.len(), import.dataset.test.len()), (2, 2));
    assert_eq!(finding(&import.report.left_out, "test images without labels").0, 3);
}

#[test]
fn every_part_without_classes_is_told_at_once() {
    let images = |part: &str| (0..3).map(|i| (format!("{part}/{i}.png"), png(32, [i; 3]))).collect::<Files>();
    let message = refusal(&[images("train"), images("test")].concat());
    assert!(message.contains("test has 3 images but") && message.contains(". Also, train has 3 images"), "{message}");
}

#[test]
fn labels_of_webdataset_and_files_of_mnist_are_told_for_what_they_are() {
    let shard: Files = (0..3)
        .flat_map(|i| [(format!("train/{i}.png"), png(32, [i; 3])), (format!("train/{i}.cls"), b"1".to_vec())])
        .collect();
    assert!(refusal(&shard).contains("(.cls) are those of WebDataset, which is not read"), "{}", refusal(&shard));
    let packed = crate::data::testing::tar_gz(&image_files());
    let both = ["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"];
    let message = refusal(&both.map(|name| (format!("raw/{name}"), packed.clone())).into());
    assert!(
        message.contains("MNIST's own format (IDX), which is not read") && !message.contains("unpack"),
        "{message}"
    );
}

#[test]
fn test_images_that_are_training_images_too_are_counted() {
    let mut files = image_files();
    let (_, image) = files.iter().find(|(name, _)| name.starts_with("train/")).unwrap().clone();
    let leak = files.iter().position(|(name, _)| name.starts_with("test/")).unwrap();
    let told = |files: &Files| import_files(files).unwrap().report.notes.join(" ");
    assert!(!told(&files).contains("byte for byte"), "{}", told(&files));
    files[leak].1 = image;
    assert!(told(&files).contains("1 of 4 test images are training images too, byte for byte"), "{}", told(&files));
}

#[test]
fn parts_inside_of_classes_and_two_datasets_are_not_guessed_at() {
    for around in ["cat", "dog"] {
        let mut files = renamed("a/train", "a/test");
        files.extend(renamed("b/train", "b/test"));
        assert!(refusal(&files).contains("in each of a, b: import one of these"), "{around}: {}", refusal(&files));
    }
    let mut files = image_files();
    files.extend(renamed("Train", "Test"));
    assert!(refusal(&files).contains("would be the training images"), "{}", refusal(&files));
}

#[test]
fn archives_in_a_source_are_named_but_the_only_one_in_a_folder_is_read() {
    let inner = crate::data::testing::tar_gz(&image_files());
    let message = refusal(&vec![("train.tar.gz".into(), inner.clone()), ("test.tar.gz".into(), inner.clone())]);
    assert!(message.contains("an archive inside, ") && message.contains(".tar.gz: unpack it"), "{message}");
    let dir = tempfile::tempdir().unwrap();
    write_files(dir.path(), &[("pets.tar.gz".into(), inner), ("README".into(), vec![1])]);
    let import = source::read(dir.path(), "x", &ImportOptions::default(), &mut go_on).unwrap();
    assert_eq!(import.dataset.train.len(), 4);
    assert!(import.report.notes.iter().any(|note| note.contains("the archive inside, pets.tar.gz")));
}

#[cfg(unix)]
mod links {
    use std::os::unix::fs::symlink;

    use super::*;

    fn read(dir: &std::path::Path, links: Links) -> Result<Import> {
        source::read(dir, "x", &ImportOptions { links, ..ImportOptions::default() }, &mut go_on)
    }

    #[test]
    fn links_to_images_and_to_classes_are_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (root, real) = (dir.path().join("pets"), dir.path().join("real"));
        write_files(&root, &image_files());
        std::fs::create_dir(&real).unwrap();
        std::fs::rename(root.join("train/dog"), real.join("dog")).unwrap();
        symlink(real.join("dog"), root.join("train/dog")).unwrap();
        symlink(real.join("dog/1.png"), root.join("train/cat/9.png")).unwrap();
        let import = read(&root, Links::Follow).unwrap();
        assert_eq!(import.dataset.train.labels, [0, 0, 0, 1, 1]);
        assert_eq!(import.dataset.train.image(2), import.dataset.train.image(4));
    }

    #[test]
    fn links_are_refused_where_somebody_else_made_them() {
        let dir = tempfile::tempdir().unwrap();
        write_files(dir.path(), &image_files());
        symlink("/etc/hostname", dir.path().join("train/cat/9.png")).unwrap();
        let message = read(dir.path(), Links::Refuse).unwrap_err().to_string();
        assert!(message.contains("train/cat/9.png is a link"), "{message}");
    }

    #[test]
    fn a_link_that_leads_nowhere_is_named_and_one_that_leads_back_is_left_out() {
        let dir = tempfile::tempdir().unwrap();
        write_files(dir.path(), &image_files());
        symlink(dir.path(), dir.path().join("train/cat/again")).unwrap();
        let import = read(dir.path(), Links::Follow).unwrap();
        assert_eq!(import.dataset.train.len(), 4);
        assert_eq!(finding(&import.report.left_out, "links to a folder that they lie in").0, 1);
        symlink("/nowhere/1.png", dir.path().join("train/cat/9.png")).unwrap();
        let message = read(dir.path(), Links::Follow).unwrap_err().to_string();
        assert!(message.contains("train/cat/9.png cannot be read: links to what is not there"), "{message}");
    }

    #[test]
    fn a_folder_that_is_no_folder_of_files_does_not_block() {
        let dir = tempfile::tempdir().unwrap();
        write_files(dir.path(), &image_files());
        let made = std::process::Command::new("mkfifo").arg(dir.path().join("train/cat/pipe")).status();
        if made.is_ok_and(|status| status.success()) {
            let import = read(dir.path(), Links::Follow).unwrap();
            assert_eq!(finding(&import.report.left_out, "devices").0, 1);
        }
    }
}

#[test]
fn a_refusal_names_the_source() {
    let error = import_files(&[("README".into(), vec![1])]).unwrap_err();
    assert!(matches!(&error, EngineError::Data(words) if words.starts_with("source: there are no images")), "{error}");
}
