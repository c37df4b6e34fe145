//! Backups, and databases that were lost: what comes back is what was there.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::{
    fs::{self, OpenOptions},
    io::{Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use support::{Server, TINY, failure, is_finished, retort, success, wait_for};

const LONG: Duration = Duration::from_mins(5);

/// The parts of a comparison that leave it: tables, curves, and the page as a document.
const EXPORTS: [&str; 6] =
    ["table.csv", "table.tex", "table.md", "comparison.html", "figures/train_loss.svg", "spec.json"];

/// A server that has finished a comparison of a teacher and two students.
fn server_with_a_comparison(data: &Path) -> Server {
    let server = Server::start(data);
    let form =
        [TINY.as_slice(), &[("methods", "kd"), ("methods", "ard"), ("budget", "smoke"), ("epochs", "2")]].concat();
    assert_eq!(server.post("/experiments", &form), "/experiments/1");
    wait_for("the comparison's end", LONG, || (1..=6).all(|run| is_finished(&server.run_dir(run))).then_some(()));
    let is_over =
        |page: String| !["queued", "starting", "running"].iter().any(|state| page.contains(&format!("state {state}")));
    wait_for("the page to know it", LONG, || is_over(server.get("/experiments/1")).then_some(()));
    server
}

/// What the server exports of its comparison, by name; files that it does not offer are left out.
fn exports(server: &Server) -> Vec<(&'static str, Vec<u8>)> {
    let get = |name: &'static str| {
        let answer = ureq::get(format!("{}/experiments/1/{name}", server.link)).call();
        Some((name, answer.ok()?.body_mut().read_to_vec().unwrap()))
    };
    let found: Vec<_> = EXPORTS.into_iter().filter_map(get).collect();
    assert!(found.len() >= 3, "{} exports", found.len());
    found
}

fn assert_same(before: &[(&str, Vec<u8>)], after: &[(&str, Vec<u8>)]) {
    assert_eq!(before.len(), after.len());
    for ((name, before), (_, after)) in before.iter().zip(after) {
        assert!(
            before == after,
            "{name} differs:\n{}\n{}",
            String::from_utf8_lossy(before),
            String::from_utf8_lossy(after)
        );
    }
}

fn on(data: &Path, command: &str) -> std::process::Command {
    let mut retort = retort();
    retort.args([command, "--data"]).arg(data);
    retort
}

fn remove_database(data: &Path) {
    for name in ["retort.db", "retort.db-wal", "retort.db-shm"] {
        let _ = fs::remove_file(data.join(name));
    }
}

/// Overwrites half of each page but the first.
fn damage(database: &Path) {
    let mut file = OpenOptions::new().write(true).open(database).unwrap();
    let length = file.metadata().unwrap().len();
    for page in 1..length / 4096 {
        file.seek(SeekFrom::Start(page * 4096)).unwrap();
        file.write_all(&[0xA5; 2048]).unwrap();
    }
}

fn status(server: &Server, page: &str) -> u16 {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    agent.get(format!("{}{page}", server.link)).call().unwrap().status().as_u16()
}

