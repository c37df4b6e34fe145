//! What the scheduler does, with a double in place of workers.

use std::time::Duration;

use retort_spec::{Architecture, DeviceName, Event, ExperimentSpec, ModelRef, RunSpec, RunState, TeacherChoice};
use retort_store::NewModel;

use super::{
    Scheduler,
    testing::{Bench, Double, metrics, started},
};

#[tokio::test]
async fn a_device_takes_one_run_at_a_time_and_the_teacher_before_its_students() {
    let mut bench = Bench::new().await;
    bench.turn().await;
    bench.turn().await;
    assert_eq!(bench.started(), [(1, 1)]);
    assert_eq!(bench.state(1).await, RunState::Starting);
    bench.write(1, 1, [started()]);
    bench.turn().await;
    assert_eq!(bench.state(1).await, RunState::Running);
    bench.finish(1);
    bench.turn().await;
    assert_eq!(bench.started(), [(1, 1), (2, 1)]);
    bench.finish(2);
    bench.turn().await;
    assert_eq!(bench.started().last(), Some(&(3, 1)));
}

#[tokio::test]
async fn a_student_s_folder_names_its_teacher_s_weights_by_their_absolute_path() {
    let mut bench = Bench::new().await;
    for run in [1, 2] {
        bench.turn().await;
        bench.finish(run);
    }
    bench.turn().await;
    let text = std::fs::read_to_string(bench.control.folder(3).spec()).unwrap();
    let RunSpec::Train(spec) = RunSpec::from_json(&text).unwrap() else { panic!("run 3 trains") };
    let Some(ModelRef::File(path)) = spec.teacher else { panic!("{text}") };
    assert!(path.is_absolute() && path.ends_with("runs/1/model.safetensors"), "{}", path.display());
}

#[tokio::test]
async fn an_imported_teacher_is_named_by_its_file_and_missed_by_it() {
    let mut bench = Bench::new().await;
    bench.control.cancel_experiment(1).await.unwrap();
    let about = NewModel {
        title: "teacher".into(),
        file_name: "teacher.pt".into(),
        architecture: Architecture::ResNet18,
        classes: vec![],
        dataset: String::new(),
        method: "imported".into(),
        parameters: 1,
        bytes: 1,
        notes: vec![],
    };
    bench.store.add_models(&[about]).await.unwrap().keep().await.unwrap();
    let teacher = TeacherChoice::Imported { id: 1, architecture: Architecture::ResNet18 };
    let spec = ExperimentSpec { teacher, ..ExperimentSpec::demo() };
    bench.control.launch(&spec, spec.expand()).await.unwrap();
    let file = bench.dir.path().join("models/1.safetensors");
    std::fs::create_dir(bench.dir.path().join("models")).unwrap();
    std::fs::write(&file, "weights").unwrap();
    bench.turn().await;
    let text = std::fs::read_to_string(bench.control.folder(9).spec()).unwrap();
    let RunSpec::Evaluate(spec) = RunSpec::from_json(&text).unwrap() else { panic!("run 9 evaluates the teacher") };
    assert_eq!(spec.model, ModelRef::File(file.clone()));
    bench.finish(9);
    std::fs::remove_file(file).unwrap();
    bench.turn().await;
    let cause = bench.cause(10).await;
    assert!(cause.contains("the imported model 1") && cause.contains("1.safetensors is missing"), "{cause}");
}

#[tokio::test]
async fn what_needs_a_failed_run_fails_with_it_and_says_which() {
    let mut bench = Bench::new().await;
    bench.turn().await;
    bench.write(1, 1, [started(), Event::Failed { reason: "the loss is not a number".into() }]);
    bench.end(1);
    for _ in 0..3 {
        bench.turn().await;
    }
    assert_eq!(bench.cause(1).await, "the loss is not a number");
    assert_eq!(bench.cause(3).await, "It needs run 1 (PGD-AT ResNet-8, seed 1), which failed.");
    assert_eq!(bench.cause(4).await, "It needs run 3 (KD ResNet-8, seed 1), which failed.");
    assert_eq!(bench.store.state_counts().await.unwrap().of(RunState::Failed), 8);
}

