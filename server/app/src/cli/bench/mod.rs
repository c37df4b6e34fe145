//! `retort bench`: the speed of this machine, by the same flags and in the same fields as the peers that it is compared
//! with.

mod compare;
mod load;
mod pages;

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use retort_engine::{
    analysis,
    bench::{self, Nce, NetworkWork, Repeat},
    device,
    ops::instruction_set,
};
use retort_spec::{Architecture, DeviceName};
use serde_json::{Value, json};

/// What to measure.
#[derive(Debug, Subcommand)]
pub enum BenchCommand {
    /// Training steps: PGD on a batch, then forward, backward and SGD; an item is an image
    Train(NetworkArgs),
    /// Attacks by PGD and their evaluation; an item is an image
    Eval(NetworkArgs),
    /// AutoAttack on images that withstand it, with 50 queries a step; an item is an image
    #[command(name = "autoattack")]
    AutoAttack(NetworkArgs),
    /// GACD's contrast with a memory bank, forward and backward; an item is an anchor
    Nce(NceArgs),
    /// A t-SNE map of features; an item is a point
    Tsne(TsneArgs),
    /// The pages of the server over a database of many runs, as milliseconds at the server
    Pages(pages::PagesArgs),
    /// The server under load: open pages, clients that read and write, and a run that reports without end
    Load(load::LoadArgs),
    /// All of these beside PyTorch and openTSNE, in turn, as a table
    ///
    /// Needs a Python with torch, torchattacks, openTSNE and scikit-learn (`pip install torch torchattacks openTSNE scikit-learn`); without
    /// them there is only our side. The machine should have nothing else to do.
    Compare(compare::CompareArgs),
}

/// The features to map.
#[derive(Args, Debug)]
pub struct TsneArgs {
    /// A NumPy file of float32 numbers, [n, d]
    features: PathBuf,

    /// Neighbours that a point counts as near
    #[arg(long, default_value_t = 30.0)]
    perplexity: f64,

    /// Save the map there, as a NumPy file [n, 2]
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,

    #[command(flatten)]
    common: CommonArgs,
}

/// The contrast's sizes.
#[derive(Args, Debug)]
pub struct NceArgs {
    /// Anchors of a batch
    #[arg(long, default_value_t = 64)]
    batch: usize,

    /// Negatives of each anchor
    #[arg(long, default_value_t = 16_384)]
    negatives: usize,

    /// Rows of the memory bank
    #[arg(long, default_value_t = 50_000)]
    bank: usize,

    /// Length of an embedding
    #[arg(long, default_value_t = 128)]
    dim: usize,

    #[command(flatten)]
    common: CommonArgs,
}

/// A network and its batch.
#[derive(Args, Debug)]
pub struct NetworkArgs {
    /// Architecture
    #[arg(long, default_value_t = Architecture::ResNet18, value_parser = architecture, hide_default_value = true)]
    model: Architecture,

    /// Images of a batch
    #[arg(long, default_value_t = 32)]
    batch: usize,

    /// Steps of PGD, or of AutoAttack; 0 trains on natural images
    #[arg(long, default_value_t = 1)]
    pgd_steps: usize,

    #[command(flatten)]
    common: CommonArgs,
}

/// How it is measured.
#[derive(Args, Debug)]
struct CommonArgs {
    /// Threads [default: one a core]
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    threads: usize,

    /// Device: cpu, or cuda:0 for the first GPU
    #[arg(long, default_value_t = DeviceName::Cpu, value_parser = device)]
    device: DeviceName,

    /// Times that are not counted
    #[arg(long, default_value_t = 1)]
    warmup: usize,

    /// Times that are
    #[arg(long, default_value_t = 5)]
    runs: usize,
}

fn architecture(text: &str) -> Result<Architecture, String> {
    text.parse()
}

fn device(text: &str) -> Result<DeviceName, String> {
    text.parse()
}

/// Measures and prints one line of JSON.
///
/// # Errors
/// When nothing is to be measured, or the device cannot be used.
pub fn bench(command: BenchCommand) -> Result<()> {
    match command {
        BenchCommand::Train(args) => network("train", &args, bench::train),
        BenchCommand::Eval(args) => network("eval", &args, bench::eval),
        BenchCommand::AutoAttack(args) => network("autoattack", &args, bench::auto_attack),
        BenchCommand::Nce(args) => nce(&args),
        BenchCommand::Tsne(args) => tsne(&args),
        BenchCommand::Pages(args) => pages::pages(&args),
        BenchCommand::Load(args) => load::load(&args),
        BenchCommand::Compare(args) => compare::compare(&args),
    }
}

