//! Whole runs in their folders, on a few images: that they train, that they repeat, and that they resume.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::{fs, path::Path, sync::atomic::AtomicBool};

use retort_engine::{
    RunFolder,
    data::Library,
    nn::{Network, load_model},
    run_folder,
};
use retort_spec::{
    DeviceName, Event, MethodName, Metric, ModelRef, Normaliser, ProbeSpec, RunSpec, Schedule, Setting, WeightAveraging,
};
use support::{dataset, figures, model, run, spec, stop_often, teacher};

#[test]
fn every_method_repeats_bit_for_bit_and_resumes_as_if_it_had_never_stopped() {
    let root = tempfile::tempdir().unwrap();
    let teacher = teacher(root.path());
    for method in MethodName::all() {
        let spec = spec(method, method.needs_teacher().then_some(teacher.as_path()));
        let (whole, again, resumed) =
            (root.path().join("whole"), root.path().join("again"), root.path().join("resumed"));
        run(&whole, &spec, 1, None);
        run(&again, &spec, 1, None);
        assert_eq!((figures(&whole), model(&whole)), (figures(&again), model(&again)), "{method} again");
        // Before each stage, in its middle, and between stages.
        stop_often(&resumed, &spec);
        assert_eq!((figures(&whole), model(&whole)), (figures(&resumed), model(&resumed)), "{method} resumed");
        for dir in [whole, again, resumed] {
            fs::remove_dir_all(dir).unwrap();
        }
    }
}

#[test]
fn fine_tuning_a_finished_gacd_model_gives_the_numbers_of_the_whole_run() {
    let root = tempfile::tempdir().unwrap();
    let teacher = teacher(root.path());
    let (gacd, tuned, whole) = (root.path().join("gacd"), root.path().join("tuned"), root.path().join("whole"));
    run(&gacd, &spec(MethodName::GACD, Some(&teacher)), 1, None);
    let both = spec(MethodName::GACD.fine_tuned(), Some(&teacher));
    run(&whole, &both, 1, None);
    let RunSpec::Train(mut second) = both else { unreachable!() };
    second.start_from = Some(ModelRef::File(RunFolder::at(&gacd).model()));
    run(&tuned, &RunSpec::Train(second), 1, None);
    assert_eq!(model(&tuned), model(&whole));
    let whole = figures(&whole);
    assert_eq!(figures(&tuned), whole[figures(&gacd).len()..]);
}

#[test]
fn options_that_need_two_passes_or_another_attack_repeat_and_resume_too() {
    let root = tempfile::tempdir().unwrap();
    let teacher = teacher(root.path());
    let settings = [
        (MethodName::ARD, vec![("method.alpha", "0.5"), ("method.sample_weighting", "teacher")]),
        (MethodName::GACD, vec![("method.student_input", "both"), ("method.attacked_features", "embedding")]),
        (MethodName::GACD, vec![("method.cross_entropy_weight", "1"), ("method.plan_gradient", "unrolled")]),
        (MethodName::ARD.fine_tuned(), vec![("finetune.loss", "trades"), ("method.attack.batch_norm", "train")]),
    ];
    for (i, (method, settings)) in settings.into_iter().enumerate() {
        let RunSpec::Train(mut spec) = spec(method, Some(&teacher)) else { unreachable!() };
        for (path, value) in settings {
            spec.set(&Setting::new(path, value)).unwrap();
        }
        let spec = RunSpec::Train(spec);
        let (whole, resumed) = (root.path().join(format!("whole{i}")), root.path().join(format!("resumed{i}")));
        run(&whole, &spec, 1, None);
        stop_often(&resumed, &spec);
        assert_eq!((figures(&whole), model(&whole)), (figures(&resumed), model(&resumed)), "{spec:?}");
    }
}

