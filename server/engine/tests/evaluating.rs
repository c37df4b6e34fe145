//! Evaluations and masking checks in their folders, on a few images.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use retort_engine::{Outcomes, RunFolder};
use retort_spec::{
    Attack, CheckResult, DatasetChoice, DeviceName, EvaluateSpec, Event, MaskingCheck, MaskingSpec, ModelRef,
    PixelDistance, RunSpec, Verdict,
};
use support::{dataset, figures, run, stop_often, teacher};

#[test]
fn an_evaluation_does_not_depend_on_its_batches_and_resumes() {
    let root = tempfile::tempdir().unwrap();
    let teacher = teacher(root.path());
    let evaluate = |batch_size| {
        RunSpec::Evaluate(EvaluateSpec {
            model: ModelRef::File(teacher.clone()),
            dataset: dataset(),
            attacks: vec!["fgsm".parse().unwrap(), Attack::pgd(4)],
            batch_size,
            seed: 3,
            device: DeviceName::Cpu,
        })
    };
    let (one, other) = (root.path().join("one"), root.path().join("other"));
    run(&one, &evaluate(20), 1, None);
    stop_often(&other, &evaluate(7));
    let figures_of_one = figures(&one);
    assert_eq!(figures_of_one.len(), 3);
    assert_eq!(figures_of_one, figures(&other));
    let accuracies: Vec<usize> = figures_of_one
        .iter()
        .map(|line| match serde_json::from_str(line).unwrap() {
            Event::Evaluation { accuracy, .. } => accuracy.correct,
            event => panic!("{event:?}"),
        })
        .collect();
    assert!(accuracies[1] <= accuracies[0] && accuracies[2] <= accuracies[0], "{accuracies:?}");
}

#[test]
fn autoattack_goes_on_in_the_midst_of_its_attacks_with_the_same_verdicts() {
    let root = tempfile::tempdir().unwrap();
    let teacher = teacher(root.path());
    let at = |id: &str, levels: f64| id.parse::<Attack>().unwrap().with_eps(PixelDistance::levels(levels));
    let evaluate = |batch_size| {
        RunSpec::Evaluate(EvaluateSpec {
            model: ModelRef::File(teacher.clone()),
            dataset: DatasetChoice { test_images: Some(20), ..dataset() },
            // In small balls images stand to the end, and in a large one all fall to the first attack.
            attacks: vec![at("fab-t-2", 0.5), at("square-330", 0.5), at("autoattack", 32.0)],
            batch_size,
            seed: 3,
            device: DeviceName::Cpu,
        })
    };
    let (one, other) = (root.path().join("one"), root.path().join("other"));
    run(&one, &evaluate(20), 1, None);
    stop_often(&other, &evaluate(7));
    assert_eq!(figures(&one), figures(&other));
    let [one, other] = [&one, &other].map(|dir| Outcomes::load(&RunFolder::at(dir).outcomes()).unwrap());
    assert_eq!(one, other);
    let standing = one.standing(&at("autoattack", 32.0));
    let [(_, natural), (_, fab), (_, square), (_, auto)] = &one.predictions[..] else { panic!("{one:?}") };
    let right = |answers: &[Option<u8>]| one.labels.iter().zip(answers).filter(|(y, a)| **a == Some(**y)).count();
    assert!(right(fab) > 0 && right(square) > 0, "{fab:?} {square:?}");
    assert!(right(natural) >= standing[0] && standing[0] >= standing[3] && standing[3] == right(auto), "{standing:?}");
}

#[test]
fn an_evaluation_keeps_what_was_answered_to_each_image() {
    let root = tempfile::tempdir().unwrap();
    let teacher = teacher(root.path());
    let surrogate = Attack::transfer("itself", ModelRef::File(teacher.clone()));
    let spec = RunSpec::Evaluate(EvaluateSpec {
        model: ModelRef::File(teacher.clone()),
        dataset: dataset(),
        attacks: vec![Attack::pgd(20), surrogate],
        batch_size: 8,
        seed: 3,
        device: DeviceName::Cpu,
    });
    let dir = root.path().join("evaluation");
    run(&dir, &spec, 1, None);
    let outcomes = Outcomes::load(&RunFolder::at(&dir).outcomes()).unwrap();
    let reported: Vec<usize> = figures(&dir)
        .iter()
        .map(|line| match serde_json::from_str(line).unwrap() {
            Event::Evaluation { accuracy, .. } => accuracy.correct,
            event => panic!("{event:?}"),
        })
        .collect();
    let counted: Vec<usize> =
        (0..3).map(|attack| outcomes.by_class(attack).iter().map(|class| class.correct).sum()).collect();
    assert_eq!(counted, reported);
    // The surrogate is the model itself, attacked from the same starts: the same images, the same answers.
    assert_eq!(outcomes.predictions[1].1, outcomes.predictions[2].1);
}

#[test]
fn masking_checks_come_to_the_same_verdicts_however_often_they_are_stopped() {
    let root = tempfile::tempdir().unwrap();
    let teacher = teacher(root.path());
    let spec = RunSpec::Masking(MaskingSpec {
        model: ModelRef::File(teacher.clone()),
        dataset: DatasetChoice { test_images: Some(10), ..dataset() },
        eps: PixelDistance::levels(8.0),
        transfers: vec![Attack::transfer("itself", ModelRef::File(teacher))],
        batch_size: 100,
        seed: 3,
        device: DeviceName::Cpu,
    });
    let (whole, resumed) = (root.path().join("whole"), root.path().join("resumed"));
    run(&whole, &spec, 1, None);
    stop_often(&resumed, &spec);
    let figures_of_whole = figures(&whole);
    assert_eq!(figures_of_whole, figures(&resumed));
    let checks = figures_of_whole.iter().filter_map(|line| match serde_json::from_str(line).unwrap() {
        Event::Check(result) => Some(result),
        _ => None,
    });
    let checks: Vec<CheckResult> = checks.collect();
    assert_eq!(checks.iter().map(|result| result.check).collect::<Vec<_>>(), MaskingCheck::ALL);
    let transfer = checks.iter().find(|result| result.check == MaskingCheck::Transfer).unwrap();
    // The same attack from the same starts on the same model.
    assert!(
        transfer.verdict != Verdict::Warning
            && transfer.figures["pgd-20"] == transfer.figures["PGD-20 transferred from itself"],
        "{transfer:?}"
    );
    let gradients = checks.iter().find(|result| result.check == MaskingCheck::Gradients).unwrap();
    // Ten images are too few for a share of them.
    assert!(gradients.verdict == Verdict::CannotTell && gradients.figures["gradient_error"] < 0.1, "{gradients:?}");
}
