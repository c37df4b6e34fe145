//! `retort bench compare`: Retort and its peers side by side, one after the other on the same machine.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};
use clap::Args;
use retort_engine::{bench, device};
use retort_spec::Architecture;
use serde_json::Value;

use super::median;

/// The peers' sides of the comparison.
const TORCH: &str = include_str!("../../../../../tools/peers/torch_peer.py");
const TSNE: &str = include_str!("../../../../../tools/peers/tsne_peer.py");

/// Points and dimensions of the t-SNE map.
const FEATURES: (usize, usize) = (2000, 512);
const MODELS: [Architecture; 4] =
    [Architecture::ResNet8, Architecture::ResNet18, Architecture::Wrn16x2, Architecture::MobileNetV2];

/// How to compare.
#[derive(Args, Debug)]
pub struct CompareArgs {
    /// The Python that has the peers
    #[arg(long, env = "RETORT_PYTHON", value_name = "FILE", default_value = "python3")]
    python: PathBuf,

    /// Times that each side is started, in turn; the table shows medians
    #[arg(long, default_value_t = 5)]
    rounds: usize,

    /// Threads of each side [default: one a core]
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    threads: usize,

    /// Only the work whose line in the table contains this text
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    only: String,

    /// Measure PyTorch's other modes too: channels-last, compiled, and both. Compiling takes minutes
    #[arg(long)]
    modes: bool,
}

/// One line of the table.
struct Work {
    title: String,
    /// What both sides are asked for.
    arguments: Vec<String>,
    peer: Peer,
    /// Times that a side does it when it is started, beside those that are not counted.
    runs: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Peer {
    Torch,
    /// PyTorch without modes: there is no model to compile.
    TorchEager,
    /// The same with the authors' code of AutoAttack.
    TorchAttacks,
    OpenTsne,
}

/// PyTorch's modes beside the eager one.
const MODES: [&[&str]; 3] = [&["--channels-last"], &["--compile"], &["--channels-last", "--compile"]];

/// Measures and prints the table.
///
/// # Errors
/// When a measurement fails; one in a mode that this machine cannot compile is left out.
pub fn compare(args: &CompareArgs) -> Result<()> {
    if args.rounds == 0 {
        bail!("--rounds must be at least 1: nothing would be measured");
    }
    let dir = tempfile::tempdir().context("making a temporary folder")?;
    let features = dir.path().join("features.npy");
    bench::write_npy(&features, &bench::sample_features(FEATURES.0, FEATURES.1)?)?;
    let scripts = [("torch_peer.py", TORCH), ("tsne_peer.py", TSNE)].map(|(name, text)| (dir.path().join(name), text));
    for (path, text) in &scripts {
        std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    let threads = if args.threads == 0 { device::threads() } else { args.threads }.to_string();
    let has = |module: &str| python(&args.python, &["-c", &format!("import {module}")]).is_ok();
    let (torch, attacks, opentsne) = (has("torch"), has("torchattacks"), has("openTSNE, sklearn"));
    say!("| work, {threads} threads | Retort | peer | ratio |{}", if args.modes { " best mode | ratio |" } else { "" });
    say!("|---|---|---|---|{}", if args.modes { "---|---|" } else { "" });
    for work in works(&features) {
        if !work.title.contains(&args.only) {
            continue;
        }
        let found = match work.peer {
            Peer::OpenTsne => opentsne,
            Peer::TorchAttacks => attacks,
            _ => torch,
        };
        let script = &scripts[usize::from(work.peer == Peer::OpenTsne)].0;
        let sides = Sides { args, work: &work, script, threads: &threads };
        say!("{}", sides.line(found)?);
    }
    if !torch {
        complain!("{} has no torch: name another Python with --python, or `pip install torch`", args.python.display());
    }
    if torch && !attacks {
        complain!("{} has no torchattacks: `pip install torchattacks`", args.python.display());
    }
    if !opentsne {
        complain!("{} has no openTSNE: `pip install openTSNE scikit-learn`", args.python.display());
    }
    Ok(())
}

fn works(features: &Path) -> Vec<Work> {
    let mut works = Vec::new();
    // An evaluation is twenty steps long already.
    let networks = [("train", "1", "training, one PGD step", "3"), ("eval", "20", "PGD-20 evaluation", "1")];
    for (work, steps, title, runs) in networks {
        for model in MODELS {
            let arguments = [work, "--model", model.id(), "--batch", "32", "--pgd-steps", steps];
            works.push(Work {
                title: format!("{model} {title}, batch 32, images/s"),
                arguments: arguments.map(str::to_owned).to_vec(),
                peer: Peer::Torch,
                runs,
            });
        }
    }
    for model in [Architecture::ResNet8, Architecture::ResNet18] {
        let arguments = ["autoattack", "--model", model.id(), "--batch", "32", "--pgd-steps", "5"];
        works.push(Work {
            title: format!("{model} AutoAttack of a twentieth, batch 32, images/s"),
            arguments: arguments.map(str::to_owned).to_vec(),
            peer: Peer::TorchAttacks,
            runs: "1",
        });
    }
    let nce = ["nce", "--batch", "64", "--negatives", "16384", "--bank", "50000", "--dim", "128"];
    works.push(Work {
        title: "contrast, 64 anchors, 16,384 negatives, bank 50,000 × 128, anchors/s".into(),
        arguments: nce.map(str::to_owned).to_vec(),
        peer: Peer::TorchEager,
        runs: "3",
    });
    works.push(Work {
        title: format!("t-SNE, {} × {}, points/s", FEATURES.0, FEATURES.1),
        arguments: vec!["tsne".into(), features.display().to_string()],
        peer: Peer::OpenTsne,
        runs: "1",
    });
    works
}

/// The two sides of a line.
struct Sides<'a> {
    args: &'a CompareArgs,
    work: &'a Work,
    script: &'a Path,
    threads: &'a str,
}

impl Sides<'_> {
    /// Measures both sides in turn; the line of the table.
    fn line(&self, with_peer: bool) -> Result<String> {
        let modes: &[&[&str]] = if self.args.modes && self.work.peer == Peer::Torch { &MODES } else { &[] };
        let (mut own, mut eager, mut others) = (Vec::new(), Vec::new(), vec![Vec::new(); modes.len()]);
        for round in 1..=self.args.rounds {
            complain!("{}: round {round} of {}", self.work.title, self.args.rounds);
            own.push(self.own()?);
            if !with_peer {
                continue;
            }
            eager.push(self.peer(&[])?);
            for (mode, rates) in modes.iter().zip(&mut others) {
                // A mode that this machine cannot compile is none.
                rates.extend(self.peer(mode).ok());
            }
        }
        let own = median(&own);
        let eager = (!eager.is_empty()).then(|| median(&eager));
        let best = others.iter().filter(|o| !o.is_empty()).map(|o| median(o)).fold(eager, |m, v| m.map(|m| m.max(v)));
        let mut cells = vec![self.work.title.clone(), rate(own)];
        for peer in [eager].into_iter().chain(self.args.modes.then_some(best)) {
            cells.push(peer.map_or("–".into(), rate));
            cells.push(peer.map_or("–".into(), |peer| format!("{:.2}", own / peer)));
        }
        Ok(format!("| {} |", cells.join(" | ")))
    }