#[tokio::test]
async fn what_needs_a_diverged_run_says_so_and_comes_back_with_it() {
    let mut bench = Bench::new().await;
    bench.turn().await;
    bench.write(1, 1, [started(), Event::Diverged { reason: "the loss exploded".into() }]);
    bench.end(1);
    for _ in 0..3 {
        bench.turn().await;
    }
    assert_eq!((bench.state(1).await, bench.cause(1).await.as_str()), (RunState::Diverged, "the loss exploded"));
    assert_eq!(bench.cause(3).await, "It needs run 1 (PGD-AT ResNet-8, seed 1), which diverged.");
    bench.control.resume(3).await.unwrap();
    assert_eq!(bench.store.state_counts().await.unwrap().of(RunState::Diverged), 0);
}

#[tokio::test]
async fn resuming_the_failed_teacher_brings_back_all_that_failed_with_it() {
    let mut bench = Bench::new().await;
    bench.turn().await;
    bench.write(1, 1, [Event::Failed { reason: "the disk is full".into() }]);
    bench.end(1);
    for _ in 0..3 {
        bench.turn().await;
    }
    bench.control.resume(1).await.unwrap();
    assert_eq!(bench.store.state_counts().await.unwrap().of(RunState::Queued), 8);
    bench.turn().await;
    assert_eq!(bench.started(), [(1, 1), (1, 2)]);
}

#[tokio::test]
async fn a_vanished_worker_is_tried_three_times_and_then_the_run_fails_with_its_last_words() {
    let mut bench = Bench::new().await;
    for attempt in 1..=3 {
        bench.turn().await;
        assert_eq!(bench.started().last(), Some(&(1, attempt)));
        bench.write(1, attempt, [started()]);
        std::fs::write(bench.control.folder(1).worker_log(), "thread 'main' panicked").unwrap();
        bench.end(1);
    }
    bench.turn().await;
    assert_eq!(bench.state(1).await, RunState::Failed);
    let cause = bench.cause(1).await;
    assert!(cause.contains("3 attempts") && cause.contains("thread 'main' panicked"), "{cause}");
    let outcomes: Vec<_> = bench.store.attempts(1, 9).await.unwrap().into_iter().map(|a| a.outcome).collect();
    assert_eq!(outcomes, [Some(RunState::Lost); 3]);
}

#[tokio::test]
async fn what_a_worker_wrote_right_before_its_end_is_read_before_it_is_judged() {
    let mut bench = Bench::new().await;
    bench.turn().await;
    bench.write(1, 1, [started(), metrics(1), Event::Finished { seconds: 2.0 }]);
    bench.end(1);
    bench.turn().await;
    assert_eq!(bench.state(1).await, RunState::Finished);
    assert_eq!(bench.epochs(1).await, 1);
}

#[tokio::test]
async fn a_stopped_worker_s_run_goes_on_in_another_attempt() {
    let mut bench = Bench::new().await;
    bench.turn().await;
    bench.write(1, 1, [started(), Event::Stopped {}]);
    bench.end(1);
    bench.turn().await;
    assert_eq!(bench.started(), [(1, 1), (1, 2)]);
}

#[tokio::test]
async fn a_server_that_starts_again_reads_on_where_the_last_one_was() {
    let mut bench = Bench::new().await;
    bench.turn().await;
    bench.write(1, 1, [started(), metrics(1)]);
    bench.append(1, "{\"at\":");
    bench.turn().await;
    let offset = bench.store.run(1).await.unwrap().journal_offset;
    // Another server, another executor: the worker went on meanwhile and ended its half-written line.
    bench.double = Double::default();
    bench.scheduler = Scheduler::new(bench.control.clone(), Box::new(bench.double.clone()));
    bench.scheduler.adopt().await.unwrap();
    bench
        .append(1, "\"2026-01-01T00:00:00Z\",\"attempt\":1,\"event\":\"log\",\"level\":\"info\",\"message\":\"on\"}\n");
    bench.write(1, 1, [metrics(2)]);
    bench.turn().await;
    assert!(bench.store.run(1).await.unwrap().journal_offset > offset);
    assert_eq!(bench.state(1).await, RunState::Running);
    assert_eq!(bench.epochs(1).await, 2);
    let log: Vec<_> = bench.store.log_end(1, 9).await.unwrap().into_iter().map(|line| line.message).collect();
    assert_eq!(log, ["on"]);
    assert_eq!(bench.started(), []);
}

