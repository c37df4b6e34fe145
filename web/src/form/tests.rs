//! Facts about the form.

use retort_spec::{
    AdversarialImages, Analysis, Architecture, Attack, Budget, Correlation, DatasetChoice, DeviceName, ExperimentSpec,
    Features, Gallery, MethodName, ModelRef, PixelDistance, Surrogate, TeacherChoice,
};

use super::*;

fn fields(form: &ExperimentForm) -> Vec<(String, String)> {
    let problems = form.to_spec(|_| None).unwrap_err();
    problems.into_iter().map(|p| (p.field, p.message)).collect()
}

#[test]
fn every_field_has_a_name() {
    let form = serde_json::to_value(ExperimentForm::default()).unwrap();
    let fields: Vec<&str> = form.as_object().unwrap().keys().map(String::as_str).collect();
    let named = |field: &&str| *field == "settings" || ExperimentForm::FIELDS.iter().any(|(id, _)| id == field);
    assert_eq!(fields.iter().find(|field| !named(field)), None);
    assert_eq!(fields.len(), ExperimentForm::FIELDS.len() + 1);
}

#[test]
fn the_initial_form_asks_the_demos_question_under_a_name_of_its_own_with_the_budgets_epochs() {
    let spec = ExperimentForm::initial().to_spec(|_| None).unwrap();
    assert_eq!(spec.title, "KD, ARD and GACD+AFT for ResNet-8 on fashion-mnist-5k");
    let demo = ExperimentSpec::demo();
    // The demo is shorter than its budget; what is launched by hand has the budget's epochs.
    assert_eq!(ExperimentSpec { title: demo.title.clone(), epochs: demo.epochs, ..spec.clone() }, demo);
    assert_eq!(spec.epochs, None);
}

#[test]
fn every_experiment_that_the_form_can_ask_for_comes_back_from_its_form() {
    let spec = ExperimentSpec {
        title: "ε 4, <b>three</b> seeds".into(),
        dataset: DatasetChoice {
            train_images: Some(5_000),
            validation_images: Some(500),
            test_images: Some(900),
            ..DatasetChoice::all_of("cifar10")
        },
        normaliser: Some(retort_spec::Normaliser::PRESETS[0].1),
        teacher: TeacherChoice::Run { id: 7, architecture: Architecture::ResNet20 },
        seeds: vec![1, 2, 30],
        attacks: vec![
            "fgsm".parse::<Attack>().unwrap().with_eps(PixelDistance::levels(4.0)),
            Attack::pgd(100).with_eps(PixelDistance::levels(4.0)),
            "cw-30".parse::<Attack>().unwrap().with_eps(PixelDistance::levels(4.0)),
        ],
        surrogates: vec![Surrogate { method: MethodName::NATURAL, architecture: Architecture::ResNet18 }],
        probes: vec![DatasetChoice::all_of("stl10")],
        sweeps: vec![retort_spec::Sweep {
            method: MethodName::ARD,
            path: "method.sample_weighting".into(),
            values: vec!["none".into(), "teacher".into()],
        }],
        masking_images: Some(100),
        analyses: vec![
            Analysis::Features(Features {
                attacked: "truck".into(),
                target: "bird".into(),
                images: 100,
                adversarial: AdversarialImages::Shared,
            }),
            Analysis::Correlation(Correlation::default()),
            Analysis::Gallery(Gallery { classes: vec![], images: 10, differ: false }),
        ],
        epochs: Some(12),
        weight_averaging: Some(retort_spec::WeightAveraging { decay: 0.999 }),
        divergence: retort_spec::DivergenceRules { chance_epochs: None, loss_factor: Some(2.5) },
        budget: Budget::Quick,
        device: DeviceName::Cuda(1),
        ..ExperimentSpec::demo()
    };
    let form = ExperimentForm::from_spec(&spec);
    let typed = serde_json::to_value(&form).unwrap();
    let is_empty = |value: &serde_json::Value| {
        value.as_str().is_some_and(str::is_empty) || value.as_array().is_some_and(Vec::is_empty)
    };
    let empty: Vec<_> = typed.as_object().unwrap().iter().filter(|(_, value)| is_empty(value)).collect();
    assert_eq!(
        empty.iter().map(|(field, _)| field.as_str()).collect::<Vec<_>>(),
        ["chance_epochs"],
        "all others are asked for"
    );
    let known = |model: &ModelRef| (*model == ModelRef::Run(7)).then_some(Architecture::ResNet20);
    assert_eq!(form.to_spec(known).unwrap(), spec);
    let spec =
        ExperimentSpec { teacher: TeacherChoice::Imported { id: 7, architecture: Architecture::ResNet18 }, ..spec };
    let form = ExperimentForm::from_spec(&spec);
    let known = |model: &ModelRef| (*model == ModelRef::Imported(7)).then_some(Architecture::ResNet18);
    assert_eq!(form.to_spec(known).unwrap(), spec);
}

