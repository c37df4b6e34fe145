//! Pages with invented but plausible data, to test and to look at. Every number is made up.

#![allow(dead_code, missing_docs, clippy::unwrap_used, clippy::cast_possible_wrap)]

use std::{collections::HashMap, sync::Arc};

use retort_spec::{
    Accuracy, Architecture, Attack, Budget, DatasetChoice, DeviceName, EvaluateSpec, ExperimentSpec, MethodName,
    Metric, ModelRef, Problem, RunKind, RunSpec, RunState, Stage, Sweep, TeacherChoice,
};
use retort_web::{
    Arrival, ArrivalKind, ArrivalState, ComparisonView, ExperimentForm, Frame, Progress, RightAnswers, RunLabel,
    RunRow, Score, Scores, Step, Template,
    figures::{CurvePoint, RunCurves},
    format::Moment,
    pages::{
        AnalysedOption, ComparisonPage, ComparisonSummary, ComparisonsFilter, ComparisonsPage, DatasetCard,
        DatasetForm, DatasetOption, DatasetPage, DatasetsPage, DeviceLine, DeviceOption, Download, EndedExperiment,
        ErrorPage, EvaluateForm, FindingView, FoundNetwork, ImportedOption, Link, MachineLoad, ModelFilter, ModelPage,
        ModelRow, ModelUploadForm, ModelUploadPage, ModelsPage, NewExperimentPage, OverviewPage, Plan, ReportView,
        RunFilter, RunsPage, SampleSheet, SavedView, SavedViews, TeacherOption,
    },
};

mod comparisons;
mod named;
mod run_pages;

pub use comparisons::*;
#[allow(unused_imports)]
pub use named::{comparison_with, pages_with};
pub use run_pages::{evaluation, masking, run};

const CLASSES: [&str; 10] = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

pub const HOSTILE: &str = r#"<script>alert("x")</script> & "KD"'s ε"#;

pub fn frame() -> Frame {
    Frame { running: 1, waiting: 5, pause: None }
}

pub fn at(minute: usize) -> Moment {
    Moment(format!("2026-11-22T{:02}:{:02}:07Z", 16 + minute / 60, minute % 60))
}

pub fn overview() -> OverviewPage {
    let runs = runs(&large(), 3, 30);
    let summary = |id, spec: ExperimentSpec, finished| ComparisonSummary {
        id,
        runs: self::runs(&spec, id, finished),
        launched: at(id as usize),
        spec,
    };
    let failed = ComparisonSummary { runs: failing().runs, ..summary(1, ExperimentSpec::demo(), 8) };
    OverviewPage {
        frame: frame(),
        running: runs.iter().filter(|r| r.is_active()).cloned().collect(),
        next: runs.iter().filter(|r| r.state == RunState::Queued).take(3).cloned().collect(),
        seconds_left: Some(32_000.0),
        ended: vec![ended(3, large().title, None), ended(1, HOSTILE.into(), Some(HOSTILE.into()))],
        devices: vec![
            device("cpu", vec![]),
            device("cuda:0", vec![(41, "train GACD+AFT · ResNet-18 · seed 1".into())]),
        ],
        load: MachineLoad { threads: Some((1.2, 16)), memory: Some((3_140_000_000, 8_200_000_000)) },
        comparisons: vec![summary(3, large(), 30), summary(2, ExperimentSpec::demo(), 8), failed],
        disk_free: Some(412_000_000_000),
        demo_seconds: Some(240.0),
    }
}

fn ended(id: i64, title: String, cause: Option<String>) -> EndedExperiment {
    EndedExperiment {
        id,
        title,
        counts: vec![(RunState::Finished, 30), (RunState::Failed, usize::from(cause.is_some()))],
        total: 45,
        last: at(9),
        failure: cause.map(|cause| (7, "KD · ResNet-8 · seed 1".into(), cause)),
    }
}

fn device(name: &str, runs: Vec<(i64, String)>) -> DeviceLine {
    DeviceLine { name: name.into(), description: "16 threads".into(), runs }
}

