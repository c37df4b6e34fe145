//! The form, asked in process.

use axum::http::header;
use retort_spec::{Gallery, RunSpec, RunState};

use super::{
    super::{paging::href, tests::Site},
    *,
};

#[tokio::test]
async fn a_launched_form_leads_to_its_comparison() {
    let site = Site::new().await;
    let answer = site.send(&ExperimentForm::initial()).await;
    assert_eq!((answer.status, answer.header(header::LOCATION)), (StatusCode::SEE_OTHER, "/experiments/1"));
    let kept = site.store.experiment(1).await.unwrap();
    assert_eq!(kept.spec().unwrap().methods, ExperimentSpec::demo().methods);
    assert_eq!(kept.counts.of(RunState::Queued), 8);
}

#[tokio::test]
async fn a_form_that_is_to_stand_beside_a_comparison_leads_back_to_it() {
    let site = Site::new().await;
    for place in ["/experiments", "/experiments?beside=1&baseline=kd%3Aresnet8&with=7"] {
        let body = serde_html_form::to_string(ExperimentForm::initial()).unwrap();
        let answer = site.post(place, body).await;
        let expected = match place {
            "/experiments" => "/experiments/1",
            _ => "/experiments/1?baseline=kd%3Aresnet8&with=7&with=2",
        };
        assert_eq!((answer.status, answer.header(header::LOCATION)), (StatusCode::SEE_OTHER, expected));
    }
}

#[tokio::test]
async fn a_form_with_faults_comes_back_with_what_was_typed_and_launches_nothing() {
    let site = Site::new().await;
    let form = ExperimentForm {
        title: "What does <ARD> do?".into(),
        seeds: "1, two".into(),
        students: vec![],
        dataset: "imagenet".into(),
        ..ExperimentForm::initial()
    };
    let answer = site.send(&form).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    for part in ["choose at least one student", "is not a seed", "1, two"] {
        assert!(answer.text.contains(part), "{part} is missing in {}", answer.text);
    }
    assert!(answer.text.contains("&#60;ARD&#62;") || answer.text.contains("&lt;ARD&gt;"));
    assert_eq!(site.store.state_counts().await.unwrap().total(), 0);
}

#[tokio::test]
async fn a_form_is_checked_against_what_is_on_this_machine() {
    let site = Site::new().await;
    let maps = |attacked: &str, target: &str, test_images: &str| ExperimentForm {
        attacked: attacked.into(),
        target: target.into(),
        test_images: test_images.into(),
        ..ExperimentForm::initial()
    };
    for (form, words) in [
        (ExperimentForm { dataset: "imagenet".into(), ..ExperimentForm::initial() }, "is not among the datasets here"),
        (ExperimentForm { train_images: "999999".into(), ..ExperimentForm::initial() }, "training images: use at most"),
        (ExperimentForm { device: "cuda:63".into(), ..ExperimentForm::initial() }, "cuda:63 is not on this machine"),
        (ExperimentForm { teacher: "run:7".into(), ..ExperimentForm::initial() }, "there is no run 7"),
        (maps("Bag", "Hat", ""), "“Hat” is no class of fashion-mnist-5k"),
        (maps("Bag", "Coat", "100"), "use 310 test images"),
    ] {
        let answer = site.send(&form).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{words}");
        assert!(answer.text.contains(words), "{words} is missing in {}", answer.text);
    }
}

#[tokio::test]
async fn what_cannot_be_trained_is_refused_at_the_estimate_and_at_the_launch_with_all_that_is_wrong() {
    let site = Site::new().await;
    let form = ExperimentForm {
        validation_images: "4000".into(),
        masking_images: "5".into(),
        test_images: "2000".into(),
        attacked: "Bag".into(),
        target: "Hat".into(),
        device: "cuda:63".into(),
        seeds: "1, 1".into(),
        ..ExperimentForm::initial()
    };
    let estimate = site.get(&href("/experiments/new", &form)).await;
    let launch = site.send(&form).await;
    assert_eq!(launch.status, StatusCode::UNPROCESSABLE_ENTITY);
    for (field, words) in [
        ("validation_images", "leave too few to train on: use at most 3990"),
        ("test_images", "has 1000 test images: use at most so many"),
        ("masking_images", "use at least 10 images"),
        ("target", "“Hat” is no class of fashion-mnist-5k"),
        ("device", "cuda:63 is not on this machine"),
        ("seeds", "seed 1 stands twice"),
    ] {
        for page in [&estimate.text, &launch.text] {
            assert!(page.contains(&format!("id=\"{field}-wrong\"")) && page.contains(words), "{words}: {page}");
        }
    }
    assert_eq!(site.store.state_counts().await.unwrap().total(), 0);
}

