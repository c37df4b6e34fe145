//! Evaluation: the natural accuracy of a model, and its accuracy under attacks (methods.md §5.1).

use candle_core::{Device, Tensor};
use retort_spec::{Accuracy, Attack, EvaluateSpec, Event, RunSpec, Stage};

use crate::{
    Result,
    attacks::{Pgd, cross_entropy_pgd, fgsm},
    data::{Dataset, Split},
    nn::{Network, StateFile, Statistics, load_model},
    rng::{Purpose, Stream},
    run::{Context, Outcome, model_path, share_done},
};

/// Images `from..to` of a split as a tensor `[N, 3, 32, 32]` with values in [0, 1].
///
/// # Errors
/// When the device has no memory left.
pub(crate) fn images(split: &Split, indices: &[usize], device: &Device) -> Result<Tensor> {
    let mut values = Vec::with_capacity(indices.len() * 3 * 32 * 32);
    for index in indices {
        values.extend(split.image(*index).iter().map(|byte| f32::from(*byte) / 255.0));
    }
    Ok(Tensor::from_vec(values, (indices.len(), 3, 32, 32), device)?)
}

/// Whether each image is classified as its label says.
pub(crate) fn outcomes(network: &mut Network, images: &Tensor, labels: &[u8]) -> Result<Vec<bool>> {
    let (logits, _) = network.infer(images)?;
    let rows: Vec<Vec<f32>> = logits.to_vec2()?;
    Ok(rows.iter().zip(labels).map(|(row, label)| predicted(row) == usize::from(*label)).collect())
}

/// The class of the largest logit; the first of equal ones.
fn predicted(logits: &[f32]) -> usize {
    let mut best = 0;
    for (class, logit) in logits.iter().enumerate() {
        if *logit > logits[best] {
            best = class;
        }
    }
    best
}

/// How many images of a split the network classifies correctly, in batches of 250.
pub(crate) fn natural_accuracy(network: &mut Network, split: &Split, device: &Device) -> Result<Accuracy> {
    let all: Vec<usize> = (0..split.len()).collect();
    let mut correct = 0;
    for batch in all.chunks(250) {
        let labels: Vec<u8> = batch.iter().map(|i| split.labels[*i]).collect();
        let outcomes = outcomes(network, &images(split, batch, device)?, &labels)?;
        correct += outcomes.into_iter().filter(|right| *right).count();
    }
    Ok(Accuracy { correct, n: split.len() })
}

/// Attacks images; each has its own random stream, so that the outcome does not depend on the batch that it stands in.
///
/// # Errors
/// When the shapes do not fit.
pub(crate) fn attacked(
    network: &mut Network,
    attack: &Attack,
    natural: &Tensor,
    labels: &[u8],
    indices: &[usize],
    seed: u64,
) -> Result<Tensor> {
    match attack {
        Attack::Fgsm { eps } => Ok(fgsm(network, natural, labels, eps.value() as f32)?),
        Attack::Pgd { eps, step_size, steps } => {
            let pgd = Pgd { eps: eps.value() as f32, step_size: step_size.value() as f32, steps: *steps };
            let size = natural.elem_count() / indices.len().max(1);
            let mut noise = Vec::with_capacity(natural.elem_count());
            for index in indices {
                let mut stream = Stream::new(seed, Purpose::Attack, *index as u64, 0);
                noise.extend((0..size).map(|_| stream.uniform(-pgd.eps, pgd.eps)));
            }
            let noise = Tensor::from_vec(noise, natural.shape(), natural.device())?;
            let start = (natural + noise)?.clamp(0f32, 1f32)?;
            Ok(cross_entropy_pgd(network, natural, labels, pgd, start, Statistics::Running)?)
        }
    }
}

