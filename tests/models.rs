//! Weights from elsewhere, imported by the whole program.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::{
    collections::BTreeMap,
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use serde_json::Value;
use support::{Server, failure, is_finished, retort, success, wait_for};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine/golden/checkpoints").join(name)
}

/// The status of an answer, where it leads, and the page.
type Answered = (u16, String, String);

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().max_redirects(0).http_status_as_error(false).build().into()
}

fn answered(mut answer: ureq::http::Response<ureq::Body>) -> Answered {
    let to = answer.headers().get("location").map(|to| to.to_str().unwrap().to_owned()).unwrap_or_default();
    (answer.status().as_u16(), to, answer.body_mut().read_to_string().unwrap())
}

/// Uploads a file through the form of the Models page.
fn upload(server: &Server, name: &str, file: &[u8]) -> Answered {
    let mut body = Vec::new();
    body.extend(format!("--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n").bytes());
    body.extend(file);
    body.extend(b"\r\n--b--\r\n");
    let request = agent().post(format!("{}/models", server.link)).content_type("multipart/form-data; boundary=b");
    answered(request.send(&body).unwrap())
}

/// Decides what becomes of an upload.
fn decide(server: &Server, upload: &str, fields: &[(&str, &str)]) -> Answered {
    answered(agent().post(format!("{}{upload}", server.link)).send_form(fields.iter().copied()).unwrap())
}

/// Uploads a golden file and makes a model of it with these classes; the one network in it has no place of its own.
fn import(server: &Server, name: &str, classes: &str) {
    let (status, to, page) = upload(server, name, &fs::read(golden(name)).unwrap());
    assert_eq!(status, 303, "{page}");
    let page = server.get(&to);
    assert!(page.contains("ResNet-8") && page.contains("The prefix module. was taken off"), "{page}");
    let place = page.split("name=\"weights\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let fields = [("title", "Elsewhere's teacher"), ("weights", place), ("classes", classes)];
    let (status, to, page) = decide(server, &to, &fields);
    assert_eq!((status, to.as_str()), (303, "/models/1"), "{page}");
}

fn uploads(root: &Path) -> usize {
    fs::read_dir(root.join("uploads")).unwrap().count()
}

#[test]
fn a_checkpoint_is_shown_imported_and_evaluated() {
    let root = tempfile::tempdir().unwrap();
    let out = root.path().join("teacher.safetensors");
    let shown = success(retort().args(["model", "show"]).arg(golden("resnet8.pt")));
    assert!(shown.contains("ResNet-8 (resnet8) of 10 classes") && shown.contains("78,042"), "{shown}");
    assert!(shown.contains("taken from net") && shown.contains("prefix module. was taken off"), "{shown}");
    let mut import = retort();
    import.args(["model", "import", "--architecture", "resnet8", "--classes", "fashion-mnist-5k"]);
    import.arg(golden("resnet8.pt")).arg("--out").arg(&out);
    let told = success(&mut import);
    assert!(told.contains("The prefix module. was taken off") && told.contains("teacher.safetensors"), "{told}");
    // Its weights are random numbers.
    assert!(
        told.contains("of 100 test images of fashion-mnist-5k, and guessing among 10 classes is right on 10"),
        "{told}"
    );
    // What an import made can be made again, and nothing else is replaced.
    success(&mut import);
    std::fs::rename(&out, root.path().join("kept")).unwrap();
    std::fs::write(&out, "notes").unwrap();
    assert!(failure(&mut import).contains("is there already, and no import made it"));
    std::fs::rename(root.path().join("kept"), &out).unwrap();
    let shown = success(retort().args(["model", "show"]).arg(&out));
    assert!(
        shown.contains("imported, with the classes of fashion-mnist-5k") && shown.contains("safetensors"),
        "{shown}"
    );
    let mut evaluate = retort();
    evaluate.args(["evaluate", "--dataset", "fashion-mnist-5k", "--attack", "fgsm", "--limit", "20", "--json"]);
    assert!(success(evaluate.arg("--model").arg(&out)).contains("\"n\":20"));
}

#[test]
fn a_model_without_classes_says_how_to_set_them_and_teaches_then() {
    let root = tempfile::tempdir().unwrap();
    let out = root.path().join("teacher.safetensors");
    // Neither the architecture nor the place of the weights is named.
    success(retort().args(["model", "import", "--classes", "10", "--out"]).arg(&out).arg(golden("resnet8.pt")));
    let evaluate = || {
        let mut evaluate = retort();
        evaluate.args(["evaluate", "--dataset", "fashion-mnist-5k", "--attack", "fgsm", "--limit", "20", "--model"]);
        evaluate.arg(&out);
        evaluate
    };
    let told = failure(&mut evaluate());
    assert!(told.contains("its 10 classes have no names") && told.contains("retort model classes"), "{told}");
    let few = failure(retort().args(["model", "classes", "--classes", "cat,dog"]).arg(&out));
    assert!(few.contains("it tells 10 classes apart, not 2"), "{few}");
    success(retort().args(["model", "classes", "--classes", "fashion-mnist-5k"]).arg(&out));
    success(&mut evaluate());
}

#[test]
fn what_cannot_be_imported_is_told_and_leaves_nothing() {
    let root = tempfile::tempdir().unwrap();
    let out = root.path().join("teacher.safetensors");
    let import = |file: &Path, architecture: &str, classes: &str| {
        let mut import = retort();
        import.current_dir(root.path()).args(["model", "import", "--architecture", architecture, "--classes", classes]);
        let message = failure(import.arg(file).arg("--out").arg(&out));
        assert!(!out.exists() && !message.contains("panicked"), "{message}");
        message
    };
    let message = import(&golden("resnet8.pt"), "resnet20", "10");
    assert!(
        message.contains("resnet8.pt: it holds no ResNet-20, but a ResNet-8 of 10 classes at net.module: leave"),
        "{message}"
    );
    assert!(import(&golden("legacy.pt"), "resnet8", "10").contains("fits no network of Retort"));
    assert!(import(&golden("command.pt"), "resnet8", "10").contains("an object of posix.system"));
    assert!(import(&golden("resnet8.pt"), "resnet8", "imagenet").contains("“imagenet” is no dataset here"));
    assert!(import(&root.path().join("missing.pt"), "resnet8", "10").contains("missing.pt"));
    assert!(
        failure(retort().args(["evaluate", "--dataset", "fashion-mnist-5k", "--model"]).arg(golden("resnet8.pt")))
            .contains("retort model import")
    );
    // What is wrong with the file comes before the classes.
    assert!(import(&golden("command.pt"), "resnet8", "imagenet").contains("an object of posix.system"));
    assert!(import(&golden("object.pt"), "resnet8", "imagenet").contains("fits no network of Retort"));
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0, "the pickle's command was not run");
}