#[tokio::test]
async fn a_line_that_cannot_be_read_is_told_in_the_log_and_the_run_goes_on() {
    let mut bench = Bench::new().await;
    bench.turn().await;
    bench.write(1, 1, [started()]);
    bench.append(1, "{\"event\":\"from a later version\"}\n");
    bench.write(1, 1, [metrics(1)]);
    bench.turn().await;
    assert_eq!(bench.state(1).await, RunState::Running);
    assert!(bench.store.log_end(1, 9).await.unwrap()[0].message.contains("cannot be read"));
    assert_eq!(bench.epochs(1).await, 1);
}

#[tokio::test]
async fn a_cancelled_worker_is_asked_first_and_killed_only_when_it_does_not_listen() {
    let mut bench = Bench::new().await;
    bench.turn().await;
    bench.write(1, 1, [started()]);
    bench.turn().await;
    bench.control.cancel(1).await.unwrap();
    assert!(bench.control.folder(1).cancel_requested());
    bench.turn().await;
    assert!(bench.double.0.lock().unwrap().killed.is_empty());
    bench.scheduler.cancel_grace = Duration::ZERO;
    bench.turn().await;
    assert_eq!(bench.double.0.lock().unwrap().killed, [1]);
    bench.turn().await;
    assert_eq!(bench.state(1).await, RunState::Cancelled);
    bench.control.resume(1).await.unwrap();
    bench.turn().await;
    assert_eq!(bench.started().last(), Some(&(1, 2)));
    assert!(!bench.control.folder(1).cancel_requested());
}

#[tokio::test]
async fn cancelling_an_experiment_cancels_every_run_of_it_and_fails_none() {
    let mut bench = Bench::new().await;
    bench.turn().await;
    bench.control.cancel_experiment(1).await.unwrap();
    bench.write(1, 1, [started(), Event::Cancelled {}]);
    bench.end(1);
    bench.turn().await;
    assert_eq!(bench.store.state_counts().await.unwrap().of(RunState::Cancelled), 8);
}

#[tokio::test]
async fn nothing_starts_on_a_full_disk_and_the_reason_is_told() {
    let mut bench = Bench::new().await;
    bench.scheduler.disk_floor = u64::MAX;
    bench.turn().await;
    assert_eq!(bench.started(), []);
    assert!(bench.control.pause().unwrap().contains("Make room"));
    bench.scheduler.disk_floor = 0;
    bench.turn().await;
    assert_eq!(bench.started(), [(1, 1)]);
    assert_eq!(bench.control.pause(), None);
}