/// How far an evaluation is; a checkpoint holds it.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
struct Position {
    /// 0 is the natural accuracy, then the attacks in their order.
    attack: usize,
    /// Batches of it that are done.
    batches: usize,
    /// Images of them that are classified correctly.
    correct: usize,
    /// Test images that are classified correctly without an attack.
    robust_candidates: Vec<usize>,
    /// Seconds of computing so far.
    seconds: f64,
}

/// Carries an evaluation on to its end.
pub(crate) fn run(spec: &EvaluateSpec, dataset: &Dataset, context: &mut Context) -> Result<Outcome> {
    let path = model_path(&spec.model)?;
    let (mut network, header) = load_model(path, &context.device)?;
    if header.classes != dataset.classes {
        let fault = format!(
            "it tells {} classes apart ({} …), but the dataset {} has {} ({} …): evaluate it on its own classes",
            header.classes.len(),
            header.classes.first().map_or("", String::as_str),
            dataset.name,
            dataset.classes.len(),
            dataset.classes.first().map_or("", String::as_str)
        );
        return Err(crate::EngineError::Model { path: path.to_owned(), fault });
    }
    let mut at = match StateFile::load(&context.folder.checkpoint(), &Device::Cpu) {
        Ok(file) => serde_json::from_str(&file.state).unwrap_or_default(),
        Err(_) => Position::default(),
    };
    context.seconds_before = at.seconds;
    context.started(0)?;
    let whole = RunSpec::Evaluate(spec.clone());
    let stages = whole.work(dataset.train.len(), dataset.test.len(), network.architecture, None);
    let all: Vec<usize> = (0..dataset.test.len()).collect();
    while at.attack <= spec.attacks.len() {
        let attack = at.attack.checked_sub(1).and_then(|i| spec.attacks.get(i));
        // Images that are wrong without an attack are wrong under it: the attack may do nothing.
        let chosen = if attack.is_some() { at.robust_candidates.clone() } else { all.clone() };
        let batches: Vec<&[usize]> = chosen.chunks(spec.batch_size).collect();
        for batch in batches.iter().skip(at.batches) {
            if let Some(outcome) = context.interrupted() {
                save(context, &mut at)?;
                return Ok(outcome);
            }
            let labels: Vec<u8> = batch.iter().map(|i| dataset.test.labels[*i]).collect();
            let natural = images(&dataset.test, batch, &context.device)?;
            let shown = match attack {
                None => natural,
                Some(attack) => attacked(&mut network, attack, &natural, &labels, batch, spec.seed)?,
            };
            let outcomes = outcomes(&mut network, &shown, &labels)?;
            at.correct += outcomes.iter().filter(|right| **right).count();
            if attack.is_none() {
                at.robust_candidates.extend(batch.iter().zip(&outcomes).filter(|(_, o)| **o).map(|(i, _)| *i));
            }
            at.batches += 1;
            let parts = spec.attacks.len() as f64;
            let within = at.batches as f64 / batches.len() as f64;
            // The natural accuracy is one pass beside dozens: it counts as no work.
            let done = if attack.is_some() { (at.attack as f64 - 1.0 + within) / parts } else { 0.0 };
            context.progress(Stage::Evaluate, (0, 0), share_done(&stages, 0, done))?;
            if context.checkpoint_is_due() {
                save(context, &mut at)?;
            }
        }
        // Those of an earlier attempt stand in the journal already.
        if at.attack >= context.journal.evaluations() {
            let accuracy = Accuracy { correct: at.correct, n: dataset.test.len() };
            context.journal.write(Event::Evaluation { attack: attack.cloned(), accuracy })?;
        }
        at.attack += 1;
        (at.batches, at.correct) = (0, 0);
        save(context, &mut at)?;
    }
    context.journal.write(Event::Finished { seconds: context.seconds() })?;
    Ok(Outcome::Finished)
}

fn save(context: &Context, at: &mut Position) -> Result<()> {
    at.seconds = context.seconds();
    let state = serde_json::to_string(at).unwrap_or_default();
    StateFile { tensors: Vec::new(), state }.save(&context.folder.checkpoint())
}