#[test]
fn with_validation_images_the_best_epoch_is_kept_beside_the_last_and_survives_a_stop() {
    let root = tempfile::tempdir().unwrap();
    let RunSpec::Train(mut spec) = spec(MethodName::PGD_AT, None) else { unreachable!() };
    spec.schedule = spec.schedule.stretched_to(4);
    spec.dataset.validation_images = Some(40);
    let spec = RunSpec::Train(spec);
    let (whole, resumed) = (root.path().join("whole"), root.path().join("resumed"));
    run(&whole, &spec, 1, None);
    stop_often(&resumed, &spec);
    let best = |dir: &Path| fs::read(RunFolder::at(dir).best_model()).unwrap();
    assert_eq!((figures(&whole), model(&whole), best(&whole)), (figures(&resumed), model(&resumed), best(&resumed)));
    let robust: Vec<f64> = figures(&whole)
        .iter()
        .map(|line| match serde_json::from_str(line).unwrap() {
            Event::Metrics { values, .. } => values[&Metric::ValidationPgdAccuracy],
            event => panic!("{event:?}"),
        })
        .collect();
    let most = robust.iter().copied().fold(0.0, f64::max);
    let epoch = robust.iter().position(|accuracy| *accuracy >= most).unwrap() + 1;
    let header = String::from_utf8_lossy(&best(&whole)[..600]).into_owned();
    assert!(header.contains(&format!("\\\"epoch\\\":{epoch}")), "epoch {epoch} of {robust:?}: {header}");
}

#[test]
fn an_average_of_the_weights_is_left_beside_the_last_model_and_survives_a_stop() {
    let root = tempfile::tempdir().unwrap();
    let teacher = teacher(root.path());
    for method in [MethodName::PGD_AT, MethodName::GACD.fine_tuned()] {
        let plain = spec(method, method.needs_teacher().then_some(teacher.as_path()));
        let RunSpec::Train(mut averaged) = plain.clone() else { unreachable!() };
        averaged.weight_averaging = Some(WeightAveraging { decay: 0.9 });
        let averaged = RunSpec::Train(averaged);
        let [without, whole, resumed] = ["without", "whole", "resumed"].map(|name| root.path().join(name));
        run(&without, &plain, 1, None);
        run(&whole, &averaged, 1, None);
        stop_often(&resumed, &averaged);
        let average = |dir: &Path| fs::read(RunFolder::at(dir).averaged_model()).unwrap();
        assert_eq!(model(&whole), model(&without), "the average changes nothing of the training");
        assert_eq!((model(&whole), average(&whole)), (model(&resumed), average(&resumed)), "{method}");
        assert_ne!(model(&whole), average(&whole));
        assert!(!RunFolder::at(&without).averaged_model().exists());
        let (network, _) = load_model(&RunFolder::at(&whole).averaged_model(), &candle_core::Device::Cpu).unwrap();
        assert_eq!(network.architecture, retort_spec::Architecture::ResNet8);
        for dir in [without, whole, resumed] {
            fs::remove_dir_all(dir).unwrap();
        }
    }
}

#[test]
fn damaged_checkpoints_are_told_and_cost_time_but_no_number() {
    let root = tempfile::tempdir().unwrap();
    let spec = spec(MethodName::PGD_AT, None);
    let (whole, damaged) = (root.path().join("whole"), root.path().join("damaged"));
    run(&whole, &spec, 1, None);
    for (both, said) in [(false, "goes on from the one before it"), (true, "starts again from the beginning")] {
        // One checkpoint behind the first epoch, one where it is stopped.
        run(&damaged, &spec, 1, Some(1));
        let folder = RunFolder::at(&damaged);
        let mut bytes = fs::read(folder.checkpoint()).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(folder.checkpoint(), &bytes).unwrap();
        if both {
            let earlier = fs::read(folder.earlier_checkpoint()).unwrap();
            fs::write(folder.earlier_checkpoint(), &earlier[..middle]).unwrap();
        }
        run(&damaged, &spec, 2, None);
        assert_eq!((figures(&whole), model(&whole)), (figures(&damaged), model(&damaged)));
        let journal = fs::read_to_string(folder.journal()).unwrap();
        assert!(journal.contains("its checksum does not hold") && journal.contains(said), "{journal}");
        assert!(!folder.checkpoint().exists() && !folder.earlier_checkpoint().exists());
        fs::remove_dir_all(&damaged).unwrap();
    }
}

