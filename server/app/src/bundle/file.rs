//! Opening a bundle: it is unpacked, and everything in it is held against what the manifest says.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use retort_engine::{
    Outcomes,
    nn::{ModelHeader, check_model},
};
use retort_spec::{Attack, ModelRef, RunSpec};
use serde::{Deserialize, Serialize};
use tar::Archive;

use super::{BundledModel, BundledRun, FORMAT, MANIFEST, Manifest, SpecHash, hash::hash_of_file, weights_of};

/// A manifest is some kilobytes a run.
const LARGEST_MANIFEST: u64 = 16 << 20;
/// Answers are a byte for each image and attack.
const LARGEST_ANSWERS: u64 = 64 << 20;

/// A bundle that was unpacked to a folder, and is whole.
#[derive(Debug)]
pub struct Opened {
    /// The folder.
    pub dir: PathBuf,
    /// What is in it.
    pub manifest: Manifest,
}

impl Opened {
    /// Reads a bundle that was unpacked and looked through before.
    ///
    /// # Errors
    /// When its manifest cannot be read.
    pub fn at(dir: impl Into<PathBuf>) -> Result<Self> {
        let dir = dir.into();
        let manifest = read(&dir)?;
        Ok(Self { dir, manifest })
    }

    /// Where the weights of a model lie that one of its evaluations reads.
    pub fn weights(&self, model: &ModelRef) -> Option<PathBuf> {
        Some(self.dir.join(weights_of(model)?))
    }

    /// SHA-256 of its manifest, which tells it from every other bundle.
    ///
    /// # Errors
    /// When the manifest cannot be read.
    pub fn hash(&self) -> Result<String> {
        hash_of_file(&self.dir.join(MANIFEST)).context("reading bundle.json")
    }

    /// Reads its models, each whole, in the order of the manifest.
    ///
    /// # Errors
    /// Naming the file that is no model.
    pub fn check_models(&self) -> Result<Vec<CheckedModel>> {
        let check = |bundled: &BundledModel| {
            let path = self.weights(&bundled.model).context("a model in it has no name that a bundle can have")?;
            let (header, parameters) = check_model(&path)?;
            let mut evaluations = self.manifest.evaluations().filter(|run| run.evaluates(&bundled.model));
            if let Some(run) = evaluations.find(|run| run.architecture != header.architecture) {
                bail!("the model of its run {} is a {}, not a {}", run.id, header.architecture, run.architecture);
            }
            Ok(CheckedModel { header, parameters })
        };
        self.manifest.models.iter().map(check).collect()
    }

    /// Where the answers of an evaluation lie.
    pub fn outcomes(&self, run: &BundledRun) -> PathBuf {
        self.dir.join(run.outcomes())
    }
}

/// A model of a bundle that was read whole.
#[derive(Debug, Serialize, Deserialize)]
pub struct CheckedModel {
    /// What its file says of it.
    pub header: ModelHeader,
    /// Its trainable parameters.
    pub parameters: usize,
}

/// Unpacks a bundle to an empty folder and looks through it: the hashes of specs and weights, the answers, and that all parts fit.
///
/// # Errors
/// In words, when it is no bundle, another version's, or not whole.
pub fn open(file: &Path, into: &Path) -> Result<Opened> {
    unpack(file, into)?;
    let opened = Opened { dir: into.to_owned(), manifest: read(into)? };
    opened.manifest.experiment.validate().context("its experiment is not valid")?;
    check_weights(&opened)?;
    check_hashes(&opened.manifest)?;
    for run in opened.manifest.evaluations() {
        check_answers(&opened, run)?;
    }
    ensure!(opened.manifest.evaluations().next().is_some(), "the bundle holds no figures");
    Ok(opened)
}

fn unpack(file: &Path, into: &Path) -> Result<()> {
    let no_bundle = "this is no whole bundle of Retort: `retort bundle` makes one";
    let source = File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    for folder in ["outcomes", "models"] {
        fs::create_dir_all(into.join(folder)).with_context(|| format!("cannot write {}", into.display()))?;
    }
    let mut archive = Archive::new(source);
    archive.set_preserve_permissions(false);
    for entry in archive.entries().context(no_bundle)? {
        let mut entry = entry.context(no_bundle)?;
        let path = entry.path().context(no_bundle)?.into_owned();
        let is_plain = entry.header().entry_type().is_file();
        let is_weights = path.starts_with("models");
        ensure!(is_weights || entry.size() <= LARGEST_ANSWERS, "{} in it is far too large", path.display());
        if !is_plain || !is_of_bundle(&path) || !entry.unpack_in(into).context(no_bundle)? {
            bail!("{no_bundle} ({} does not belong into it)", path.display());
        }
        File::open(into.join(&path))
            .and_then(|file| file.sync_all())
            .with_context(|| format!("writing {}", path.display()))?;
    }
    for folder in [into.join("outcomes"), into.join("models"), into.to_owned()] {
        File::open(&folder).and_then(|folder| folder.sync_all()).context("writing the bundle")?;
    }
    Ok(())
}