#[tokio::test]
async fn a_run_whose_worker_the_system_does_not_start_stays_queued_and_is_tried_again() {
    let mut bench = Bench::new().await;
    bench.double.0.lock().unwrap().refuses = true;
    bench.turn().await;
    assert_eq!(bench.state(1).await, RunState::Queued);
    assert!(bench.control.hindrance(1).unwrap().contains("the system starts no worker: no more processes"));
    bench.double.0.lock().unwrap().refuses = false;
    bench.turn().await;
    assert_eq!(bench.started(), [], "it has its pause");
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    bench.turn().await;
    assert_eq!((bench.started(), bench.control.hindrance(1)), (vec![(1, 2)], None));
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_hinders_its_run_and_fails_none() {
    let mut bench = Bench::new().await;
    let runs = bench.dir.path().join("runs");
    // Root may write everywhere, but nobody follows a link to itself.
    std::fs::remove_dir(&runs).unwrap();
    std::os::unix::fs::symlink(&runs, &runs).unwrap();
    bench.turn().await;
    assert_eq!(bench.store.state_counts().await.unwrap().of(RunState::Failed), 0);
    assert_eq!(bench.state(1).await, RunState::Queued);
    std::fs::remove_file(&runs).unwrap();
    std::fs::create_dir(&runs).unwrap();
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    bench.turn().await;
    assert_eq!(bench.started(), [(1, 1)]);
}

#[tokio::test]
async fn a_worker_that_leaves_off_for_the_machine_s_sake_loses_its_run_nothing() {
    let mut bench = Bench::new().await;
    for attempt in 1..=5 {
        bench.turn().await;
        assert_eq!(bench.started().last(), Some(&(1, attempt)));
        bench.write(1, attempt, [started()]);
        std::fs::write(bench.control.folder(1).worker_log(), "journal.jsonl: no space left").unwrap();
        bench.double.0.lock().unwrap().left_off.insert(1);
        bench.end(1);
        bench.turn().await;
        assert_eq!(bench.state(1).await, RunState::Queued);
        assert!(bench.cause(1).await.contains("left off: journal.jsonl: no space left"));
        bench.control.hindrances.remove(1);
    }
    assert_eq!(bench.store.run(1).await.unwrap().lost_workers, 0);
}

#[tokio::test]
async fn a_folder_of_another_run_is_moved_aside_and_nothing_of_it_is_taken_over() {
    let mut bench = Bench::new().await;
    // A run of a database that is gone: another seed, finished, with its numbers.
    let other = ExperimentSpec { seeds: vec![9], ..ExperimentSpec::demo() }.expand().swap_remove(0);
    retort_engine::RunFolder::create(bench.control.folder(1).dir(), &other.spec).unwrap();
    bench.write(1, 1, [started(), metrics(1), Event::Finished { seconds: 1.0 }]);
    bench.turn().await;
    bench.turn().await;
    assert_eq!((bench.state(1).await, bench.epochs(1).await), (RunState::Starting, 0));
    assert!(bench.dir.path().join("runs/1.other-1/journal.jsonl").is_file());
    let log = bench.store.log_end(1, 9).await.unwrap();
    assert!(log[0].message.contains("held another run"), "{log:?}");
}

#[tokio::test]
async fn a_journal_that_cannot_be_read_fails_its_run_once_its_worker_is_gone() {
    let mut bench = Bench::new().await;
    bench.turn().await;
    std::fs::create_dir(bench.control.folder(1).journal()).unwrap();
    bench.scheduler.journal_patience = Duration::ZERO;
    bench.scheduler.turn().await.unwrap();
    assert_eq!(bench.state(1).await, RunState::Starting);
    bench.end(1);
    bench.scheduler.turn().await.unwrap();
    assert_eq!(bench.state(1).await, RunState::Failed);
    assert!(bench.cause(1).await.contains("what it wrote cannot be read"), "{}", bench.cause(1).await);
}

#[tokio::test]
async fn a_run_whose_teacher_s_weights_are_gone_fails_and_names_the_file() {
    let mut bench = Bench::new().await;
    bench.turn().await;
    bench.finish(1);
    std::fs::remove_file(bench.control.folder(1).model()).unwrap();
    bench.turn().await;
    let cause = bench.cause(2).await;
    assert!(cause.contains("run 1") && cause.contains("model.safetensors is missing"), "{cause}");
}

#[tokio::test]
async fn a_run_waits_while_a_worker_of_an_earlier_attempt_still_holds_its_folder() {
    let mut bench = Bench::new().await;
    std::fs::create_dir_all(bench.control.folder(1).dir()).unwrap();
    let held = bench.control.folder(1).lock().unwrap();
    bench.turn().await;
    assert_eq!(bench.started(), []);
    drop(held);
    bench.turn().await;
    assert_eq!(bench.started(), [(1, 1)]);
    assert!(bench.dir.path().join("runs/1/spec.json").is_file());
}

#[tokio::test]
async fn a_run_that_finished_on_a_gpu_teaches_the_speed_of_that_gpu() {
    let mut bench = Bench::new().await;
    bench.turn().await;
    let gpu = DeviceName::Cuda(1);
    let started = Event::Started { device: gpu, threads: 2, version: "0".into(), resumed_epochs: 0 };
    bench.write(1, 1, [started, Event::Finished { seconds: 30.0 }]);
    std::fs::write(bench.control.folder(1).model(), "weights").unwrap();
    bench.end(1);
    bench.turn().await;
    let datasets = retort_engine::data::Library::new(bench.dir.path().join("datasets")).list().unwrap();
    let devices = [gpu, DeviceName::Cuda(0)];
    let estimator = crate::estimate::Estimator::learn(&bench.store, datasets, &devices, 1.0).await.unwrap();
    let on = |device| estimator.experiment(&ExperimentSpec { device, ..ExperimentSpec::demo() });
    assert!(on(gpu).is_some_and(|seconds| seconds > 30.0), "the demo is more than its teacher: {:?}", on(gpu));
    assert_eq!(on(DeviceName::Cuda(0)), None, "nothing is known of another");
}
