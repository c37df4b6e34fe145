//! The import of all of CIFAR-10, as `cifar10-images.tar.gz` in the folder that `RETORT_TEST_DATA` names.
//!
//! Without the variable the test is reported as ignored, never as passed.

use std::{env, ops::ControlFlow, path::Path};

use libtest_mimic::{Arguments, Failed, Trial};
use retort_engine::data::{Dataset, ImportOptions, Library, Split};

const CLASSES: [&str; 10] = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

fn main() {
    let folder = env::var_os("RETORT_TEST_DATA");
    let ignored = folder.is_none();
    let test = Trial::test("the_image_archive_imports_as_cifar_10_in_its_own_label_order", move || {
        let archive = Path::new(&folder.unwrap_or_default()).join("cifar10-images.tar.gz");
        imports_as_cifar_10(&archive).map_err(Failed::from)
    });
    libtest_mimic::run(&Arguments::from_args(), vec![test.with_ignored_flag(ignored)]).exit();
}

fn imports_as_cifar_10(archive: &Path) -> Result<(), String> {
    let dir = tempfile::tempdir().map_err(|e| e.to_string())?;
    let library = Library::new(dir.path());
    let info = library
        .import(archive, "cifar10", &ImportOptions::default(), &mut |_| ControlFlow::Continue(()))
        .map_err(|e| e.to_string())?;
    let dataset = library.load("cifar10").map_err(|e| e.to_string())?;
    expect("training images", &info.train, &50_000)?;
    expect("test images", &info.test, &10_000)?;
    expect("classes", &dataset.classes, &CLASSES.map(str::to_owned).to_vec())?;
    for (split, per_class) in [(&dataset.train, 5_000), (&dataset.test, 1_000)] {
        let mut counts = [0; 10];
        for label in &split.labels {
            counts[usize::from(*label)] += 1;
        }
        expect("images a class", &counts, &[per_class; 10])?;
    }
    looks_like_cifar_10(&dataset)
}

/// The mean colours that the field uses for CIFAR-10: planes out of order or a wrong scale would show.
fn looks_like_cifar_10(dataset: &Dataset) -> Result<(), String> {
    for (channel, mean) in [0.4914, 0.4822, 0.4465].into_iter().enumerate() {
        let found = channel_mean(&dataset.train, channel);
        if (found - mean).abs() > 0.002 {
            return Err(format!("the mean of channel {channel} is {found:.4}, not {mean}"));
        }
    }
    Ok(())
}

fn channel_mean(split: &Split, channel: usize) -> f64 {
    let plane = |i: usize| split.image(i)[channel * 1024..][..1024].iter().map(|v| u64::from(*v)).sum::<u64>();
    (0..split.len()).map(plane).sum::<u64>() as f64 / (255.0 * 1024.0 * split.len() as f64)
}

fn expect<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, wanted: &T) -> Result<(), String> {
    if found == wanted { Ok(()) } else { Err(format!("{what}: {found:?}, not {wanted:?}")) }
}