#[test]
fn showing_a_file_that_holds_no_network_fails_behind_what_it_holds() {
    let output = retort().args(["model", "show"]).arg(golden("legacy.pt")).output().unwrap();
    let [told, failed] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    assert!(!output.status.success() && told.contains("fits no network of Retort"), "{told}");
    assert!(failed.contains("legacy.pt: it holds nothing that an import takes"), "{failed}");
}

#[test]
fn a_file_in_a_folder_that_is_not_there_is_refused_by_the_folders_name() {
    let root = tempfile::tempdir().unwrap();
    let out = root.path().join("missing/teacher.safetensors");
    let mut import = retort();
    import.args(["model", "import", "--classes", "10", "--out"]).arg(&out).arg(golden("resnet8.pt"));
    let mut samples = retort();
    samples.args(["data", "samples", "fashion-mnist-5k", "--out"]).arg(&out);
    for mut command in [import, samples] {
        let message = failure(&mut command);
        assert!(message.contains("there is no folder ") && message.contains("missing: make it"), "{message}");
    }
}

#[test]
fn the_classes_of_cifar_10_need_no_dataset() {
    let root = tempfile::tempdir().unwrap();
    let out = root.path().join("teacher.safetensors");
    let mut import = retort();
    import.current_dir(root.path()).args(["model", "import", "--classes", "cifar10", "--out"]).arg(&out);
    let told = success(import.arg(golden("resnet8.pt")));
    assert!(told.contains("was not shown any images of cifar10") && told.contains("retort data fetch"), "{told}");
    assert!(success(retort().args(["model", "show"]).arg(&out)).contains("airplane, automobile, bird"));
}

#[test]
fn the_processes_that_read_files_of_others_have_little_memory() {
    for command in ["read-weights", "add-dataset"] {
        has_little_memory(command);
    }
}

fn has_little_memory(command: &str) {
    // It waits for its task, which never comes.
    let mut process = retort().arg(command).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let limits = format!("/proc/{}/limits", process.id());
    let limit = wait_for("the memory to be limited", Duration::from_secs(20), || {
        let text = fs::read_to_string(&limits).unwrap();
        let line = text.lines().find(|line| line.starts_with("Max address space")).unwrap().to_owned();
        let words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
        (words[3] != "unlimited").then_some(words)
    });
    process.kill().unwrap();
    process.wait().unwrap();
    assert_eq!(limit[3..5], ["4294967296", "4294967296"]);
}

