//! What becomes of models whose answers are not finite numbers, and of such that have collapsed.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use candle_core::{Device, Tensor};
use retort_engine::{
    EngineError, Outcome, Outcomes, RunFolder,
    data::Library,
    nn::{Network, load_model, save_model},
    run_folder,
};
use retort_spec::{
    AdversarialImages, Analysis, AnalysisResult, Attack, Correlation, DeviceName, DivergenceRules, EvaluateSpec, Event,
    Features, Gallery, LogLevel, MethodName, ModelRef, PixelDistance, ProbeSpec, Record, RunSpec, Schedule, TrainSpec,
    Variety,
};
use support::{analyse, dataset, run, spec, teacher};

fn altered(model: &Path, name: &str, alter: impl Fn(&mut Network)) -> PathBuf {
    let (mut network, header) = load_model(model, &Device::Cpu).unwrap();
    alter(&mut network);
    let path = model.with_file_name(name);
    save_model(&path, &network, &header).unwrap();
    path
}

/// The model with some of its parameters multiplied.
fn stretched(model: &Path, name: &str, factor: f64, is_meant: impl Fn(&str) -> bool) -> PathBuf {
    altered(model, name, |network| {
        for parameter in network.weights.parameters.iter_mut().filter(|p| is_meant(&p.name)) {
            parameter.tensor = (&parameter.tensor * factor).unwrap();
        }
    })
}

/// The last batch norm, whose scale is that of the features.
fn is_last_norm(name: &str) -> bool {
    name.starts_with("layer3") && name.contains("bn2")
}

fn is_classifier(name: &str) -> bool {
    name.starts_with("fc")
}

/// The model with finite weights that are so large that no logit is.
fn broken(model: &Path) -> PathBuf {
    stretched(model, "broken.safetensors", 1e25, |name| is_last_norm(name) || is_classifier(name))
}

/// The largest logit of the test images in size; infinity where one is not finite.
fn largest_logit(model: &Path) -> f64 {
    let (mut network, _) = load_model(model, &Device::Cpu).unwrap();
    let images = Library::new("no-datasets").load(&dataset().name).unwrap().choose(&dataset()).unwrap().test;
    let pixels: Vec<f32> =
        (0..images.len()).flat_map(|i| images.image(i).iter().map(|b| f32::from(*b) / 255.0)).collect();
    let images = Tensor::from_vec(pixels, (images.len(), 3, 32, 32), &Device::Cpu).unwrap();
    let logits = network.infer(&images).unwrap().0.to_vec2::<f32>().unwrap().concat();
    logits.into_iter().map(|v| if v.is_finite() { f64::from(v.abs()) } else { f64::INFINITY }).fold(0.0, f64::max)
}

fn evaluate(model: &Path, attacks: &[Attack]) -> RunSpec {
    RunSpec::Evaluate(EvaluateSpec {
        model: ModelRef::File(model.to_owned()),
        dataset: dataset(),
        attacks: attacks.to_vec(),
        batch_size: 20,
        seed: 3,
        device: DeviceName::Cpu,
    })
}

fn refusal(dir: &Path, spec: &RunSpec) -> EngineError {
    let folder = RunFolder::create(dir, spec).unwrap();
    let refused = run_folder(&folder, &Library::new(dir), 1, &AtomicBool::new(false), &mut |_| {});
    let error = refused.expect_err("it was carried out");
    let (Event::Failed { reason } | Event::Diverged { reason }) = events(dir).pop().unwrap() else {
        panic!("the journal does not end with the failure")
    };
    assert_eq!(reason, error.to_string());
    error
}

fn events(dir: &Path) -> Vec<Event> {
    let text = fs::read_to_string(RunFolder::at(dir).journal()).unwrap();
    text.lines().map(|line| serde_json::from_str::<Record>(line).unwrap().event).collect()
}

fn warnings(dir: &Path) -> Vec<String> {
    let warning = |event| match event {
        Event::Log { level: LogLevel::Warning, message } => Some(message),
        _ => None,
    };
    events(dir).into_iter().filter_map(warning).collect()
}

fn variety(dir: &Path) -> Variety {
    let of_natural = |event| match event {
        Event::Evaluation { attack: None, variety, .. } => variety,
        _ => None,
    };
    events(dir).into_iter().find_map(of_natural).unwrap()
}

#[test]
fn a_model_whose_natural_logits_are_not_finite_is_refused_with_the_images_and_has_no_accuracy() {
    let root = tempfile::tempdir().unwrap();
    let whole = teacher(root.path());
    let broken = broken(&whole);
    let dir = root.path().join("natural");
    let error = refusal(&dir, &evaluate(&broken, &[Attack::pgd(2)]));
    let said = error.to_string();
    assert!(matches!(error, EngineError::NotFinite(_)) && said.contains("broken.safetensors answers"), "{said}");
    assert!(said.contains("test images (image 0, ") && said.contains("import"), "{said}");
    assert!(!events(&dir).iter().any(|event| matches!(event, Event::Evaluation { .. })));
    // Through it nothing would be attacked: another model's images do not show that the first is robust.
    let transfer = Attack::transfer("broken", ModelRef::File(broken));
    let said = refusal(&root.path().join("transfer"), &evaluate(&whole, &[transfer])).to_string();
    assert!(said.contains("broken.safetensors answers"), "{said}");
}

