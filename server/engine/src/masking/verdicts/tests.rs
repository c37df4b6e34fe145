//! Facts about the verdicts.

use retort_spec::{DatasetChoice, DeviceName, ModelRef};

use super::*;

fn spec() -> MaskingSpec {
    MaskingSpec {
        model: ModelRef::File("model.safetensors".into()),
        dataset: DatasetChoice::all_of("d"),
        eps: PixelDistance::levels(8.0),
        transfers: vec![Attack::transfer("another", ModelRef::File("other.safetensors".into()))],
        batch_size: 100,
        seed: 1,
        device: DeviceName::Cpu,
    }
}

const N: usize = 1_000;

/// Answers where each attack leaves the first so many of a thousand images right, in percent; 80 % are right without one.
fn outcomes(left: &dyn Fn(&Attack) -> f64) -> Outcomes {
    let answers = |percent: f64| (0..N).map(|i| Some(u8::from(i as f64 >= percent * 10.0 - 1e-6))).collect::<Vec<_>>();
    let attacks = spec().evaluation().attacks;
    let under = attacks.into_iter().map(|a| (Some(a.clone()), answers(left(&a))));
    let predictions: Vec<_> = std::iter::once((None, answers(80.0))).chain(under).collect();
    let classes = vec!["right".into(), "wrong".into()];
    // What AutoAttack finds its first attack finds.
    let auto = spec().auto_attack();
    let found = |percent: f64| answers(percent).into_iter().map(Option::unwrap_or_default).collect();
    let found_by = vec![(auto.clone(), found(left(&auto)))];
    Outcomes { classes, dataset: DatasetChoice::all_of("d"), labels: vec![0; N], predictions, found_by }
}

/// What an honest robust model leaves under each attack.
fn honest(attack: &Attack) -> f64 {
    let spec = spec();
    let radius =
        MaskingSpec::RADII.into_iter().find(|levels| *attack == MaskingSpec::at_radius(PixelDistance::levels(*levels)));
    match attack {
        _ if *attack == MaskingSpec::unbounded() => 0.0,
        Attack::Fgsm(_) => 50.0,
        Attack::Noise(_) => 79.0,
        Attack::Transfer(_) => 70.0,
        Attack::AutoAttack(_) => 41.0,
        _ if *attack == spec.converged() => 44.5,
        _ => radius.map_or(45.0, |levels| (80.0 - 4.0 * levels).max(0.0)),
    }
}

fn measures() -> Measures {
    Measures {
        zero_gradients: 0.0,
        broken_gradients: 0,
        gradient_error: 0.01,
        confidence: 60.0,
        loss: vec![0.3, 0.5, 0.6, 0.61],
    }
}

/// The checks that do not pass.
fn warned(left: &dyn Fn(&Attack) -> f64, measures: &Measures) -> Vec<MaskingCheck> {
    let results = verdicts(&spec(), &outcomes(left), measures);
    assert_eq!(results.iter().map(|r| r.check).collect::<Vec<_>>(), MaskingCheck::ALL);
    results.into_iter().filter(|r| r.verdict != Verdict::Pass).map(|r| r.check).collect()
}

/// What is left under each attack, in percent.
type Left<'a> = &'a dyn Fn(&Attack) -> f64;

#[test]
fn an_honest_model_passes_every_check() {
    assert_eq!(warned(&honest, &measures()), []);
}

