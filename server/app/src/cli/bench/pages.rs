//! `retort bench pages`: how long the server takes to make its pages over a database of many runs.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use anyhow::{Context, Result, bail};
use axum::{Router, body::Body, http::Request};
use clap::Args;
use indicatif::ProgressBar;
use retort_engine::{
    Outcomes, RunFolder,
    rng::{Purpose, Stream},
};
use retort_spec::{
    Accuracy, Architecture, Attack, DeviceName, EvaluateSpec, Event, ExperimentSpec, MethodName, Metric, Record,
    RunSpec, RunState, Stage, TeacherChoice,
};
use retort_store::Store;
use serde_json::{Value, json};
use tokio::sync::watch;
use tower::ServiceExt;

use crate::{
    data_folder::DataFolder,
    http::{self, App},
    live::Live,
    scheduler::Control,
};

/// How large a database, and how often each page is asked for.
#[derive(Args, Debug)]
pub struct PagesArgs {
    /// Experiments of 20 runs: a teacher, nine students, and an evaluation of each
    #[arg(long, default_value_t = 500)]
    experiments: usize,

    /// Figures of epochs in all
    #[arg(long, default_value_t = 10_000_000)]
    points: usize,

    /// How often each page is asked for
    #[arg(long, default_value_t = 200)]
    pub(super) times: usize,

    /// Keep the database in this folder, and use one that is there
    #[arg(long, value_name = "DIR")]
    pub(super) data: Option<PathBuf>,
}

/// Figures that an epoch reports; the store adds its time.
const FIGURES: [Metric; 4] = [Metric::TrainLoss, Metric::TrainAccuracy, Metric::NaturalAccuracy, Metric::LearningRate];
/// Trainings of an experiment.
const TRAININGS: usize = 10;

/// Fills a database unless it is there, asks for every page many times, and prints the times as one JSON object.
///
/// # Errors
/// When the disk or the database refuses, or a page is not made.
pub fn pages(args: &PagesArgs) -> Result<()> {
    let temporary = tempfile::tempdir().context("making a temporary folder")?;
    let folder = args.data.as_deref().unwrap_or(temporary.path());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("starting the server")?;
    let figures = runtime.block_on(measure(args, folder))?;
    say!("{figures}");
    Ok(())
}

async fn measure(args: &PagesArgs, folder: &Path) -> Result<Value> {
    let data = DataFolder::open(folder)?;
    let store = Store::open(&data.database()).await?;
    let control = Control::new(store.clone(), Live::new(), &data.runs(), &data.models());
    let experiments = filled(args, &store, &control).await?;
    let counts = store.state_counts().await?;
    let (_stop, stopping) = watch::channel(false);
    // Here every page is drawn.
    let drawn = http::Drawn::for_at_most(std::time::Duration::ZERO);
    let router = http::router(Arc::new(App { drawn, ..App::over(&data, store, control, stopping)? }));
    let mut draw = Stream::new(1, Purpose::Bench, 0, 0);
    let mut any = |n: u32| 1 + draw.below(n);
    let mut pages = serde_json::Map::new();
    for (name, address) in [
        ("overview", (|_, _| "/".into()) as fn(u32, u32) -> String),
        ("runs", |_, _| "/runs".into()),
        ("runs_deep", |_, run| format!("/runs?before={run}")),
        ("runs_by_method_and_state", |_, run| format!("/runs?method=ard&state=finished&before={run}")),
        ("runs_by_text", |experiment, _| format!("/runs?text=question+{experiment}")),
        ("runs_by_words", |experiment, _| format!("/runs?text=resnet+evaluate+seed+{experiment}")),
        ("runs_by_result", |_, _| "/runs?sort=result".into()),
        ("run", |_, run| format!("/runs/{run}")),
        ("models_by_accuracy", |_, _| "/models?sort=natural".into()),
        ("comparisons", |_, _| "/experiments".into()),
        ("comparisons_by_accuracy", |_, _| "/experiments?sort=adversarial".into()),
        ("comparison_of_20_runs", |experiment, _| format!("/experiments/{experiment}")),
        ("comparison_with_a_baseline", |experiment, _| format!("/experiments/{experiment}?baseline=ard:resnet8")),
    ] {
        let mut times = Vec::with_capacity(args.times);
        let mut bytes = 0;
        // The first answer also reads what the others find in memory; a server that has run for a while has it there.
        for time in 0..=args.times {
            let address = address(any(experiments), any(experiments * 2 * TRAININGS as u32));
            let begin = Instant::now();
            bytes = ask(&router, &address).await?;
            if time > 0 {
                times.push(1e3 * begin.elapsed().as_secs_f64());
            }
        }
        times.sort_by(f64::total_cmp);
        let at = |share: f64| ((times.len() - 1) as f64 * share).round() as usize;
        let shown = |share| times.get(at(share)).map(|ms| (ms * 100.0).round() / 100.0);
        pages.insert(name.into(), json!({ "p50_ms": shown(0.5), "p95_ms": shown(0.95), "bytes": bytes }));
    }
    Ok(json!({
        "what": "pages",
        "runs": counts.total(),
        "experiments": experiments,
        "points": args.points,
        "times": args.times,
        "cores": std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
        "pages": pages,
    }))
}

