use crate::data::{
    import::Import,
    options::ImportOptions,
    testing::{class_counts, image_files, import_files, import_files_as, png},
};

type Files = Vec<(String, Vec<u8>)>;

/// Images that differ, at these places, and a table beside them.
fn with_table(places: &[&str], table: &str, text: &str) -> Files {
    let images = places.iter().enumerate().map(|(i, place)| ((*place).to_owned(), png(32, [i as u8; 3])));
    images.chain([(table.to_owned(), text.as_bytes().to_vec())]).collect()
}

fn refusal(files: &Files) -> String {
    import_files(files).unwrap_err().to_string()
}

/// The red of each image, which tells which file it was, by label.
fn reds(split: &crate::data::dataset::Split) -> Vec<(u8, u8)> {
    (0..split.len()).map(|i| (split.labels[i], split.image(i)[0])).collect()
}

fn note(import: &Import) -> String {
    import.report.notes.join(" ")
}

#[test]
fn a_table_labels_images_by_their_names_with_or_without_the_ending_and_folder() {
    let places = ["train/a.png", "train/b.png", "train/c.png", "test/a.png", "test/d.png"];
    for (name, text) in [
        (
            "labels.csv",
            "filename,label\ntrain/a.png,dog\ntrain/b.png,cat\ntrain/c.png,dog\ntest/a.png,cat\ntest/d.png,dog\n",
        ),
        ("train/labels.csv", "id,breed\na,dog\nb,cat\nc,dog\n"),
        ("trainLabels.csv", "id,label\na,dog\nb,cat\nc,dog\nz,dog\n"),
        ("train.txt", "./old/a.jpg dog\n./old/b.jpg cat\nold/c.jpg dog\n"),
        ("train/data.tsv", "\u{feff}image\tclass\r\na.png\tdog\r\nb.png\tcat\r\nc.png\tdog\r\n"),
    ] {
        let mut files = with_table(&places, name, text);
        if name != "labels.csv" {
            files.push(("test/labels.csv".into(), b"id;label\na;cat\nd;dog".to_vec()));
        }
        let import = import_files(&files).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(import.dataset.classes, ["cat", "dog"]);
        assert_eq!(reds(&import.dataset.train), [(0, 1), (1, 0), (1, 2)], "{name}");
        assert_eq!(reds(&import.dataset.test), [(0, 3), (1, 4)], "{name}");
        assert!(note(&import).contains(&format!("{name} labels 3 images: the image is ")) || name == "labels.csv");
        assert_eq!(import.report.left_out, [], "{name}: a table that was read is not left out");
    }
}

#[test]
fn a_table_of_one_part_does_not_label_another_whose_images_are_called_alike() {
    let files = with_table(
        &["train/1.png", "train/2.png", "train/3.png", "train/4.png", "test/1.png", "test/2.png"],
        "trainLabels.csv",
        "id,label\n1,frog\n2,truck\n3,frog\n4,truck\n",
    );
    let message = refusal(&files);
    assert!(
        message.contains("4 images of 2 classes (“frog”, “truck”), but none to test on (2 have no labels)"),
        "{message}"
    );
    let options = ImportOptions { test_percent: Some(50), ..ImportOptions::default() };
    let import = import_files_as(&files, &options).unwrap();
    assert_eq!((class_counts(&import.dataset.train), class_counts(&import.dataset.test)), (vec![1, 1], vec![1, 1]));
}

#[test]
fn validation_images_with_a_table_serve_where_test_images_have_none_as_in_tiny_imagenet() {
    let mut files: Files = image_files()
        .into_iter()
        .filter(|(name, _)| name.starts_with("train"))
        .map(|(name, bytes)| (name.replace("cat/", "cat/images/").replace("dog/", "dog/images/"), bytes))
        .collect();
    files.push(("train/cat/cat_boxes.txt".into(), b"0.png\t0\t0\t9\t9\n".to_vec()));
    files.push(("wnids.txt".into(), b"cat\ndog\n".to_vec()));
    files.extend(with_table(
        &["val/images/val_0.png", "val/images/val_1.png", "test/images/test_0.png"],
        "val/val_annotations.txt",
        "val_0.png\tdog\t0\t32\t44\t62\nval_1.png\tcat\t52\t55\t57\t59\n",
    ));
    let import = import_files(&files).unwrap();
    assert_eq!(import.dataset.classes, ["cat", "dog"]);
    assert_eq!(reds(&import.dataset.test), [(0, 1), (1, 0)]);
    assert!(
        note(&import).contains("val/val_annotations.txt labels 2 images: the image is column 1, its class column 2."),
        "{}",
        note(&import)
    );
}