#[test]
fn each_sign_of_masking_is_named_by_its_check_alone() {
    let with = |attack: Attack, percent: f64| move |a: &Attack| if *a == attack { percent } else { honest(a) };
    let at = |levels: f64| MaskingSpec::at_radius(PixelDistance::levels(levels));
    let [margin, dlr] = spec().other_losses();
    let cases: [(Left, MaskingCheck); 10] = [
        (&with(spec().one_step(), 44.8), MaskingCheck::Iterative),
        (&with(spec().converged(), 43.9), MaskingCheck::Converged),
        (&with(spec().transfers[0].clone(), 44.9), MaskingCheck::Transfer),
        (&with(spec().noise(), 44.9), MaskingCheck::Noise),
        (&with(at(4.0), 72.6), MaskingCheck::RadiusSweep),
        (&with(at(64.0), 1.1), MaskingCheck::RadiusSweep),
        (&with(MaskingSpec::unbounded(), 0.1), MaskingCheck::Unbounded),
        (&with(margin, 39.9), MaskingCheck::Losses),
        (&with(dlr, 50.1), MaskingCheck::Losses),
        (&with(spec().auto_attack(), 38.9), MaskingCheck::AutoAttack),
    ];
    for (left, expected) in cases {
        assert_eq!(warned(left, &measures()), [expected]);
    }
    for scale in [0.1, 10.0] {
        assert_eq!(warned(&with(spec().scaled(scale), 41.9), &measures()), [MaskingCheck::LogitScale]);
    }
}

#[test]
fn what_queries_find_behind_gradients_is_a_warning() {
    let judged = |by_square: usize| {
        let mut outcomes = outcomes(&honest);
        let found = outcomes.found_by[0].1.iter_mut().filter(|by| **by > 0);
        found.take(by_square).for_each(|by| *by = 4);
        let results = verdicts(&spec(), &outcomes, &measures());
        results.into_iter().find(|result| result.check == MaskingCheck::GradientFree).unwrap()
    };
    assert_eq!(judged(2).verdict, Verdict::Pass);
    let warned = judged(3);
    assert_eq!(warned.verdict, Verdict::Warning);
    assert_eq!(warned.finding, "Attacks by gradients leave 41.30 %, Square of that 41.00 %.");
}

#[test]
fn a_rising_loss_and_gradients_that_are_none_are_warnings() {
    let rising = Measures { loss: vec![0.3, 0.5, 0.6, 0.7], ..measures() };
    assert_eq!(warned(&honest, &rising), [MaskingCheck::Converged]);
    let flat = Measures { zero_gradients: 1.0, ..measures() };
    assert_eq!(warned(&honest, &flat), [MaskingCheck::Gradients]);
    let wrong = Measures { gradient_error: 0.11, ..measures() };
    assert_eq!(warned(&honest, &wrong), [MaskingCheck::Gradients]);
}

#[test]
fn gradients_that_are_not_finite_are_a_warning_without_a_number_that_no_journal_holds() {
    let broken = Measures { broken_gradients: 3, gradient_error: f64::NAN, loss: vec![f64::NAN; 4], ..measures() };
    assert_eq!(warned(&honest, &broken), [MaskingCheck::Converged, MaskingCheck::Gradients]);
    let results = verdicts(&spec(), &outcomes(&honest), &broken);
    assert!(results.iter().flat_map(|result| result.figures.values()).all(|figure| figure.is_finite()));
    let gradients = results.iter().find(|result| result.check == MaskingCheck::Gradients).unwrap();
    assert!(gradients.finding.starts_with("The gradients of 3 images are not finite"), "{}", gradients.finding);
}

#[test]
fn an_image_that_has_no_answer_under_an_attack_is_not_left_by_it() {
    let mut outcomes = outcomes(&honest);
    let unbounded = outcomes.predictions.iter_mut().find(|(a, _)| *a == Some(MaskingSpec::unbounded())).unwrap();
    unbounded.1.fill(None);
    let results = verdicts(&spec(), &outcomes, &measures());
    assert!(results.iter().all(|result| result.verdict == Verdict::Pass), "{results:?}");
    assert_eq!(correct_under(&outcomes, Some(&MaskingSpec::unbounded())), [0usize; 0]);
}

