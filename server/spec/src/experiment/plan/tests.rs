//! Facts about plans.

use super::*;
use crate::{Correlation, DatasetChoice, Features, Gallery, Method, Sweep, WeightAveraging};

fn sweep(method: MethodName, path: &str, values: &[&str]) -> Sweep {
    Sweep { method, path: path.into(), values: values.iter().map(|v| (*v).to_owned()).collect() }
}

fn trained(plan: &[PlannedRun]) -> Vec<(&PlannedRun, &crate::TrainSpec)> {
    let mut trained = Vec::new();
    for run in plan {
        if let RunSpec::Train(spec) = &run.spec {
            trained.push((run, spec));
        }
    }
    trained
}

#[test]
fn the_demo_expands_to_a_teacher_three_students_and_their_evaluations() {
    let plan = ExperimentSpec::demo().expand();
    assert_eq!(trained(&plan).iter().map(|t| t.0.method.id()).collect::<Vec<_>>(), ["pgd-at", "kd", "ard", "gacd+aft"]);
    assert_eq!(plan.len(), 8);
    assert!(plan.iter().all(|r| r.spec.validate().is_ok()));
}

#[test]
fn every_run_stands_after_those_that_it_needs() {
    let spec = ExperimentSpec {
        methods: MethodName::all().collect(),
        seeds: vec![1, 2],
        surrogates: vec![Surrogate { method: MethodName::NATURAL, architecture: Architecture::ResNet8 }],
        probes: vec![DatasetChoice::all_of("stl10")],
        ..ExperimentSpec::demo()
    };
    let plan = spec.expand();
    for (index, run) in plan.iter().enumerate() {
        assert!(run.needs.iter().all(|need| *need < index));
    }
    // A seed has a teacher, a surrogate and a student of each method; all but the surrogate are evaluated, probed, and that too.
    let students = MethodName::all().count();
    assert_eq!(plan.len(), 2 * (2 + students + (1 + students) * 3));
}

#[test]
fn fine_tuning_starts_from_the_model_of_the_same_student_seed_and_variant() {
    let methods = vec![MethodName::GACD.fine_tuned(), MethodName::GACD];
    let sweeps = vec![
        sweep(MethodName::GACD, "method.temperature", &["0.05", "0.2"]),
        sweep(MethodName::GACD.fine_tuned(), "finetune.schedule.learning_rate", &["0.1", "0.01"]),
    ];
    let spec = ExperimentSpec { methods, sweeps, ..ExperimentSpec::demo() };
    spec.validate().unwrap();
    let plan = spec.expand();
    let temperature = |spec: &crate::TrainSpec| spec.parameter("method.temperature").unwrap();
    let tuned: Vec<_> = trained(&plan).into_iter().filter(|t| t.0.method == MethodName::GACD.fine_tuned()).collect();
    assert_eq!(tuned.len(), 4);
    for (run, spec) in tuned {
        let Some(ModelRef::Planned(before)) = spec.start_from else { panic!("it starts from a GACD model") };
        let RunSpec::Train(before_spec) = &plan[before].spec else { panic!("that is a training") };
        assert_eq!((plan[before].method, temperature(before_spec)), (MethodName::GACD, temperature(spec)));
        assert!(
            run.needs.contains(&before) && run.variant.to_string().starts_with("temperature T "),
            "{}",
            run.variant
        );
        assert!(run.variant.to_string().contains("learning rate "), "{}", run.variant);
    }
}

#[test]
fn a_preset_keeps_its_proportions_and_what_is_set_by_hand_stands() {
    let sweeps = vec![
        sweep(MethodName::KD, "preset", &["repdistiller"]),
        sweep(MethodName::KD, "schedule.learning_rate", &["0.02"]),
    ];
    let spec = ExperimentSpec { methods: vec![MethodName::KD], sweeps, epochs: None, ..ExperimentSpec::demo() };
    spec.validate().unwrap();
    let plan = spec.expand();
    let (run, kd) = trained(&plan)[1];
    assert_eq!(run.variant.to_string(), "repdistiller, learning rate 0.02");
    // 240 epochs at a fortieth; the milestones at 150, 180 and 210.
    assert_eq!((kd.schedule.epochs, kd.schedule.milestones.as_slice()), (6, &[4, 5, 5][..]));
    let Method::Kd(parameters) = &kd.method else { panic!("it is KD") };
    assert!((parameters.temperature - 4.0).abs() < 1e-12 && (kd.schedule.learning_rate - 0.02).abs() < 1e-12);
}

