//! `retort bundle` and `retort confirm`: figures that others can compute again.

use std::{fs, path::PathBuf, sync::atomic::AtomicBool};

use anyhow::{Context, Result, bail};
use clap::Args;
use retort_engine::{Outcome, RunFolder, data::Library, run_folder};
use retort_spec::{Agreement, Attack, Confirmation, EvaluateSpec, ModelRef, RunSpec};
use retort_store::Store;
use retort_web::{format, pages::same_verdicts, words::shown};

use super::{
    data_dir::DataDir, out, progress::RunProgress, run::unfinished_attempts, serve::block_on, stop::stop_flag,
};
use crate::{
    bundle::{self, BundledRun, Of, Opened},
    data_folder::Places,
    live::Live,
    machine::Machine,
    scheduler::Control,
};

/// What to bundle, and where to.
#[derive(Args, Debug)]
pub struct BundleArgs {
    /// experiment:3 for all finished evaluations of an experiment, or run:12 for an evaluation or those of a training's model
    #[arg(value_name = "WHAT")]
    of: Of,

    /// File to write, which must not be there yet; a tar archive
    #[arg(value_name = "FILE")]
    file: PathBuf,

    #[command(flatten)]
    data: DataDir,
}

/// What to confirm, and on what.
#[derive(Args, Debug)]
pub struct ConfirmArgs {
    /// The bundle
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Keep what is computed in this folder, so that a confirmation that was stopped goes on
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Print one JSON object
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    data: DataDir,
}

/// Writes a bundle.
///
/// # Errors
/// When there is nothing to bundle, the file is there, or the disk refuses.
pub fn bundle(args: &BundleArgs) -> Result<()> {
    out::check(&args.file)?;
    if args.file.exists() {
        bail!("{} is there already: name another file", args.file.display());
    }
    let places = Places::at(args.data.root());
    if !places.database().is_file() {
        bail!("{} holds no data of Retort: name the folder with --data", places.root().display());
    }
    block_on(async {
        // A server may be writing to the database: what is bundled is what it says at this moment.
        let copy = tempfile::tempdir().context("making a temporary folder")?;
        let database = copy.path().join("retort.db");
        Store::copy(&places.database(), &database).await.context("copying the database")?;
        let store = Store::open(&database).await?;
        let control = Control::new(store.clone(), Live::new(), &places.runs(), &places.models());
        let machine = Machine::explore(places.datasets());
        let made = bundle::make(&store, &control, &machine, args.of, &args.file).await?;
        let evaluations = format::plural(made.evaluations, "evaluation", "evaluations");
        say!("{} holds {evaluations}, {}.", args.file.display(), format::bytes(made.bytes));
        if made.left_out > 0 {
            say!("{} not in it: they have not finished.", format::plural(made.left_out, "other is", "others are"));
        }
        Ok(())
    })
}

/// Evaluates a bundle again and prints each figure with what was found.
///
/// # Errors
/// When the bundle or a dataset cannot be used, Ctrl-C ends it, or a figure is not confirmed.
pub fn confirm(args: &ConfirmArgs) -> Result<()> {
    let temporary = tempfile::tempdir().context("making a temporary folder")?;
    let out = args.out.as_deref().unwrap_or(temporary.path());
    fs::create_dir_all(out).with_context(|| format!("cannot write {}", out.display()))?;
    let out = out.canonicalize()?;
    let beside = tempfile::Builder::new().prefix(".bundle-").tempdir_in(&out);
    let beside = beside.with_context(|| format!("cannot write to {}", out.display()))?;
    let opened = bundle::open(&args.file, beside.path()).with_context(|| args.file.display().to_string())?;
    // What was computed of another bundle is nothing of this one.
    let work = out.join(&opened.hash()?[..16]);
    let unpacked = work.join("bundle");
    if unpacked.join("bundle.json").is_file() {
        fs::remove_dir_all(&unpacked).with_context(|| format!("cannot replace {}", unpacked.display()))?;
    }
    fs::create_dir_all(&work).with_context(|| format!("cannot write {}", work.display()))?;
    fs::rename(beside.path(), &unpacked).with_context(|| format!("cannot write {}", unpacked.display()))?;
    let opened = Opened::at(unpacked)?;
    let machine = Machine::explore(args.data.datasets());
    let weights = |model: &ModelRef| opened.weights(model).map(ModelRef::File);
    let specs = block_on(bundle::datasets_here(&opened.manifest, &machine))
        .and_then(|names| bundle::evaluations_here(&opened.manifest, &machine, &names, &weights))
        .with_context(|| format!("{} cannot be confirmed here", args.file.display()))?;
    let mut found = Vec::new();
    let stop = stop_flag()?;
    for (run, spec) in opened.manifest.evaluations().zip(specs) {
        let folder = RunFolder::at(work.join(format!("run-{}", run.id)));
        let seed = spec.seed;
        if !evaluate(&folder, spec, &machine.library(), stop.as_ref())? {
            bail!("stopped before the end: with --out the same command goes on");
        }
        found.push((run, seed, bundle::confirmations(&opened, run, &folder.outcomes())?));
    }
    if args.json {
        say!("{}", json(&opened, &found));
    } else {
        table(&opened, &found);
    }
    let (figures, not) = (all(&found).count(), count(&found, Agreement::Not));
    match not {
        0 => Ok(()),
        n => bail!("{n} of {} not confirmed", format::plural(figures, "figure is", "figures are")),
    }
}

