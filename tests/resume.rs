//! The same spec gives the same numbers, however often it was stopped and whoever was killed meanwhile.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::{fs, path::Path, time::Duration};

use retort_engine::RunFolder;
use retort_spec::{Event, Metric};
use retort_store::Store;
use support::{Server, TINY, figures, is_finished, journal, retort, signal, success, wait_for};

const LONG: Duration = Duration::from_mins(5);

/// Runs a spec without a server, undisturbed.
fn undisturbed(spec: &Path, out: &Path) {
    success(retort().arg("run").arg(spec).arg("--out").arg(out));
}

/// The process that computes a run.
fn worker_of(dir: &Path) -> Option<u32> {
    RunFolder::at(dir).worker().unwrap()
}

fn model(dir: &Path) -> Vec<u8> {
    fs::read(dir.join("model.safetensors")).unwrap()
}

/// A server that computes run 1, a training of several epochs, of which the first has been reported.
fn server_in_training(data: &Path) -> Server {
    let server = Server::start(data);
    let form = [TINY.as_slice(), &[("methods", "ard"), ("budget", "smoke"), ("epochs", "6")]].concat();
    assert_eq!(server.post("/experiments", &form), "/experiments/1");
    let dir = server.run_dir(1);
    let checkpoint = RunFolder::at(&dir).checkpoint();
    wait_for("the first epoch", LONG, || (!figures(&dir).is_empty() && checkpoint.is_file()).then_some(()));
    server
}

/// Every sum has one order, however wide a register is and however many threads there are: a resumed run may move to an
/// older machine.
#[cfg(target_arch = "x86_64")]
#[test]
fn narrower_registers_and_more_threads_give_the_same_bytes() {
    let root = tempfile::tempdir().unwrap();
    let small = |text: String| {
        text.replace("\"fashion-mnist-5k\"", "\"fashion-mnist-5k\", \"train_images\": 100, \"test_images\": 50")
    };
    let at = |name: &str| root.path().join(name);
    let teacher = at("teacher").join("model.safetensors");
    let mut gacd = retort();
    gacd.args(["spec", "gacd+aft", "--epochs", "1", "--teacher"]).arg(&teacher);
    fs::write(at("teacher.json"), small(success(retort().args(["spec", "pgd-at", "--epochs", "1"])))).unwrap();
    undisturbed(&at("teacher.json"), &at("teacher"));
    fs::write(at("gacd.json"), small(success(&mut gacd))).unwrap();
    for spec in ["teacher", "gacd"] {
        let file = at(&format!("{spec}.json"));
        let (wide, narrow) = (at(&format!("{spec}-wide")), at(&format!("{spec}-narrow")));
        undisturbed(&file, &wide);
        let mut other = retort();
        other.env("RETORT_SIMD", "avx2").env("RAYON_NUM_THREADS", "3");
        success(other.arg("run").arg(&file).arg("--out").arg(&narrow));
        assert_eq!(figures(&wide), figures(&narrow), "{spec}");
        assert_eq!(model(&wide), model(&narrow), "{spec}");
    }
}

#[test]
fn the_same_spec_run_twice_gives_the_same_bytes() {
    let root = tempfile::tempdir().unwrap();
    let spec = root.path().join("spec.json");
    let text = success(retort().args(["spec", "pgd-at", "--epochs", "2", "--seed", "5"]));
    let small =
        text.replace("\"fashion-mnist-5k\"", "\"fashion-mnist-5k\", \"train_images\": 100, \"test_images\": 50");
    fs::write(&spec, small).unwrap();
    let (one, two) = (root.path().join("one"), root.path().join("two"));
    undisturbed(&spec, &one);
    undisturbed(&spec, &two);
    assert_eq!(figures(&one).len(), 2);
    assert_eq!(figures(&one), figures(&two));
    assert_eq!(model(&one), model(&two));
}