#[test]
fn with_a_validation_split_the_best_epoch_is_evaluated_too_and_teaches() {
    let dataset = DatasetChoice { validation_images: Some(100), ..DatasetChoice::all_of("d") };
    let methods = vec![MethodName::ARD, MethodName::GACD];
    let plan = ExperimentSpec { dataset, methods, ..ExperimentSpec::demo() }.expand();
    let evaluated: Vec<_> = plan.iter().filter(|r| matches!(r.spec, RunSpec::Evaluate(_))).collect();
    let names: Vec<_> = evaluated.iter().map(|r| format!("{} {}", r.method.id(), r.variant)).collect();
    assert_eq!(names, ["pgd-at ", "pgd-at best epoch", "ard ", "ard best epoch", "gacd "]);
    let (_, ard) = trained(&plan)[1];
    assert_eq!(ard.teacher, Some(ModelRef::Best(Box::new(ModelRef::Planned(0)))));
}

#[test]
fn averages_of_weights_are_evaluated_beside_the_last_models_where_there_are_some() {
    let weight_averaging = Some(WeightAveraging { decay: 0.999 });
    let methods = vec![MethodName::ARD, MethodName::GACD];
    let plan = ExperimentSpec { methods, weight_averaging, ..ExperimentSpec::demo() }.expand();
    let evaluated: Vec<_> = plan.iter().filter(|r| matches!(r.spec, RunSpec::Evaluate(_))).collect();
    let names: Vec<_> = evaluated.iter().map(|r| format!("{} {}", r.method.id(), r.variant)).collect();
    assert_eq!(names, ["pgd-at ", "pgd-at averaged weights", "ard ", "ard averaged weights", "gacd "]);
    assert!(trained(&plan).iter().all(|(_, train)| train.weight_averaging == weight_averaging));
    let variant = &evaluated[1].variant;
    let json = serde_json::to_string(variant).unwrap();
    assert_eq!(serde_json::from_str::<Variant>(&json).unwrap(), *variant);
    let of_before: Variant = serde_json::from_str(r#"{"settings":[],"is_best_epoch":true}"#).unwrap();
    assert_eq!(of_before.to_string(), "best epoch");
}

#[test]
fn a_method_with_two_teachers_learns_from_a_naturally_trained_one_that_is_trained_once_a_seed() {
    let methods = vec![MethodName::KD, MethodName::MTARD];
    let students = vec![Architecture::ResNet8, Architecture::ResNet20];
    let plan = ExperimentSpec { methods: methods.clone(), students, seeds: vec![1, 2], ..ExperimentSpec::demo() };
    let trained = |plan: &[PlannedRun]| plan.iter().filter(|run| run.method == MethodName::NATURAL).count();
    assert_eq!(trained(&plan.expand()), 2);
    let one = ExperimentSpec { methods, ..ExperimentSpec::demo() };
    let of_mtard = |plan: Vec<PlannedRun>| {
        let run = plan.iter().position(|run| run.method == MethodName::MTARD).unwrap();
        let RunSpec::Train(train) = plan[run].spec.clone() else { panic!("it trains first") };
        (train, plan[run].needs.clone())
    };
    let (train, needs) = of_mtard(one.expand());
    // Run 0 is the robust teacher, 1 the natural one.
    let planned = |index| Some(ModelRef::Planned(index));
    assert_eq!((train.teacher, train.natural_teacher, needs), (planned(0), planned(1), vec![0, 1]));
    // A surrogate that is the same training serves.
    let surrogates = vec![Surrogate { method: MethodName::NATURAL, architecture: Architecture::ResNet8 }];
    let with_surrogate = ExperimentSpec { surrogates, ..one };
    assert_eq!(trained(&with_surrogate.expand()), 1);
}

#[test]
fn students_of_an_imported_teacher_wait_for_nothing() {
    let teacher = TeacherChoice::Imported { id: 7, architecture: Architecture::ResNet18 };
    let plan = ExperimentSpec { teacher, ..ExperimentSpec::demo() }.expand();
    let RunSpec::Evaluate(evaluation) = &plan[0].spec else { panic!("the teacher is evaluated first") };
    assert_eq!((&evaluation.model, plan[0].is_teacher), (&ModelRef::Imported(7), true));
    let students: Vec<_> = plan.iter().filter(|r| matches!(r.spec, RunSpec::Train(_))).collect();
    assert!(students.len() == 3 && students.iter().all(|r| r.needs.is_empty()));
    assert!(students.iter().all(|r| r.teacher == Some(Architecture::ResNet18)));
}

#[test]
fn every_model_is_checked_for_masking_where_that_is_asked_for() {
    let surrogates = vec![Surrogate { method: MethodName::NATURAL, architecture: Architecture::ResNet8 }];
    let spec = ExperimentSpec { masking_images: Some(100), surrogates, ..ExperimentSpec::demo() };
    let plan = spec.expand();
    let checked: Vec<_> = plan.iter().filter(|r| matches!(r.spec, RunSpec::Masking(_))).collect();
    let methods: Vec<_> = checked.iter().map(|r| r.method.id()).collect();
    assert_eq!(methods, ["pgd-at", "kd", "ard", "gacd+aft"]);
    let RunSpec::Masking(masking) = &checked[1].spec else { panic!("it checks") };
    assert_eq!((masking.dataset.test_images, masking.transfers.len()), (Some(100), 1));
    // The student and the surrogate.
    assert_eq!(checked[1].needs.len(), 2);
    assert!(plan.iter().all(|r| r.spec.validate().is_ok()));
}

#[test]
fn every_network_that_is_trained_has_the_experiments_normaliser() {
    let normaliser = Some(crate::Normaliser::PRESETS[0].1);
    let plan = ExperimentSpec { normaliser, ..ExperimentSpec::demo() }.expand();
    assert!(trained(&plan).iter().all(|(_, spec)| spec.normaliser == normaliser));
}

#[test]
fn a_surrogate_attacks_every_model_but_itself() {
    let surrogates = [MethodName::NATURAL, MethodName::PGD_AT]
        .map(|method| Surrogate { method, architecture: Architecture::ResNet8 });
    let spec = ExperimentSpec { surrogates: surrogates.to_vec(), ..ExperimentSpec::demo() };
    let plan = spec.expand();
    // The teacher is the PGD-AT surrogate.
    assert_eq!(trained(&plan).len(), 5);
    let attacks: Vec<Vec<String>> = plan
        .iter()
        .filter_map(|r| match &r.spec {
            RunSpec::Evaluate(spec) => Some(spec.attacks.iter().map(ToString::to_string).collect()),
            _ => None,
        })
        .collect();
    assert_eq!(attacks[0], ["PGD-20", "PGD-20 transferred from Natural ResNet-8"]);
    assert_eq!(
        attacks[1],
        ["PGD-20", "PGD-20 transferred from Natural ResNet-8", "PGD-20 transferred from PGD-AT ResNet-8"]
    );
}

#[test]
fn analyses_are_of_the_first_seed_and_student_and_wait_for_their_models() {
    let features = Analysis::Features(Features {
        attacked: "Bag".into(),
        target: "Coat".into(),
        images: 100,
        adversarial: crate::AdversarialImages::Shared,
    });
    let gallery = Analysis::Gallery(Gallery { classes: vec![], images: 10, differ: false });
    let spec = ExperimentSpec {
        methods: vec![MethodName::GACD, MethodName::ARD],
        students: vec![Architecture::ResNet20, Architecture::ResNet8],
        seeds: vec![3, 4],
        surrogates: vec![Surrogate { method: MethodName::NATURAL, architecture: Architecture::ResNet8 }],
        sweeps: vec![sweep(MethodName::GACD, "method.temperature", &["0.05", "0.2"])],
        analyses: vec![features, Analysis::Correlation(Correlation::default()), gallery],
        ..ExperimentSpec::demo()
    };
    spec.validate().unwrap();
    let plan = spec.expand();
    let mut found = Vec::new();
    for (index, run) in plan.iter().enumerate() {
        if let RunSpec::Analyse(spec) = &run.spec {
            run.spec.validate().unwrap();
            assert!(run.needs.iter().all(|need| *need < index && plan[*need].spec.seed() == 3));
            assert_eq!(run.needs.len(), spec.models.len());
            found.push(spec.models.iter().map(|model| model.name.as_str()).collect::<Vec<_>>());
        }
    }
    let students = ["ARD", "GACD (temperature T = 0.05)"];
    assert_eq!(
        found,
        [
            [&["Natural · ResNet-8", "Teacher"], &students[..]].concat(),
            [&["Teacher"], &students[..]].concat(),
            students.into()
        ]
    );
    assert!(plan.iter().all(|run| !run.needs.iter().any(|need| matches!(plan[*need].spec, RunSpec::Analyse(_)))));
}

/// The names and models of an experiment's first analysis.
fn analysed(spec: &ExperimentSpec) -> Vec<(String, ModelRef)> {
    spec.validate().unwrap();
    let analysis = spec.expand().into_iter().find_map(|run| match run.spec {
        RunSpec::Analyse(analysis) => Some(analysis),
        _ => None,
    });
    analysis.unwrap().models.into_iter().map(|model| (model.name, model.model)).collect()
}

#[test]
fn differences_are_from_the_teacher_that_the_students_learn_from() {
    let spec = ExperimentSpec {
        dataset: DatasetChoice { validation_images: Some(500), ..ExperimentSpec::demo().dataset },
        analyses: vec![Analysis::Correlation(Correlation::default())],
        ..ExperimentSpec::demo()
    };
    let best = ModelRef::Best(Box::new(ModelRef::Planned(0)));
    assert_eq!(analysed(&spec)[0], ("Teacher (best epoch)".to_owned(), best.clone()));
    let learns = spec.expand().into_iter().find_map(|run| match run.spec {
        RunSpec::Train(train) => train.teacher,
        _ => None,
    });
    assert_eq!(learns, Some(best));
}

#[test]
fn a_surrogate_that_is_a_student_too_is_one_panel() {
    let analysis = Analysis::Features(Features {
        attacked: "Bag".into(),
        target: "Coat".into(),
        images: 100,
        adversarial: crate::AdversarialImages::Shared,
    });
    let spec = ExperimentSpec {
        methods: vec![MethodName::NATURAL, MethodName::KD],
        surrogates: vec![Surrogate { method: MethodName::NATURAL, architecture: ExperimentSpec::demo().students[0] }],
        analyses: vec![analysis],
        ..ExperimentSpec::demo()
    };
    let names: Vec<_> = analysed(&spec).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["Natural", "Teacher", "KD"]);
}

