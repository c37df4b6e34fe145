//! `retort evaluate`: a model's natural accuracy, and its accuracy under an attack.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use retort_engine::{Outcome, RunFolder, data::Library, run_folder};
use retort_spec::{
    Accuracy, Attack, DatasetChoice, DeviceName, EvaluateSpec, Event, ModelRef, PixelDistance, RunSpec, Variety,
};

use super::{data_dir::DataDir, out, progress::RunProgress, stop::stop_flag};

/// What to evaluate, on what, under what.
#[derive(Args, Debug)]
pub struct EvaluateArgs {
    /// The model.safetensors of a run
    #[arg(long, value_name = "FILE")]
    model: PathBuf,

    /// Name of a dataset (see `retort data list`), or the path of a folder of images; its test images are used
    #[arg(long, value_name = "D")]
    dataset: String,

    #[arg(long, default_value = "pgd-20", value_parser = attack, value_delimiter = ',', help = attacks_help())]
    attack: Vec<Attack>,

    /// Radius ε of the attacks in pixel units; their steps are in proportion
    #[arg(long, default_value = "8/255", value_parser = distance)]
    eps: PixelDistance,

    /// Show it images made by PGD-20 on this model too; may be given several times
    #[arg(long, value_name = "FILE")]
    surrogate: Vec<PathBuf>,

    /// Keep what was answered to each image in this file (safetensors: labels, and predictions by attack)
    #[arg(long, value_name = "FILE")]
    outcomes: Option<PathBuf>,

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

fn attacks_help() -> String {
    format!("{}; may be given several times, or with commas between", Attack::names())
}

fn attack(text: &str) -> Result<Attack, String> {
    text.parse()
}

fn distance(text: &str) -> Result<PixelDistance, String> {
    text.parse()
}

fn device(text: &str) -> Result<DeviceName, String> {
    text.parse()
}

/// Evaluates and prints the accuracies with their 95 % intervals.
///
/// # Errors
/// When the model or the dataset cannot be used, or Ctrl-C ends it.
pub fn evaluate(args: &EvaluateArgs) -> Result<()> {
    args.outcomes.as_deref().map_or(Ok(()), out::check)?;
    let dataset = DatasetChoice { test_images: args.limit, ..DatasetChoice::all_of(&args.dataset) };
    let of = |file: &PathBuf| Attack::transfer(file.display().to_string(), ModelRef::File(file.clone()));
    let attacks = args.attack.iter().cloned().chain(args.surrogate.iter().map(of));
    let spec = RunSpec::Evaluate(EvaluateSpec {
        model: ModelRef::File(args.model.clone()),
        dataset,
        attacks: attacks.map(|attack| attack.with_eps(args.eps)).collect(),
        batch_size: 100,
        seed: args.seed,
        device: args.device,
    });
    spec.validate()?;
    let dir = tempfile::tempdir().context("making a temporary folder")?;
    let folder = RunFolder::create(dir.path(), &spec)?;
    let bar = RunProgress::new();
    let (mut natural, mut attacked, mut collapse) = (None, Vec::new(), None);
    let outcome =
        run_folder(&folder, &Library::new(args.data.datasets()), 1, stop_flag()?.as_ref(), &mut |record| match &record
            .event
        {
            Event::Evaluation { attack: None, accuracy, variety, .. } => {
                natural = Some(*accuracy);
                collapse = variety.as_ref().and_then(Variety::collapse);
            }
            Event::Evaluation { attack: Some(attack), accuracy, unanswered, .. } => {
                attacked.push((attack.clone(), *accuracy, *unanswered));
            }
            _ => bar.show(record),
        });
    bar.finish();
    let (Outcome::Finished, Some(natural)) = (outcome?, natural) else {
        bail!("stopped before the end: there is no result")
    };
    if let Some(file) = &args.outcomes {
        fs::copy(folder.outcomes(), file).with_context(|| format!("writing {}", file.display()))?;
    }
    if args.json {
        say!("{}", json(natural, &attacked, collapse.as_deref()));
        return Ok(());
    }
    say!("{} images of {}", natural.n, args.dataset);
    let name = |attack: &Attack| attack.describe();
    let width = attacked.iter().map(|(attack, ..)| name(attack).chars().count()).chain(["natural".len()]).max();
    let width = width.unwrap_or_default();
    let line = |name: &str, accuracy: Accuracy| {
        let [low, high] = accuracy.interval();
        say!("{name:<width$} {:6.2} %   95 % interval {low:.2} to {high:.2}", accuracy.percent());
    };
    line("natural", natural);
    for (attack, accuracy, _) in &attacked {
        line(&name(attack), *accuracy);
    }
    for (attack, _, unanswered) in attacked.iter().filter(|(.., unanswered)| *unanswered > 0) {
        say!("Under {attack} {unanswered} answers are not finite numbers: they count as wrong.");
    }
    if let Some(collapse) = collapse {
        say!("The model has collapsed: it {collapse}.");
    }
    Ok(())
}

fn json(natural: Accuracy, attacked: &[(Attack, Accuracy, usize)], collapse: Option<&str>) -> serde_json::Value {
    let interval = |accuracy: Accuracy| accuracy.interval().map(|v| (v * 100.0).round() / 100.0);
    let result = |(attack, accuracy, unanswered): &(Attack, Accuracy, usize)| {
        serde_json::json!({
            "attack": attack.id(),
            "description": attack.describe(),
            "eps": attack.eps(),
            "adversarial": accuracy.percent(),
            "adversarial_interval": interval(*accuracy),
            "unanswered": unanswered,
        })
    };
    serde_json::json!({
        "natural": natural.percent(),
        "natural_interval": interval(natural),
        "n": natural.n,
        "collapse": collapse,
        "attacks": attacked.iter().map(result).collect::<Vec<_>>(),
    })
}