#[test]
fn a_form_without_student_method_seed_or_attack_names_each() {
    let form = ExperimentForm {
        students: vec![],
        methods: vec![],
        seeds: " ".into(),
        attacks: vec![],
        ..ExperimentForm::initial()
    };
    let names: Vec<_> = fields(&form).into_iter().map(|(field, _)| field).collect();
    assert_eq!(names, ["students", "methods", "seeds", "attacks"]);
}

#[test]
fn what_cannot_be_read_is_reported_once_at_its_own_field() {
    let form = ExperimentForm {
        seeds: "1, two".into(),
        eps: "8".into(),
        train_images: "many".into(),
        test_images: "3".into(),
        teacher: "run:99".into(),
        epochs: "0".into(),
        device: "tpu".into(),
        ..ExperimentForm::initial()
    };
    let found = fields(&form);
    let names: Vec<_> = found.iter().map(|(field, _)| field.as_str()).collect();
    assert_eq!(names, ["train_images", "teacher", "seeds", "eps", "device", "epochs", "test_images"]);
    assert!(found[2].1.contains("“two”") && found[1].1.contains("99"), "{found:?}");
}

#[test]
fn maps_of_features_need_two_classes_that_are_not_the_same() {
    let form = |attacked: &str, target: &str| ExperimentForm {
        attacked: attacked.into(),
        target: target.into(),
        ..ExperimentForm::initial()
    };
    assert_eq!(fields(&form("Bag", ""))[0].0, "target");
    assert_eq!(fields(&form(" ", "Coat"))[0].0, "attacked");
    assert_eq!(fields(&form("Bag", "Bag"))[0].0, "target");
    assert!(form("", "").to_spec(|_| None).unwrap().analyses.is_empty());
    assert_eq!(form("Bag", "Coat").to_spec(|_| None).unwrap().analyses[0].classes(), ["Bag", "Coat"]);
}

#[test]
fn an_address_names_what_differs_and_an_emptied_list() {
    let initial = ExperimentForm::initial();
    assert_eq!(initial.address(), "/experiments/new");
    let form = ExperimentForm { budget: "paper".into(), seeds: "1, 2".into(), attacks: vec![], ..initial };
    assert_eq!(form.address(), "/experiments/new?attacks=&budget=paper&seeds=1%2C+2");
    assert!(ExperimentForm::is_list("attacks") && !ExperimentForm::is_list("seeds") && !ExperimentForm::is_list("x"));
}

#[test]
fn a_copy_bears_the_next_number_that_no_other_has() {
    let copy = |title: &str, taken: &[&str]| {
        let taken: Vec<String> = taken.iter().map(|title| (*title).to_owned()).collect();
        ExperimentForm::copy_of(&ExperimentSpec { title: title.into(), ..ExperimentSpec::demo() }, &taken).title
    };
    assert_eq!(copy("ARD", &["ARD"]), "ARD (2)");
    assert_eq!(copy("ARD (2)", &["ARD", "ARD (2)", "ARD (9)", "KD (11)"]), "ARD (10)");
    assert_eq!(copy("Demo (ε 4)", &["Demo (ε 4)"]), "Demo (ε 4) (2)");
    assert_eq!(copy("Bai et al. (2020)", &["Bai et al. (2020)"]), "Bai et al. (2020) (2)");
    let long = "é".repeat(200);
    let second = copy(&long, &[&long]);
    assert_eq!(second.chars().count(), 200);
    assert!(second.ends_with("é (2)"));
}

#[test]
fn a_title_that_nobody_typed_is_never_too_long() {
    let form = ExperimentForm {
        students: Architecture::ALL.map(|a| a.id().to_owned()).to_vec(),
        methods: MethodName::all().map(|m| m.id().to_owned()).collect(),
        ..ExperimentForm::initial()
    };
    let spec = form.to_spec(|_| None).unwrap();
    assert_eq!(spec.title, format!("{} methods for 13 students on fashion-mnist-5k", MethodName::all().count()));
}

#[test]
fn the_papers_experiments_come_back_from_their_forms() {
    // At the smallest budget the probes have fewer images than their datasets, which the form cannot say.
    for budget in [Budget::Quick, Budget::Paper] {
        let conditions = retort_spec::Conditions { budget, seeds: vec![1, 2], device: DeviceName::Cpu };
        let figures = retort_spec::PaperFigure::ALL.map(|figure| figure.experiment(&conditions));
        let tables = retort_spec::reproduce(retort_spec::paper_results(), &conditions);
        for spec in tables.into_iter().chain(figures) {
            assert_eq!(ExperimentForm::from_spec(&spec).to_spec(|_| None).as_ref(), Ok(&spec));
        }
    }
}

#[test]
fn thousands_may_be_set_off_by_commas() {
    let form = ExperimentForm { train_images: "4,000".into(), ..ExperimentForm::initial() };
    assert_eq!(form.to_spec(|_| None).unwrap().dataset.train_images, Some(4_000));
}
