//! Bundles: figures of one data folder, confirmed on another.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
    time::Duration,
};

use support::{Server, TINY, failure, is_finished, retort, success, wait_for};

const LONG: Duration = Duration::from_mins(5);

/// A server that has finished a comparison of a teacher and a student: runs 2 and 4 evaluate them.
fn server_with_a_comparison(data: &Path) -> Server {
    let server = Server::start(data);
    let form = [TINY.as_slice(), &[("methods", "ard"), ("budget", "smoke"), ("epochs", "2")]].concat();
    assert_eq!(server.post("/experiments", &form), "/experiments/1");
    wait_for("the comparison's end", LONG, || (1..=4).all(|run| is_finished(&server.run_dir(run))).then_some(()));
    wait_for("the page to know it", LONG, || {
        let page = server.get("/experiments/1");
        (!["queued", "starting", "running"].iter().any(|state| page.contains(&format!("state {state}")))).then_some(())
    });
    server
}

fn retort_on(data: &Path, arguments: &[&str]) -> std::process::Command {
    let mut retort = retort();
    retort.args(arguments).arg("--data").arg(data);
    retort
}

/// The files of a bundle by their names.
fn files(bundle: &Path) -> Vec<(String, Vec<u8>)> {
    let mut archive = tar::Archive::new(fs::File::open(bundle).unwrap());
    let read = |entry: std::io::Result<tar::Entry<_>>| {
        let (mut entry, mut bytes) = (entry.unwrap(), Vec::new());
        entry.read_to_end(&mut bytes).unwrap();
        (entry.path().unwrap().display().to_string(), bytes)
    };
    archive.entries().unwrap().map(read).collect()
}

/// A bundle like another one, but for what `change` does to a file of it.
fn changed(bundle: &Path, name: &str, change: impl Fn(&mut Vec<u8>)) -> PathBuf {
    let path = bundle.with_extension("changed.tar");
    let mut archive = tar::Builder::new(fs::File::create(&path).unwrap());
    for (own, mut bytes) in files(bundle) {
        if own == name {
            change(&mut bytes);
        }
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o600);
        archive.append_data(&mut header, own, bytes.as_slice()).unwrap();
    }
    archive.finish().unwrap();
    path
}

fn replace(bytes: &mut Vec<u8>, from: &str, to: &str) {
    let text = String::from_utf8(bytes.clone()).unwrap();
    assert!(text.contains(from), "{from} is missing in {text}");
    *bytes = text.replacen(from, to, 1).into_bytes();
}