/// A view of the page at `here`, and another one.
fn views(here: &str) -> SavedViews {
    let view = |name: &str, address: &str| SavedView { name: name.into(), address: address.into() };
    SavedViews { list: vec![view(HOSTILE, here), view("Failed lately", "/runs?state=failed")], here: here.into() }
}

pub fn first_use() -> OverviewPage {
    OverviewPage {
        frame: Frame::default(),
        running: vec![],
        next: vec![],
        seconds_left: None,
        ended: vec![],
        comparisons: vec![],
        ..overview()
    }
}

pub fn comparisons() -> ComparisonsPage {
    ComparisonsPage {
        frame: frame(),
        filter: ComparisonsFilter::default(),
        order: ComparisonsPage::NEWEST,
        heads: ComparisonsPage::NEWEST.heads(&ComparisonsPage::COLUMNS, |sort| format!("/experiments?sort={sort}")),
        comparisons: overview().comparisons,
        total: 24,
        older: Some("/experiments?before=1".into()),
        newer: None,
        views: views("/experiments"),
    }
}

pub fn measured() -> Scores {
    Scores { natural: Some(82.1), adversarial: Some(("PGD-20".into(), 51.08)) }
}

pub fn models() -> ModelsPage {
    let trained = ModelRow {
        name: "PGD-AT · ResNet-18 · seed 1".into(),
        href: "/runs/12".into(),
        architecture: Architecture::ResNet18,
        dataset: "cifar10".into(),
        method: "PGD-AT".into(),
        scores: measured(),
        accuracies: [(None, 821), (Some(Attack::pgd(20)), 511), (Some("fgsm".parse().unwrap()), 602)]
            .into_iter()
            .map(|(attack, correct)| Score {
                attack,
                accuracy: Accuracy { correct, n: 1_000 },
                unanswered: 0,
                standing: vec![],
                variety: None,
            })
            .collect(),
        choice: ("run", 12),
        detail: "run 12 · Nine methods".into(),
        bytes: Some(44_700_000),
        origin: "run 12".into(),
        since: at(3),
        download: "/runs/12/model.safetensors".into(),
    };
    let gone =
        ModelRow { name: "KD · ResNet-8 · seed 1".into(), bytes: None, choice: ("run", 13), ..trained.clone() };
    ModelsPage {
        frame: frame(),
        problems: vec![],
        filter: ModelFilter::default(),
        order: ModelsPage::NEWEST,
        heads: ModelsPage::NEWEST.heads(&ModelsPage::COLUMNS, |sort| format!("/models?sort={sort}")),
        datasets: vec!["fashion-mnist-5k".into(), "cifar10".into()],
        views: views("/models"),
        imported: vec![model().model],
        total_imported: 1,
        trained: vec![trained, gone],
        total_trained: 84,
        older: Some("/models?before=12".into()),
        newer: None,
    }
}

pub fn upload_with_faults() -> ModelsPage {
    ModelsPage { problems: vec![Problem::new("file", HOSTILE)], ..models() }
}

fn network(path: &str) -> FoundNetwork {
    FoundNetwork {
        path: path.into(),
        place: path.into(),
        is_average: path.ends_with("ema"),
        architecture: Architecture::ResNet18,
        classes: 10,
        parameters: 11_173_962,
        tensors: 122,
        dtypes: vec!["F16".into()],
        differing: None,
        normaliser: None,
        unclear_normaliser: None,
        doubt: None,
        fault: None,
        notes: vec!["The prefix module. was taken off the keys.".into()],
    }
}

/// A file with one network, about which everything was found.
pub fn model_upload() -> ModelUploadPage {
    ModelUploadPage {
        frame: frame(),
        token: "dG9rZW4".into(),
        file_name: HOSTILE.into(),
        bytes: 44_700_000,
        format: "PyTorch checkpoint".into(),
        origin: None,
        networks: vec![FoundNetwork { normaliser: Some("cifar10".into()), ..network("net") }],
        misses: vec![],
        form: ModelUploadForm { weights: "net".into(), ..ModelUploadForm::default() },
        problems: vec![],
        datasets: vec!["fashion-mnist-5k".into(), "cifar10".into()],
    }
}