#[test]
fn a_worker_and_a_server_killed_half_way_cost_no_number() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    let mut server = server_in_training(&data);
    let dir = server.run_dir(1);
    let worker = worker_of(&dir).unwrap();
    signal("KILL", worker);
    server.kill();
    assert!(!is_finished(&dir), "it was too fast to be killed half-way");

    let server = Server::start(&data);
    wait_for("the comparison's last evaluation", LONG, || is_finished(&server.run_dir(4)).then_some(()));
    let last_start = journal(&dir).into_iter().rfind(|r| matches!(r.event, Event::Started { .. })).unwrap();
    assert!(last_start.attempt > 1);
    assert!(matches!(last_start.event, Event::Started { resumed_epochs: 1.., .. }), "it started from nothing again");
    for run in 1..=4 {
        let dir = server.run_dir(run);
        let again = root.path().join(format!("again-{run}"));
        undisturbed(&dir.join("spec.json"), &again);
        assert_eq!(figures(&dir), figures(&again), "run {run}");
        if dir.join("model.safetensors").exists() {
            assert_eq!(model(&dir), model(&again), "run {run}");
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_is_full_at_a_checkpoint_and_at_the_model_costs_no_number_and_fails_no_run() {
    let root = tempfile::tempdir().unwrap();
    let server = server_in_training(&root.path().join("data"));
    let dir = server.run_dir(1);
    // Whoever writes through such a link is told that no space is left; the link goes with the half-written file.
    let fill = |beside: &str| std::os::unix::fs::symlink("/dev/full", dir.join(beside)).unwrap();
    while std::os::unix::fs::symlink("/dev/full", dir.join("checkpoint.tmp")).is_err() {}
    fill("model.tmp");
    let left_off = || server.get("/runs/1").contains("Its worker left off: ").then_some(());
    wait_for("the worker to leave off", LONG, left_off);
    wait_for("the comparison's last evaluation", LONG, || is_finished(&server.run_dir(4)).then_some(()));
    let attempts = journal(&dir).into_iter().filter(|r| matches!(r.event, Event::Started { .. })).count();
    assert_eq!(attempts, 3, "one stop at a checkpoint, one at the model");
    let again = root.path().join("again");
    undisturbed(&dir.join("spec.json"), &again);
    assert_eq!((figures(&dir), model(&dir)), (figures(&again), model(&again)));
}

#[test]
fn a_restarted_server_adopts_the_worker_that_went_on_without_it() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    let mut server = server_in_training(&data);
    let dir = server.run_dir(1);
    let worker = worker_of(&dir);
    server.terminate();
    assert!(worker.is_some() && worker_of(&dir) == worker, "the worker ended, or was too fast to be left alone");

    let mut server = Server::start(&data);
    wait_for("the comparison's last evaluation", LONG, || is_finished(&server.run_dir(4)).then_some(()));
    assert!(journal(&dir).iter().all(|r| r.attempt == 1), "the run was started again");
    let reported: Vec<usize> = metrics(&dir).collect();
    assert_eq!(reported, [1, 2, 3, 4, 5, 6]);
    wait_for("the server to know", LONG, || server.get("/runs/1").contains("finished").then_some(()));
    server.terminate();
    let kept = losses(&data.join("retort.db"));
    assert_eq!(kept, reported);
}

/// The epochs that a journal reports.
fn metrics(dir: &Path) -> impl Iterator<Item = usize> {
    journal(dir).into_iter().filter_map(|r| if let Event::Metrics { epoch, .. } = r.event { Some(epoch) } else { None })
}

/// The epochs whose loss in run 1 the server has kept.
#[tokio::main(flavor = "current_thread")]
async fn losses(database: &Path) -> Vec<usize> {
    let store = Store::open(database).await.unwrap();
    let kept = store.metrics(1).await.unwrap();
    kept.into_iter().filter(|m| m.metric == Metric::TrainLoss).map(|m| m.epoch).collect()
}
