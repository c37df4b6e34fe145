//! Opening a bundle in a data folder: its models are kept, and its evaluations are queued again as an experiment.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use retort_spec::{DeviceName, EvaluateSpec, ExperimentSpec, ModelRef, PlannedRun, RunKind, RunSpec, TeacherChoice};
use retort_store::{NewModel, Store};

use super::{BundledModel, BundledRun, CheckedModel, Manifest, Opened};
use crate::{archive::put, machine::Machine, scheduler::Control};

/// The evaluations of a bundle as they can be made on a machine, in the order of the manifest: on the datasets with the names of
/// [`datasets_here`], on the CPU where their device is not here, of the models that `model` gives.
///
/// # Errors
/// In words, when a model is not there, or a spec cannot be read.
pub fn evaluations_here(
    manifest: &Manifest,
    machine: &Machine,
    names: &BTreeMap<String, String>,
    model: &dyn Fn(&ModelRef) -> Option<ModelRef>,
) -> Result<Vec<EvaluateSpec>> {
    let here = |run: &BundledRun| {
        let RunSpec::Evaluate(mut spec) = run.spec()? else { bail!("run {} is no evaluation", run.id) };
        spec.dataset.name = names.get(&spec.dataset.name).cloned().context("its dataset is not named")?;
        if machine.fault_of_device(spec.device).is_some() {
            spec.device = DeviceName::Cpu;
        }
        let mut spec = RunSpec::Evaluate(spec);
        for named in spec.models_mut() {
            *named = model(named).with_context(|| format!("the weights of {named:?} are missing"))?;
        }
        let RunSpec::Evaluate(spec) = spec else { bail!("run {} is no evaluation", run.id) };
        Ok(spec)
    };
    manifest.evaluations().map(here).collect()
}

/// For each dataset that its evaluations use the name of the one here with the same images.
///
/// # Errors
/// In words, when one is not here.
pub async fn datasets_here(manifest: &Manifest, machine: &Machine) -> Result<BTreeMap<String, String>> {
    let here = machine.datasets().await?;
    let mut names = BTreeMap::new();
    for run in manifest.evaluations() {
        let name = run.spec()?.dataset().name.clone();
        let bundled = manifest.datasets.iter().find(|dataset| dataset.name == name);
        let bundled = bundled.with_context(|| format!("it does not tell which images {name} has"))?;
        if let Some(alike) = here.iter().find(|dataset| dataset.sha256 == bundled.sha256) {
            names.insert(name, alike.name.clone());
        } else if let Some(other) = here.iter().find(|dataset| dataset.name == name) {
            bail!(
                "the dataset {name} here has other images: their SHA-256 is {}, and the figures are of {}; import those images \
                 under another name",
                other.sha256,
                bundled.sha256
            );
        } else {
            bail!(
                "it needs the dataset {name} (SHA-256 {}): import or fetch it first, on the page Datasets",
                bundled.sha256
            );
        }
    }
    Ok(names)
}

/// Keeps a bundle whose models were read: they as imported ones, its evaluations as an experiment whose runs are queued, its answers beside them.
/// All of it is kept, or nothing; one that is here already is not kept twice. Returns the experiment.
///
/// # Errors
/// In words, when a dataset is missing, a model is damaged, or the disk or the database refuses.
pub async fn keep(
    (opened, checked): (&Opened, Vec<CheckedModel>),
    (store, control, machine): (&Store, &Control, &Machine),
    bundles: &Path,
) -> Result<i64> {
    if let Some(experiment) = find(opened, store, bundles).await? {
        return Ok(experiment);
    }
    let manifest = &opened.manifest;
    let names = datasets_here(manifest, machine).await?;
    let (models, files): (Vec<NewModel>, Vec<PathBuf>) = models(opened, checked)?.into_iter().unzip();
    let mut pending = store.add_models(&models).await?;
    let ids = pending.ids.clone();
    let model = |named: &ModelRef| {
        let place = manifest.models.iter().position(|bundled| bundled.model == *named)?;
        ids.get(place).map(|id| ModelRef::Imported(*id))
    };
    let specs = evaluations_here(manifest, machine, &names, &model)?;
    let plan = manifest.evaluations().zip(specs).map(|(run, spec)| PlannedRun {
        spec: RunSpec::Evaluate(spec),
        method: run.method,
        variant: run.variant.clone(),
        architecture: run.architecture,
        teacher: None,
        is_teacher: run.is_teacher,
        needs: Vec::new(),
    });
    let spec = experiment_here(&manifest.experiment, &names, &model);
    let experiment = pending.add_experiment(&spec, plan.collect()).await?;
    // Without the rows the files are nobody's, and the next ones of these ids replace them.
    for (id, file) in ids.iter().zip(&files) {
        put(file, &control.model_file(*id)).context("keeping a model")?;
    }
    let place = bundles.join(experiment.to_string());
    fs::create_dir_all(bundles).and_then(|()| if place.exists() { fs::remove_dir_all(&place) } else { Ok(()) })?;
    put(&opened.dir, &place).context("keeping the bundle")?;
    pending.keep().await?;
    control.launched(experiment);
    Ok(experiment)
}

