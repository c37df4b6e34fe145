//! `retort evaluate`: a model's natural accuracy, and its accuracy under an attack.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;
use retort_engine::{Outcome, RunFolder, data::Library, run_folder};
use retort_spec::{Accuracy, Attack, DatasetChoice, DeviceName, EvaluateSpec, Event, ModelRef, RunSpec};

use super::{data::DataDir, progress::RunProgress, run::stop_flag};

/// What to evaluate, on what, under what.
#[derive(Args, Debug)]
pub struct EvaluateArgs {
    /// The model.safetensors of a run
    #[arg(long, value_name = "FILE")]
    model: PathBuf,

    /// Name of a dataset (see `retort data list`), or the path of a folder of images; its test images are used
    #[arg(long, value_name = "D")]
    dataset: String,

    /// fgsm, or pgd-20 for PGD with 20 steps; ε is 8/255, PGD's step 2/255
    #[arg(long, default_value = "pgd-20", value_parser = attack)]
    attack: Attack,

    /// Use this many test images, equally many of each class [default: all]
    #[arg(long, value_name = "N")]
    limit: Option<usize>,

    /// Seed of the attack's random starts
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,

    /// Device: cpu, or cuda:0 for the first GPU
    #[arg(long, default_value_t = DeviceName::Cpu, value_parser = device)]
    device: DeviceName,

    /// Print one JSON object
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    data: DataDir,
}

fn attack(text: &str) -> Result<Attack, String> {
    text.parse()
}

fn device(text: &str) -> Result<DeviceName, String> {
    text.parse()
}

/// Evaluates and prints both accuracies with their 95 % intervals.
///
/// # Errors
/// When the model or the dataset cannot be used, or Ctrl-C ends it.
pub fn evaluate(args: &EvaluateArgs) -> Result<()> {
    let dataset = DatasetChoice { test_images: args.limit, ..DatasetChoice::all_of(&args.dataset) };
    let spec = RunSpec::Evaluate(EvaluateSpec {
        model: ModelRef::File(args.model.clone()),
        dataset,
        attacks: vec![args.attack.clone()],
        batch_size: 100,
        seed: args.seed,
        device: args.device,
    });
    spec.validate()?;
    let dir = tempfile::tempdir().context("making a temporary folder")?;
    let folder = RunFolder::create(dir.path(), &spec)?;
    let bar = RunProgress::new();
    let (mut natural, mut adversarial) = (None, None);
    let outcome =
        run_folder(&folder, &Library::new(args.data.datasets()), 1, stop_flag()?.as_ref(), &mut |record| match &record
            .event
        {
            Event::Evaluation { attack: None, accuracy } => natural = Some(*accuracy),
            Event::Evaluation { attack: Some(_), accuracy } => adversarial = Some(*accuracy),
            _ => bar.show(record),
        });
    bar.finish();
    let (Outcome::Finished, Some(natural), Some(adversarial)) = (outcome?, natural, adversarial) else {
        bail!("stopped before the end: there is no result")
    };
    if args.json {
        let interval = |accuracy: Accuracy| accuracy.interval().map(|v| (v * 100.0).round() / 100.0);
        let result = serde_json::json!({
            "natural": natural.percent(),
            "natural_interval": interval(natural),
            "adversarial": adversarial.percent(),
            "adversarial_interval": interval(adversarial),
            "n": natural.n,
            "attack": args.attack.id(),
            "eps": args.attack.eps(),
        });
        println!("{result}");
        return Ok(());
    }
    println!("{} images of {}", natural.n, args.dataset);
    let line = |name: &str, accuracy: Accuracy| {
        let [low, high] = accuracy.interval();
        println!("{name:<12} {:6.2} %   95 % interval {low:.2} to {high:.2}", accuracy.percent());
    };
    line("natural", natural);
    line("adversarial", adversarial);
    println!("attack: {}", args.attack.describe());
    Ok(())
}
