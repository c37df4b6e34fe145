//! `retort evaluate`: a model's natural accuracy, and its accuracy under an attack.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use retort_engine::{Outcome, RunFolder, data::Library, run_folder};
use retort_spec::{
    Accuracy, Attack, DatasetChoice, DeviceName, EvaluateSpec, Event, ModelRef, PixelDistance, PublishedModel, RunSpec,
    Variety,
};
use retort_web::{format, words::shown};

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

    /// A model's file of `model_info` from RobustBench, whose published figures are to stand beside these
    #[arg(long, value_name = "FILE")]
    published: Option<PathBuf>,

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
    let published = args.published.as_deref().map(published).transpose()?;
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
        say!("{}", json(natural, &attacked, collapse.as_deref(), published.as_ref()));
        return Ok(());
    }
    say!("{} images of {}", natural.n, args.dataset);
    let name = |attack: &Attack| attack.describe();
    let width = attacked.iter().map(|(attack, ..)| name(attack).chars().count()).chain(["natural".len()]).max();
    let width = width.unwrap_or_default();
    let line = |name: &str, accuracy: Accuracy, published: Option<f64>| {
        let [low, high] = accuracy.interval();
        let difference = |published: f64| format::signed(accuracy.percent() - published);
        let beside = published.map(|figure| format!(", published {figure:.2} % (here {})", difference(figure)));
        let beside = beside.unwrap_or_default();
        say!("{name:<width$} {:6.2} %   95 % interval {low:.2} to {high:.2}{beside}", accuracy.percent());
    };
    line("natural", natural, published.as_ref().map(|model| model.natural));
    for (attack, accuracy, _) in &attacked {
        let beside = published.as_ref().filter(|_| attack.is_auto_attack());
        line(&name(attack), *accuracy, beside.map(|model| model.autoattack));
    }
    if let Some(model) = &published {
        say!("Published: “{}”, {}, ε {}.", shown(&model.id), shown(&model.architecture), shown(&model.eps));
    }
    for (attack, _, unanswered) in attacked.iter().filter(|(.., unanswered)| *unanswered > 0) {
        say!("Under {attack} {unanswered} answers are not finite numbers: they count as wrong.");
    }
    if let Some(collapse) = collapse {
        say!("The model has collapsed: it {collapse}.");
    }
    Ok(())
}

/// The figures that RobustBench publishes in a file.
fn published(file: &Path) -> Result<PublishedModel> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    PublishedModel::from_json(&text).map_err(|fault| anyhow!("{}: {fault}", file.display()))
}

fn json(
    natural: Accuracy,
    attacked: &[(Attack, Accuracy, usize)],
    collapse: Option<&str>,
    published: Option<&PublishedModel>,
) -> serde_json::Value {
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
        "published": published.map(|model| serde_json::json!({
            "name": model.id,
            "natural": model.natural,
            "autoattack": model.autoattack,
        })),
        "attacks": attacked.iter().map(result).collect::<Vec<_>>(),
    })
}
