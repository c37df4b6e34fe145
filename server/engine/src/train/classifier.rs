//! The linear classifier on a frozen backbone (methods.md §2.2, §7): trained on the features of the natural images, which
//! are computed once, without augmentation.

use std::collections::BTreeMap;

use candle_core::Tensor;
use candle_nn::ops::log_softmax;
use retort_spec::{Event, Metric};

use super::{Kept, Position, StagePlan, Training, sgd_step, state::Resumed};
use crate::{
    EngineError, Result,
    answers::{broken_rows, counted, led_by_label},
    context::{Outcome, share_done},
    loader,
    loader::images,
    loss::{cross_entropy_gradient, label_column},
    nn::{Named, Sgd},
    ops::{linear, linear_gradients},
    rng::{Purpose, Stream},
};

/// Standard deviation of the initial weights; the bias starts at 0.
const INITIAL_DEVIATION: f32 = 0.01;

/// The classifier, the features that it is trained on, and how it learns.
struct Head {
    /// Of all training images, `[M, F]`.
    features: Tensor,
    /// Weight and bias.
    layer: Vec<Named>,
    sgd: Sgd,
}

/// Trains the classifier; an outcome means that the run left off in the middle.
pub(super) fn train(
    training: &mut Training,
    index: usize,
    plan: &StagePlan,
    resumed: Option<Resumed>,
) -> Result<Option<Outcome>> {
    let features = features(training)?;
    let layer = layer(training)?;
    let mut head = Head { sgd: Sgd::new(&layer)?, layer, features };
    let mut epoch = 0;
    match resumed {
        Some(resumed) if resumed.position.epoch > 0 => {
            epoch = resumed.position.epoch;
            head.sgd.restore(resumed.objective.into_iter().map(|n| n.tensor).collect());
        }
        _ => reset(training, &mut head.layer)?,
    }
    while epoch < plan.schedule.epochs {
        if let Some(outcome) = training.context.interrupted() {
            keep(training, &head, index, epoch)?;
            return Ok(Some(outcome));
        }
        let at = plan.epochs_before + epoch;
        let mut values = train_epoch(training, plan, epoch, &mut head)?;
        epoch += 1;
        write_back(training, &head.layer);
        if epoch == plan.schedule.epochs {
            let natural = training.natural_accuracy(at + 1, plan.is_last)?;
            values.insert(Metric::NaturalAccuracy, natural.percent());
        }
        training.context.journal.write(Event::Metrics { stage: plan.stage(), epoch: at + 1, values })?;
        let done = share_done(&training.work, index, epoch as f64 / plan.schedule.epochs as f64);
        training.context.progress((plan.stage(), at + 1, training.epochs), done, None)?;
        if training.context.checkpoint_is_due() {
            keep(training, &head, index, epoch)?;
        }
    }
    Ok(None)
}

/// The features of all training images, `[M, F]`.
fn features(training: &mut Training) -> Result<Tensor> {
    let all: Vec<usize> = (0..training.dataset.train.len()).collect();
    let mut parts = Vec::new();
    for batch in all.chunks(250) {
        let images = images(&training.dataset.train, batch, &training.context.device)?;
        let (_, features) = training.network.infer(&images)?;
        let places: Vec<usize> = broken_rows(&[&features])?.into_iter().map(|row| batch[row]).collect();
        if !places.is_empty() {
            let images = counted(&places, all.len(), "training images");
            let fault =
                format!("the model's features of {images} are not finite, so no classifier can be trained on them");
            return Err(EngineError::NotFinite(fault));
        }
        parts.push(features);
    }
    Ok(Tensor::cat(&parts, 0)?)
}

/// The classifier's weight and bias.
fn layer(training: &Training) -> Result<Vec<Named>> {
    let parameters = &training.network.weights.parameters;
    let copy = |i: usize| Ok(Named { name: parameters[i].name.clone(), tensor: parameters[i].tensor.copy()? });
    training.network.classifier().into_iter().map(copy).collect()
}

fn reset(training: &Training, layer: &mut [Named]) -> Result<()> {
    let mut stream = Stream::new(training.seed, Purpose::Classifier, 0, 0);
    let shape = layer[0].tensor.shape().clone();
    let values = (0..shape.elem_count()).map(|_| INITIAL_DEVIATION * stream.normal()).collect();
    layer[0].tensor = Tensor::from_vec(values, shape, &training.context.device)?;
    layer[1].tensor = layer[1].tensor.zeros_like()?.copy()?;
    Ok(())
}

fn write_back(training: &mut Training, layer: &[Named]) {
    for (index, named) in training.network.classifier().into_iter().zip(layer) {
        training.network.weights.parameters[index].tensor = named.tensor.clone();
    }
}

fn train_epoch(
    training: &Training,
    plan: &StagePlan,
    epoch: usize,
    Head { features, layer, sgd }: &mut Head,
) -> Result<BTreeMap<Metric, f64>> {
    let labels = &training.dataset.train.labels;
    let order = loader::order(labels.len(), training.seed, (plan.epochs_before + epoch) as u64);
    let (mut loss, mut correct, mut seen) = (0.0, 0usize, 0);
    for indices in order.chunks(plan.schedule.batch_size) {
        let at = Tensor::new(indices, features.device())?;
        let x = features.index_select(&at, 0)?;
        let own: Vec<u8> = indices.iter().map(|i| labels[*i as usize]).collect();
        let logits = linear(&x, &layer[0].tensor, &layer[1].tensor)?;
        let chosen = log_softmax(&logits, 1)?.gather(&label_column(&own, &logits)?, 1)?;
        loss -= f64::from(chosen.sum_all()?.to_scalar::<f32>()?);
        if !loss.is_finite() {
            let epoch = plan.epochs_before + epoch + 1;
            return Err(EngineError::Diverged(format!(
                "the classifier's loss became {loss} in epoch {epoch}: lower its learning rate"
            )));
        }
        correct += led_by_label(&logits, &own)?;
        let slope = (cross_entropy_gradient(&logits, &own)? / own.len() as f64)?;
        let (_, dw, db) = linear_gradients(&x, &layer[0].tensor, &slope)?;
        seen += indices.len();
        sgd.step(layer, &[Some(dw), Some(db)], sgd_step(plan.schedule, epoch, seen as f64 / labels.len() as f64))?;
    }
    let n = labels.len() as f64;
    Ok(BTreeMap::from([
        (Metric::TrainLoss, loss / n),
        (Metric::TrainAccuracy, 100.0 * correct as f64 / n),
        (Metric::LearningRate, plan.schedule.learning_rate_at(epoch, 1.0)),
    ]))
}

fn keep(training: &mut Training, head: &Head, index: usize, epoch: usize) -> Result<()> {
    write_back(training, &head.layer);
    let velocity = |(i, v): (usize, &Tensor)| Named { name: format!("velocity.{i}"), tensor: v.clone() };
    let velocities = head.sgd.velocities().iter().enumerate().map(velocity).collect();
    let kept = Kept { objective: velocities, ..Kept::default() };
    training.save(Position { stage: index, epoch, ..Position::default() }, kept)
}
