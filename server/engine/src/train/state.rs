//! What a checkpoint of a training holds, and how it comes back.

use candle_core::Tensor;
use retort_spec::Watched;
use serde::{Deserialize, Serialize};

use super::average::Average;
use crate::{
    EngineError, Result,
    nn::{Named, Network, Sgd, StateFile, Weights},
};

/// How far a training is. The random streams are keyed by it, so it is all that they need.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Position {
    /// Stage, counted among those that are run.
    pub stage: usize,
    /// Epochs of the stage that are done.
    pub epoch: usize,
    /// Steps of the epoch that are done.
    pub step: usize,
    /// Sum over the epoch's images of the loss.
    pub loss_sum: f64,
    /// Sum over the epoch's steps of the gradient's norm, and over how many: checkpoints of earlier versions have none.
    #[serde(default)]
    pub gradient_norms: (f64, usize),
    /// Images of the epoch that the student got right.
    pub correct: usize,
    /// Images of the epoch so far.
    pub seen: usize,
    /// The best epoch's correct answers to the attacked validation images, once the last stage has finished one.
    #[serde(default)]
    pub best: Option<usize>,
    /// What the rules to give up by remember of the stage.
    #[serde(default)]
    pub watched: Watched,
    /// Steps that are in the average of weights, where there is one.
    #[serde(default)]
    pub averaged: u64,
    /// Training passes that the running statistics have seen.
    pub batches_tracked: u64,
    /// Seconds of computing so far.
    pub seconds: f64,
}

/// What a checkpoint gives back beside the network's weights.
pub(super) struct Resumed {
    pub position: Position,
    /// By parameter; absent at the start of a stage.
    pub velocities: Option<Vec<Tensor>>,
    /// The average of weights: parameters, then running statistics; empty where there is none.
    pub average: Vec<Tensor>,
    /// In the order of their names.
    pub objective: Vec<Named>,
}

const VELOCITY: &str = "velocity.";
const AVERAGE: &str = "average.";
const OBJECTIVE: &str = "objective.";

/// What of a stage a checkpoint must keep beside the network's weights.
#[derive(Default)]
pub(super) struct Kept<'a> {
    pub sgd: Option<&'a Sgd>,
    pub average: Option<&'a Average>,
    /// What the stage's objective must keep.
    pub objective: Vec<Named>,
}

/// A checkpoint.
pub(super) fn checkpoint(mut at: Position, network: &Network, kept: Kept) -> Result<StateFile> {
    let Kept { sgd, average, objective } = kept;
    let weights = &network.weights;
    at.batches_tracked = weights.batches_tracked;
    let mut tensors: Vec<Named> = weights.parameters.iter().chain(&weights.buffers).cloned().collect();
    if let Some(sgd) = sgd {
        for (parameter, velocity) in weights.parameters.iter().zip(sgd.velocities()) {
            tensors.push(Named { name: format!("{VELOCITY}{}", parameter.name), tensor: velocity.clone() });
        }
    }
    if let Some(average) = average {
        at.averaged = average.steps;
        let prefixed = |named: Named| Named { name: format!("{AVERAGE}{}", named.name), ..named };
        tensors.extend(average.state(weights).map(prefixed));
    }
    for named in objective {
        tensors.push(Named { name: format!("{OBJECTIVE}{}", named.name), tensor: named.tensor });
    }
    let state = serde_json::to_string(&at).map_err(|e| EngineError::Data(format!("a checkpoint's position: {e}")))?;
    Ok(StateFile { tensors, state })
}

/// The weights of a checkpoint for such a network, and what it gives back beside them.
///
/// # Errors
/// In words, naming what does not fit.
pub(super) fn read(mut file: StateFile, network: &Network) -> Result<(Weights, Resumed), String> {
    let position: Position = serde_json::from_str(&file.state).map_err(|e| e.to_string())?;
    let mut weights = network.weights.clone();
    for named in weights.parameters.iter_mut().chain(&mut weights.buffers) {
        named.tensor = file.take(&named.name, &named.tensor)?;
    }
    weights.batches_tracked = position.batches_tracked;
    let mut velocities = Vec::new();
    for parameter in &weights.parameters {
        let name = format!("{VELOCITY}{}", parameter.name);
        if file.tensors.iter().any(|n| n.name == name) {
            velocities.push(file.take(&name, &parameter.tensor)?);
        }
    }
    let velocities = (velocities.len() == weights.parameters.len()).then_some(velocities);
    let mut average = Vec::new();
    if position.averaged > 0 {
        for named in weights.parameters.iter().chain(&weights.buffers) {
            average.push(file.take(&format!("{AVERAGE}{}", named.name), &named.tensor)?);
        }
    }
    let objective = file.tensors.into_iter().filter_map(|named| {
        let name = named.name.strip_prefix(OBJECTIVE)?.to_owned();
        Some(Named { name, tensor: named.tensor })
    });
    let mut objective: Vec<Named> = objective.collect();
    objective.sort_by(|a, b| a.name.cmp(&b.name));
    Ok((weights, Resumed { position, velocities, average, objective }))
}