#[test]
fn an_image_that_is_not_answered_under_attack_counts_as_wrong_and_is_said() {
    let root = tempfile::tempdir().unwrap();
    let whole = teacher(root.path());
    // Just inside the range of single precision on natural images.
    let large = stretched(&whole, "large.safetensors", 1e20, is_last_norm);
    let mut factor = f64::from(f32::MAX) / largest_logit(&large);
    let mut brink = stretched(&large, "brink.safetensors", factor, is_classifier);
    while largest_logit(&brink).is_infinite() {
        factor *= 0.9;
        brink = stretched(&large, "brink.safetensors", factor, is_classifier);
    }
    // What lowers the negated logit of the label raises the model's own beyond that range.
    let negated = stretched(&whole, "negated.safetensors", -1.0, is_classifier);
    let attack = Attack::transfer("negated", ModelRef::File(negated)).with_eps(PixelDistance::levels(128.0));
    let dir = root.path().join("evaluation");
    run(&dir, &evaluate(&brink, std::slice::from_ref(&attack)), 1, None);
    let outcomes = Outcomes::load(&RunFolder::at(&dir).outcomes()).unwrap();
    let answers = outcomes.under(Some(&attack)).unwrap();
    let missing = answers.iter().filter(|answer| answer.is_none()).count();
    assert!(missing > 0 && outcomes.under(None).unwrap().iter().all(Option::is_some), "{answers:?}");
    let right = answers.iter().zip(&outcomes.labels).filter(|(answer, label)| **answer == Some(**label)).count();
    let reported = events(&dir).into_iter().find_map(|event| match event {
        Event::Evaluation { attack: Some(_), accuracy, unanswered, .. } => Some((accuracy.correct, unanswered)),
        _ => None,
    });
    assert_eq!(reported, Some((right, missing)));
    let said = warnings(&dir).join("\n");
    assert!(said.contains(&format!("to {missing} of {} test images (image ", answers.len())), "{said}");
}

#[test]
fn a_teacher_whose_answers_are_not_finite_fails_the_first_step_by_its_file() {
    let root = tempfile::tempdir().unwrap();
    let whole = teacher(root.path());
    let broken = broken(&whole);
    for method in [MethodName::KD, MethodName::ARD, MethodName::GACD] {
        let dir = root.path().join(method.id());
        let said = refusal(&dir, &spec(method, Some(&broken))).to_string();
        assert!(said.contains("broken.safetensors: in epoch 1, step 1 the teacher answers "), "{method}: {said}");
        assert!(said.contains("of 32 training images (image ") && said.contains("choose another teacher"), "{said}");
        assert!(!RunFolder::at(&dir).model().exists());
    }
}

fn probe(model: &Path) -> RunSpec {
    RunSpec::Probe(ProbeSpec {
        model: ModelRef::File(model.to_owned()),
        dataset: dataset(),
        schedule: Schedule::linear_classifier().stretched_to(4),
        seed: 1,
        device: DeviceName::Cpu,
    })
}

#[test]
fn a_classifier_that_diverges_fails_and_writes_no_number_that_cannot_be_read() {
    let root = tempfile::tempdir().unwrap();
    let whole = teacher(root.path());
    // Features that are finite, and so large that the steps on them are not.
    let large = stretched(&whole, "large.safetensors", 1e20, is_last_norm);
    let dir = root.path().join("diverges");
    let error = refusal(&dir, &probe(&large));
    assert!(matches!(error, EngineError::Diverged(_)), "{error}");
    assert!(!fs::read_to_string(RunFolder::at(&dir).journal()).unwrap().contains("null"));
    let broken = stretched(&whole, "features.safetensors", 1e18, |_| true);
    let said = refusal(&root.path().join("features"), &probe(&broken)).to_string();
    assert!(said.contains("features of") && said.contains("training images (image 0, "), "{said}");
}

/// A training of five epochs with these rules; at a learning rate of 0 nothing is learnt.
fn hopeless(learning_rate: f64, divergence: DivergenceRules) -> TrainSpec {
    let RunSpec::Train(mut spec) = spec(MethodName::NATURAL, None) else { panic!("it trains nothing") };
    spec.schedule = spec.schedule.stretched_to(5);
    spec.schedule.learning_rate = learning_rate;
    spec.divergence = divergence;
    spec
}

fn epochs(dir: &Path) -> usize {
    events(dir).iter().filter(|event| matches!(event, Event::Metrics { .. })).count()
}

