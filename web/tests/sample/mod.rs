//! Pages with invented but plausible data, to test and to look at. Every number is made up.

#![allow(dead_code, missing_docs, clippy::unwrap_used, clippy::cast_possible_wrap)]

use std::collections::HashMap;

use retort_spec::{
    Accuracy, Architecture, Attack, Budget, DatasetChoice, DeviceName, EvaluateSpec, ExperimentSpec, MethodName,
    ModelRef, Problem, RunKind, RunSpec, RunState, Stage, TeacherChoice,
};
use retort_web::{
    ComparisonView, ExperimentForm, Frame, Progress, RunLabel, RunRow, Score, Scores, Template,
    figures::{CurvePoint, Quantity, RunCurves},
    format::Moment,
    pages::{
        AnalysedOption, ComparisonPage, ComparisonSummary, ComparisonsPage, DatasetCard, DatasetOption, DatasetsPage,
        DeviceOption, Download, ErrorPage, ImportForm, ImportedOption, Link, ModelPage, ModelRow, ModelsPage,
        NewExperimentPage, OverviewPage, Plan, RunFilter, RunsPage, SampleSheet, TeacherOption,
    },
};

mod run_pages;

pub use run_pages::{evaluation, masking, run};

const CLASSES: [&str; 10] = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

pub const HOSTILE: &str = r#"<script>alert("x")</script> & "KD"'s ε"#;

pub fn frame() -> Frame {
    Frame { running: 1, waiting: 5 }
}

pub fn at(minute: usize) -> Moment {
    Moment(format!("2026-11-22T{:02}:{:02}:07Z", 16 + minute / 60, minute % 60))
}

/// Three seeds, two students, four methods and three attacks on CIFAR-10.
pub fn large() -> ExperimentSpec {
    ExperimentSpec {
        title: "KD, ARD and GACD from one ResNet-18".into(),
        dataset: DatasetChoice::all_of("cifar10"),
        teacher: TeacherChoice::Train(Architecture::ResNet18),
        students: vec![Architecture::ResNet20, Architecture::ResNet8],
        methods: vec![MethodName::Kd, MethodName::Ard, MethodName::Gacd, MethodName::GacdAft],
        seeds: vec![1, 2, 3],
        attacks: vec!["fgsm".parse().unwrap(), Attack::pgd(20), Attack::pgd(100)],
        budget: Budget::Paper,
        epochs: None,
        device: DeviceName::Cuda(0),
        ..ExperimentSpec::demo()
    }
}

/// The runs of `spec`, of which the first `finished` have finished; the next one runs and the others wait.
pub fn runs(spec: &ExperimentSpec, experiment: i64, finished: usize) -> Vec<RunRow> {
    let plan = spec.expand();
    plan.iter()
        .enumerate()
        .map(|(i, run)| {
            let state = match i {
                _ if i < finished => RunState::Finished,
                _ if i == finished => RunState::Running,
                _ => RunState::Queued,
            };
            let is_evaluation = matches!(run.spec, RunSpec::Evaluate(_));
            let done = state == RunState::Finished;
            RunRow {
                label: RunLabel {
                    id: 100 * experiment + i as i64 + 1,
                    kind: run.spec.kind(),
                    variant: run.variant.clone(),
                    method: run.method,
                    architecture: run.architecture,
                    is_teacher: run.is_teacher,
                    is_imported: matches!(
                        run.spec,
                        RunSpec::Evaluate(EvaluateSpec { model: ModelRef::Imported(_), .. })
                    ),
                    seed: run.spec.seed(),
                },
                experiment: Some((experiment, spec.title.clone())),
                dataset: run.spec.dataset().name.clone(),
                device: spec.device.to_string(),
                state,
                cause: (state == RunState::Queued)
                    .then(|| run.needs.first().map(|n| format!("Waits for run {}.", 100 * experiment + *n as i64 + 1)))
                    .flatten(),
                since: at(4 * i.min(50)),
                progress: (state == RunState::Running).then_some(Progress {
                    stage: if is_evaluation { Stage::Evaluate } else { Stage::Train },
                    epoch: if is_evaluation { 0 } else { 149 },
                    epochs: if is_evaluation { 0 } else { 200 },
                    done: 0.745,
                    seconds_left: Some(4_320.0),
                }),
                seconds: (done || state == RunState::Running).then_some(61.0 * (i + 1) as f64),
                scores: if is_evaluation && done {
                    scores(spec, run.method, run.architecture, run.spec.seed())
                } else {
                    vec![]
                },
                checks: vec![],
                last_natural: (!is_evaluation && state != RunState::Queued)
                    .then(|| natural(run.method, run.architecture)),
            }
        })
        .collect()
}