#[test]
fn tables_of_parts_and_a_column_of_parts_split_one_folder_of_images() {
    let places = ["images/a.png", "images/b.png", "images/c.png", "images/d.png", "images/e.png"];
    let mut files = with_table(&places, "train.csv", "path,label\nimages/a.png,0\nimages/b.png,10\nimages/c.png,2\n");
    files.push(("test.csv".into(), b"path,label\nimages/d.png,2\nimages/e.png,0".to_vec()));
    files.push(("val.csv".into(), b"path,label\n".to_vec()));
    let message = refusal(&files);
    assert!(message.contains("“10” is in the training images but not in the test images"), "{message}");
    files[6].1.extend(b"\nimages/f.png,10");
    files.push(("images/f.png".into(), png(32, [5; 3])));
    let import = import_files(&files).unwrap();
    assert_eq!(import.dataset.classes, ["0", "2", "10"], "numbers are in the order of numbers");
    assert_eq!(reds(&import.dataset.train), [(0, 0), (1, 2), (2, 1)]);
    assert_eq!(reds(&import.dataset.test), [(0, 4), (1, 3), (2, 5)]);
    let split = "file,split,label\na.png,train,x\nb.png,train,y\nc.png,val,x\nd.png,test,y\ne.png,test,x\n";
    let import = import_files(&with_table(&places, "meta.csv", split)).unwrap();
    assert_eq!(reds(&import.dataset.train), [(0, 0), (1, 1)]);
    assert_eq!(reds(&import.dataset.test), [(0, 4), (1, 3)]);
    assert_eq!(import.report.left_out[0].to_string().split(':').next(), Some("validation images"));
}

#[test]
fn the_column_of_labels_is_known_by_its_name_by_the_classes_or_by_being_the_only_one() {
    let places = ["train/0.png", "train/1.png", "train/2.png", "train/3.png"];
    for text in [
        ",filename,label\n0,3.png,dog\n1,2.png,dog\n2,1.png,cat\n3,0.png,cat\n",
        "filename,width,class_name\n3.png,32,dog\n2.png,32,dog\n1.png,32,cat\n0.png,32,cat\n",
        "image,label,class_name\n3,1,dog\n2,1,dog\n1,0,cat\n0,0,cat\n",
        "image,cat,dog\n3,0.0,1.0\n2,0,1\n1,1,0\n0,1,0\n",
        "3.png,dog\n2.png,dog\n1.png,cat\n0.png,cat\n",
    ] {
        let options = ImportOptions { test_percent: Some(50), ..ImportOptions::default() };
        let import = import_files_as(&with_table(&places, "train.csv", text), &options);
        let import = import.unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(import.dataset.classes, ["cat", "dog"], "{text}");
        let mut all = [reds(&import.dataset.train), reds(&import.dataset.test)].concat();
        all.sort_unstable();
        assert_eq!(all, [(0, 0), (0, 1), (1, 2), (1, 3)], "{text}");
    }
}

#[test]
fn a_table_that_could_be_read_in_two_ways_is_refused_with_what_to_do() {
    let places = ["train/0.png", "train/1.png", "train/2.png"];
    for (text, expected) in [
        (
            "id,label,target\n0,a,x\n1,a,y\n2,b,x\n",
            "which column of train.csv holds the labels is not clear (“label”, “target”)",
        ),
        (
            "0.png,7,x\n1.png,7,y\n2.png,8,x\n",
            "which column of train.csv holds the labels is not told (column 2, column 3)",
        ),
        (
            "a,b,label\n0,2,x\n1,1,y\n2,0,x\n",
            "several columns of train.csv name images, column 1 among them: call the one",
        ),
        ("id,label\n0,x\n1,y\n2,x\n2,y\n", "train.csv says of 2 both “x” and “y”"),
        ("id\n0\n1\n2\n", "names images but has no column of labels: add one, called “label”"),
    ] {
        let message = refusal(&with_table(&places, "train.csv", text));
        assert!(message.contains(expected), "{text}: {message}");
    }
    let mut files = with_table(&places, "train.csv", "id,label\n0,x\n1,y\n2,x\n");
    files.push(("train/old.csv".into(), b"id,label\n0,y".to_vec()));
    let message = refusal(&files);
    assert!(message.contains("two tables label train/0.png, and not alike: leave one of them out"), "{message}");
    let twice = with_table(&["train/a/0.png", "train/b/0.png", "x/1.png"], "labels.csv", "file,label\n0.png,x\n");
    assert!(!refusal(&twice).contains("labels.csv labels"), "{}", refusal(&twice));
}

#[test]
fn labels_that_are_not_the_classes_of_the_training_folders_are_refused() {
    let mut files: Files = image_files().into_iter().filter(|(name, _)| name.starts_with("train")).collect();
    files.extend(with_table(&["val/0.png", "val/1.png"], "val.txt", "0.png 65\n1.png 970\n"));
    let message = refusal(&files);
    assert!(
        message.contains(
            "val.txt names 2 images, but no column of it has the names of the training images' classes alone"
        ) && message.contains("2 classes (“cat”, “dog”)"),
        "{message}"
    );
}

#[test]
fn images_that_no_table_labels_and_rows_without_images_are_counted() {
    let text = "id,label\na,x\nb,y\nc,\nq,x\n";
    let files = with_table(&["train/a.png", "train/b.png", "train/c.png", "train/d.png"], "train.csv", text);
    let mut files: Files = files;
    files.extend(with_table(&["test/a.png", "test/b.png"], "test.csv", "id,label\na,x\nb,y\n"));
    let import = import_files(&files).unwrap();
    assert_eq!(import.dataset.train.len(), 2);
    assert_eq!(import.report.left_out[0].to_string(), "images that no table labels: 2 (train/c.png, train/d.png)");
    assert!(note(&import).contains("1 of its rows name no image that is here."), "{}", note(&import));
}
