//! Data folders of earlier versions, as `fixtures/make.py` left them, under the program of today.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use retort_engine::RunFolder;
use retort_spec::{Event, Metric};
use sha2::{Digest, Sha256};
use support::{Server, TINY, figures, is_finished, journal, success, wait_for};

const LONG: Duration = Duration::from_mins(5);
/// The run that was cut off.
const STUDENT: u32 = 10;

struct Fixture {
    /// Where the folder of data was unpacked.
    data: PathBuf,
    expected: PathBuf,
}

/// Every stored version, unpacked into `root`.
fn fixtures(root: &Path) -> Vec<Fixture> {
    let stored = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures");
    let versions = fs::read_dir(stored).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let unpacked = versions.map(|expected| {
        let data = root.join(expected.file_name().unwrap());
        let packed = fs::File::open(expected.join("data.tar.gz")).unwrap();
        tar::Archive::new(flate2::read::GzDecoder::new(packed)).unpack(&data).unwrap();
        Fixture { data, expected }
    });
    let unpacked: Vec<_> = unpacked.collect();
    assert!(!unpacked.is_empty());
    unpacked
}

/// A line of a journal without what was not reported then.
fn of_then(line: &str) -> Event {
    match serde_json::from_str(line).unwrap() {
        Event::Metrics { stage, epoch, mut values } => {
            values.remove(&Metric::GradientNorm);
            Event::Metrics { stage, epoch, values }
        }
        event => event,
    }
}

/// The columns of a table by their heads.
fn columns(table: &str) -> BTreeMap<String, Vec<String>> {
    let mut reader = csv::Reader::from_reader(table.trim_start_matches('\u{feff}').as_bytes());
    let heads = reader.headers().unwrap().clone();
    let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
    let column = |(i, head): (usize, &str)| (head.to_owned(), rows.iter().map(|row| row[i].to_owned()).collect());
    heads.iter().enumerate().map(column).collect()
}

impl Fixture {
    fn expects(&self, name: &str) -> String {
        fs::read_to_string(self.expected.join(name)).unwrap()
    }

    fn student(&self) -> PathBuf {
        self.data.join("runs").join(STUDENT.to_string())
    }

    /// The comparison that was finished then, the shared page and the analysis stand as they stood.
    fn assert_kept(&self, server: &Server) {
        let (now, then) = (columns(&server.get("/experiments/1/table.csv")), columns(&self.expects("table.csv")));
        for (head, cells) in then {
            assert_eq!(now.get(&head), Some(&cells), "{head}");
        }
        assert!(server.get(self.expects("share.txt").trim()).contains("Shared"));
        assert!(server.get("/experiments/1").contains("<h1>Finished</h1>"));
        let figure = server.get("/runs/7/figure.svg");
        assert!(figure.starts_with("<svg"), "{figure:.100}");
    }

    fn assert_trained_as_undisturbed(&self) {
        let undisturbed = self.data.with_extension("undisturbed");
        fs::create_dir_all(&undisturbed).unwrap();
        fs::copy(self.expected.join("journal.jsonl"), undisturbed.join("journal.jsonl")).unwrap();
        let known = |dir: &Path| figures(dir).iter().map(|line| of_then(line)).collect::<Vec<_>>();
        assert_eq!(known(&self.student()), known(&undisturbed));
        let model = fs::read(self.student().join("model.safetensors")).unwrap();
        let mut fingerprint = String::new();
        Sha256::digest(model).iter().for_each(|byte| write!(fingerprint, "{byte:02x}").unwrap());
        assert_eq!(fingerprint, self.expects("model.sha256").trim());
    }
}

#[test]
fn a_data_folder_of_an_earlier_version_opens_and_its_runs_go_on_to_the_same_numbers() {
    let root = tempfile::tempdir().unwrap();
    for fixture in fixtures(root.path()) {
        let mut server = Server::start(&fixture.data);
        let student = fixture.student();
        wait_for("the student's evaluation", LONG, || is_finished(&server.run_dir(STUDENT + 1)).then_some(()));
        let mut starts = journal(&student).into_iter().filter(|record| matches!(record.event, Event::Started { .. }));
        let last = starts.next_back().unwrap();
        assert_eq!(last.attempt, 2);
        assert!(matches!(last.event, Event::Started { resumed_epochs: 1.., .. }), "it began from nothing");
        fixture.assert_trained_as_undisturbed();
        fixture.assert_kept(&server);
        server.terminate();
        let said = success(support::retort().args(["fsck", "--data"]).arg(&fixture.data));
        assert!(said.contains("holds together"), "{said}");
    }
}

