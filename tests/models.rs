//! Weights from elsewhere, imported by the whole program.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use support::{Server, failure, is_finished, retort, success, wait_for};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine/golden/checkpoints").join(name)
}

/// Uploads a golden file through the form of the Models page; returns the status, where it leads, and the page.
fn upload(server: &Server, name: &str, architecture: &str) -> (u16, String, String) {
    upload_as(server, name, architecture, "fashion-mnist-5k")
}

fn upload_as(server: &Server, name: &str, architecture: &str, classes: &str) -> (u16, String, String) {
    let mut body = Vec::new();
    for (field, value) in [("title", "Elsewhere's teacher"), ("architecture", architecture), ("classes", classes)] {
        body.extend(format!("--b\r\nContent-Disposition: form-data; name=\"{field}\"\r\n\r\n{value}\r\n").bytes());
    }
    body.extend(format!("--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n").bytes());
    body.extend(fs::read(golden(name)).unwrap());
    body.extend(b"\r\n--b--\r\n");
    let agent: ureq::Agent = ureq::Agent::config_builder().max_redirects(0).http_status_as_error(false).build().into();
    let request = agent.post(format!("{}/models", server.link)).content_type("multipart/form-data; boundary=b");
    let mut answer = request.send(&body).unwrap();
    let to = answer.headers().get("location").map(|to| to.to_str().unwrap().to_owned()).unwrap_or_default();
    (answer.status().as_u16(), to, answer.body_mut().read_to_string().unwrap())
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
    assert!(failure(&mut import).contains("is there already"));
    let shown = success(retort().args(["model", "show"]).arg(&out));
    assert!(shown.contains("imported on fashion-mnist-5k") && shown.contains("safetensors"), "{shown}");
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
    assert!(told.contains("its 10 classes have no dataset") && told.contains("retort model classes"), "{told}");
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
    assert!(message.contains("resnet8.pt: it is a ResNet-8 of 10 classes, not a ResNet-20"), "{message}");
    assert!(import(&golden("legacy.pt"), "resnet8", "10").contains("fits no network of Retort"));
    assert!(import(&golden("command.pt"), "resnet8", "10").contains("an object of posix.system"));
    assert!(import(&golden("resnet8.pt"), "resnet8", "imagenet").contains("“imagenet” is no dataset here"));
    assert!(import(&root.path().join("missing.pt"), "resnet8", "10").contains("missing.pt"));
    assert!(
        failure(retort().args(["evaluate", "--dataset", "fashion-mnist-5k", "--model"]).arg(golden("resnet8.pt")))
            .contains("retort model import")
    );
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0, "the pickle's command was not run");
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
    let (status, to, _) = upload(&server, "resnet8.pt", "resnet8");
    assert_eq!((status, to.as_str()), (303, "/models/1"));
    let shown = server.get("/models/1");
    assert!(shown.contains("Elsewhere&#39;s teacher") && shown.contains("The prefix module. was taken off"), "{shown}");

    let mut form = support::TINY.to_vec();
    form.iter_mut().find(|(name, _)| *name == "teacher").unwrap().1 = "model:1";
    form.extend([("methods", "kd"), ("budget", "smoke"), ("epochs", "1")]);
    let experiment = server.post("/experiments", &form);
    for run in 1..=3 {
        wait_for("the runs to finish", Duration::from_mins(2), || is_finished(&server.run_dir(run)).then_some(()));
    }
    wait_for("the page to say so", Duration::from_secs(20), || {
        let page = server.get(&experiment);
        (page.contains("imported as model 1") && page.contains("Natural: ")).then_some(())
    });
    assert!(server.get("/models").contains("natural "), "the teacher was evaluated");

    let mut answer = ureq::get(format!("{}/models/1/model.safetensors", server.link)).call().unwrap();
    let bytes = answer.body_mut().read_to_vec().unwrap();
    assert_eq!(bytes, fs::read(root.path().join("models/1.safetensors")).unwrap());
}

#[test]
fn a_model_that_was_imported_with_a_number_of_classes_teaches_once_they_are_named() {
    let root = tempfile::tempdir().unwrap();
    let server = Server::start(root.path());
    let (status, to, _) = upload_as(&server, "resnet8.pt", "resnet8", "10");
    assert_eq!((status, to.as_str()), (303, "/models/1"));
    assert!(!server.get("/models/1").contains("Use as teacher"));
    assert_eq!(server.post("/models/1/classes", &[("dataset", "fashion-mnist-5k")]), "/models/1");
    let page = server.get("/models/1");
    assert!(page.contains("Use as teacher") && page.contains("Ankle boot"), "{page}");
    let file = root.path().join("models/1.safetensors");
    let shown = success(retort().args(["model", "show"]).arg(&file));
    assert!(shown.contains("imported on fashion-mnist-5k") && shown.contains("Ankle boot"), "{shown}");
}

#[test]
fn an_upload_that_cannot_be_read_is_told_and_the_server_lives_on() {
    let root = tempfile::tempdir().unwrap();
    let server = Server::start(root.path());
    for (name, architecture, words) in [
        ("command.pt", "resnet8", "command.pt: it holds no tensors, but"),
        ("packed.pt", "resnet8", "packed.pt: its parts are compressed"),
        ("resnet8.pt", "resnet18", "resnet8.pt: it is a ResNet-8 of 10 classes, not a ResNet-18"),
    ] {
        let (status, _, page) = upload(&server, name, architecture);
        assert_eq!(status, 422, "{page}");
        assert!(page.contains(words) && page.contains("Nothing was imported"), "{words} is missing in {page}");
    }
    assert!(server.get("/models").contains("0 imported models"));
    for folder in ["models", "uploads"] {
        assert_eq!(fs::read_dir(root.path().join(folder)).unwrap().count(), 0, "{folder}");
    }
}