#[test]
fn a_probe_leaves_the_features_as_they_were_and_resumes() {
    let root = tempfile::tempdir().unwrap();
    let teacher = teacher(root.path());
    let spec = RunSpec::Probe(ProbeSpec {
        model: ModelRef::File(teacher.clone()),
        dataset: dataset(),
        schedule: Schedule::linear_classifier().stretched_to(4),
        seed: 3,
        device: DeviceName::Cpu,
    });
    let (whole, resumed) = (root.path().join("whole"), root.path().join("resumed"));
    run(&whole, &spec, 1, None);
    stop_often(&resumed, &spec);
    assert_eq!((figures(&whole), model(&whole)), (figures(&resumed), model(&resumed)));
    let load = |path: &Path| load_model(path, &candle_core::Device::Cpu).unwrap().0;
    let (mut before, mut after) = (load(&teacher), load(&RunFolder::at(&whole).model()));
    let images = candle_core::Tensor::full(0.3f32, (2, 3, 32, 32), &candle_core::Device::Cpu).unwrap();
    let features = |network: &mut Network| network.infer(&images).unwrap().1.to_vec2::<f32>().unwrap();
    assert_eq!(features(&mut before), features(&mut after));
    let logits = |network: &mut Network| network.infer(&images).unwrap().0.to_vec2::<f32>().unwrap();
    assert_ne!(logits(&mut before), logits(&mut after));
}

#[test]
fn more_images_than_there_are_is_an_error_that_the_journal_holds() {
    let root = tempfile::tempdir().unwrap();
    let teacher = teacher(root.path());
    let mut spec = spec(MethodName::KD, Some(&teacher));
    let RunSpec::Train(train) = &mut spec else { unreachable!() };
    train.dataset.train_images = Some(40_000);
    let dir = root.path().join("refused");
    let folder = RunFolder::create(&dir, &spec).unwrap();
    let result = run_folder(&folder, &Library::new(dir.clone()), 1, &AtomicBool::new(false), &mut |_| {});
    let message = result.unwrap_err().to_string();
    let journal = fs::read_to_string(folder.journal()).unwrap();
    assert!(message.contains("40000") && journal.contains("failed"), "{message} {journal}");
}

#[test]
fn a_network_keeps_its_normaliser_through_a_checkpoint_and_a_fine_tuning() {
    let root = tempfile::tempdir().unwrap();
    let [gacd, whole, resumed, tuned] = ["gacd", "whole", "resumed", "tuned"].map(|name| root.path().join(name));
    let teacher = teacher(root.path());
    let normalised = |method| {
        let RunSpec::Train(mut train) = spec(method, Some(&teacher)) else { unreachable!() };
        train.normaliser = Some(Normaliser::PRESETS[0].1);
        train
    };
    let both = RunSpec::Train(normalised(MethodName::GACD.fine_tuned()));
    run(&whole, &both, 1, None);
    stop_often(&resumed, &both);
    assert_eq!((figures(&whole), model(&whole)), (figures(&resumed), model(&resumed)));
    let plain = root.path().join("plain");
    run(&plain, &spec(MethodName::GACD.fine_tuned(), Some(&teacher)), 1, None);
    assert_ne!(figures(&whole), figures(&plain));
    // The fine-tuning of a model that was saved with its normaliser, and one that forgot to ask for it.
    run(&gacd, &RunSpec::Train(normalised(MethodName::GACD)), 1, None);
    let mut second = normalised(MethodName::GACD.fine_tuned());
    second.start_from = Some(ModelRef::File(RunFolder::at(&gacd).model()));
    run(&tuned, &RunSpec::Train(second.clone()), 1, None);
    assert_eq!(model(&tuned), model(&whole));
    second.normaliser = None;
    let refused = root.path().join("refused");
    let folder = RunFolder::create(&refused, &RunSpec::Train(second)).unwrap();
    let result = run_folder(&folder, &Library::new(refused.clone()), 1, &AtomicBool::new(false), &mut |_| {});
    assert!(result.unwrap_err().to_string().contains("normaliser"));
}
