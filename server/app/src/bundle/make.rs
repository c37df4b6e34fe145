//! Making a bundle of what a data folder holds.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    str::FromStr,
};

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use retort_engine::{Outcomes, ops::instruction_set};
use retort_spec::{Attack, ModelRef, RunKind, RunSpec, RunState, TeacherChoice};
use retort_store::{Run, Store};
use tar::Builder;

use super::{
    BundledDataset, BundledFigure, BundledModel, BundledRun, FORMAT, Hashes, MANIFEST, MachineNote, Manifest,
    ModelHashes, SpecHash, VERSION, hash::hash_of_file, weights_of,
};
use crate::{
    archive::{add, add_file},
    machine::Machine,
    scheduler::Control,
};

/// What a bundle is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// All finished evaluations of an experiment.
    Experiment(i64),
    /// A finished evaluation, or those of the model that a run left.
    Run(i64),
}

impl FromStr for Of {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let id = |id: &str| id.parse().ok();
        match text.split_once(':') {
            Some(("experiment", number)) => id(number).map(Self::Experiment),
            Some(("run", number)) => id(number).map(Self::Run),
            _ => None,
        }
        .ok_or_else(|| format!("“{text}” names nothing: write experiment:3 or run:12"))
    }
}

/// What came of it.
#[derive(Debug)]
pub struct Made {
    /// Evaluations in the bundle.
    pub evaluations: usize,
    /// Evaluations of the same that are not in it, as they have not finished, or left no answers.
    pub left_out: usize,
    /// Its bytes.
    pub bytes: u64,
}

/// Makes a bundle and writes it to a file, which is replaced as a whole.
///
/// # Errors
/// When there is nothing that has finished, weights or a dataset are gone, or the disk refuses.
pub async fn make(store: &Store, control: &Control, machine: &Machine, of: Of, to: &Path) -> Result<Made> {
    let (experiment, evaluations, left_out) = chosen(store, control, of).await?;
    let experiment = store.experiment(experiment).await?.spec()?;
    let mut hashes = Hashes::new(store, control, &ModelHashes::default(), &evaluations);
    for run in &evaluations {
        hashes.of(run).await?;
    }
    let lineage: Vec<(Run, SpecHash)> = hashes.lineage().collect();
    let mut names = BTreeSet::new();
    let mut read: Vec<ModelRef> = Vec::new();
    for (run, _) in &lineage {
        names.insert(run.dataset.clone());
        // What a run leaves can be had by its spec; of an imported model there is nothing but its file.
        let is_needed = |model: &ModelRef| run.kind == RunKind::Evaluate || matches!(model, ModelRef::Imported(_));
        read.extend(run.spec()?.models_mut().into_iter().map(|model| model.clone()).filter(is_needed));
    }
    read.extend(match experiment.teacher {
        TeacherChoice::Run { id, .. } => Some(ModelRef::Run(id)),
        TeacherChoice::Imported { id, .. } => Some(ModelRef::Imported(id)),
        TeacherChoice::Train(_) => None,
    });
    let here = machine.datasets().await?;
    if let Some(gone) = evaluations.iter().find(|run| here.iter().all(|dataset| dataset.name != run.dataset)) {
        bail!("the dataset {} is not here any more: without it nobody can tell which images were shown", gone.dataset);
    }
    let datasets = here.into_iter().filter(|dataset| names.contains(&dataset.name));
    let datasets = datasets.map(|dataset| BundledDataset { name: dataset.name, sha256: dataset.sha256 }).collect();
    let mut runs = Vec::new();
    for (run, hash) in lineage {
        let attempts = store.attempts(run.id, u32::MAX).await?;
        runs.push(bundled(&run, hash, attempts.into_iter().next_back().and_then(|attempt| attempt.version))?);
    }
    let (control, to) = (control.clone(), to.to_owned());
    let manifest = Manifest {
        format: FORMAT,
        version: VERSION.into(),
        made_at: Timestamp::now().to_string(),
        machine: MachineNote {
            os: std::env::consts::OS.into(),
            processor: std::env::consts::ARCH.into(),
            instruction_set: instruction_set().into(),
        },
        experiment,
        datasets,
        models: Vec::new(),
        runs,
    };
    let count = evaluations.len();
    let write = move || write(manifest, &read, &control, &to);
    let bytes = tokio::task::spawn_blocking(write).await.context("writing the bundle")??;
    Ok(Made { evaluations: count, left_out, bytes })
}