/// A process that holds a run's folder, as its worker does. It ends with the value.
struct OldWorker(Child);

impl OldWorker {
    fn of(dir: &Path) -> Self {
        let lock = RunFolder::at(dir).lock_for_worker().unwrap();
        let child = Command::new("sleep").arg("600").stdin(Stdio::from(lock)).spawn().unwrap();
        fs::write(dir.join("worker.lock"), format!("{}\n", child.id())).unwrap();
        Self(child)
    }
}

impl Drop for OldWorker {
    fn drop(&mut self) {
        // It may have been ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_server_that_was_upgraded_takes_over_the_worker_of_the_earlier_one() {
    let root = tempfile::tempdir().unwrap();
    for fixture in fixtures(root.path()) {
        let student = fixture.student();
        let path = student.join("journal.jsonl");
        let worker = OldWorker::of(&student);
        let server = Server::start(&fixture.data);
        // The earlier version's worker goes on from where it was, and reports as it did.
        let written = fs::read_to_string(&path).unwrap();
        fs::write(&path, &written[..=written.rfind('\n').unwrap()]).unwrap();
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        let known = figures(&student);
        let undisturbed = fixture.expects("journal.jsonl");
        let mut new = undisturbed.lines().filter(|line| line.contains("\"event\":\"metrics\"")).skip(known.len());
        writeln!(file, "{}", new.next().unwrap()).unwrap();
        let shows = |what: &str| server.get(&format!("/runs/{STUDENT}")).contains(what).then_some(());
        wait_for("its next epoch on the page", LONG, || shows(&format!("After {} of 40 epochs", known.len() + 1)));
        new.for_each(|line| writeln!(file, "{line}").unwrap());
        // Its model is the one that the same run gives.
        let again = fixture.data.with_extension("again");
        let mut spec: serde_json::Value =
            serde_json::from_slice(&fs::read(student.join("spec.json")).unwrap()).unwrap();
        spec["teacher"]["file"] = fixture.data.join("runs/8/model.safetensors").to_str().unwrap().into();
        fs::write(root.path().join("spec.json"), spec.to_string()).unwrap();
        success(support::retort().arg("run").arg(root.path().join("spec.json")).arg("--out").arg(&again));
        fs::copy(again.join("model.safetensors"), student.join("model.safetensors")).unwrap();
        writeln!(file, "{}", undisturbed.lines().last().unwrap()).unwrap();
        drop(worker);
        wait_for("the evaluation of its model", LONG, || is_finished(&server.run_dir(STUDENT + 1)).then_some(()));
        assert!(journal(&student).iter().all(|record| record.attempt == 1), "another worker was started beside it");
        fixture.assert_trained_as_undisturbed();
        fixture.assert_kept(&server);
    }
}

/// An upgrade puts the new program where the old one stood, and restarts the server later.
#[cfg(target_os = "linux")]
#[test]
fn a_server_whose_program_was_replaced_goes_on_with_its_own() {
    let root = tempfile::tempdir().unwrap();
    let program = root.path().join("retort");
    fs::copy(env!("CARGO_BIN_EXE_retort"), &program).unwrap();
    let server = Server::start_program(&program, &root.path().join("data"), &[]);
    let other = root.path().join("other");
    fs::write(&other, "#!/bin/sh\necho another version >&2\nexit 2\n").unwrap();
    fs::set_permissions(&other, fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(&other, &program).unwrap();
    let form = [TINY.as_slice(), &[("methods", "kd"), ("budget", "smoke"), ("epochs", "1")]].concat();
    server.post("/experiments", &form);
    wait_for("the teacher", LONG, || is_finished(&server.run_dir(1)).then_some(()));
}