#[test]
fn an_uploaded_model_teaches_and_is_downloaded_again() {
    let root = tempfile::tempdir().unwrap();
    let server = Server::start(root.path());
    import(&server, "resnet8.pt", "fashion-mnist-5k");
    assert_eq!(uploads(root.path()), 0);
    let shown = server.get("/models/1");
    assert!(shown.contains("Elsewhere&#39;s teacher") && shown.contains("The prefix module. was taken off"), "{shown}");
    assert!(shown.contains("guessing among 10 classes is right on 10"), "the normalisers were tried: {shown}");

    let mut form = support::TINY.to_vec();
    form.iter_mut().find(|(name, _)| *name == "teacher").unwrap().1 = "model:1";
    form.extend([("methods", "kd"), ("budget", "smoke"), ("epochs", "1")]);
    let experiment = server.post("/experiments", &form);
    for run in 1..=3 {
        wait_for("the runs to finish", Duration::from_mins(2), || is_finished(&server.run_dir(run)).then_some(()));
    }
    wait_for("the page to say so", Duration::from_secs(20), || {
        let page = server.get(&experiment);
        // A student of one epoch may well answer one class.
        let is_judged = page.contains("Natural: ") || page.contains("Collapsed: ");
        (page.contains("imported as model 1") && is_judged).then_some(())
    });
    let models = server.get("/models");
    let row = models.split("id=\"model-1\"").nth(1).unwrap().split("</tr>").next().unwrap();
    assert!(row.contains("data-label=\"natural\""), "the teacher was evaluated: {row}");

    let mut answer = ureq::get(format!("{}/models/1/model.safetensors", server.link)).call().unwrap();
    let bytes = answer.body_mut().read_to_vec().unwrap();
    assert_eq!(bytes, fs::read(root.path().join("models/1.safetensors")).unwrap());
}

#[test]
fn a_model_that_was_imported_with_a_number_of_classes_teaches_once_they_are_named() {
    let root = tempfile::tempdir().unwrap();
    let server = Server::start(root.path());
    import(&server, "resnet8.pt", "10");
    assert!(!server.get("/models/1").contains("Use as teacher"));
    assert_eq!(server.post("/models/1/classes", &[("dataset", "fashion-mnist-5k")]), "/models/1");
    let page = server.get("/models/1");
    assert!(page.contains("Use as teacher") && page.contains("Ankle boot"), "{page}");
    let file = root.path().join("models/1.safetensors");
    let shown = success(retort().args(["model", "show"]).arg(&file));
    assert!(
        shown.contains("imported, with the classes of fashion-mnist-5k") && shown.contains("Ankle boot"),
        "{shown}"
    );
}

#[test]
fn an_upload_that_cannot_be_read_is_told_and_the_server_lives_on() {
    let root = tempfile::tempdir().unwrap();
    let server = Server::start(root.path());
    for (name, words) in [
        ("command.pt", "“command.pt”: it holds no tensors, but"),
        ("packed.pt", "“packed.pt”: its parts are compressed"),
    ] {
        let (status, _, page) = upload(&server, name, &fs::read(golden(name)).unwrap());
        assert_eq!(status, 422, "{page}");
        assert!(page.contains(words) && page.contains("Nothing was imported"), "{words} is missing in {page}");
    }
    assert!(server.get("/models").contains("0 imported models"));
    for folder in ["models", "uploads"] {
        assert_eq!(fs::read_dir(root.path().join(folder)).unwrap().count(), 0, "{folder}");
    }
}

#[test]
fn nothing_is_kept_of_an_upload_before_it_is_decided_on() {
    let root = tempfile::tempdir().unwrap();
    let server = Server::start(root.path());
    let file = fs::read(golden("resnet8.pt")).unwrap();
    let (_, waits, _) = upload(&server, "resnet8.pt", &file);
    assert!(server.get("/models").contains("0 imported models"));
    for (fields, words) in [
        ([("classes", "imagenet"), ("normaliser", "")], "“imagenet” is no dataset here"),
        ([("classes", "10"), ("normaliser", "imagnet")], "or none"),
        ([("classes", "7"), ("normaliser", "")], "it tells 10 classes apart, not 7"),
    ] {
        let (status, _, page) = decide(&server, &waits, &[&fields[..], &[("weights", "net")]].concat());
        assert_eq!(status, 422, "{page}");
        assert!(page.contains(words) && page.contains("It was not imported"), "{words} is missing in {page}");
    }
    let discarded = decide(&server, &format!("{waits}/discard"), &[]);
    assert_eq!((discarded.0, discarded.1.as_str(), uploads(root.path())), (303, "/models", 0));
    assert_eq!(decide(&server, &waits, &[("classes", "10")]).0, 410);
}