/// Whether a bundle holds a file of this name.
fn is_of_bundle(path: &Path) -> bool {
    let Some(name) = path.to_str() else { return false };
    let digits = |text: &str| !text.is_empty() && text.len() < 20 && text.bytes().all(|b| b.is_ascii_digit());
    let of_run = name.strip_prefix("outcomes/").and_then(|rest| rest.strip_suffix(".safetensors"));
    let of_model = name.strip_prefix("models/").and_then(|rest| rest.strip_suffix(".safetensors"));
    let kind = of_model.and_then(|name| name.split_once('-'));
    name == MANIFEST
        || of_run.is_some_and(digits)
        || kind.is_some_and(|(kind, id)| ["run", "best", "averaged", "imported"].contains(&kind) && digits(id))
}

fn read(dir: &Path) -> Result<Manifest> {
    let path = dir.join(MANIFEST);
    let bytes = fs::metadata(&path).context("this is no bundle of Retort: it has no bundle.json")?.len();
    ensure!(bytes <= LARGEST_MANIFEST, "its bundle.json is far too large");
    let text = fs::read_to_string(&path).context("its bundle.json cannot be read")?;
    let format = serde_json::from_str::<serde_json::Value>(&text).context("its bundle.json is no JSON")?;
    let format = format.get("format").and_then(serde_json::Value::as_u64);
    ensure!(
        format == Some(u64::from(FORMAT)),
        "it has the form {}, and this version of Retort reads form {FORMAT}: open it with the version that made it, or a \
         newer one",
        format.map_or_else(|| "of no number".into(), |format| format.to_string())
    );
    serde_json::from_str(&text).context("its bundle.json cannot be read by this version of Retort")
}

fn check_weights(opened: &Opened) -> Result<()> {
    for bundled in &opened.manifest.models {
        let path = opened.weights(&bundled.model).context("a model in it has no name that a bundle can have")?;
        let found = hash_of_file(&path).with_context(|| format!("the weights of {:?} are missing", bundled.model))?;
        ensure!(
            found == bundled.sha256,
            "the weights of {:?} have the SHA-256 {found}, not {}",
            bundled.model,
            bundled.sha256
        );
    }
    Ok(())
}

fn check_hashes(manifest: &Manifest) -> Result<()> {
    let mut known: BTreeMap<i64, SpecHash> = BTreeMap::new();
    for run in &manifest.runs {
        let named = &mut |model: ModelRef| match model {
            ModelRef::Run(id) => Ok(known.get(&id).with_context(|| format!("run {id} is missing"))?.to_string()),
            model => {
                let bundled = manifest.models.iter().find(|bundled| bundled.model == model);
                Ok(bundled.with_context(|| format!("{model:?} is missing"))?.sha256.clone())
            }
        };
        let found = SpecHash::of(&run.spec, named).with_context(|| format!("looking at its run {}", run.id))?;
        ensure!(
            found == run.spec_sha256,
            "the spec of its run {} has the hash {found}, not {}: it was changed",
            run.id,
            run.spec_sha256
        );
        known.insert(run.id, found);
    }
    Ok(())
}

/// Holds the answers of an evaluation against its spec and its figures.
fn check_answers(opened: &Opened, run: &BundledRun) -> Result<()> {
    let of = || format!("its run {}", run.id);
    let spec = run.spec()?;
    spec.validate().with_context(|| format!("the spec of {} is not valid", of()))?;
    let RunSpec::Evaluate(spec) = spec else { bail!("{} has figures and is no evaluation", of()) };
    let found = Outcomes::load(&opened.outcomes(run)).with_context(|| format!("the answers of {}", of()))?;
    let attacks: Vec<_> = std::iter::once(None).chain(spec.attacks.iter().map(|attack| Some(attack.key()))).collect();
    let answered: Vec<_> = found.predictions.iter().map(|(attack, _)| attack.as_ref().map(Attack::key)).collect();
    let told: Vec<_> = run.figures.iter().map(|figure| figure.attack.as_ref().map(Attack::key)).collect();
    ensure!(attacks == answered && attacks == told, "the attacks of {} are not those of its spec", of());
    for (place, figure) in run.figures.iter().enumerate() {
        let counted = found.accuracy(place);
        ensure!(
            counted == figure.accuracy,
            "a figure of {} is not what its answers give: {} of {} are right",
            of(),
            counted.correct,
            counted.n
        );
    }
    let is_there = |model: &ModelRef| opened.manifest.models.iter().any(|bundled| bundled.model == *model);
    let mut spec = RunSpec::Evaluate(spec);
    ensure!(spec.models_mut().into_iter().all(|model| is_there(model)), "the weights of {} are missing", of());
    Ok(())
}
