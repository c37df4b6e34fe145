//! Weights from elsewhere, imported by the whole program.

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use support::{failure, retort, success, wait_for};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine/golden/checkpoints").join(name)
}

#[test]
fn a_checkpoint_is_shown_imported_and_evaluated() {
    let root = tempfile::tempdir().unwrap();
    let out = root.path().join("teacher.safetensors");
    let shown = success(retort().args(["model", "show"]).arg(golden("resnet8.pt")));
    assert!(shown.contains("ResNet-8 (resnet8) of 10 classes") && shown.contains("78,042"), "{shown}");
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
        message.contains("resnet8.pt: it does not fit a ResNet-20 of 10 classes: 60 keys are missing"),
        "{message}"
    );
    assert!(import(&golden("legacy.pt"), "resnet8", "10").contains("PyTorch of 1.6 or later"));
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
fn the_process_that_reads_weights_has_little_memory() {
    // It waits for its task, which never comes.
    let mut process = retort().arg("read-weights").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
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
