//! A large comparison with its runs, in several states.

use super::{
    Accuracy, AnalysedOption, Arc, Architecture, Attack, Budget, CLASSES, ComparisonPage, ComparisonView, CurvePoint,
    DatasetChoice, DeviceName, EvaluateSpec, ExperimentSpec, HashMap, MethodName, Metric, ModelRef, Progress,
    RightAnswers, RunCurves, RunKind, RunLabel, RunRow, RunSpec, RunState, Score, Stage, Sweep, TeacherChoice, at,
    frame, run_pages,
};

/// Three seeds, two students, four methods and three attacks on CIFAR-10.
pub fn large() -> ExperimentSpec {
    ExperimentSpec {
        title: "KD, ARD and GACD from one ResNet-18".into(),
        dataset: DatasetChoice::all_of("cifar10"),
        teacher: TeacherChoice::Train(Architecture::ResNet18),
        students: vec![Architecture::ResNet20, Architecture::ResNet8],
        methods: vec![MethodName::KD, MethodName::ARD, MethodName::GACD, MethodName::GACD.fine_tuned()],
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
                    analysis: match &run.spec {
                        RunSpec::Analyse(spec) => Some(spec.analysis.clone()),
                        _ => None,
                    },
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
                    attack: None,
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
    let base = match method.id() {
        "natural" => 93.1,
        "kd" | "kd+aft" => 81.9,
        "ard" | "ard+aft" => 80.0,
        "gacd" => 84.9,
        "gacd+aft" => 83.3,
        _ => 82.1,
    };
    base - if architecture == Architecture::ResNet8 { 3.1 } else { 0.0 }
}

fn scores(spec: &ExperimentSpec, method: MethodName, architecture: Architecture, seed: u64) -> Vec<Score> {
    let n = if spec.budget == Budget::Smoke { 1_000 } else { 10_000 };
    let shift = [0.0, 0.21, -0.17, 0.4][seed as usize % 4];
    let robust = match method.id() {
        "natural" => 0.3,
        "kd" | "kd+aft" => 40.8,
        "ard" | "ard+aft" => 51.6,
        "gacd" => 42.6,
        "gacd+aft" => 52.9,
        _ => 51.1,
    };
    let score = |attack: Option<Attack>, percent: f64| Score {
        attack,
        accuracy: Accuracy { correct: (percent / 100.0 * n as f64).round() as usize, n },
        unanswered: 0,
        standing: Vec::new(),
        variety: None,
    };
    let mut list = vec![score(None, natural(method, architecture) + shift)];
    for attack in &spec.attacks {
        let ease = match attack {
            Attack::Pgd(pgd) => 2.0 / pgd.steps as f64,
            _ => 5.3,
        };
        list.push(score(Some(attack.clone()), robust + ease - shift));
    }
    list
}

/// Answers with which the scores of evaluations agree. Each model errs on some images of its own.
pub fn right(runs: &[RunRow]) -> HashMap<i64, Arc<RightAnswers>> {
    let answers = |run: &RunRow| {
        let under = run.scores.iter().map(|score| {
            let Accuracy { correct, n } = score.accuracy;
            let own = (run.label.id as usize * 37) % 50 * n / 1_000;
            (score.attack.clone(), (0..n).map(|image| (image * 7_919 + own) % n < correct).collect())
        });
        (run.label.id, Arc::new(RightAnswers { images: 1, under: under.collect() }))
    };
    runs.iter().filter(|run| run.label.is_evaluation() && run.state == RunState::Finished).map(answers).collect()
}

/// Curves of the trainings among `runs`.
pub fn curves(runs: &[RunRow]) -> Vec<RunCurves> {
    let trainings = runs.iter().filter(|r| r.label.is_training() && r.last_natural.is_some());
    trainings.map(|run| curve(run, 200)).collect()
}

pub fn curve(run: &RunRow, epochs: usize) -> RunCurves {
    let gacd = [MethodName::GACD, MethodName::GACD.fine_tuned()].contains(&run.label.method);
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
        values: [(Metric::TrainLoss, loss), (Metric::NaturalAccuracy, natural)].into(),
        wall_time: (1..=last).map(|epoch| (epoch, 31.2 * epoch as f64)).collect(),
        ..RunCurves::new(run.label.clone(), Some(total))
    }
}

pub fn comparison(spec: ExperimentSpec, finished: usize) -> ComparisonPage {
    let runs = runs(&spec, 1, finished);
    let right = right(&runs);
    let spec_hashes = runs.iter().map(|run| (run.label.id, format!("{:064x}", run.label.id * 0x9e37_79b9))).collect();
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
        right,
        spec_hashes,
        is_from_bundle: false,
        others: vec![(7, "Another comparison".into())],
    }
}

/// Two seeds of the demo's methods and a sweep, against KD.
pub fn comparison_with_a_baseline() -> ComparisonPage {
    let sweep = Sweep {
        method: MethodName::ARD,
        path: "method.temperature".into(),
        values: ["1", "5", "30"].map(String::from).into(),
    };
    let spec = ExperimentSpec { seeds: vec![1, 2], sweeps: vec![sweep], ..ExperimentSpec::demo() };
    let mut page = comparison(spec, 999);
    page.view.baseline = "kd:resnet8".into();
    page
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
    page.runs[6].progress = Some(Progress {
        stage: Stage::Finetune,
        epoch: 7,
        epochs: 8,
        done: 0.86,
        seconds_left: Some(41.0),
        attack: None,
    });
    page.runs[6].last_natural = Some(61.3);
    page.curves = page.runs.iter().filter(|r| r.last_natural.is_some()).map(|r| curve(r, 5)).collect();
    page
}