#[tokio::test]
async fn the_paper_budget_trains_the_papers_epochs_unless_the_form_says_otherwise() {
    let site = Site::new().await;
    let page = site.get("/experiments/new?budget=paper").await.text;
    assert!(page.contains(r#"name="epochs" value="" "#) && page.contains(r#"placeholder="200 to"#), "{page}");
    let form = ExperimentForm { budget: "paper".into(), ..ExperimentForm::initial() };
    assert_eq!(site.send(&form).await.status, StatusCode::SEE_OTHER);
    let RunSpec::Train(teacher) = site.store.run(1).await.unwrap().spec().unwrap() else { panic!("it trains") };
    assert_eq!(teacher.schedule.epochs, 200);
    // A clone of an experiment with epochs of its own has them, and says what they stand instead of.
    let own = ExperimentForm { epochs: "4".into(), ..form };
    let page = site.get(&href("/experiments/new", &own)).await.text;
    assert!(page.contains("All train for 4 epochs instead of the budget's 200"), "{page}");
}

#[tokio::test]
async fn a_finished_teacher_serves_another_comparison_and_its_evaluation_bears_its_method() {
    let site = Site::new().await;
    let natural = ExperimentSpec { methods: vec![MethodName::NATURAL], ..ExperimentSpec::demo() };
    site.control.launch(&natural, natural.expand()).await.unwrap();
    site.finish(1).await;
    let form = ExperimentForm { teacher: "run:1".into(), ..ExperimentForm::initial() };
    assert_eq!(site.send(&form).await.status, StatusCode::SEE_OTHER);
    let runs = site.store.runs_of_experiment(2).await.unwrap();
    assert!(runs[0].is_teacher && runs[0].method == MethodName::NATURAL, "{:?}", runs[0]);
    assert!(site.get("/experiments/new").await.text.contains("run:1"));
}

#[tokio::test]
async fn a_link_fills_in_the_fields_that_it_names_and_leaves_the_others_as_they_are_at_first() {
    let site = Site::new().await;
    let answer = site.get("/experiments/new?methods=mystery").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.text.contains("there is no method"), "{}", answer.text);
    assert!(!answer.text.contains("choose at least one student"));
    let empty = href("/experiments/new", &ExperimentForm { students: vec![], ..ExperimentForm::initial() });
    assert!(site.get(&format!("{empty}&whole=yes")).await.text.contains("choose at least one student"));
    for link in ["students=", "students=&seeds=1,2&budget=paper"] {
        let answer = site.get(&format!("/experiments/new?{link}")).await;
        assert!(answer.text.contains("choose at least one student"), "{link}: {}", answer.text);
        assert!(!answer.text.contains("choose at least one method"), "{link}: {}", answer.text);
    }
}

/// What stands beside a field; empty where nothing is wrong with it.
fn beside(page: &str, field: &str) -> String {
    let marked = format!(r#" id="{field}-wrong">"#);
    let rest = page.split_once(&marked).unwrap_or_else(|| panic!("there is no place for what is wrong with {field}"));
    rest.1.split_once('<').unwrap().0.to_owned()
}

/// A way to fill in the form wrongly.
type Mistake = (&'static str, &'static str, fn(&mut ExperimentForm));

/// Mistakes that have nothing to do with each other: the field beside which each is told, words of it, and the mistake.
const MISTAKES: [Mistake; 21] = [
    ("title", "use at most 200", |form| form.title = "x".repeat(201)),
    ("budget", "there is no budget", |form| form.budget = "huge".into()),
    ("epochs", "must be from 1 to", |form| form.epochs = "0".into()),
    ("device", "cuda:63 is not on this machine", |form| form.device = "cuda:63".into()),
    ("train_images", "is not a whole number", |form| form.train_images = "many".into()),
    ("validation_images", "leave too few to train on: use at most 3990", |form| form.validation_images = "4000".into()),
    ("test_images", "use 310 test images", |form| {
        form.test_images = "100".into();
        form.attacked = "Bag".into();
    }),
    ("normaliser", "", |form| form.normaliser = "grey".into()),
    ("teacher", "there is no run 7", |form| form.teacher = "run:7".into()),
    ("students", "choose at least one", |form| form.students.clear()),
    ("methods", "there is no method", |form| form.methods.push("mystery".into())),
    ("set.ard.method.temperature", "must be from 0.001 to 1,000", |form| {
        form.settings.push("ard.method.temperature=0".into());
    }),
    ("seeds", "seed 1 stands twice", |form| form.seeds = "1, 1".into()),
    ("weight_averaging", "must be from 0", |form| form.weight_averaging = "2".into()),
    ("chance_epochs", "must be 1 or more", |form| form.chance_epochs = "0".into()),
    ("attacks", "stands twice", |form| form.attacks.push("pgd-20".into())),
    ("eps", "", |form| form.eps = "8".into()),
    ("masking_images", "use at least 10", |form| form.masking_images = "5".into()),
    ("probes", "“stl10” is not among the datasets here", |form| form.probes = vec!["stl10".into()]),
    ("attacked", "“Tie” is no class", |form| {
        form.attacked = "Tie".into();
        form.target = "Bag".into();
    }),
    ("analyses", "stands twice", |form| form.analyses = vec!["correlation".into(), "correlation".into()]),
];

#[tokio::test]
async fn a_form_with_several_mistakes_names_all_of_them() {
    let site = Site::new().await;
    let mut combinations: Vec<Vec<&Mistake>> = MISTAKES.iter().map(|one| vec![one]).collect();
    for (i, one) in MISTAKES.iter().enumerate() {
        combinations.extend(MISTAKES[i + 1..].iter().map(|other| vec![one, other]));
    }
    combinations.push(MISTAKES.iter().collect());
    for mistakes in combinations {
        let mut form = ExperimentForm::initial();
        for (_, _, make) in &mistakes {
            make(&mut form);
        }
        let page = site.get(&form.address()).await.text;
        for (field, words, _) in &mistakes {
            // Another class takes the place of this mistake's.
            let is_undone =
                *field == "attacked" && form.attacked == "Bag" || *field == "test_images" && form.attacked.is_empty();
            let (said, made) = (beside(&page, field), mistakes.iter().map(|(field, ..)| *field).collect::<Vec<_>>());
            assert!(
                is_undone || !said.is_empty() && said.to_lowercase().contains(&words.to_lowercase()),
                "{made:?}: {field}: “{said}”"
            );
        }
        assert!(page.contains(r#"id="problems""#));
    }
    assert!(!site.get("/experiments/new").await.text.contains(r#"id="problems""#));
}

#[tokio::test]
async fn whatever_is_typed_comes_back_from_its_address() {
    let site = Site::new().await;
    let form = ExperimentForm {
        title: "ε = 4 & “more”".into(),
        students: vec![],
        methods: vec!["gacd".into()],
        seeds: "1, two".into(),
        settings: vec!["gacd.method.temperature=0.05, 0.1".into()],
        chance_epochs: String::new(),
        analyses: vec!["gallery".into()],
        ..ExperimentForm::initial()
    };
    for form in [form, ExperimentForm::initial()] {
        let address = form.address();
        let query = address.split_once('?').map_or("", |(_, query)| query);
        assert_eq!(prefilled(query).unwrap().form, form, "{address}");
        assert_eq!(site.get(&address).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn teachers_are_offered_for_the_dataset_on_which_they_were_trained() {
    let site = Site::new().await;
    site.import("pets");
    let natural = ExperimentSpec { methods: vec![MethodName::NATURAL], ..ExperimentSpec::demo() };
    site.control.launch(&natural, natural.expand()).await.unwrap();
    site.finish(1).await;
    let offers =
        async |query: &str| site.get(&format!("/experiments/new{query}")).await.text.contains(r#"value="run:1""#);
    assert!(offers("").await && !offers("?dataset=pets").await);
    // One that is chosen stays, with what speaks against it.
    let page = site.get("/experiments/new?dataset=pets&teacher=run%3A1").await.text;
    assert!(page.contains(r#"value="run:1" selected"#));
    assert!(beside(&page, "teacher").contains("trained on fashion-mnist-5k"), "{page}");
}

#[tokio::test]
async fn what_takes_more_than_a_day_is_launched_when_that_is_confirmed() {
    let site = Site::new().await;
    let form = ExperimentForm {
        budget: "paper".into(),
        students: vec!["wrn-34-10".into()],
        teacher: "train:wrn-34-10".into(),
        ..ExperimentForm::initial()
    };
    let sent = serde_html_form::to_string(&form).unwrap();
    let answer = site.post("/experiments", sent.clone()).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(beside(&answer.text, "confirmed").contains("confirm that beside Launch"), "{}", answer.text);
    assert!(answer.text.contains(r##"<a href="#confirmed">Launch</a>"##));
    let days = answer.text.split_once(r#"name="confirmed" value=""#).unwrap().1.split_once('"').unwrap().0;
    // Who agreed to less did not agree to this.
    for (agreed, status) in [("1", StatusCode::UNPROCESSABLE_ENTITY), (days, StatusCode::SEE_OTHER)] {
        assert_eq!(site.post("/experiments", format!("{sent}&confirmed={agreed}")).await.status, status, "{agreed}");
    }
    // The estimate only asks.
    assert_eq!(beside(&site.get(&form.address()).await.text, "confirmed"), "");
}

#[tokio::test]
async fn a_clone_is_called_otherwise_than_its_original_and_than_its_other_clones() {
    let site = Site::new().await;
    for (title, next) in [("What does ARD do?", "(2)"), ("What does ARD do? (2)", "(3)")] {
        site.send(&ExperimentForm { title: title.into(), ..ExperimentForm::initial() }).await;
        let page = site.get("/experiments/1").await.text;
        assert!(page.contains(&format!("title=What+does+ARD+do%3F+%28{}%29", &next[1..2])), "{next}: {page}");
    }
}

#[tokio::test]
async fn what_is_typed_for_a_parameter_becomes_a_sweep_and_comes_back_with_its_fault() {
    let site = Site::new().await;
    let form =
        serde_html_form::to_string(ExperimentForm { validation_images: "100".into(), ..ExperimentForm::initial() });
    let body = |fields: &str| format!("{}&{fields}", form.clone().unwrap());
    let fields = "set.ard.method.temperature=5%2C+30&set.gacd%2Baft.finetune.loss=trades&set.kd.method.alpha=";
    let answer = site.post("/experiments", body(fields)).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    let runs = site.store.runs_of_experiment(1).await.unwrap();
    let trained: Vec<_> = runs.iter().filter(|run| run.kind == RunKind::Train).map(retort_store::Run::title).collect();
    assert_eq!(
        trained,
        [
            "PGD-AT ResNet-8, seed 1",
            "KD ResNet-8, seed 1",
            "ARD (temperature T 5) ResNet-8, seed 1",
            "ARD (temperature T 30) ResNet-8, seed 1",
            "GACD+AFT (loss trades) ResNet-8, seed 1",
        ]
    );
    assert!(
        runs.iter()
            .any(|run| run.variant.to_string() == "temperature T 5, best epoch" && run.kind == RunKind::Evaluate)
    );
    let page = site.get("/experiments/1").await.text;
    assert!(page.contains("temperature T 5") && page.contains("settings=ard.method.temperature"), "{page}");
    let answer = site.post("/experiments", body("set.ard.method.temperature=warm")).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.text.contains(r#"value="warm""#) && answer.text.contains("“warm” is not like"), "{}", answer.text);
}

#[test]
fn a_class_is_chosen_by_its_name_as_pages_show_it() {
    let dataset = DatasetInfo {
        name: "pets".into(),
        title: "pets".into(),
        classes: vec!["dog".into(), "c\u{1}a\nt".into()],
        train: 9,
        test: 9,
        origin: String::new(),
        sha256: String::new(),
        bundled: false,
        fault: None,
    };
    let mut analysis = Analysis::Gallery(Gallery {
        classes: vec!["dog".into(), "c⟨U+0001⟩a⟨U+000A⟩t".into(), "fox".into()],
        images: 9,
        differ: false,
    });
    name_classes(&mut analysis, &dataset);
    assert_eq!(analysis.classes(), ["dog", "c\u{1}a\nt", "fox"]);
}