/// A file with several networks, sent with faults.
pub fn model_upload_with_choices() -> ModelUploadPage {
    let doubtful =
        FoundNetwork { doubt: Some("other code has its names".into()), differing: Some(61), ..network("ema") };
    let broken = FoundNetwork { fault: Some("fc.weight holds NaN".into()), ..network(HOSTILE) };
    ModelUploadPage {
        networks: vec![network("net"), doubtful, broken],
        misses: vec![vec!["What stands at student fits no network of Retort.".into()]],
        form: ModelUploadForm { weights: "ema".into(), classes: HOSTILE.into(), ..ModelUploadForm::default() },
        problems: vec![Problem::new("classes", "it is no dataset here"), Problem::new("weights", "choose one")],
        ..model_upload()
    }
}

/// A file in which no network was found.
pub fn model_upload_without_network() -> ModelUploadPage {
    let lines = [HOSTILE, "The nearest is ResNet-18, but layer4 is missing."].map(String::from).to_vec();
    ModelUploadPage { networks: vec![], misses: vec![lines], ..model_upload() }
}

pub fn model() -> ModelPage {
    ModelPage {
        frame: frame(),
        id: 3,
        model: ModelRow {
            name: "ARD teacher of another lab".into(),
            href: "/models/3".into(),
            architecture: Architecture::ResNet18,
            dataset: "cifar10".into(),
            method: "imported".into(),
            scores: Scores::default(),
            accuracies: vec![],
            choice: ("model", 3),
            detail: "ResNet-18 · imported · epoch=199.t7".into(),
            bytes: Some(44_700_000),
            origin: "epoch=199.t7".into(),
            since: at(9),
            download: "/models/3/model.safetensors".into(),
        },
        parameters: 11_173_962,
        classes: vec!["airplane".into(), "automobile".into(), "bird".into()],
        notes: vec!["The weights were taken from net.".into()],
        published: None,
        teach: Some("/experiments/new?teacher=model%3A3".into()),
        evaluate: Some(EvaluateForm {
            title: "Evaluation of ARD teacher of another lab".into(),
            model: "model:3".into(),
            datasets: vec!["cifar10".into()],
            devices: vec!["cpu".into()],
        }),
        datasets: vec!["fashion-mnist-5k".into(), "cifar10".into()],
        fault: None,
    }
}

pub fn form() -> NewExperimentPage {
    let form = ExperimentForm::initial();
    let spec = form.to_spec(|_| None).unwrap();
    NewExperimentPage {
        frame: frame(),
        form,
        problems: vec![],
        plan: Some(Plan::of(&spec, Some(250.0))),
        agreed: None,
        datasets: vec![
            DatasetOption {
                name: "fashion-mnist-5k".into(),
                train_images: 4_000,
                test_images: 1_000,
                classes: vec!["Bag".into(), "Coat".into()],
            },
            DatasetOption {
                name: "cifar10".into(),
                train_images: 50_000,
                test_images: 10_000,
                classes: CLASSES.map(str::to_owned).into(),
            },
        ],
        teachers: vec![TeacherOption {
            run: 12,
            method: MethodName::PGD_AT,
            architecture: Architecture::ResNet18,
            seed: 1,
            dataset: "cifar10".into(),
            scores: measured(),
        }],
        imported: vec![ImportedOption {
            id: 3,
            title: "epoch=199.t7".into(),
            architecture: Architecture::ResNet18,
            dataset: "cifar10".into(),
            scores: Scores::default(),
        }],
        devices: vec![DeviceOption { name: DeviceName::Cpu, description: "2 cores".into() }],
    }
}

