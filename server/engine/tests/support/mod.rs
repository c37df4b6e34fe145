//! Small runs, and what they leave.

#![allow(dead_code, missing_docs, reason = "each test file uses its part")]

use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use retort_engine::{Outcome, RunFolder, data::Library, run_folder};
use retort_spec::{
    AnalyseSpec, AnalysedModel, Analysis, Architecture, BUNDLED_DATASET, Budget, DatasetChoice, DeviceName, Event,
    Method, MethodName, Metric, ModelRef, PixelDistance, Record, RunSpec,
};

pub fn dataset() -> DatasetChoice {
    DatasetChoice { train_images: Some(64), test_images: Some(20), ..DatasetChoice::all_of(BUNDLED_DATASET) }
}

/// A spec of two short epochs a stage.
pub fn spec(method: MethodName, teacher: Option<&Path>) -> RunSpec {
    let mut spec = Budget::Smoke.train(method, Architecture::ResNet8, dataset(), 7);
    spec.schedule = spec.schedule.stretched_to(2);
    spec.schedule.batch_size = 32;
    if let Method::Gacd(gacd) = &mut spec.method {
        gacd.classifier = gacd.classifier.clone().stretched_to(3);
    }
    if let Some(teacher) = teacher {
        spec = spec.taught_by(&ModelRef::File(teacher.to_owned()));
    }
    RunSpec::Train(spec)
}

/// An analysis of the models in these files, by their names, on so many test images.
pub fn analyse(analysis: Analysis, models: &[(&str, &Path)], test_images: usize) -> RunSpec {
    let analysed = |(name, path): &(&str, &Path)| AnalysedModel {
        name: (*name).to_owned(),
        model: ModelRef::File((*path).to_owned()),
    };
    RunSpec::Analyse(AnalyseSpec {
        analysis,
        models: models.iter().map(analysed).collect(),
        dataset: DatasetChoice { test_images: Some(test_images), ..dataset() },
        eps: PixelDistance::levels(8.0),
        seed: 3,
        device: DeviceName::Cpu,
    })
}

/// Runs a spec; `stop_after` sets the stop flag once so many epochs or accuracies have been reported.
pub fn run(dir: &Path, spec: &RunSpec, attempt: u32, stop_after: Option<usize>) -> Outcome {
    let folder = RunFolder::create(dir, spec).unwrap();
    let library = Library::new(dir.join("no-datasets"));
    let stop = AtomicBool::new(false);
    let mut reported = 0;
    let mut observe = |record: &Record| {
        reported += usize::from(matches!(record.event, Event::Metrics { .. } | Event::Evaluation { .. }));
        if stop_after.is_some_and(|n| reported >= n) {
            stop.store(true, Ordering::Relaxed);
        }
    };
    run_folder(&folder, &library, attempt, &stop, &mut observe).unwrap()
}

/// Runs a spec to its end, stopped whenever it has reported an epoch or an accuracy.
pub fn stop_often(dir: &Path, spec: &RunSpec) {
    let mut attempt = 1;
    while run(dir, spec, attempt, Some(1)) == Outcome::Stopped {
        attempt += 1;
        assert!(attempt < 30, "it does not get on");
    }
    assert!(attempt > 1, "it was never stopped");
}

/// The event without what depends on the machine.
fn without_memory(event: Event) -> Event {
    match event {
        Event::Metrics { stage, epoch, mut values } => {
            assert!(values.remove(&Metric::Memory).is_none_or(|mebibytes| mebibytes > 1.0));
            Event::Metrics { stage, epoch, values }
        }
        event => event,
    }
}

/// The lines of a journal that depend on the spec alone.
pub fn figures(dir: &Path) -> Vec<String> {
    let text = fs::read_to_string(RunFolder::at(dir).journal()).unwrap();
    let records = text.lines().map(|line| serde_json::from_str::<Record>(line).unwrap());
    let kept =
        records.filter(|r| matches!(r.event, Event::Metrics { .. } | Event::Evaluation { .. } | Event::Check(_)));
    kept.map(|r| serde_json::to_string(&without_memory(r.event)).unwrap()).collect()
}

pub fn model(dir: &Path) -> Vec<u8> {
    fs::read(RunFolder::at(dir).model()).unwrap()
}

pub fn teacher(dir: &Path) -> std::path::PathBuf {
    let dir = dir.join("teacher");
    assert_eq!(run(&dir, &spec(MethodName::PGD_AT, None), 1, None), Outcome::Finished);
    RunFolder::at(dir).model()
}