type NetworkBench = fn(NetworkWork, Repeat, &device::Device) -> retort_engine::Result<Vec<f64>>;

fn network(work: &str, args: &NetworkArgs, run: NetworkBench) -> Result<()> {
    let (device, repeat) = args.common.prepare(args.batch)?;
    let of = NetworkWork { architecture: args.model, batch: args.batch, pgd_steps: args.pgd_steps };
    let seconds = run(of, repeat, &device)?;
    let fields = json!({ "work": work, "model": args.model.id(), "batch": args.batch, "pgd_steps": args.pgd_steps });
    print(fields, args.batch, &seconds);
    Ok(())
}

fn nce(args: &NceArgs) -> Result<()> {
    let &NceArgs { batch, negatives, bank, dim, ref common } = args;
    let (device, repeat) = common.prepare(batch)?;
    if bank < batch || dim == 0 || negatives == 0 {
        bail!("the bank must have a row for each of the {batch} anchors; --dim and --negatives must be at least 1");
    }
    let seconds = bench::nce(Nce { batch, negatives, bank, dim }, repeat, &device)?;
    let fields = json!({ "work": "nce", "batch": batch, "negatives": negatives, "bank": bank, "dim": dim });
    print(fields, batch, &seconds);
    Ok(())
}

fn tsne(args: &TsneArgs) -> Result<()> {
    let (device, repeat) = args.common.prepare(1)?;
    if !device.is_cpu() {
        bail!("t-SNE is computed on the CPU only");
    }
    let features = bench::read_npy(&args.features)?;
    if features.dims()[0] <= 2 * TRUSTED_NEIGHBOURS {
        bail!(
            "{} has {} points: more than {} are wanted",
            args.features.display(),
            features.dims()[0],
            2 * TRUSTED_NEIGHBOURS
        );
    }
    let (seconds, map) = bench::tsne(&features, args.perplexity, repeat)?;
    let trust = analysis::trustworthiness(&features, &map.points, TRUSTED_NEIGHBOURS).map_err(anyhow::Error::msg)?;
    if let Some(path) = &args.save {
        bench::write_npy(path, &map.matrix().map_err(anyhow::Error::msg)?)?;
    }
    let (n, d) = (map.points.len(), features.elem_count() / map.points.len());
    let fields =
        json!({ "work": "tsne", "n": n, "d": d, "kl": rounded(map.kl, 4), "trustworthiness": rounded(trust, 4) });
    print(fields, n, &seconds);
    Ok(())
}

/// Neighbours that the trustworthiness of a map is about.
const TRUSTED_NEIGHBOURS: usize = 12;

impl CommonArgs {
    /// Sets the threads; opens the device.
    fn prepare(&self, batch: usize) -> Result<(device::Device, Repeat)> {
        if self.runs == 0 || batch == 0 {
            bail!("--runs and --batch must be at least 1: nothing would be measured");
        }
        device::use_threads(self.threads).map_err(anyhow::Error::msg)?;
        let (device, note) = device::open(self.device);
        if let Some(note) = note {
            bail!("{note}");
        }
        Ok((device, Repeat { warmup: self.warmup, runs: self.runs }))
    }
}

/// Prints the measured line: `fields`, and those that all kinds of work have.
fn print(mut fields: Value, items: usize, seconds: &[f64]) {
    fields["threads"] = device::threads().into();
    fields["retort"] = env!("CARGO_PKG_VERSION").into();
    fields["simd"] = instruction_set().into();
    fields["items_per_s"] = rounded(items as f64 / median(seconds), 3).into();
    fields["seconds"] = seconds.iter().map(|s| rounded(*s, 4)).collect();
    say!("{fields}");
}

fn rounded(value: f64, digits: i32) -> f64 {
    (value * 10f64.powi(digits)).round() / 10f64.powi(digits)
}

/// The middle of the values; of an even number of them, the mean of the two middle ones.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) }
}