/// The experiment, its evaluations that can be bundled, and how many cannot.
async fn chosen(store: &Store, control: &Control, of: Of) -> Result<(i64, Vec<Run>, usize)> {
    let (experiment, evaluations) = match of {
        Of::Experiment(id) => (store.experiment(id).await?.id, store.runs_of_experiment(id).await?),
        Of::Run(id) => {
            let run = store.run(id).await?;
            match run.kind {
                RunKind::Evaluate => (run.experiment, vec![run]),
                RunKind::Train | RunKind::Probe => {
                    let all = store.runs_of_experiment(run.experiment).await?;
                    (run.experiment, all.into_iter().filter(|other| is_of(other, id)).collect())
                }
                RunKind::Masking | RunKind::Analyse => bail!(
                    "run {id} is no evaluation: a bundle holds what evaluations answered, of an evaluation, of a training's \
                     model, or of an experiment"
                ),
            }
        }
    };
    let all: Vec<Run> = evaluations.into_iter().filter(|run| run.kind == RunKind::Evaluate).collect();
    let asked = all.len();
    let is_there = |run: &Run| run.state == RunState::Finished && control.folder(run.id).outcomes().is_file();
    let there: Vec<Run> = all.into_iter().filter(is_there).collect();
    if there.is_empty() {
        bail!("no evaluation has finished yet: a bundle holds what evaluations answered to each image");
    }
    let left_out = asked - there.len();
    Ok((experiment, there, left_out))
}

/// Whether a run evaluates a model that run `id` left.
fn is_of(run: &Run, id: i64) -> bool {
    matches!(run.spec(), Ok(RunSpec::Evaluate(spec)) if *spec.model.innermost() == ModelRef::Run(id))
}

/// A run without its figures.
fn bundled(run: &Run, spec_sha256: SpecHash, version: Option<String>) -> Result<BundledRun> {
    Ok(BundledRun {
        id: run.id,
        spec: serde_json::from_str(run.stored_spec()).with_context(|| format!("reading the spec of run {}", run.id))?,
        spec_sha256,
        method: run.method,
        variant: run.variant.clone(),
        architecture: run.architecture,
        is_teacher: run.is_teacher,
        computed_on: run.computed_on,
        version,
        figures: Vec::new(),
    })
}

/// What was found of an evaluation.
fn figures(outcomes: &Path) -> Result<Vec<BundledFigure>> {
    let found = Outcomes::load(outcomes)?;
    let attacks = found.predictions.iter().enumerate();
    let figure = |(place, (attack, _)): (usize, &(Option<Attack>, _))| BundledFigure {
        attack: attack.clone(),
        accuracy: found.accuracy(place),
    };
    Ok(attacks.map(figure).collect())
}

/// Writes the bundle: the manifest, with the weights and figures that are in the data folder.
fn write(mut manifest: Manifest, read: &[ModelRef], control: &Control, to: &Path) -> Result<u64> {
    let mut files: BTreeMap<PathBuf, PathBuf> = BTreeMap::new();
    for model in read {
        let Some(name) = weights_of(model) else { bail!("{model:?} is no model of a data folder") };
        if files.contains_key(&name) {
            continue;
        }
        let path = path_of(model, control);
        let sha256 = hash_of_file(&path).with_context(|| {
            let what = model.innermost();
            format!("the weights of {what:?} are gone, which the bundle needs")
        })?;
        manifest.models.push(BundledModel { model: model.clone(), sha256 });
        files.insert(name, path);
    }
    for run in &mut manifest.runs {
        if run.spec()?.kind() == RunKind::Evaluate {
            let outcomes = control.folder(run.id).outcomes();
            run.figures = figures(&outcomes)?;
            files.insert(run.outcomes(), outcomes);
        }
    }
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let beside = tempfile::Builder::new().prefix(".bundle-").tempdir_in(folder);
    let beside = beside.with_context(|| format!("cannot write to {}", folder.display()))?;
    let half = beside.path().join("half");
    let mut archive = Builder::new(File::create(&half)?);
    let text = serde_json::to_vec_pretty(&manifest)?;
    add(&mut archive, MANIFEST, text.as_slice(), text.len() as u64)?;
    for (name, path) in &files {
        add_file(&mut archive, &name.to_string_lossy(), path)?;
    }
    let mut file = archive.into_inner()?;
    file.flush()?;
    file.sync_all()?;
    fs::rename(&half, to).with_context(|| format!("writing {}", to.display()))?;
    Ok(file.metadata()?.len())
}

fn path_of(model: &ModelRef, control: &Control) -> PathBuf {
    match model {
        ModelRef::Imported(id) => control.model_file(*id),
        _ => match model.innermost() {
            ModelRef::Run(id) => control.folder(*id).file_of(model),
            _ => PathBuf::new(),
        },
    }
}