    /// Times that are not counted. A t-SNE map and AutoAttack are long, and done once: what begins slowly is lost in them.
    fn warmup(&self) -> &'static str {
        if matches!(self.work.peer, Peer::OpenTsne | Peer::TorchAttacks) { "0" } else { "1" }
    }

    /// Items a second of this program.
    fn own(&self) -> Result<f64> {
        let program = std::env::current_exe().context("finding this program")?;
        let mut command = Command::new(program);
        command.arg("bench").args(&self.work.arguments).args([
            "--warmup",
            self.warmup(),
            "--threads",
            self.threads,
            "--runs",
            self.work.runs,
        ]);
        items_per_second(&output(&mut command)?)
    }

    /// Items a second of the peer in a mode.
    fn peer(&self, mode: &[&str]) -> Result<f64> {
        let mut arguments: Vec<&str> = vec![self.script.to_str().context("the temporary folder's name is no text")?];
        let own = self.work.arguments.iter().map(String::as_str);
        if self.work.peer == Peer::OpenTsne {
            arguments.extend(own.skip(1));
            arguments.extend(["--threads", self.threads]);
        } else {
            arguments.extend(own);
            arguments.extend(["--threads", self.threads, "--runs", self.work.runs]);
            // A compiled model compiles once more in its second step.
            arguments.extend(["--warmup", if mode.contains(&"--compile") { "2" } else { self.warmup() }]);
            arguments.extend(mode);
        }
        items_per_second(&python(&self.args.python, &arguments)?)
    }
}

fn rate(value: f64) -> String {
    if value < 100.0 { format!("{value:.2}") } else { format!("{value:.0}") }
}

fn python(program: &Path, arguments: &[&str]) -> Result<String> {
    output(Command::new(program).args(arguments))
}

/// What a command prints, if it succeeds.
fn output(command: &mut Command) -> Result<String> {
    let done = command.stdin(Stdio::null()).output().with_context(|| format!("starting {command:?}"))?;
    if !done.status.success() {
        let error = String::from_utf8_lossy(&done.stderr);
        bail!("{command:?} failed: {}", error.lines().last().unwrap_or("it said nothing"));
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

/// The rate that a benchmark's last line tells: `items_per_s`, or its points over its seconds.
fn items_per_second(text: &str) -> Result<f64> {
    let line = text.lines().rev().find(|l| l.starts_with('{')).context("a benchmark printed no figures")?;
    let fields: Value = serde_json::from_str(line).context("a benchmark's figures are no JSON")?;
    let of = |name: &str| fields[name].as_f64();
    of("items_per_s")
        .or_else(|| Some(of("n")? / of("seconds")?))
        .with_context(|| format!("a benchmark's figures lack items_per_s: {line}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_from_both_kinds_of_lines() {
        assert_eq!(items_per_second("warning\n{\"items_per_s\": 12.5, \"seconds\": [1.0]}\n").unwrap(), 12.5);
        assert_eq!(items_per_second("{\"n\": 2000, \"seconds\": 4.0}").unwrap(), 500.0);
        assert!(items_per_second("nothing").is_err() && items_per_second("{}").is_err());
    }
}