fn natural(method: MethodName, architecture: Architecture) -> f64 {
    let base = match method {
        MethodName::Natural => 93.1,
        MethodName::PgdAt | MethodName::Trades => 82.1,
        MethodName::Kd | MethodName::KdAft => 81.9,
        MethodName::Ard | MethodName::ArdAft => 80.0,
        MethodName::Gacd => 84.9,
        MethodName::GacdAft => 83.3,
    };
    base - if architecture == Architecture::ResNet8 { 3.1 } else { 0.0 }
}

fn scores(spec: &ExperimentSpec, method: MethodName, architecture: Architecture, seed: u64) -> Vec<Score> {
    let n = if spec.budget == Budget::Smoke { 1_000 } else { 10_000 };
    let shift = [0.0, 0.21, -0.17, 0.4][seed as usize % 4];
    let robust = match method {
        MethodName::Natural => 0.3,
        MethodName::Kd | MethodName::KdAft => 40.8,
        MethodName::Ard | MethodName::ArdAft => 51.6,
        MethodName::Gacd => 42.6,
        MethodName::GacdAft => 52.9,
        MethodName::PgdAt | MethodName::Trades => 51.1,
    };
    let score = |attack: Option<Attack>, percent: f64| Score {
        attack,
        accuracy: Accuracy { correct: (percent / 100.0 * n as f64).round() as usize, n },
    };
    let mut list = vec![score(None, natural(method, architecture) + shift)];
    for attack in &spec.attacks {
        let ease = match attack {
            Attack::Pgd { steps, .. } => 2.0 / *steps as f64,
            _ => 5.3,
        };
        list.push(score(Some(attack.clone()), robust + ease - shift));
    }
    list
}

/// Curves of the trainings among `runs`.
pub fn curves(runs: &[RunRow]) -> Vec<RunCurves> {
    let trainings = runs.iter().filter(|r| r.label.is_training() && r.last_natural.is_some());
    trainings.map(|run| curve(run, 200)).collect()
}

pub fn curve(run: &RunRow, epochs: usize) -> RunCurves {
    let gacd = matches!(run.label.method, MethodName::Gacd | MethodName::GacdAft);
    let total = if gacd { epochs + epochs / 2 } else { epochs };
    let last = if run.state == RunState::Running { (total * 3).div_ceil(4) } else { total };
    let end = natural(run.label.method, run.label.architecture);
    let points = |value: &dyn Fn(f64, Stage) -> f64| {
        (1..=last)
            .map(|epoch| {
                let stage = if epoch > epochs { Stage::Finetune } else { Stage::Train };
                let wave = (epoch as f64 * 1.7 + run.label.seed as f64).sin();
                CurvePoint { stage, epoch, value: value(epoch as f64 / epochs as f64, stage) * (1.0 + 0.002 * wave) }
            })
            .collect()
    };
    let loss = points(&|share, stage| {
        let scale = if gacd && stage == Stage::Train { 9.0 } else { 1.4 };
        scale * (0.4 + (-4.0 * share).exp()) - end / 300.0
    });
    let natural = points(&|share, _| end - 55.0 * (-5.0 * share).exp());
    RunCurves {
        values: [(Quantity::TrainLoss, loss), (Quantity::NaturalAccuracy, natural)].into(),
        wall_time: (1..=last).map(|epoch| (epoch, 31.2 * epoch as f64)).collect(),
        ..RunCurves::new(run.label.clone(), Some(total))
    }
}

pub fn comparison(spec: ExperimentSpec, finished: usize) -> ComparisonPage {
    let runs = runs(&spec, 1, finished);
    ComparisonPage {
        frame: frame(),
        id: 1,
        images: if spec.budget == Budget::Smoke { (4_000, 1_000) } else { (50_000, 10_000) },
        launched: at(0),
        curves: curves(&runs),
        runs,
        seconds_left: Some(32_400.0),
        clone_href: "/experiments/new?title=Demo&students=resnet8".into(),
        spec,
        with: vec![],
        analyses: vec![],
        shares: vec![],
        configs: HashMap::new(),
        confusion: None,
        analysed: vec![AnalysedOption {
            value: "run:101".into(),
            words: "PGD-AT · ResNet-8 · seed 1".into(),
            is_chosen: true,
        }],
        classes: CLASSES.map(String::from).to_vec(),
        view: ComparisonView::default(),
        right: HashMap::new(),
        others: vec![(7, "Another comparison".into())],
    }
}

