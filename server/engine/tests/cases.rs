//! The small datasets that `datasets.py` of the shared cases makes, in the folder that `RETORT_TEST_CASES` names.
//!
//! Without the variable the tests are reported as ignored, never as passed.

use std::{
    env,
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use libtest_mimic::{Arguments, Failed, Trial};
use retort_engine::data::{DatasetInfo, ImportOptions, ImportReport, Library};

/// What must become of a case: numbers of classes, training and test images, and what the report says; or what the
/// refusal says.
enum Outcome {
    Taken([usize; 3], &'static [&'static str]),
    Refused(&'static [&'static str]),
}

use Outcome::{Refused, Taken};

const PLAIN: [usize; 3] = [2, 24, 12];
/// One image more to train on.
const ONE_MORE: [usize; 3] = [2, 25, 12];

const CASES: [(&str, Outcome); 59] = [
    ("b00_plain", Taken(PLAIN, &["images in folders"])),
    ("b01_spaces_unicode", Taken([8, 96, 48], &[])),
    ("b02_nfd_nfc", Taken([2, 16, 10], &["is spelt in 2 Unicode forms and is one class"])),
    ("b03_numeric", Taken([12, 36, 24], &[])),
    ("b04_ds_store", Taken(PLAIN, &["hidden files and folders: 3"])),
    ("b05_thumbs_db", Taken(PLAIN, &["files that are no images: 1 (train/cat/Thumbs.db)"])),
    ("b06_desktop_ini", Taken(PLAIN, &["files that are no images: 1 (train/desktop.ini)"])),
    ("b07_readme_labels", Taken(PLAIN, &["files that are no images: 1 (train/labels.csv)"])),
    ("b07b_readme_in_class", Taken(PLAIN, &["files that are no images: 1 (train/cat/README.txt)"])),
    ("b08_checkpoints_dir", Taken(PLAIN, &["hidden files and folders: 1 (train/.ipynb_checkpoints)"])),
    ("b09_val_not_test", Taken(PLAIN, &["The test images were taken from val."])),
    ("b11_training_testing", Taken(PLAIN, &["taken from training.", "taken from testing."])),
    ("b11b_Train_Test", Taken(PLAIN, &["taken from Train."])),
    ("b12_no_split", Refused(&["none to test on", "--test-percent 20"])),
    ("b13_class_missing_in_test", Refused(&["“fox” is in the training images but not in the test images"])),
    ("b14_one_class", Refused(&["one class only, “cat”"])),
    ("b14b_one_image_each", Taken([2, 2, 2], &[])),
    ("b15_symlinked_files", Taken(ONE_MORE, &[])),
    ("b15b_symlinked_class", Taken(PLAIN, &[])),
    ("b16_rgba_opaque", Taken(ONE_MORE, &["an alpha channel that hides nothing, which was dropped: 1"])),
    ("b16b_rgba_half", Taken(ONE_MORE, &["images with transparency, which was dropped: hidden colours are shown: 1"])),
    ("b17_grey", Taken(ONE_MORE, &["grey images, read with three equal channels: 1"])),
    ("b17c_one_bit", Taken(ONE_MORE, &["grey images"])),
    ("b18_palette", Taken(ONE_MORE, &["images with a palette, read in its colours: 1"])),
    ("b18b_palette_transparency", Taken(ONE_MORE, &["images with a palette", "an alpha channel that hides nothing"])),
    ("b19_16bit_grey", Taken(ONE_MORE, &["16 bits a channel, of which the upper 8 were kept: 1"])),
    ("b20_cmyk_jpeg", Taken(ONE_MORE, &["CMYK images, made RGB: 1"])),
    ("b20b_grey_jpeg", Taken(ONE_MORE, &["grey images"])),
    ("b20c_progressive_jpeg", Taken(ONE_MORE, &[])),
    ("b21_exif_rotated", Taken(ONE_MORE, &["marked as rotated, kept as they are stored: 1"])),
    ("b22_webp", Taken(ONE_MORE, &[])),
    ("b22b_bmp", Taken(ONE_MORE, &[])),
    ("b22c_webp_named_png", Taken(ONE_MORE, &[])),
    ("b22d_jpeg_named_png", Taken(ONE_MORE, &[])),
    ("b22e_uppercase_JPEG", Taken(ONE_MORE, &[])),
    ("b22f_gif_named_JPEG", Taken(ONE_MORE, &["GIFs, of which the first frame was taken: 1"])),
    ("b23_mixed_size", Refused(&["1 is not: 1 of 64×48 (as train/cat/x.png)", "--resize"])),
    ("b23b_224", Refused(&["1 of 224×224", "--resize"])),
    ("b23c_28_grey", Refused(&["1 of 28×28", "--resize"])),
    ("b24_truncated", Refused(&["train/cat/x.png cannot be decoded"])),
    ("b24b_zero_bytes", Refused(&["train/cat/x.png is empty"])),
    ("b24c_jpeg_trailing", Taken(ONE_MORE, &[])),
    ("c01_flat.tar.gz", Taken(PLAIN, &["a tar archive, compressed with gzip"])),
    ("c02_top_folder.tar.gz", Taken(PLAIN, &["taken from tinyset/train."])),
    ("c04_ds_store.tar.gz", Taken(PLAIN, &["hidden files and folders: 3"])),
    ("c05.tar.bz2", Taken(PLAIN, &["compressed with bzip2"])),
    ("c07.zip", Taken(PLAIN, &["a zip archive"])),
    ("c08_macosx.tar.gz", Taken(PLAIN, &["hidden files and folders: 3"])),
    ("c09_symlink.tar.gz", Refused(&["train/cat/link.png", "a symbolic link", "tar --dereference"])),
    ("c10_unicode.tar.gz", Taken([8, 96, 48], &[])),
    ("c11_hardlinks.tar.gz", Taken(ONE_MORE, &[])),
    ("c12_nested.tar.gz", Refused(&["an archive inside", "unpack it"])),
    ("c13_named_zip.zip", Taken(PLAIN, &["a tar archive, compressed with gzip"])),
    ("c13b_zip_named.tar.gz", Taken(PLAIN, &["a zip archive"])),
    ("d01", Taken([10, 100, 20], &["CIFAR-10 for Python", "not the official files"])),
    ("d02_cifar-10-python.tar.gz", Taken([10, 100, 20], &["CIFAR-10 for Python"])),
    ("d03_small_cifar_bin", Taken([10, 250, 50], &["binary files of CIFAR-10", "not the official files"])),
    ("e03_uneven", Taken([3, 41, 13], &[])),
    ("e05_300_classes", Refused(&["there are 300 classes; at most 256"])),
];

