use std::io::{Cursor, Write};

use super::{array::tests::npy, *};
use crate::data::{
    Dataset, IMAGE_BYTES,
    options::ImportOptions,
    report::Finding,
    testing::{import_files, import_files_as},
};

/// A `.npz` of these arrays.
fn npz(arrays: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, array) in arrays {
        zip.start_file(format!("{name}.npy"), zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(array).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// So many images, of which the first pixel is their number, 50 and 60.
fn images(count: usize) -> Vec<u8> {
    let image = |i: usize| [vec![i as u8, 50, 60], vec![9; IMAGE_BYTES - 3]].concat();
    npy("|u1", &[count, 32, 32, 3], &(0..count).flat_map(image).collect::<Vec<_>>())
}

fn labels(labels: &[i64]) -> Vec<u8> {
    npy("<i8", &[labels.len()], &labels.iter().flat_map(|label| label.to_le_bytes()).collect::<Vec<_>>())
}

fn both(prefix: [&str; 4]) -> Vec<(String, Vec<u8>)> {
    let arrays = [images(3), labels(&[0, 2, 1]), images(2), labels(&[1, 0])];
    prefix.into_iter().zip(arrays).map(|(name, array)| (format!("{name}.npy"), array)).collect()
}

fn check(import: &Import) {
    let Dataset { classes, train, test, .. } = &import.dataset;
    assert_eq!(classes, &["0", "1", "2"]);
    assert_eq!((&train.labels[..], &test.labels[..]), (&[0, 2, 1][..], &[1, 0][..]));
    let pixel = |i: usize| [0, 1, 2].map(|plane| train.image(i)[plane * 1024]);
    assert_eq!((pixel(0), pixel(2)), ([0, 50, 60], [2, 50, 60]));
}

#[test]
fn parts_and_roles_are_told_by_shapes_and_names_however_they_are_written() {
    for names in [
        ["x_train", "y_train", "x_test", "y_test"],
        ["train_images", "train_labels", "test_images", "test_labels"],
        ["train/images", "train/labels", "val/images", "val/labels"],
        ["data", "target", "xTest", "yTest"],
    ] {
        check(&import_files(&both(names)).unwrap());
    }
}

#[test]
fn one_npz_or_one_for_each_part_give_the_same() {
    let [a, b, c, d] = [images(3), labels(&[0, 2, 1]), images(2), labels(&[1, 0])];
    let one = npz(&[("x_train", a.clone()), ("y_train", b.clone()), ("x_test", c.clone()), ("y_test", d.clone())]);
    let (train, test) = (npz(&[("image", a), ("label", b)]), npz(&[("image", c), ("label", d)]));
    check(&import_files(&[("train.npz".into(), train), ("test.npz".into(), test)]).unwrap());
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cifar.npz");
    std::fs::write(&path, one).unwrap();
    let go_on = &mut crate::data::testing::go_on;
    check(&crate::data::source::read(&path, "mine", &ImportOptions::default(), go_on).unwrap());
}

#[test]
fn planes_rows_of_cifar_and_numbers_from_0_to_1_are_the_same_pixels() {
    let pixels = |i: usize| -> Vec<u8> {
        (0..IMAGE_BYTES).map(|p| if p % 1024 == 0 { [i as u8, 50, 60][p / 1024] } else { 9 }).collect()
    };
    let planar: Vec<u8> = (0..3).flat_map(pixels).collect();
    let floats: Vec<u8> = planar.iter().flat_map(|p| (f32::from(*p) / 255.0).to_le_bytes()).collect();
    for array in
        [npy("|u1", &[3, 3, 32, 32], &planar), npy("|u1", &[3, 3072], &planar), npy("<f4", &[3, 3, 32, 32], &floats)]
    {
        let mut files = both(["x_train", "y_train", "x_test", "y_test"]);
        files[0].1 = array;
        check(&import_files(&files).unwrap());
    }
}

#[test]
fn other_sizes_and_greys_are_made_32_by_32_rgb_when_that_was_asked_for() {
    let mut files = both(["x_train", "y_train", "x_test", "y_test"]);
    files[0].1 = npy("|u1", &[3, 28, 28], &[7; 3 * 784]);
    let message = import_files(&files).unwrap_err().to_string();
    assert!(message.contains("3 of 28×28") && message.contains("--resize"), "{message}");
    let options = ImportOptions { resize: true, ..ImportOptions::default() };
    let import = import_files_as(&files, &options).unwrap();
    assert_eq!(import.dataset.train.images, [7; 3 * IMAGE_BYTES]);
    assert_eq!(import.report.changed.iter().map(|f: &Finding| f.count).collect::<Vec<_>>(), [3, 3]);
}

#[test]
fn labels_may_be_a_column_for_each_class() {
    let mut files = both(["x_train", "y_train", "x_test", "y_test"]);
    let rows: Vec<u8> =
        [1.0_f32, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0].iter().flat_map(|n| n.to_le_bytes()).collect();
    files[1].1 = npy("<f4", &[3, 3], &rows);
    check(&import_files(&files).unwrap());
    files[1].1 = npy("|u1", &[3, 3], &[1, 1, 0, 0, 0, 1, 0, 1, 0]);
    assert!(import_files(&files).unwrap_err().to_string().contains("y_train has 3 columns of which not exactly one"));
}

/// Texts as NumPy stores them, each of five code points.
fn texts(texts: &[&str]) -> Vec<u8> {
    let fill = |text: &&str| -> Vec<u8> {
        text.chars().chain(std::iter::repeat('\0')).take(5).flat_map(|letter| u32::from(letter).to_le_bytes()).collect()
    };
    npy("<U5", &[texts.len()], &texts.iter().flat_map(fill).collect::<Vec<_>>())
}

#[test]
fn labels_may_be_text_which_names_the_classes() {
    let mut files = both(["x_train", "y_train", "x_test", "y_test"]);
    (files[1].1, files[3].1) = (texts(&["owl", "cat", "犬"]), texts(&["cat", "owl"]));
    let import = import_files(&files).unwrap();
    assert_eq!(import.dataset.classes, ["cat", "owl", "犬"]);
    assert_eq!((&import.dataset.train.labels[..], &import.dataset.test.labels[..]), (&[1, 0, 2][..], &[0, 1][..]));
    files[3].1 = labels(&[0, 1]);
    let message = import_files(&files).unwrap_err().to_string();
    assert!(message.contains("of y_train and y_test one holds numbers and the other text"), "{message}");
    files[3].1 = texts(&["cat", ""]);
    assert!(import_files(&files).unwrap_err().to_string().contains("y_test has an empty label, that of image 1"));
}

#[test]
fn an_array_of_text_may_name_the_classes_of_numbers() {
    let mut files = both(["x_train", "y_train", "x_test", "y_test"]);
    files.push(("class_names.npy".into(), texts(&["cat", "dog", "owl", "fox"])));
    let import = import_files(&files).unwrap();
    assert_eq!(import.dataset.classes, ["cat", "dog", "owl", "fox"]);
    assert_eq!(import.dataset.train.labels, [0, 2, 1]);
    let has = |part: &str| import.report.notes.iter().any(|note| note.contains(part));
    assert!(has("no images of the class “fox”") && has("no test images of the class “owl”"), "{:?}", import.report);
    files[4].1 = texts(&["cat", "dog"]);
    let message = import_files(&files).unwrap_err().to_string();
    assert!(message.contains("class_names names 2 classes, but there is the label 2"), "{message}");
}

#[test]
fn numbers_that_no_image_has_are_no_classes() {
    let mut files = both(["data_tr", "labels_tr", "data_te", "labels_te"]);
    (files[1].1, files[3].1) = (labels(&[7, 1, 2]), labels(&[2, 7]));
    let import = import_files(&files).unwrap();
    assert_eq!(import.dataset.classes, ["1", "2", "7"]);
    assert_eq!((&import.dataset.train.labels[..], &import.dataset.test.labels[..]), (&[2, 0, 1][..], &[1, 2][..]));
    assert!(import.report.notes.iter().any(|note| note.contains("No image has the label 0, 3, 4, 5, 6")));
    files[3].1 = labels(&[2, 9]);
    let message = import_files(&files).unwrap_err().to_string();
    assert!(message.contains("test images of the class “9”, but none to train on"), "{message}");
}

#[test]
fn arrays_that_no_name_tells_apart_are_to_be_named() {
    let message = import_files(&both(["a", "c", "b", "d"])).unwrap_err().to_string();
    assert!(message.contains("a and b both hold images") && message.contains("x_train, y_train"), "{message}");
}

#[test]
fn flat_rows_are_read_as_planes_or_side_by_side_whichever_is_smooth() {
    // A pixel's colours are 10, 120 and 240 everywhere, a little brighter with every row.
    let colour = |p: usize, c: usize| [10, 120, 240][c] + (p / 32 / 8) as u8;
    let planes: Vec<u8> = (0..IMAGE_BYTES).map(|i| colour(i % 1024, i / 1024)).collect();
    let side_by_side: Vec<u8> = (0..IMAGE_BYTES).map(|i| colour(i / 3, i % 3)).collect();
    for (row, said) in
        [(&planes, "as CIFAR's: the red"), (&side_by_side, "the three colours of each pixel side by side")]
    {
        let mut files = both(["x_train", "y_train", "x_test", "y_test"]);
        files[0].1 = npy("|u1", &[3, 3072], &row.repeat(3));
        let import = import_files(&files).unwrap();
        assert_eq!(import.dataset.train.image(1), planes);
        assert!(import.report.notes.iter().any(|note| note.contains(said)), "{:?}", import.report.notes);
    }
}

#[test]
fn pixels_that_are_on_or_off_are_black_and_white_and_bytes_of_0_and_1_are_refused() {
    let mut files = both(["x_train", "y_train", "x_test", "y_test"]);
    files[0].1 = npy("|b1", &[3, 32, 32], &[1; 3 * 1024]);
    assert_eq!(import_files(&files).unwrap().dataset.train.images, [255; 3 * IMAGE_BYTES]);
    files[0].1 = npy("|u1", &[3, 32, 32], &[1; 3 * 1024]);
    let message = import_files(&files).unwrap_err().to_string();
    assert!(message.contains("x_train has no pixel above 1 of 255: save numbers from 0 to 1 as floats"), "{message}");
}

#[test]
fn numbers_with_the_highest_byte_first_are_the_same_numbers() {
    let mut files = both(["x_train", "y_train", "x_test", "y_test"]);
    let big: Vec<u8> = [0_i32, 2, 1].iter().flat_map(|label| label.to_be_bytes()).collect();
    files[1].1 = npy(">i4", &[3], &big);
    check(&import_files(&files).unwrap());
    let floats: Vec<u8> = vec![0.5_f32; 3 * IMAGE_BYTES].iter().flat_map(|pixel| pixel.to_be_bytes()).collect();
    files[0].1 = npy(">f4", &[3, 32, 32, 3], &floats);
    let import = import_files(&files).unwrap();
    assert_eq!(import.dataset.train.images, [128; 3 * IMAGE_BYTES]);
    assert_eq!(
        import.report.changed[0].to_string(),
        "images of numbers from 0 to 1, made the nearest bytes: 3 (x_train, …)"
    );
}

#[test]
fn of_two_arrays_that_with_the_usual_name_is_meant_and_pieces_are_to_be_joined() {
    let mut files = both(["x_train", "y_train", "x_test", "y_test"]);
    files.push(("preds_test.npy".into(), labels(&[0, 0])));
    let mean: Vec<u8> = [0.49_f32, 0.48, 0.45].iter().flat_map(|n| n.to_le_bytes()).collect();
    files.push(("mean.npy".into(), npy("<f4", &[3], &mean)));
    let import = import_files(&files).unwrap();
    check(&import);
    let left_out: Vec<String> = import.report.left_out.iter().map(ToString::to_string).collect();
    let expected = [
        "arrays beside those with the usual names: 1 (preds_test)",
        "arrays that hold neither images nor labels: 1 (mean)",
    ];
    assert_eq!(left_out, expected);
    let pieces = ["train_batch_1/data", "train_batch_1/labels", "train_batch_2/data", "train_batch_2/labels"];
    let message = import_files(&both(pieces)).unwrap_err().to_string();
    assert!(message.contains("pieces of one array: join them with `numpy.concatenate`"), "{message}");
}

#[test]
fn shapes_of_what_can_be_no_images_are_named() {
    let mut files = both(["x_train", "y_train", "x_test", "y_test"]);
    files[0].1 = npy("|u1", &[3, 32, 32, 4], &[9; 3 * 4096]);
    let message = import_files(&files).unwrap_err().to_string();
    assert!(message.contains("x_train is 3 × 32 × 32 × 4"), "{message}");
}

#[test]
fn labels_of_python_objects_say_how_to_save_them() {
    let mut files = both(["x_train", "y_train", "x_test", "y_test"]);
    files[1].1 = npy("|O", &[3], b"");
    let message = import_files(&files).unwrap_err().to_string();
    assert!(message.contains("y_train holds Python objects") && message.contains("`y_train.astype(str)`"), "{message}");
}

#[test]
fn what_was_done_to_arrays_that_are_left_out_is_not_told() {
    let mut files = both(["x_train", "y_train", "x_test", "y_test"]);
    files.push(("x_val.npy".into(), npy("|u1", &[1, 28, 28], &[7; 784])));
    files.push(("y_val.npy".into(), labels(&[0])));
    files.push(("notes.txt".into(), b"hello".to_vec()));
    let report = import_files(&files).unwrap().report;
    assert_eq!(report.changed, []);
    let left_out: Vec<String> = report.left_out.iter().map(ToString::to_string).collect();
    assert_eq!(left_out, ["arrays of other parts: 2 (x_val, y_val)", "other files, which are not read: 1 (notes.txt)"]);
}

#[test]
fn what_is_missing_or_does_not_fit_is_named() {
    let files = both(["x_train", "y_train", "x_test", "y_test"]);
    let without = |i: usize| {
        let mut files = files.clone();
        files.remove(i);
        import_files(&files).unwrap_err().to_string()
    };
    assert!(without(0).contains("y_train has labels, but there are no images"), "{}", without(0));
    assert!(without(3).contains("x_test has images, but there are no labels"), "{}", without(3));
    let changed = |i: usize, array: Vec<u8>| {
        let mut files = files.clone();
        files[i].1 = array;
        import_files(&files).unwrap_err().to_string()
    };
    assert!(changed(1, labels(&[0, 1])).contains("x_train has 3 images, but y_train has 2 labels"));
    assert!(changed(1, labels(&[0, -1, 2])).contains("y_train has labels that are not whole numbers from 0 to 255"));
    assert!(changed(0, images(3)[..5_000].to_vec()).contains("x_train ends before its image 1"));
}

#[test]
fn extra_data_without_test_images_says_what_to_do() {
    let mut files = both(["image", "label", "x_test", "y_test"]);
    files.truncate(2);
    let message = import_files(&files).unwrap_err().to_string();
    assert!(
        message.contains("3 images of 3 classes (“0”, “1”, “2”), but none to test on: add arrays named x_test"),
        "{message}"
    );
    assert!(message.contains("--test-percent"), "{message}");
}

#[test]
fn floats_that_are_whole_numbers_from_0_to_255_are_those_bytes_even_after_a_dark_image() {
    let bytes: Vec<u8> =
        [vec![1; IMAGE_BYTES], vec![0; IMAGE_BYTES], (0..IMAGE_BYTES).map(|i| i as u8).collect()].concat();
    let array = |scale: f64| {
        let floats: Vec<u8> = bytes.iter().flat_map(|byte| (f64::from(*byte) * scale).to_le_bytes()).collect();
        vec![
            ("x_train.npy".to_owned(), npy("<f8", &[3, 3, 32, 32], &floats)),
            ("y_train.npy".to_owned(), labels(&[0, 1, 0])),
            ("x_test.npy".to_owned(), images(2)),
            ("y_test.npy".to_owned(), labels(&[1, 0])),
        ]
    };
    let import = import_files(&array(1.0)).unwrap();
    assert_eq!(import.dataset.train.images, bytes);
    assert_eq!(import.report.changed[0].what, "images of whole numbers from 0 to 255 that were stored as floats");
    assert_eq!(import_files(&array(1.0 / 255.0)).unwrap().dataset.train.images, bytes);
    let message = |scale: f64| import_files(&array(scale)).unwrap_err().to_string();
    assert!(message(0.5).contains("has a pixel of 1.5; save pixels as bytes"), "{}", message(0.5));
    assert!(message(1.0 / 65025.0).contains("as if it had been divided by 255 twice"), "{}", message(1.0 / 65025.0));
}

#[test]
fn corruptions_of_cifar_10_are_told_for_what_they_are() {
    let files = ["fog", "snow", "labels"]
        .map(|name| (format!("{name}.npy"), if name == "labels" { labels(&[0, 1, 2]) } else { images(3) }));
    let message = import_files(&files).unwrap_err().to_string();
    assert!(message.contains("fog and snow are images of CIFAR-10-C or CIFAR-100-C"), "{message}");
}