#[test]
fn a_lost_or_damaged_database_is_built_again_and_exports_the_same_bytes() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    let mut server = server_with_a_comparison(&data);
    let before = exports(&server);
    // Launched and cancelled before it began: nothing in its folder tells of it.
    let form = [TINY.as_slice(), &[("methods", "kd"), ("budget", "smoke"), ("epochs", "9")]].concat();
    server.post("/experiments", &form);
    server.post("/experiments/2/cancel", &[]);
    let message = failure(&mut on(&data, "fsck"));
    assert!(message.contains("another Retort server"), "{message}");
    server.terminate();
    let said = success(&mut on(&data, "fsck"));
    assert!(said.contains("holds together"), "{said}");

    // A server does not begin anew where there was something.
    remove_database(&data);
    let refused = failure(on(&data, "serve").args(["--listen", "127.0.0.1:0"]));
    assert!(refused.contains("retort reindex") && refused.contains("move ledger.jsonl away"), "{refused}");
    let said = success(&mut on(&data, "reindex"));
    assert!(said.contains("Built again: 2 comparisons, 10 runs (6 finished)"), "{said}");
    assert!(said.contains("are cancelled: resume them"), "{said}");
    assert!(success(&mut on(&data, "fsck")).contains("holds together"));
    let mut server = Server::start(&data);
    assert_same(&before, &exports(&server));
    server.terminate();

    // Its pages are overwritten under a server: the first page that finds it tells whoever watches.
    let mut server = Server::start(&data);
    assert_eq!(status(&server, "/health"), 200);
    damage(&data.join("retort.db"));
    let pages = ["/", "/runs", "/experiments/1", "/runs/1", "/runs/3", "/experiments/2"];
    assert!(pages.iter().any(|page| status(&server, page) == 500), "no page finds the damage");
    assert_eq!(status(&server, "/health"), 503);
    server.kill();
    let message = failure(&mut on(&data, "fsck"));
    assert!(message.contains("retort.db is damaged") && message.contains("retort reindex"), "{message}");
    let refused = failure(on(&data, "serve").args(["--listen", "127.0.0.1:0"]));
    assert!(refused.contains("damaged") && refused.contains("retort reindex"), "{refused}");
    let said = success(&mut on(&data, "reindex"));
    assert!(said.contains("The database of before is ") && data.join("retort.before-reindex-1.db").is_file(), "{said}");
    let server = Server::start(&data);
    assert_same(&before, &exports(&server));
    // What comes now gets numbers of its own.
    assert_eq!(server.post("/experiments", &form), "/experiments/3");
}

#[test]
fn a_backup_of_a_running_server_comes_back_elsewhere_and_goes_on() {
    let root = tempfile::tempdir().unwrap();
    let (data, file) = (root.path().join("data"), root.path().join("backup.tar.gz"));
    let server = server_with_a_comparison(&data);
    let before = exports(&server);
    let form = [TINY.as_slice(), &[("methods", "kd"), ("budget", "smoke"), ("epochs", "2")]].concat();
    server.post("/experiments", &form);
    assert_eq!(
        server.post("/views", &[("name", "Of both"), ("address", "/experiments/1?with=2")]),
        "/experiments/1?with=2"
    );
    let backup = |file: &PathBuf, more: &[&str]| {
        let mut command = on(&data, "backup");
        command.args(more).arg(file);
        command
    };
    success(&mut backup(&file, &["--models"]));
    let message = failure(&mut backup(&file, &[]));
    assert!(message.contains("is there already"), "{message}");
    let restore = |file: &Path, to: &str| {
        let to = root.path().join(to);
        let mut command = on(&to, "restore");
        command.arg(file);
        (command, to)
    };
    let (mut command, restored) = restore(&file, "restored");
    let said = success(&mut command);
    assert!(said.contains("as Retort ") && !said.contains("It holds no models"), "{said}");
    assert!(failure(&mut command).contains("is not empty"));
    let other = Server::start(&restored);
    assert_same(&before, &exports(&other));
    assert!(other.get("/experiments").contains(">Of both</a>"));
    // What was under way goes on there, from its beginning or from where its journal ends.
    wait_for("the later comparison's end", LONG, || (7..=10).all(|run| is_finished(&other.run_dir(run))).then_some(()));

    // Half a backup is refused, and leaves nothing.
    let bytes = fs::read(&file).unwrap();
    let half = root.path().join("half.tar.gz");
    fs::write(&half, &bytes[..bytes.len() / 2]).unwrap();
    let (mut command, nowhere) = restore(&half, "nowhere");
    let message = failure(&mut command);
    assert!(message.contains("is no whole backup of Retort"), "{message}");
    assert!(!nowhere.exists());
    let left: Vec<_> = fs::read_dir(root.path()).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with('.')), "{left:?}");

    // Without models it is small, and says what that means.
    let small = root.path().join("small.tar.gz");
    success(&mut backup(&small, &[]));
    assert!(fs::metadata(&small).unwrap().len() * 2 < bytes.len() as u64);
    let (mut command, restored) = restore(&small, "small");
    assert!(success(&mut command).contains("It holds no models"));
    let message = success_or_failure(&mut on(&restored, "fsck"));
    assert!(message.contains("model.safetensors is not in its folder"), "{message}");
}

/// What a command said, however it ended.
fn success_or_failure(command: &mut std::process::Command) -> String {
    let output = support::output(command);
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}
