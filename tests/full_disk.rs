//! A disk that is full: a small tmpfs, in a mount namespace that only the server and its workers see.
//!
//! Where the system lets nobody make one these tests are reported as ignored.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by it")]

mod support;

use std::{
    fs::{self, File, OpenOptions},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    time::Duration,
};

use libtest_mimic::{Arguments, Trial};
use retort_engine::RunFolder;
use support::{Server, TINY, figures, is_finished, success, wait_for};

const LONG: Duration = Duration::from_mins(2);
const SHORT: Duration = Duration::from_secs(30);
/// Megabytes of the disk.
const SIZE: u32 = 40;

fn main() -> ExitCode {
    let test = || {
        everything_that_is_written_meets_a_full_disk_and_goes_on_when_there_is_room();
        Ok(())
    };
    let name = "everything_that_is_written_meets_a_full_disk_and_goes_on_when_there_is_room";
    let trials = vec![Trial::test(name, test).with_ignored_flag(!can_mount())];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// Whether this user may have a mount namespace of its own.
fn can_mount() -> bool {
    let dir = tempfile::tempdir().unwrap();
    let mut mount = Command::new("unshare");
    mount.args(["--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "tmpfs"]).arg(dir.path());
    mount.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// A server whose data folder lies on a small disk.
fn serve(dir: &Path) -> Server {
    let script = format!(
        "mount -t tmpfs -o size={SIZE}m tmpfs \"$1\" && exec \"$2\" serve --listen 127.0.0.1:0 --data \"$1\"/data"
    );
    let mut command = support::without_settings(Path::new("unshare"));
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", &script, "sh"]).arg(dir);
    // A floor of nothing would let runs start that cannot write a line.
    command.arg(env!("CARGO_BIN_EXE_retort")).env("RETORT_DISK_FLOOR", "65536");
    Server::start_command(command, |id| PathBuf::from(format!("/proc/{id}/root{}/data", dir.display())))
}

/// Fills the disk to its last byte.
fn fill(data: &Path) {
    let mut filler = OpenOptions::new().create(true).append(true).open(data.join("filler")).unwrap();
    for size in [1 << 20, 1 << 12, 1] {
        loop {
            match filler.write(&vec![7; size]) {
                Ok(_) => {}
                Err(e) if e.kind() == ErrorKind::StorageFull => break,
                Err(e) => panic!("{e}"),
            }
        }
    }
}

/// Posts a form; returns the status and the page.
fn post(server: &Server, path: &str, form: &[(&str, &str)]) -> (u16, String) {
    let config = ureq::Agent::config_builder().max_redirects(0).http_status_as_error(false);
    let agent: ureq::Agent = config.build().into();
    let mut answer = agent.post(format!("{}{path}", server.link)).send_form(form.iter().copied()).unwrap();
    (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
}

/// Uploads a model file; returns the status and the page.
fn upload(server: &Server, file: &[u8]) -> (u16, String) {
    let head = "--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.pt\"\r\n\r\n";
    let body = [head.as_bytes(), file, b"\r\n--b--\r\n"].concat();
    let agent: ureq::Agent = ureq::Agent::config_builder().max_redirects(0).http_status_as_error(false).build().into();
    let request =
        agent.post(format!("{}/models", server.link)).header("content-type", "multipart/form-data; boundary=b");
    let mut answer = request.send(body).unwrap();
    (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
}

fn everything_that_is_written_meets_a_full_disk_and_goes_on_when_there_is_room() {
    let root = tempfile::tempdir().unwrap();
    let server = serve(root.path());
    let data = server.data().to_owned();
    // A comparison that is there, and one in training.
    let small = [TINY.as_slice(), &[("methods", "kd"), ("budget", "smoke"), ("epochs", "1")]].concat();
    server.post("/experiments", &small);
    wait_for("the first comparison", LONG, || is_finished(&server.run_dir(4)).then_some(()));
    let long = [TINY.as_slice(), &[("methods", "ard"), ("budget", "smoke"), ("epochs", "60")]].concat();
    server.post("/experiments", &long);
    let training = server.run_dir(5);
    let is_under_way =
        || (!figures(&training).is_empty() && RunFolder::at(&training).checkpoint().is_file()).then_some(());
    wait_for("the training", LONG, is_under_way);

    fill(&data);
    let page = |address: &str| server.get(address);
    // Journal and checkpoint: the worker leaves off. The database cannot note it yet.
    wait_for("the worker to leave off", SHORT, || RunFolder::at(&training).worker().unwrap().is_none().then_some(()));
    wait_for("the banner", SHORT, || page("/").contains("Nothing is started: the disk has").then_some(()));
    // Database, share, upload, analysis: each says that the disk is full, and leaves nothing half.
    let (status, said) = post(&server, "/experiments", &small);
    assert!(status == 507 && said.contains("The disk is full"), "{status}: {said}");
    let (status, said) = post(&server, "/experiments/1/shares", &[("title", ""), ("note", ""), ("days", "")]);
    assert!(status == 507 && said.contains("The disk is full"), "{status}: {said}");
    let model = fs::read(data.join("runs/1/model.safetensors")).unwrap();
    // It is refused by its announced length, before the rest is sent.
    let (status, said) = upload(&server, &model[..1_000]);
    assert!(status == 507 && said.contains("There is no room for it"), "{status}: {said}");
    let analysis = [("analysis", "correlation"), ("model", "run:1"), ("model", "run:3")];
    let (status, said) = post(&server, "/experiments/1/analyses", &analysis);
    assert!(status == 507 && said.contains("The disk is full"), "{status}: {said}");
    assert!(!page("/experiments").contains("/experiments/3") && !page("/experiments/1").contains("/shares/1"));
    for folder in ["shares", "uploads", "models"] {
        let left = fs::read_dir(data.join(folder)).into_iter().flatten().count();
        assert_eq!(left, 0, "{folder}");
    }

    fs::remove_file(data.join("filler")).unwrap();
    // Everything goes on, to the numbers that it would have had.
    wait_for("the training", LONG, || is_finished(&training).then_some(()));
    let told = page("/runs/5");
    assert!(told.contains("Its worker left off") && !told.contains("without a final record"), "{told}");
    let again = root.path().join("again");
    success(support::retort().arg("run").arg(training.join("spec.json")).arg("--out").arg(&again));
    assert_eq!(figures(&training), figures(&again));
    let written = |dir: &Path| fs::read(dir.join("model.safetensors")).unwrap();
    assert_eq!(written(&training), written(&again));
    assert_eq!(post(&server, "/experiments/1/shares", &[("title", ""), ("note", ""), ("days", "")]).0, 303);
    assert_eq!(upload(&server, &model).0, 303);
    assert_eq!(post(&server, "/experiments/1/analyses", &analysis).0, 303);
    wait_for("the analysis", LONG, || is_finished(&server.run_dir(9)).then_some(()));
    // What is on the disk holds together.
    let kept = root.path().join("kept");
    copy(&data, &kept);
    drop(server);
    let said = success(support::retort().args(["fsck", "--data"]).arg(&kept));
    assert!(said.contains("holds together"), "{said}");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(|entry| entry.unwrap()) {
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::io::copy(&mut File::open(entry.path()).unwrap(), &mut File::create(to).unwrap()).unwrap();
        }
    }
}