#[test]
fn a_normaliser_that_no_key_tells_is_given_by_the_form() {
    let root = tempfile::tempdir().unwrap();
    let server = Server::start(root.path());
    let (_, waits, _) = upload(&server, "resnet8.pt", &fs::read(golden("resnet8.pt")).unwrap());
    let page = server.get(&waits);
    assert!(page.contains("no key tells of one"), "{page}");
    let place = page.split("name=\"weights\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let fields = [("weights", place), ("classes", "fashion-mnist-5k"), ("normaliser", "cifar10")];
    let (status, to, page) = decide(&server, &waits, &fields);
    assert_eq!((status, to.as_str()), (303, "/models/1"), "{page}");
    let shown = success(retort().args(["model", "show"]).arg(root.path().join("models/1.safetensors")));
    assert!(shown.contains("normaliser") && !shown.contains("no key tells"), "{shown}");
}

#[test]
fn of_several_networks_in_a_file_the_form_takes_the_chosen_one() {
    let root = tempfile::tempdir().unwrap();
    let server = Server::start(root.path());
    let packed = fs::File::open(golden("kinds/averages.pth.tar.gz")).unwrap();
    let mut file = Vec::new();
    flate2::read::GzDecoder::new(packed).read_to_end(&mut file).unwrap();
    let (_, waits, _) = upload(&server, "averages.pth.tar", &file);
    let page = server.get(&waits);
    let radios: Vec<&str> = page.split("type=\"radio\" name=\"weights\" value=\"").skip(1).collect();
    let places: Vec<&str> = radios.iter().map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(places.len() > 1, "{page}");
    let classes = page.split(" classes").next().unwrap().rsplit(' ').next().unwrap().to_owned();
    let (status, _, refused) = decide(&server, &waits, &[("classes", &classes)]);
    assert!(status == 422 && refused.contains("choose one of the networks"), "{refused}");
    let (status, to, page) = decide(&server, &waits, &[("classes", &classes), ("weights", places[1])]);
    assert_eq!((status, to.as_str()), (303, "/models/1"), "{page}");
}

/// A safetensors file with a second network under `ema.`, which differs from the first in a bias.
fn with_average(model: &[u8]) -> Vec<u8> {
    let start = 8 + u64::from_le_bytes(model[..8].try_into().unwrap()) as usize;
    let header: BTreeMap<String, Value> = serde_json::from_slice(&model[8..start]).unwrap();
    let (numbers, mut both) = (&model[start..], BTreeMap::new());
    for (name, tensor) in header.into_iter().filter(|(name, _)| name != "__metadata__") {
        let mut moved = tensor.clone();
        for offset in moved["data_offsets"].as_array_mut().unwrap() {
            *offset = (offset.as_u64().unwrap() + numbers.len() as u64).into();
        }
        both.extend([(format!("ema.{name}"), moved), (name, tensor)]);
    }
    let header = serde_json::to_vec(&both).unwrap();
    let mut file = [&(header.len() as u64).to_le_bytes()[..], &header, numbers, numbers].concat();
    let at = file.len() - 2 * numbers.len() + both["ema.fc.bias"]["data_offsets"][0].as_u64().unwrap() as usize;
    file[at..at + 4].copy_from_slice(&1.5f32.to_le_bytes());
    file
}

#[test]
fn the_file_itself_is_named_by_a_dot_on_the_command_line_and_chosen_in_the_form() {
    let root = tempfile::tempdir().unwrap();
    let (out, both) = (root.path().join("teacher.safetensors"), root.path().join("both.safetensors"));
    let import = |file: &Path, more: &[&str], out: &Path| {
        let mut import = retort();
        import.args(["model", "import", "--classes", "10"]).args(more).arg(file).arg("--out").arg(out);
        import
    };
    success(&mut import(&golden("resnet8.pt"), &[], &out));
    fs::write(&both, with_average(&fs::read(&out).unwrap())).unwrap();
    let asked = failure(&mut import(&both, &[], &root.path().join("none.safetensors")));
    assert!(asked.contains("2 networks: . (the file itself, ResNet-8 of 10 classes); ema (ResNet-8"), "{asked}");
    for (i, place) in [".", "the file itself", "ema"].into_iter().enumerate() {
        success(&mut import(&both, &["--weights", place], &root.path().join(format!("{i}.safetensors"))));
    }
    let [itself, again, average] = [0, 1, 2].map(|i| fs::read(root.path().join(format!("{i}.safetensors"))).unwrap());
    assert!(itself == again && itself != average);

    let data = root.path().join("data");
    fs::create_dir(&data).unwrap();
    let server = Server::start(&data);
    let (_, waits, _) = upload(&server, "both.safetensors", &fs::read(&both).unwrap());
    assert!(server.get(&waits).contains("type=\"radio\" name=\"weights\" value=\".\""));
    let (status, _, page) = decide(&server, &waits, &[("classes", "10"), ("weights", ".")]);
    assert_eq!(status, 303, "{page}");
    assert_eq!(fs::read(data.join("models/1.safetensors")).unwrap(), itself);
}