fn main() {
    let folder = env::var_os("RETORT_TEST_CASES").map(PathBuf::from);
    let ignored = folder.is_none();
    let folder = folder.unwrap_or_default();
    let trial = |name: String, case: &'static str, options: ImportOptions, outcome: Outcome| {
        let path = folder.join(case);
        Trial::test(name, move || check(&path, &options, &outcome).map_err(Failed::from)).with_ignored_flag(ignored)
    };
    let plain = ImportOptions::default();
    let mut trials: Vec<Trial> =
        CASES.into_iter().map(|(case, outcome)| trial(case.to_owned(), case, plain.clone(), outcome)).collect();
    let resize = ImportOptions { resize: true, ..plain.clone() };
    for case in ["b23_mixed_size", "b23b_224", "b23c_28_grey"] {
        let outcome = Taken(ONE_MORE, &["images of other sizes, made 32×32 by the mean of areas: 1"]);
        trials.push(trial(format!("{case}_resized"), case, resize.clone(), outcome));
    }
    let hold_out = ImportOptions { test_percent: Some(20), ..plain };
    let outcome = Taken([2, 8, 2], &["20 percent of each class were held out"]);
    trials.push(trial("b12_no_split_held_out".into(), "b12_no_split", hold_out, outcome));
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

fn check(path: &Path, options: &ImportOptions, outcome: &Outcome) -> Result<(), String> {
    let dir = tempfile::tempdir().map_err(|e| e.to_string())?;
    let library = Library::new(dir.path());
    let import = library.import(path, "case", options, &mut |_| ControlFlow::Continue(()));
    match (import, outcome) {
        (Ok(DatasetInfo { classes, train, test, .. }), Taken(counts, says)) => {
            let found = [classes.len(), train, test];
            if found != *counts {
                return Err(format!("classes, training and test images: {found:?}, not {counts:?}"));
            }
            let report = library.report("case").map_err(|e| e.to_string())?.ok_or("no report was kept")?;
            says_all(&words(&report), says)
        }
        (Err(refusal), Refused(says)) => {
            says_all(&refusal.to_string(), says)?;
            let left: Vec<_> = std::fs::read_dir(dir.path()).map_err(|e| e.to_string())?.collect();
            if left.is_empty() { Ok(()) } else { Err(format!("the refused import left {left:?}")) }
        }
        (Ok(_), Refused(says)) => Err(format!("was taken, not refused with {says:?}")),
        (Err(refusal), Taken(..)) => Err(format!("was refused: {refusal}")),
    }
}

fn says_all(text: &str, says: &[&str]) -> Result<(), String> {
    match says.iter().find(|part| !text.contains(**part)) {
        Some(missing) => Err(format!("does not say “{missing}”: {text}")),
        None => Ok(()),
    }
}

fn words(report: &ImportReport) -> String {
    let findings = report.left_out.iter().chain(&report.changed).map(ToString::to_string);
    let all = [report.container.clone(), report.kind.clone()].into_iter().chain(findings).chain(report.notes.clone());
    all.collect::<Vec<_>>().join("\n")
}
