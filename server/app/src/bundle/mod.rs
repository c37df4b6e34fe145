//! Bundles: figures with all that is needed to compute them again elsewhere.
//!
//! A bundle is one tar file, uncompressed, as weights are what it is made of: [`MANIFEST`], for each evaluation what was
//! answered to each image (`outcomes/RUN.safetensors`), and the weights that evaluations read (`models/`). The manifest has
//! the specs of the evaluations and of every training that led to their models.

mod answers;
mod file;
mod hash;
mod keep;
mod make;

use std::path::PathBuf;

use retort_spec::{Accuracy, Architecture, Attack, DeviceName, ExperimentSpec, MethodName, ModelRef, RunSpec, Variant};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::{
    answers::confirmations,
    file::{CheckedModel, Opened, open},
    hash::{Hashes, ModelHashes, SpecHash},
    keep::{datasets_here, evaluations_here, keep, opened_here},
    make::{Of, make},
};

/// The file in a bundle that says what is in it.
const MANIFEST: &str = "bundle.json";
/// The form of bundles that this version writes, and the only one that it reads.
const FORMAT: u32 = 1;

/// What a bundle holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Manifest {
    /// The form of the bundle.
    pub format: u32,
    /// The version of Retort that made it.
    pub version: String,
    /// When, in UTC.
    pub made_at: String,
    /// The machine on which it was made.
    pub machine: MachineNote,
    /// The question whose answers are in it.
    pub experiment: ExperimentSpec,
    /// The datasets of its runs.
    pub datasets: Vec<BundledDataset>,
    /// The weights in it.
    pub models: Vec<BundledModel>,
    /// Evaluations, and the runs that led to their models; each behind those that it names.
    pub runs: Vec<BundledRun>,
}

/// A machine, as far as numbers may depend on it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MachineNote {
    /// The operating system.
    pub os: String,
    /// The processor's kind.
    pub processor: String,
    /// The vector registers that the kernels use.
    pub instruction_set: String,
}

/// A dataset, by its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundledDataset {
    /// The name that the specs use.
    pub name: String,
    /// SHA-256 of its images and labels.
    pub sha256: String,
}

/// Weights.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BundledModel {
    /// The model by the names of the data folder that the bundle is from.
    pub model: ModelRef,
    /// SHA-256 of its file.
    pub sha256: String,
}

/// A run of the data folder that a bundle is from.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BundledRun {
    /// Its number there.
    pub id: i64,
    /// Its spec, as it was launched.
    pub spec: Value,
    /// The spec's hash ([`SpecHash`]).
    pub spec_sha256: SpecHash,
    /// The method that trained the model.
    pub method: MethodName,
    /// What sets the model apart from the method as published.
    pub variant: Variant,
    /// The model's architecture.
    pub architecture: Architecture,
    /// Whether the model is the experiment's teacher.
    pub is_teacher: bool,
    /// The device that computed it.
    pub computed_on: Option<DeviceName>,
    /// The version of Retort that computed it.
    pub version: Option<String>,
    /// What it found, of an evaluation; the first is without an attack.
    pub figures: Vec<BundledFigure>,
}

/// A figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BundledFigure {
    /// The attack; none for the natural accuracy.
    pub attack: Option<Attack>,
    /// The accuracy.
    pub accuracy: Accuracy,
}

impl BundledRun {
    /// Its spec.
    ///
    /// # Errors
    /// When this version of the program cannot read it.
    pub fn spec(&self) -> anyhow::Result<RunSpec> {
        use anyhow::Context;
        let read = serde_json::from_value(self.spec.clone());
        read.with_context(|| format!("the spec of its run {} cannot be read by Retort {}", self.id, VERSION))
    }

    /// Whether it evaluates this model.
    fn evaluates(&self, model: &ModelRef) -> bool {
        matches!(self.spec(), Ok(RunSpec::Evaluate(spec)) if spec.model == *model)
    }

    /// Whether figures of it are in the bundle.
    pub fn is_evaluation(&self) -> bool {
        !self.figures.is_empty()
    }

    /// The model in words: `ARD ResNet-8`.
    pub fn model(&self) -> String {
        format!("{} {}", self.variant.named(self.method.title()), self.architecture)
    }

    /// Where its answers lie in a bundle.
    fn outcomes(&self) -> PathBuf {
        PathBuf::from(format!("outcomes/{}.safetensors", self.id))
    }
}

impl Manifest {
    /// The evaluations whose figures are in it.
    pub fn evaluations(&self) -> impl Iterator<Item = &BundledRun> {
        self.runs.iter().filter(|run| run.is_evaluation())
    }
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Where the weights of a model lie in a bundle; none for one that no data folder names.
fn weights_of(model: &ModelRef) -> Option<PathBuf> {
    let name = match model {
        ModelRef::Run(id) => format!("run-{id}"),
        ModelRef::Imported(id) => format!("imported-{id}"),
        ModelRef::Best(_) | ModelRef::Averaged(_) => match *model.innermost() {
            ModelRef::Run(id) if matches!(model, ModelRef::Best(_)) => format!("best-{id}"),
            ModelRef::Run(id) => format!("averaged-{id}"),
            _ => return None,
        },
        ModelRef::File(_) | ModelRef::Planned(_) => return None,
    };
    Some(PathBuf::from(format!("models/{name}.safetensors")))
}