/// Fills a database unless it is there; returns how many experiments it has.
pub(super) async fn filled(args: &PagesArgs, store: &Store, control: &Control) -> Result<u32> {
    if store.state_counts().await?.total() == 0 {
        fill(args, store, control).await?;
    }
    Ok((store.state_counts().await?.total() / (2 * TRAININGS)).max(1) as u32)
}

/// Asks for a page; returns its length in bytes.
async fn ask(router: &Router, address: &str) -> Result<usize> {
    let request = Request::get(address).header("host", "localhost:7878").body(Body::empty())?;
    let response = router.clone().oneshot(request).await?;
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).await?;
    if !status.is_success() {
        bail!("{address} answered {status}");
    }
    Ok(body.len())
}

/// Experiments with their runs, finished, as a lab leaves them.
async fn fill(args: &PagesArgs, store: &Store, control: &Control) -> Result<()> {
    let epochs = args.points.div_ceil((FIGURES.len() + 1) * TRAININGS * args.experiments.max(1)).max(1);
    let bar = ProgressBar::new(args.experiments as u64).with_message("experiments");
    let mut run = 0;
    for experiment in 1..=args.experiments {
        let spec = ExperimentSpec {
            title: format!("Question {experiment}: nine methods for one student"),
            teacher: TeacherChoice::Train(Architecture::ResNet20),
            methods: MethodName::all().take(TRAININGS - 1).collect(),
            attacks: vec![Attack::pgd(20), Attack::pgd(100)],
            seeds: vec![experiment as u64],
            ..ExperimentSpec::demo()
        };
        let plan = spec.expand();
        let specs: Vec<RunSpec> = plan.iter().map(|run| run.spec.clone()).collect();
        control.launch(&spec, plan).await?;
        for spec in specs {
            run += 1;
            store.change_state(run, RunState::Starting, "started for a measurement").await?;
            let events = events(&spec, run, epochs);
            let records: Vec<Record> = events
                .into_iter()
                .enumerate()
                .map(|(i, event)| Record {
                    at: format!("2026-01-01T{:02}:{:02}:{:02}Z", i / 3_600 % 24, i / 60 % 60, i % 60),
                    attempt: 1,
                    event,
                })
                .collect();
            store.record_journal(run, 0..records.len() as u64, &records).await?;
            if let RunSpec::Evaluate(spec) = &spec {
                let folder = RunFolder::create(control.folder(run).dir(), &RunSpec::Evaluate(spec.clone()))?;
                outcomes(spec, &records).save(&folder.outcomes())?;
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(())
}

/// Test images of an evaluation, and their classes.
const IMAGES: usize = 10_000;
const CLASSES: u8 = 10;

/// What an evaluation answered to each image, with the accuracies that it has reported.
fn outcomes(spec: &EvaluateSpec, records: &[Record]) -> Outcomes {
    let labels: Vec<u8> = (0..IMAGES).map(|image| (image % usize::from(CLASSES)) as u8).collect();
    let answers = |record: &Record| {
        let Event::Evaluation { attack, accuracy, .. } = &record.event else { return None };
        // Every accuracy has its own images, so that two models differ on some.
        let is_right = |image: usize| (image * 7_919 + accuracy.correct) % IMAGES < accuracy.correct;
        let answer = |(image, label): (usize, &u8)| Some(if is_right(image) { *label } else { (label + 1) % CLASSES });
        Some((attack.clone(), labels.iter().enumerate().map(answer).collect()))
    };
    Outcomes {
        classes: (0..CLASSES).map(|class| format!("class {class}")).collect(),
        dataset: spec.dataset.clone(),
        predictions: records.iter().filter_map(answers).collect(),
        found_by: Vec::new(),
        labels,
    }
}

/// What a finished run has reported.
fn events(spec: &RunSpec, run: i64, epochs: usize) -> Vec<Event> {
    let mut draw = Stream::new(run.cast_unsigned(), Purpose::Bench, 1, 0);
    let mut events =
        vec![Event::Started { device: DeviceName::Cpu, threads: 2, version: "0".into(), resumed_epochs: 0 }];
    match spec {
        RunSpec::Evaluate(spec) => {
            let mut correct = 8_500;
            for attack in std::iter::once(None).chain(spec.attacks.iter().cloned().map(Some)) {
                correct -= 1_000 + draw.below(1_000) as usize;
                let accuracy = Accuracy { correct, n: IMAGES };
                events.push(Event::Evaluation { attack, accuracy, unanswered: 0, standing: Vec::new(), variety: None });
            }
        }
        _ => {
            for epoch in 1..=epochs {
                let values = FIGURES.into_iter().map(|metric| (metric, f64::from(draw.uniform(0.1, 90.0)))).collect();
                events.push(Event::Metrics { stage: Stage::Train, epoch, values });
            }
        }
    }
    events.push(Event::Finished { seconds: 100.0 });
    events
}