/// The experiment here whose bundle is this one.
async fn find(opened: &Opened, store: &Store, bundles: &Path) -> Result<Option<i64>> {
    let own = opened.hash()?;
    for entry in fs::read_dir(bundles).into_iter().flatten().flatten() {
        let Some(experiment) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        if let Some(other) = opened_here(store, bundles, experiment).await?
            && other.hash()? == own
        {
            return Ok(Some(experiment));
        }
    }
    Ok(None)
}

/// The bundle that an experiment was made of; none where it is of none. A folder that a crash left before its experiment was kept
/// is of none, whatever takes its number later: the models of a bundle's evaluations name their hashes.
///
/// # Errors
/// When the database refuses.
pub async fn opened_here(store: &Store, bundles: &Path, experiment: i64) -> Result<Option<Opened>> {
    let place = bundles.join(experiment.to_string());
    if !place.is_dir() {
        return Ok(None);
    }
    let opened = match Opened::at(&place) {
        Ok(opened) => opened,
        Err(fault) => {
            tracing::warn!("the bundle of experiment {experiment} cannot be read: {fault:#}");
            return Ok(None);
        }
    };
    let runs = store.runs_of_experiment(experiment).await?;
    let Some(run) = runs.iter().find(|run| run.kind == RunKind::Evaluate) else { return Ok(None) };
    let RunSpec::Evaluate(EvaluateSpec { model: ModelRef::Imported(id), .. }) = run.spec()? else { return Ok(None) };
    let notes = store.model(id).await?.about.notes;
    let first = opened.manifest.evaluations().next();
    let bundled = first.and_then(|run| opened.manifest.models.iter().find(|bundled| run.evaluates(&bundled.model)));
    let is_own = bundled.is_some_and(|bundled| notes.iter().any(|note| note.contains(&bundled.sha256)));
    Ok(is_own.then_some(opened))
}

/// The models of a bundle as they are to be kept, with their files.
fn models(opened: &Opened, checked: Vec<CheckedModel>) -> Result<Vec<(NewModel, PathBuf)>> {
    let manifest = &opened.manifest;
    let model = |(bundled, CheckedModel { header, parameters }): (&BundledModel, CheckedModel)| {
        let path = opened.weights(&bundled.model).context("a model in it has no name")?;
        let words = manifest.evaluations().find(|run| run.evaluates(&bundled.model)).map_or_else(
            || header.architecture.to_string(),
            |run| {
                let seed = run.spec().map(|spec| spec.seed()).unwrap_or_default();
                format!("{}, seed {seed}", run.model())
            },
        );
        let title = &manifest.experiment.title;
        let note = format!(
            "It is from a bundle of “{title}” that Retort {} made at {}; its file there has the SHA-256 {}.",
            manifest.version, manifest.made_at, bundled.sha256
        );
        let about = NewModel {
            title: format!("{words} of {title}").chars().filter(|c| !c.is_control()).take(200).collect(),
            file_name: path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
            architecture: header.architecture,
            classes: header.classes,
            dataset: header.dataset,
            method: header.method,
            parameters,
            bytes: fs::metadata(&path)?.len(),
            notes: vec![note],
        };
        Ok((about, path))
    };
    manifest.models.iter().zip(checked).map(model).collect()
}

/// The question, with the names that models and datasets have here.
fn experiment_here(
    spec: &ExperimentSpec,
    names: &BTreeMap<String, String>,
    model: &dyn Fn(&ModelRef) -> Option<ModelRef>,
) -> ExperimentSpec {
    let mut spec = spec.clone();
    if let Some(name) = names.get(&spec.dataset.name) {
        spec.dataset.name.clone_from(name);
    }
    let named = match spec.teacher {
        TeacherChoice::Run { id, architecture } => Some((ModelRef::Run(id), architecture)),
        TeacherChoice::Imported { id, architecture } => Some((ModelRef::Imported(id), architecture)),
        TeacherChoice::Train(_) => None,
    };
    if let Some((named, architecture)) = named {
        spec.teacher = match model(&named) {
            Some(ModelRef::Imported(id)) => TeacherChoice::Imported { id, architecture },
            _ => TeacherChoice::Train(architecture),
        };
    }
    spec
}
