//! What is computed from trained models to be looked at.

mod affinity;
mod correlation;
mod features;
mod gallery;
mod pca;
mod separation;
mod trustworthiness;
mod tsne;

use std::ops::ControlFlow;

use candle_core::Tensor;
use retort_spec::{AnalyseSpec, AnalysedModel, Analysis, AnalysisResult, Attack, Event, Pgd, PixelDistance, Stage};

use crate::{
    EngineError, Result,
    answers::{broken_rows, not_finite},
    attacks::Iterative,
    classes::load_for,
    context::{Context, Outcome, model_path},
    data::Dataset,
    nn::Network,
    write_atomically,
};

pub use trustworthiness::trustworthiness;
pub use tsne::{Tsne, tsne};

/// A part of an analysis, or how it was interrupted.
type Part<T> = Result<ControlFlow<Outcome, T>>;

/// Images in one pass.
const BATCH: usize = 100;

/// Carries an analysis on to its end. What it found lies in the folder's `analysis.json`.
pub(crate) fn run(spec: &AnalyseSpec, dataset: &Dataset, context: &mut Context) -> Result<Outcome> {
    context.started(0)?;
    let found = match &spec.analysis {
        Analysis::Features(own) => {
            features::compute(own, spec, dataset, context)?.map_continue(AnalysisResult::Features)
        }
        Analysis::Correlation(own) => {
            correlation::compute(own, spec, dataset, context)?.map_continue(AnalysisResult::Correlation)
        }
        Analysis::Gallery(own) => gallery::compute(own, spec, dataset, context)?.map_continue(AnalysisResult::Gallery),
    };
    let found = match found {
        ControlFlow::Break(outcome) => return Ok(outcome),
        ControlFlow::Continue(found) => found,
    };
    let path = context.folder.analysis();
    let json = serde_json::to_vec(&found).map_err(|e| EngineError::io(&path, e.into()))?;
    // JSON has no word for a number that is not finite: what was written instead could not be read.
    if serde_json::from_slice::<AnalysisResult>(&json).is_err() {
        let fault =
            "figures of the analysis are not finite, so there is nothing to show: evaluate its models one by one";
        return Err(EngineError::NotFinite(fault.into()));
    }
    write_atomically(&path, &json)?;
    context.journal.write(Event::Finished { seconds: context.seconds() })?;
    Ok(Outcome::Finished)
}

/// The models of an analysis, each with its name.
fn load_models(spec: &AnalyseSpec, dataset: &Dataset, context: &Context) -> Result<Vec<(String, Network)>> {
    let load = |analysed: &AnalysedModel| {
        let (network, _) = load_for(model_path(&analysed.model)?, dataset, &context.device)?;
        Ok((analysed.name.clone(), network))
    };
    spec.models.iter().map(load).collect()
}

/// Logits and features of some test images, natural or attacked, that stand at these places.
///
/// # Errors
/// [`EngineError::NotFinite`] with the model and the places where they are not finite.
fn infer((name, network): (&str, &mut Network), images: &Tensor, places: &[usize]) -> Result<(Tensor, Tensor)> {
    let (logits, features) = network.infer(images)?;
    let rows = broken_rows(&[&logits, &features])?;
    if rows.is_empty() {
        return Ok((logits, features));
    }
    let broken: Vec<usize> = rows.into_iter().map(|row| places[row]).collect();
    Err(not_finite(&format!("the model “{name}”"), &broken, places.len(), "test images of a batch"))
}

/// The attack of an analysis.
fn pgd(spec: &AnalyseSpec) -> (PixelDistance, Iterative) {
    let (eps, step_size, steps) = match spec.attack() {
        Attack::Pgd(Pgd { eps, step_size, steps, .. }) => (eps, step_size, steps),
        other => (other.eps(), other.eps(), 1),
    };
    (eps, Iterative::new(eps, step_size, steps))
}

/// Reports that so large a share is done; breaks if the analysis must leave off.
fn proceed(context: &mut Context, done: f64) -> Part<()> {
    if let Some(outcome) = context.interrupted() {
        return Ok(ControlFlow::Break(outcome));
    }
    context.progress((Stage::Evaluate, 0, 0), done, None)?;
    Ok(ControlFlow::Continue(()))
}

/// The place of a class by its name.
fn class_of(name: &str, dataset: &Dataset) -> Result<u8> {
    let place = dataset.classes.iter().position(|class| class == name);
    place.map(|place| place as u8).ok_or_else(|| {
        let known = dataset.classes.join(", ");
        EngineError::Data(format!("{} has no class “{name}”: choose one of {known}", dataset.name))
    })
}