#[test]
fn what_was_not_measured_is_not_judged() {
    let mut outcomes = outcomes(&honest);
    outcomes.predictions.retain(|(attack, _)| !matches!(attack, Some(Attack::Dlr(_))));
    let spec = MaskingSpec { transfers: vec![], ..spec() };
    let results = verdicts(&spec, &outcomes, &measures());
    assert!(results.iter().all(|r| r.verdict == Verdict::Pass && r.check != MaskingCheck::Transfer));
    let losses = results.iter().find(|r| r.check == MaskingCheck::Losses).unwrap();
    assert_eq!(losses.finding, "Left after 20 steps: cross-entropy 45.00 %, C&W 45.00 %.");
}

/// The verdicts on the first `n` of the thousand images alone, of which the first `right` are answered rightly without an
/// attack, with what was found.
fn on_few(left: Left, n: usize, right: usize) -> Vec<(MaskingCheck, Verdict, String)> {
    let mut few = outcomes(left);
    few.labels.truncate(n);
    few.found_by.iter_mut().for_each(|(_, found_by)| found_by.truncate(n));
    for (attack, answers) in &mut few.predictions {
        answers.truncate(n);
        if attack.is_none() {
            answers.iter_mut().enumerate().for_each(|(i, answer)| *answer = Some(u8::from(i >= right)));
        }
    }
    let results = verdicts(&spec(), &few, &Measures { loss: vec![], ..measures() });
    results.into_iter().map(|result| (result.check, result.verdict, result.finding)).collect()
}

#[test]
fn a_model_that_is_right_on_nothing_passes_nothing() {
    let found = on_few(&|_| 0.0, 10, 0);
    assert_eq!(found.len(), MaskingCheck::ALL.len());
    assert!(found.iter().all(|(_, verdict, _)| *verdict == Verdict::CannotTell), "{found:?}");
    let (.., noise) = found.iter().find(|(check, ..)| *check == MaskingCheck::Noise).unwrap();
    assert_eq!(
        noise,
        "Of the 0 images that PGD-20 left, noise fools 0. Too few images to tell: 30 that PGD-20 leaves right are needed, \
         here are 0."
    );
}

#[test]
fn a_check_on_few_images_says_how_many_it_needs() {
    // 12 of 40 images are right, and no attack leaves any.
    let found = on_few(&|_| 0.0, 40, 12);
    let (_, verdict, iterative) = &found[0];
    assert_eq!(*verdict, Verdict::CannotTell);
    assert!(iterative.ends_with("are needed, here are 12; about 100 test images would have them."), "{iterative}");
    // 30 are enough, but for noise, which needs images that PGD-20 left.
    let unsure: Vec<_> =
        on_few(&|_| 0.0, 40, 30).into_iter().filter(|(_, verdict, _)| *verdict != Verdict::Pass).collect();
    assert!(unsure.len() == 1 && unsure[0].0 == MaskingCheck::Noise, "{unsure:?}");
}

#[test]
fn an_image_that_may_not_fail_is_a_warning_however_few_there_are() {
    // PGD-20 leaves 10 of the first images right, and noise, one step and the whole pixel range one less or more.
    let left = |attack: &Attack| match attack {
        Attack::Noise(_) | Attack::Fgsm(_) | Attack::Transfer(_) => 0.9,
        _ => 1.0,
    };
    let warned: Vec<_> = on_few(&left, 20, 15).into_iter().filter(|(_, v, _)| *v == Verdict::Warning).collect();
    let warned: Vec<_> = warned.into_iter().map(|(check, ..)| check).collect();
    let expected = [MaskingCheck::Iterative, MaskingCheck::Transfer, MaskingCheck::Noise, MaskingCheck::Unbounded];
    assert_eq!(warned, expected);
}

#[test]
fn a_model_that_no_image_survives_on_leaves_noise_nothing_to_tell_and_passes_the_rest() {
    let natural = |attack: &Attack| match attack {
        Attack::Noise(_) | Attack::Transfer(_) => 70.0,
        Attack::Fgsm(_) => 5.0,
        _ => 0.0,
    };
    assert_eq!(warned(&natural, &Measures { loss: vec![], ..measures() }), [MaskingCheck::Noise]);
}