#[test]
fn figures_of_one_data_folder_are_confirmed_on_another_to_the_bit() {
    let dir = tempfile::tempdir().unwrap();
    let [here, there] = ["here", "there"].map(|name| dir.path().join(name));
    let server = server_with_a_comparison(&here);
    let page = server.get("/experiments/1");
    assert!(page.contains("Repeat these figures") && page.contains("retort confirm retort-comparison-1.tar"), "{page}");

    // By the command line, while the server runs, and by the page.
    let bundle = dir.path().join("comparison.tar");
    let said = success(&mut retort_on(&here, &["bundle", "experiment:1", &bundle.display().to_string()]));
    assert!(said.contains("holds 2 evaluations"), "{said}");
    let (kind, bytes) = server.download("/experiments/1/bundle.tar");
    assert_eq!(kind, "application/octet-stream");
    let names = |files: Vec<(String, Vec<u8>)>| files.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    let downloaded = dir.path().join("downloaded.tar");
    fs::write(&downloaded, bytes).unwrap();
    let expected = [
        "bundle.json",
        "models/run-1.safetensors",
        "models/run-3.safetensors",
        "outcomes/2.safetensors",
        "outcomes/4.safetensors",
    ];
    assert_eq!(names(files(&bundle)), expected);
    assert_eq!(names(files(&downloaded)), expected);
    let (_, of_run) = server.download("/runs/4/bundle.tar");
    let one = dir.path().join("one.tar");
    fs::write(&one, of_run).unwrap();
    assert_eq!(names(files(&one)), ["bundle.json", "models/run-3.safetensors", "outcomes/4.safetensors"]);

    // Nothing of the first folder is needed.
    let hash = |page: &str| {
        page.split("<code class=\"hash\">")
            .filter_map(|part| part.get(..64))
            .map(str::to_owned)
            .find(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    let of_the_student = hash(&server.get("/runs/4")).unwrap();
    drop(server);
    fs::remove_dir_all(&here).unwrap();
    let said = success(&mut retort_on(&there, &["confirm", &bundle.display().to_string()]));
    assert!(said.contains("4 of 4 figures confirmed, 4 to the bit."), "{said}");
    assert!(said.contains(&of_the_student), "{of_the_student} is missing in {said}");
    let said = success(&mut retort_on(&there, &["confirm", &one.display().to_string(), "--json"]));
    let json: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(json["runs"][0]["spec_sha256"], of_the_student.as_str());
    assert_eq!(json["runs"][0]["figures"][1]["agreement"], "to_the_bit");

    let server = Server::start(&there);
    let opened = server.upload("/bundles", &bundle).unwrap();
    assert_eq!(opened, "/bundles/1");
    let confirmed = wait_for("all figures to be confirmed", LONG, || {
        let page = server.get("/bundles/1");
        page.contains("All 4 figures are confirmed, each to the bit.").then_some(page)
    });
    assert!(confirmed.contains(&of_the_student[..12]), "{confirmed}");
    // The same one again is not kept twice; another one is.
    assert_eq!(server.upload("/bundles", &bundle).unwrap(), "/bundles/1");
    assert_eq!(server.upload("/bundles", &one).unwrap(), "/bundles/2");
    let list = server.get("/bundles");
    assert!(list.contains("/bundles/1") && list.contains("/bundles/2"), "{list}");
    assert!(server.get("/experiments/1").contains("Which figures are confirmed"));
    assert!(server.get("/models/1").contains("It is from a bundle"));
    assert_eq!(fs::read_dir(there.join("uploads")).unwrap().count(), 0);

    // A folder that a crash left is nobody's, whatever experiment takes its number.
    let form = [TINY.as_slice(), &[("methods", "natural"), ("budget", "smoke"), ("epochs", "1")]].concat();
    assert_eq!(server.post("/experiments", &form), "/experiments/3");
    let (kept, left) = (there.join("bundles/1"), there.join("bundles/3"));
    fs::create_dir_all(&left).unwrap();
    fs::copy(kept.join("bundle.json"), left.join("bundle.json")).unwrap();
    assert!(!server.get("/bundles").contains("/bundles/3"));
    assert!(!server.get("/experiments/3").contains("Which figures are confirmed"));
}

#[test]
fn a_bundle_that_was_changed_is_refused_with_what_was_changed() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path().join("here");
    let server = server_with_a_comparison(&here);
    let bundle = dir.path().join("comparison.tar");
    success(&mut retort_on(&here, &["bundle", "experiment:1", &bundle.display().to_string()]));
    let refused = |file: &Path| failure(&mut retort_on(&here, &["confirm", &file.display().to_string()]));

    let weights = || changed(&bundle, "models/run-3.safetensors", |bytes| *bytes.last_mut().unwrap() ^= 1);
    let weights_said = refused(&weights());
    assert!(weights_said.contains("have the SHA-256"), "{weights_said}");
    let spec = changed(&bundle, "bundle.json", |bytes| replace(bytes, "\"steps\": 3", "\"steps\": 4"));
    assert!(refused(&spec).contains("it was changed"), "{}", refused(&spec));
    let figure = changed(&bundle, "bundle.json", |bytes| replace(bytes, "\"correct\": ", "\"correct\": 1"));
    assert!(refused(&figure).contains("is not what its answers give"), "{}", refused(&figure));
    let form = changed(&bundle, "bundle.json", |bytes| replace(bytes, "\"format\": 1", "\"format\": 2"));
    assert!(refused(&form).contains("this version of Retort reads form 1"), "{}", refused(&form));
    let images = changed(&bundle, "bundle.json", |bytes| replace(bytes, "\"sha256\": \"", "\"sha256\": \"0"));
    assert!(refused(&images).contains("has other images"), "{}", refused(&images));
    let stranger = changed(&bundle, "bundle.json", |_| {});
    fs::write(&stranger, [fs::read(&bundle).unwrap()[..4_096].to_vec(), vec![7; 512]].concat()).unwrap();
    assert!(refused(&stranger).contains("no whole bundle"), "{}", refused(&stranger));

    // A right answer and a wrong one that change places give the same accuracy, and are found out by computing them again.
    let invented = changed(&bundle, "outcomes/4.safetensors", |bytes| {
        const IMAGES: usize = 50;
        let start = bytes.len() - 3 * IMAGES;
        let (labels, answers) = bytes[start..start + 2 * IMAGES].split_at_mut(IMAGES);
        let right = (0..IMAGES).find(|image| labels[*image] == answers[*image]).unwrap();
        let wrong = (0..IMAGES).find(|image| labels[*image] != answers[*image]).unwrap();
        answers[right] = labels[wrong];
        answers[wrong] = labels[wrong];
    });
    let said = refused(&invented);
    assert!(said.contains("1 of 4 figures are not confirmed"), "{said}");

    // The page says the same, and keeps nothing.
    let page = server.upload("/bundles", &weights()).unwrap_err();
    assert!(page.contains("The bundle was not opened") && page.contains("have the SHA-256"), "{page}");
    assert!(!here.join("bundles").exists() && fs::read_dir(here.join("models")).unwrap().next().is_none());
    let none = failure(&mut retort_on(&here, &["bundle", "run:9", &dir.path().join("x.tar").display().to_string()]));
    assert!(none.contains("there is no run 9"), "{none}");
}