#[test]
fn a_training_at_chance_ends_early_as_diverged_and_a_resumed_one_at_the_same_epoch() {
    let root = tempfile::tempdir().unwrap();
    let rules = DivergenceRules { chance_epochs: Some(3), loss_factor: None };
    let spec = RunSpec::Train(hopeless(1e-9, rules));
    let dir = root.path().join("at-once");
    let error = refusal(&dir, &spec);
    assert!(error.to_string().starts_with("The network does not learn: after epoch 3 its accuracy"), "{error}");
    assert!(matches!(events(&dir).pop(), Some(Event::Diverged { .. })));
    assert_eq!(epochs(&dir), 3);
    assert!(!RunFolder::at(&dir).model().exists());
    // What the rule remembers stands in the checkpoint.
    let dir = root.path().join("resumed");
    assert_eq!(run(&dir, &spec, 1, Some(2)), Outcome::Stopped);
    let folder = RunFolder::at(&dir);
    let resumed = run_folder(&folder, &Library::new(&dir), 2, &AtomicBool::new(false), &mut |_| {});
    assert_eq!(resumed.unwrap_err().to_string(), error.to_string());
    assert_eq!(epochs(&dir), 3);
}

#[test]
fn a_loss_that_explodes_ends_a_training_and_without_rules_it_goes_on_to_its_end() {
    let root = tempfile::tempdir().unwrap();
    let rules = DivergenceRules { chance_epochs: None, loss_factor: Some(2.0) };
    let mut exploding = hopeless(4.0, rules);
    // The decay alone makes the weights three times as large with each step.
    exploding.schedule.weight_decay = 1.0;
    let dir = root.path().join("explodes");
    let said = refusal(&dir, &RunSpec::Train(exploding.clone())).to_string();
    assert!(said.starts_with("The loss exploded: in epoch ") && said.contains("more than 2 times"), "{said}");
    assert!(epochs(&dir) < 5);
    exploding.divergence = DivergenceRules::default();
    assert_eq!(run(&root.path().join("without"), &RunSpec::Train(exploding), 1, None), Outcome::Finished);
}

fn features() -> Analysis {
    let adversarial = AdversarialImages::Shared;
    Analysis::Features(Features { attacked: "Trouser".into(), target: "Bag".into(), images: 35, adversarial })
}

#[test]
fn no_analysis_is_made_of_numbers_that_are_not_finite() {
    let root = tempfile::tempdir().unwrap();
    let whole = teacher(root.path());
    let broken = broken(&whole);
    let models = [("whole", whole.as_path()), ("broken", broken.as_path())];
    let gallery = Analysis::Gallery(Gallery { classes: vec![], images: 4, differ: false });
    for (name, analysis) in
        [("features", features()), ("correlation", Analysis::Correlation(Correlation::default())), ("gallery", gallery)]
    {
        let dir = root.path().join(name);
        let said = refusal(&dir, &analyse(analysis, &models, 350)).to_string();
        assert!(said.starts_with("the model “broken” answers ") && said.contains("not finite"), "{name}: {said}");
        assert!(!RunFolder::at(&dir).analysis().exists());
    }
}

#[test]
fn a_model_of_noughts_is_called_collapsed_by_its_evaluation_and_its_analyses() {
    let root = tempfile::tempdir().unwrap();
    let whole = teacher(root.path());
    let collapsed = stretched(&whole, "noughts.safetensors", 0.0, |_| true);
    let [healthy, noughts, maps, differences] = ["h", "n", "m", "d"].map(|name| root.path().join(name));
    run(&healthy, &evaluate(&whole, &[]), 1, None);
    assert!(variety(&healthy).feature_variance > 1e-3, "{:?}", variety(&healthy));
    run(&noughts, &evaluate(&collapsed, &[]), 1, None);
    let found = variety(&noughts);
    assert_eq!((found.feature_variance, found.with_one_answer), (0.0, found.images));
    let how = found.collapse().unwrap();
    assert!(how.starts_with("has the same features for every image and answers “"), "{how}");
    assert_eq!(warnings(&noughts), [format!("The model has collapsed: it {how}.")]);
    let models = [("whole", whole.as_path()), ("noughts", collapsed.as_path())];
    run(&maps, &analyse(features(), &models, 350), 1, None);
    run(&differences, &analyse(Analysis::Correlation(Correlation::default()), &models, 350), 1, None);
    let result = |dir: &Path| serde_json::from_slice(&fs::read(RunFolder::at(dir).analysis()).unwrap()).unwrap();
    let AnalysisResult::Features(found) = result(&maps) else { panic!("it is of features") };
    assert_eq!(found.maps.iter().map(|map| map.is_collapsed).collect::<Vec<_>>(), [false, true]);
    let AnalysisResult::Correlation(found) = result(&differences) else { panic!("it is of correlations") };
    assert!(found.maps[0].is_collapsed && !found.teacher_is_collapsed);
}

#[test]
fn a_training_that_ends_collapsed_says_so_in_its_log() {
    let root = tempfile::tempdir().unwrap();
    let noughts = stretched(&teacher(root.path()), "noughts.safetensors", 0.0, |_| true);
    let dir = root.path().join("probe");
    run(&dir, &probe(&noughts), 1, None);
    let said = warnings(&dir);
    assert!(said.len() == 1 && said[0].starts_with("The model has collapsed: it has the same features"), "{said:?}");
}
