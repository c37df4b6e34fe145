//! Arrivals whose process is a shell script.

use std::{
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
};

use super::*;
use crate::disk::Room;

struct Harbour {
    arrivals: Arrivals,
    live: Live,
    dir: TempDir,
}

/// Arrivals for which this script reads the order from its first line.
fn harbour(script: &str, patience: Duration) -> Harbour {
    let dir = tempfile::tempdir().unwrap();
    for part in ["datasets", "uploads"] {
        fs::create_dir(dir.path().join(part)).unwrap();
    }
    let program = dir.path().join("retort.sh");
    fs::write(&program, format!("#!/bin/sh\nread order || exit\n{script}\n")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    // While another test forks, its child has the just-written script open and the system refuses to run it.
    while let Err(e) = Command::new(&program).stdin(Stdio::null()).status() {
        assert_eq!(e.kind(), io::ErrorKind::ExecutableFileBusy);
        std::thread::sleep(Duration::from_millis(5));
    }
    let live = Live::new();
    let mirror = Some("http://mirror.lab/data/".to_owned());
    let arrivals = Arrivals::of(program, patience, dir.path().join("datasets"), mirror, live.clone());
    Harbour { arrivals, live, dir }
}

impl Harbour {
    fn upload(&self, name: &str) -> bool {
        let dir = TempDir::new_in(self.dir.path().join("uploads")).unwrap();
        let path = dir.path().join("upload");
        fs::write(&path, "archive").unwrap();
        let upload = Upload { path, file_name: "My pets.zip".into(), resize: true, test_percent: Some(20) };
        self.arrivals.import(name, dir, upload).unwrap()
    }

    fn fetch(&self) {
        let dataset = Library::fetchable().next().unwrap();
        self.arrivals.fetch(&dataset, Room::default().reserve(self.dir.path(), 0).unwrap());
    }

    /// The arrival of this name, once it is as `is_so` says.
    async fn when(&self, name: &str, is_so: impl Fn(Option<&ArrivalState>) -> bool) -> Option<Arrival> {
        let mut listener = self.live.listen();
        loop {
            let found = self.arrivals.find(name);
            if is_so(found.as_ref().map(|arrival| &arrival.state)) {
                return found;
            }
            // Another change may have come before this listened.
            let _ = tokio::time::timeout(Duration::from_millis(200), listener.next()).await;
        }
    }

    async fn fault(&self, name: &str) -> String {
        let failed = self.when(name, |state| matches!(state, Some(ArrivalState::Failed(_)))).await;
        let ArrivalState::Failed(fault) = failed.unwrap().state else { unreachable!() };
        fault
    }

    fn left(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.dir.path().join(folder)).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

const PATIENCE: Duration = Duration::from_mins(1);

/// Says that it is half through, and waits for its end.
const HALF: &str = r#"echo '{"progress":{"what":"reading","done":5,"total":10,"in_bytes":false}}'; exec sleep 60"#;

fn is_working(state: Option<&ArrivalState>) -> bool {
    matches!(state, Some(ArrivalState::Working(Some(_))))
}

fn write(path: &Path) {
    fs::write(path, "half").unwrap();
}

#[tokio::test]
async fn an_import_that_succeeds_is_no_longer_on_its_way_and_leaves_no_upload() {
    let harbour = harbour(r#"echo "$order" > "$(dirname "$0")/order"; echo '{"ended":{"Ok":null}}'"#, PATIENCE);
    assert!(harbour.upload("pets"));
    assert_eq!(harbour.arrivals.find("pets").unwrap().title, "My pets.zip");
    harbour.when("pets", |state| state.is_none()).await;
    let order: Order = serde_json::from_slice(&fs::read(harbour.dir.path().join("order")).unwrap()).unwrap();
    let Source::File(upload) = order.source else { panic!("{order:?}") };
    assert_eq!((order.name.as_str(), upload.resize, upload.test_percent), ("pets", true, Some(20)));
    assert!(harbour.left("uploads").is_empty());
}

#[tokio::test]
async fn a_refused_import_says_why_with_the_name_of_its_file_and_leaves_nothing() {
    let file = r#"$(echo "$order" | sed 's/.*"path":"\([^"]*\)".*/\1/')"#;
    let harbour = harbour(&format!(r#"echo "{{\"ended\":{{\"Err\":\"{file} holds no dataset\"}}}}""#), PATIENCE);
    harbour.upload("pets");
    assert_eq!(harbour.fault("pets").await, "My pets.zip holds no dataset");
    assert!(harbour.left("uploads").is_empty());
    harbour.arrivals.cancel("pets").await.unwrap();
    assert!(harbour.arrivals.list().is_empty(), "it was dismissed");
}

#[tokio::test]
async fn a_cancelled_import_leaves_nothing() {
    let script = format!("mkdir \"$(dirname \"$0\")/datasets/.pets.$$.tmp\"\n{HALF}");
    let harbour = harbour(&script, PATIENCE);
    harbour.upload("pets");
    let arrival = harbour.when("pets", is_working).await.unwrap();
    let ArrivalState::Working(Some(step)) = arrival.state else { unreachable!() };
    assert_eq!((step.what.as_str(), step.done, step.total, step.in_bytes), ("reading", 5, Some(10), false));
    assert_eq!(harbour.left("datasets").len(), 1);
    harbour.arrivals.cancel("pets").await.unwrap();
    assert!(harbour.arrivals.list().is_empty());
    assert!(harbour.left("datasets").is_empty() && harbour.left("uploads").is_empty());
}

#[tokio::test]
async fn imports_are_read_one_after_the_other_and_one_that_waits_can_be_cancelled() {
    let harbour = harbour(HALF, PATIENCE);
    assert!(harbour.upload("pets"));
    harbour.when("pets", is_working).await;
    assert!(harbour.upload("birds"));
    assert!(!harbour.upload("pets"), "a dataset of this name is on its way");
    assert_eq!(harbour.arrivals.find("birds").unwrap().state, ArrivalState::Waiting);
    harbour.arrivals.cancel("birds").await.unwrap();
    assert_eq!(harbour.left("uploads"), ["dataset-pets"]);
    harbour.arrivals.cancel("pets").await.unwrap();
    assert!(harbour.upload("birds"));
    harbour.when("birds", is_working).await;
}

#[tokio::test]
async fn an_import_that_does_not_end_is_given_up() {
    let harbour = harbour("exec sleep 60", Duration::from_millis(200));
    harbour.upload("pets");
    assert!(harbour.fault("pets").await.contains("took longer"));
    assert!(harbour.left("uploads").is_empty());
}

#[tokio::test]
async fn a_process_that_dies_is_told_with_its_end_and_what_it_printed() {
    let harbour = harbour("echo 'memory allocation of 7 bytes failed' >&2; kill -6 $$", PATIENCE);
    harbour.upload("pets");
    let fault = harbour.fault("pets").await;
    assert!(fault.contains("killed by signal 6") && fault.contains("memory allocation of 7 bytes failed"), "{fault}");
}

#[tokio::test]
async fn a_failed_fetch_keeps_what_came_and_a_cancelled_one_does_not() {
    let harbour = harbour(r#"echo "{\"ended\":{\"Err\":\"$(echo $order | tr -d '\"')\"}}""#, PATIENCE);
    let part = harbour.dir.path().join("datasets/cifar10.tar.gz.part");
    write(&part);
    harbour.fetch();
    let fault = harbour.fault("cifar10").await;
    assert!(fault.contains("address:http://mirror.lab/data/cifar-10-binary.tar.gz"), "the mirror is asked: {fault}");
    assert!(part.exists());
    harbour.fetch();
    harbour.fault("cifar10").await;
    harbour.arrivals.cancel("cifar10").await.unwrap();
    assert!(!part.exists() && harbour.arrivals.list().is_empty());
}

#[tokio::test]
async fn an_import_that_a_stopped_server_left_is_told_and_its_half_is_gone() {
    let harbour = harbour("", PATIENCE);
    // No process has so large a number.
    fs::create_dir(harbour.dir.path().join("datasets/.pets.2147483647.tmp")).unwrap();
    let own = format!(".birds.{}.tmp", std::process::id());
    fs::create_dir(harbour.dir.path().join("datasets").join(&own)).unwrap();
    harbour.arrivals.tidy(&["dataset-pets".into(), "model".into()]).unwrap();
    assert!(harbour.fault("pets").await.contains("server was stopped"));
    assert_eq!(harbour.arrivals.list().len(), 1);
    assert_eq!(harbour.left("datasets"), [own], "another process still writes it");
}

#[test]
fn another_attempt_is_filled_in_with_what_the_refusal_asks_for() {
    let mut form = super::form("pets", &Source::Address("https://example".into()));
    super::ask_for_what_was_missed(&mut form, "images must be 32×32. `--resize` makes them so");
    assert!(form.resize && form.test_percent.is_empty());
    super::ask_for_what_was_missed(&mut form, "let `--test-percent 20` hold some out");
    assert_eq!(form.test_percent, "20");
}