/// The demo with masking checks, of which one model's warn.
pub fn comparison_with_maskings() -> ComparisonPage {
    let spec = ExperimentSpec { masking_images: Some(100), ..ExperimentSpec::demo() };
    let mut page = comparison(spec, 11);
    let checked = page.runs.iter_mut().filter(|r| r.label.kind == RunKind::Masking && r.state == RunState::Finished);
    for (i, run) in checked.enumerate() {
        run.checks = run_pages::checks(i == 1);
    }
    page
}

/// The demo with a failed student and those that follow from it.
pub fn failing() -> ComparisonPage {
    let mut page = comparison(ExperimentSpec::demo(), 4);
    let [training, evaluation] = &mut page.runs[4..6] else { panic!("ARD stands here") };
    training.state = RunState::Failed;
    training.cause = Some("The device ran out of memory in epoch 2: use a smaller batch, or another device.".into());
    evaluation.state = RunState::Failed;
    evaluation.cause = Some(format!("Run {} failed, and this run needs its model.", training.label.id));
    page.runs[6].state = RunState::Running;
    page.runs[6].cause = None;
    page.runs[6].progress =
        Some(Progress { stage: Stage::Finetune, epoch: 7, epochs: 8, done: 0.86, seconds_left: Some(41.0) });
    page.runs[6].last_natural = Some(61.3);
    page.curves = page.runs.iter().filter(|r| r.last_natural.is_some()).map(|r| curve(r, 5)).collect();
    page
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
        ended: runs.iter().rev().filter(|r| r.state.is_over()).take(5).cloned().collect(),
        comparisons: vec![summary(3, large(), 30), summary(2, ExperimentSpec::demo(), 8), failed],
        disk_free: Some(412_000_000_000),
        disk_used: Some(18_200_000_000),
        demo_seconds: Some(240.0),
    }
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
        comparisons: overview().comparisons,
        older: Some("/experiments?before=1".into()),
        newer: None,
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
        bytes: Some(44_700_000),
        origin: "run 12".into(),
        since: at(3),
        download: "/runs/12/model.safetensors".into(),
    };
    let gone = ModelRow { name: "KD · ResNet-8 · seed 1".into(), bytes: None, ..trained.clone() };
    ModelsPage {
        frame: frame(),
        form: ImportForm { architecture: "resnet18".into(), ..ImportForm::default() },
        problems: vec![],
        datasets: vec!["fashion-mnist-5k".into(), "cifar10".into()],
        imported: vec![model().model],
        total_imported: 1,
        trained: vec![trained, gone],
        total_trained: 84,
        older: Some("/models?before=12".into()),
        newer: None,
    }
}

pub fn import_with_faults() -> ModelsPage {
    let form = ImportForm { title: HOSTILE.into(), architecture: "wrn-16-2".into(), classes: HOSTILE.into() };
    ModelsPage { form, problems: vec![Problem::new("file", HOSTILE)], ..models() }
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
            bytes: Some(44_700_000),
            origin: "epoch=199.t7".into(),
            since: at(9),
            download: "/models/3/model.safetensors".into(),
        },
        parameters: 11_173_962,
        classes: vec!["airplane".into(), "automobile".into(), "bird".into()],
        notes: vec!["The weights were taken from net.".into()],
        teach: Some("/experiments/new?teacher=model%3A3".into()),
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
            method: MethodName::PgdAt,
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
        sheet: SampleSheet { columns: 10, side: 32, pitch: 34 },
        downloads: vec![Download { name: "stl10".into(), title: "STL-10".into(), bytes: 2_640_397_119 }],
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
        ("new", form().render().unwrap()),
        ("new-faults", form_with_faults().render().unwrap()),
        ("runs", run_list().render().unwrap()),
        ("datasets", datasets().render().unwrap()),
        ("run", run(RunState::Running).render().unwrap()),
        ("run-failed", run(RunState::Failed).render().unwrap()),
        ("run-evaluation", evaluation().render().unwrap()),
        ("run-masking", masking().render().unwrap()),
        ("comparison-masking", comparison_with_maskings().render().unwrap()),
        ("models", models().render().unwrap()),
        ("models-faults", import_with_faults().render().unwrap()),
        ("model", model().render().unwrap()),
        ("error", error().render().unwrap()),
    ]
}