#[test]
fn an_analysis_of_too_many_or_too_few_models_is_refused() {
    let refused = |methods: &[MethodName], analysis| {
        let spec = ExperimentSpec { methods: methods.to_vec(), analyses: vec![analysis], ..ExperimentSpec::demo() };
        let crate::Invalid(problems) = spec.validate().unwrap_err();
        assert_eq!((problems.len(), problems[0].field.as_str()), (1, "analyses"));
        problems[0].message.clone()
    };
    let all: Vec<MethodName> = MethodName::all().collect();
    let many = refused(&all, Analysis::Correlation(Correlation::default()));
    assert_eq!(many, format!("logit correlations can be of 2 to 8 models, not of {}", 1 + all.len()));
    let few = refused(&[MethodName::KD], Analysis::Gallery(Gallery { classes: vec![], images: 10, differ: true }));
    assert_eq!(few, "images that two models differ on can be of 2 to 8 models, not of 1");
}

#[test]
fn differences_from_a_teacher_are_refused_without_one() {
    let spec = ExperimentSpec {
        methods: vec![MethodName::PGD_AT],
        analyses: vec![Analysis::Correlation(Correlation::default())],
        ..ExperimentSpec::demo()
    };
    let crate::Invalid(problems) = spec.validate().unwrap_err();
    assert_eq!(problems[0].field, "analyses");
}