pub fn form_with_faults() -> NewExperimentPage {
    let form = ExperimentForm {
        title: HOSTILE.into(),
        students: vec![],
        seeds: "1, 2, 2".into(),
        eps: "8".into(),
        ..ExperimentForm::initial()
    };
    let problems = form.to_spec(|_| None).unwrap_err();
    NewExperimentPage { form, problems, plan: None, ..self::form() }
}

/// The bundled dataset, one with a hundred classes, and a damaged one.
pub fn datasets() -> DatasetsPage {
    let card = |name: &str, title: &str, classes: Vec<String>, train, test| DatasetCard {
        name: name.into(),
        title: title.into(),
        classes,
        train,
        test,
        origin: "the official binary files, checksums verified".into(),
        fault: None,
    };
    let classes = ["T-shirt/top", "Trouser", HOSTILE].map(String::from).to_vec();
    let hundred = (0..100).map(|class| format!("class number {class}")).collect();
    let damaged = DatasetCard {
        fault: Some("the dataset pets is damaged: it is cut short; import it again".into()),
        ..card("pets", "pets", vec![], 0, 0)
    };
    DatasetsPage {
        frame: frame(),
        datasets: vec![
            card("fashion-mnist-5k", "Fashion-MNIST, 5k subset", classes, 4_000, 1_000),
            card("cifar100", "CIFAR-100", hundred, 50_000, 10_000),
            damaged,
        ],
        form: DatasetForm::default(),
        problems: vec![],
        largest: 8 << 30,
        sheet: SHEET,
        imports: vec![
            arriving("pets", "my-pets.zip", ArrivalKind::Import, ArrivalState::Working(None)),
            arriving(
                "birds",
                HOSTILE,
                ArrivalKind::Import,
                ArrivalState::Failed(format!("{HOSTILE} holds no dataset")),
            ),
        ],
        downloads: vec![
            Download {
                name: "cifar10".into(),
                title: "CIFAR-10".into(),
                bytes: 170_052_171,
                here: 82_000_000,
                arrival: Some(arriving("cifar10", "CIFAR-10", ArrivalKind::Fetch, downloading())),
            },
            Download { name: "stl10".into(), title: "STL-10".into(), bytes: 2_640_397_119, here: 0, arrival: None },
        ],
    }
}

const SHEET: SampleSheet = SampleSheet { columns: 10, side: 32, pitch: 34 };

fn arriving(name: &str, title: &str, kind: ArrivalKind, state: ArrivalState) -> Arrival {
    let form = DatasetForm { name: name.into(), test_percent: "20".into(), resize: true };
    Arrival { name: name.into(), title: title.into(), kind, state, form }
}

fn downloading() -> ArrivalState {
    ArrivalState::Working(Some(Step {
        what: "downloading".into(),
        done: 82_000_000,
        total: Some(170_052_171),
        in_bytes: true,
        rate: Some(5_100_000.0),
    }))
}

/// The page of datasets after an upload that could not be taken.
pub fn datasets_with_faults() -> DatasetsPage {
    let form = DatasetForm { name: HOSTILE.into(), resize: true, test_percent: "100".into() };
    let problems = [form.held_out().unwrap_err(), Problem::new("name", "there is a dataset of this name")].into();
    DatasetsPage { form, problems, ..datasets() }
}

/// A dataset that is on its way.
pub fn arriving_dataset() -> DatasetPage {
    DatasetPage {
        frame: frame(),
        name: "cifar10".into(),
        arrival: Some(arriving("cifar10", "CIFAR-10", ArrivalKind::Fetch, downloading())),
        dataset: None,
        report: None,
        is_bundled: false,
        sheet: SHEET,
    }
}