/// Evaluates in a folder, from where it was left; false where Ctrl-C ended it.
fn evaluate(folder: &RunFolder, spec: EvaluateSpec, library: &Library, stop: &AtomicBool) -> Result<bool> {
    let spec = RunSpec::Evaluate(spec);
    let Some(attempts) = unfinished_attempts(folder, &spec)? else { return Ok(true) };
    if attempts == 0 {
        RunFolder::create(folder.dir(), &spec)?;
    }
    let bar = RunProgress::new();
    let outcome = run_folder(folder, library, attempts + 1, stop, &mut |record| bar.show(record));
    bar.finish();
    Ok(outcome? == Outcome::Finished)
}

type Found<'a> = (&'a BundledRun, u64, Vec<Confirmation>);

fn all<'a>(found: &'a [Found]) -> impl Iterator<Item = &'a Confirmation> {
    found.iter().flat_map(|(.., confirmations)| confirmations)
}

fn count(found: &[Found], agreement: Agreement) -> usize {
    all(found).filter(|one| one.agreement() == agreement).count()
}

fn name(attack: Option<&Attack>) -> String {
    attack.map_or_else(|| "natural".into(), Attack::describe)
}

/// How a figure was found again, in words.
fn words(confirmation: &Confirmation) -> String {
    let same = same_verdicts(confirmation);
    match confirmation.agreement() {
        Agreement::ToTheBit => "confirmed to the bit".into(),
        Agreement::Within => format!("confirmed, {same}"),
        Agreement::Not => format!("NOT confirmed, {same}"),
    }
}

fn table(opened: &Opened, found: &[Found]) {
    let manifest = &opened.manifest;
    let title = shown(&manifest.experiment.title);
    say!("“{title}”, bundled by Retort {} at {}", shown(&manifest.version), shown(&manifest.made_at));
    let figures = || found.iter().flat_map(|(run, ..)| &run.figures);
    let width = figures().map(|figure| name(figure.attack.as_ref()).chars().count()).max().unwrap_or_default();
    for (run, seed, confirmations) in found {
        let teacher = if run.is_teacher { "teacher " } else { "" };
        say!("{teacher}{}, seed {seed}, spec {}", run.model(), run.spec_sha256);
        for (figure, confirmation) in run.figures.iter().zip(confirmations) {
            say!(
                "  {:<width$} {:6.2} % reported, {:6.2} % here: {}",
                name(figure.attack.as_ref()),
                confirmation.reported.percent(),
                confirmation.found.percent(),
                words(confirmation)
            );
        }
    }
    let (bit, within) = (count(found, Agreement::ToTheBit), count(found, Agreement::Within));
    say!(
        "{} of {} confirmed, {bit} to the bit.",
        bit + within,
        format::plural(all(found).count(), "figure", "figures")
    );
}

fn json(opened: &Opened, found: &[Found]) -> serde_json::Value {
    let figure = |(figure, confirmation): (&bundle::BundledFigure, &Confirmation)| {
        serde_json::json!({
            "attack": figure.attack.as_ref().map(Attack::id),
            "reported": confirmation.reported.percent(),
            "found": confirmation.found.percent(),
            "n": confirmation.reported.n,
            "same_answers": confirmation.same_answers,
            "same_verdicts": confirmation.same_verdicts,
            "agreement": match confirmation.agreement() {
                Agreement::ToTheBit => "to_the_bit",
                Agreement::Within => "within",
                Agreement::Not => "not",
            },
        })
    };
    let run = |(run, seed, confirmations): &Found| {
        serde_json::json!({
            "run": run.id,
            "model": run.model(),
            "seed": seed,
            "spec_sha256": run.spec_sha256,
            "figures": run.figures.iter().zip(confirmations).map(figure).collect::<Vec<_>>(),
        })
    };
    serde_json::json!({
        "title": opened.manifest.experiment.title,
        "made_at": opened.manifest.made_at,
        "version": opened.manifest.version,
        "runs": found.iter().map(run).collect::<Vec<_>>(),
    })
}
