//! The figures of analyses as their readers' programs show them.

use std::{fs, path::Path, process::Command};

use image::GrayImage;

use super::support::{retort, success};

/// Figures of every kind, rendered from PDF by Poppler and compared with the PNG that Retort wrote.
pub fn render() {
    let root = tempfile::tempdir().unwrap();
    let models = ["1", "2"].map(|seed| {
        let (spec, out) = (root.path().join(format!("{seed}.json")), root.path().join(seed));
        let text = success(retort().args(["spec", "natural", "--epochs", "1", "--seed", seed]));
        let few = "\"fashion-mnist-5k\", \"train_images\": 64, \"test_images\": 40";
        fs::write(&spec, text.replace("\"fashion-mnist-5k\"", few)).unwrap();
        success(retort().arg("run").arg(&spec).arg("--out").arg(&out));
        format!("Seed {seed}={}", out.join("model.safetensors").display())
    });
    let kinds: [(&str, &[&str]); 3] = [
        ("features", &["--attacked", "Bag", "--target", "Coat", "--images", "35"]),
        ("correlation", &[]),
        ("gallery", &["--images", "4"]),
    ];
    for (kind, more) in kinds {
        let folder = root.path().join(kind);
        let mut analyse = retort();
        analyse.args(["analyse", kind, "--test-images", "400", "--model", &models[0], "--model", &models[1]]);
        success(analyse.args(more).arg("--out").arg(&folder));
        let [own, rendered] = [image::open(folder.join("figure.png")).unwrap().to_luma8(), poppler(&folder)];
        assert!(own.width().abs_diff(rendered.width()) <= 2 && own.height().abs_diff(rendered.height()) <= 2, "{kind}");
        // Edges of letters differ from program to program; a panel or a picture that is missing would be far more.
        let blank = GrayImage::from_pixel(own.width(), own.height(), [255].into());
        let [difference, ink] = [&rendered, &blank].map(|other| mean_difference(&own, other));
        assert!(difference * 5.0 < ink, "{kind}: {difference}, where a blank page differs by {ink} of 255");
    }
}

/// The PDF in a folder as Poppler shows it, three pixels for each unit, as the PNG has.
fn poppler(folder: &Path) -> GrayImage {
    let mut command = Command::new("pdftoppm");
    command.args(["-png", "-singlefile", "-r", "216", "figure.pdf", "rendered"]).current_dir(folder);
    let output = command.output().expect("pdftoppm is missing: apt-get install poppler-utils");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    image::open(folder.join("rendered.png")).unwrap().to_luma8()
}

fn mean_difference(one: &GrayImage, other: &GrayImage) -> f64 {
    let (width, height) = (one.width().min(other.width()), one.height().min(other.height()));
    let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let differences = places.map(|(x, y)| f64::from(one.get_pixel(x, y).0[0].abs_diff(other.get_pixel(x, y).0[0])));
    differences.sum::<f64>() / f64::from(width * height)
}