/// A dataset that was imported.
pub fn dataset() -> DatasetPage {
    let finding = |what: &str, count, examples: &[&str]| FindingView {
        what: what.into(),
        count,
        examples: examples.iter().map(|name| String::from(*name)).collect(),
    };
    let report = ReportView {
        source: HOSTILE.into(),
        container: "a zip archive".into(),
        kind: "images in folders".into(),
        classes: vec![("cat".into(), 1_200, 300), ("dog".into(), 1_100, 275), (HOSTILE.into(), 30, 8)],
        left_out: vec![
            finding("hidden files", 4, &[".DS_Store", "train/.DS_Store", "train/cat/._1.png"]),
            finding("files that are no images", 1, &["README.md"]),
        ],
        changed: vec![finding("images of other sizes were made 32×32", 2_913, &["train/cat/1.jpg", HOSTILE])],
        notes: vec!["train and test lie in the folder my-pets, which was looked into.".into()],
    };
    let classes = report.classes.iter().map(|class| class.0.clone()).collect();
    let about = datasets().datasets.swap_remove(0);
    DatasetPage {
        frame: frame(),
        name: "pets".into(),
        arrival: None,
        dataset: Some(DatasetCard { name: "pets".into(), title: "pets".into(), classes, ..about }),
        report: Some(report),
        is_bundled: false,
        sheet: SHEET,
    }
}

pub fn unknown_fault() -> Problem {
    Problem::new("spec", "is not JSON")
}

pub fn run_list() -> RunsPage {
    let mut runs: Vec<_> = runs(&large(), 3, 30).into_iter().rev().skip(12).take(16).collect();
    runs.extend(failing().runs.into_iter().rev());
    RunsPage {
        frame: frame(),
        filter: RunFilter { method: "gacd+aft".into(), ..RunFilter::default() },
        order: RunsPage::NEWEST,
        heads: RunsPage::NEWEST.heads(&RunsPage::COLUMNS, |sort| format!("/runs?sort={sort}")),
        views: views("/runs?method=gacd%2Baft"),
        datasets: vec!["fashion-mnist-5k".into(), "cifar10".into()],
        total: 1_284,
        runs,
        older: Some("/runs?method=gacd%2Baft&before=274".into()),
        newer: None,
    }
}

pub fn error() -> ErrorPage {
    ErrorPage {
        frame: frame(),
        status: 404,
        title: "There is no run 4711".into(),
        message: "It may have been removed, or the address has a typing error.".into(),
        links: vec![Link { href: "/runs".into(), text: "All runs".into() }],
    }
}

/// Every page by the name of its file.
pub fn all() -> Vec<(&'static str, String)> {
    vec![
        ("overview", overview().render().unwrap()),
        ("first-use", first_use().render().unwrap()),
        ("comparisons", comparisons().render().unwrap()),
        ("comparison-demo", comparison(ExperimentSpec::demo(), 8).render().unwrap()),
        ("comparison-new", comparison(ExperimentSpec::demo(), 0).render().unwrap()),
        ("comparison-failing", failing().render().unwrap()),
        ("comparison-large", comparison(large(), 30).render().unwrap()),
        ("comparison-baseline", comparison_with_a_baseline().render().unwrap()),
        ("new", form().render().unwrap()),
        ("new-faults", form_with_faults().render().unwrap()),
        ("runs", run_list().render().unwrap()),
        ("datasets", datasets().render().unwrap()),
        ("datasets-faults", datasets_with_faults().render().unwrap()),
        ("dataset-arriving", arriving_dataset().render().unwrap()),
        ("dataset", dataset().render().unwrap()),
        ("run", run(RunState::Running).render().unwrap()),
        ("run-failed", run(RunState::Failed).render().unwrap()),
        ("run-evaluation", evaluation().render().unwrap()),
        ("run-masking", masking().render().unwrap()),
        ("comparison-masking", comparison_with_maskings().render().unwrap()),
        ("models", models().render().unwrap()),
        ("models-faults", upload_with_faults().render().unwrap()),
        ("model-upload", model_upload().render().unwrap()),
        ("model-upload-choices", model_upload_with_choices().render().unwrap()),
        ("model-upload-none", model_upload_without_network().render().unwrap()),
        ("model", model().render().unwrap()),
        ("error", error().render().unwrap()),
    ]
}
