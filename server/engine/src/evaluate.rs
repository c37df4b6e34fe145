//! Evaluation: the natural accuracy of a model, and its accuracy under attacks (methods.md §5.1).

use std::{ops::ControlFlow, path::Path};

use candle_core::Device;
use retort_spec::{Accuracy, Attack, EvaluateSpec, Event, LogLevel, RunSpec, Stage, VALIDATION_STEPS, Variety};

use crate::{
    Outcomes, Result,
    answers::{accuracy, correct, counted, not_finite},
    attacks::{Attacker, Starts},
    checkpoint,
    classes::load_for,
    context::{Context, Outcome, model_path, share_done},
    data::{Dataset, Split},
    loader::images,
    natural::Natural,
    nn::{Network, StateFile},
    rng::Purpose,
};

/// Natural and adversarial accuracy on validation images, the latter under PGD-10: what the best epoch is chosen by.
pub(crate) fn validate(network: &mut Network, split: &Split, seed: u64, device: &Device) -> Result<[Accuracy; 2]> {
    let attack = Attack::pgd(VALIDATION_STEPS);
    let natural = Natural::of(network, split, device)?.answers;
    let mut attacker =
        Attacker { attack: &attack, surrogate: None, starts: Starts { seed, purpose: Purpose::Validation } };
    let robust = correct(&natural, &split.labels);
    let mut adversarial = natural.clone();
    for batch in robust.chunks(100) {
        answer(network, &mut attacker, split, batch, &mut adversarial)?;
    }
    Ok([accuracy(&natural, &split.labels), accuracy(&adversarial, &split.labels)])
}

/// Attacks the images of a split at these places, and sets what the network answers to them.
fn answer(
    network: &mut Network,
    attacker: &mut Attacker,
    split: &Split,
    places: &[usize],
    answers: &mut [Option<u8>],
) -> Result<()> {
    let labels: Vec<u8> = places.iter().map(|i| split.labels[*i]).collect();
    let natural = images(split, places, network.device())?;
    let found = attacker.answers(network, &natural, &labels, places)?;
    for (place, answer) in places.iter().zip(found) {
        answers[*place] = answer;
    }
    Ok(())
}

/// How far an evaluation is; a checkpoint holds it.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
struct Position {
    /// What was answered to each test image without an attack, then under each attack; the last ones as far as they are.
    predictions: Vec<Vec<Option<u8>>>,
    /// Batches of the last ones that are done.
    batches: usize,
    /// Seconds of computing so far.
    seconds: f64,
}

/// Carries an evaluation on to its end.
pub(crate) fn run(spec: &EvaluateSpec, dataset: &Dataset, context: &mut Context) -> Result<Outcome> {
    match answers(spec, dataset, context)? {
        ControlFlow::Break(outcome) => Ok(outcome),
        ControlFlow::Continue((_, outcomes)) => {
            outcomes.save(&context.folder.outcomes())?;
            context.journal.write(Event::Finished { seconds: context.seconds() })?;
            Ok(Outcome::Finished)
        }
    }
}

/// The model, and what it answers to every test image without an attack and under each; or how that was interrupted.
pub(crate) fn answers(
    spec: &EvaluateSpec,
    dataset: &Dataset,
    context: &mut Context,
) -> Result<ControlFlow<Outcome, (Network, Outcomes)>> {
    let path = model_path(&spec.model)?;
    let (mut network, header) = load_for(path, dataset, &context.device)?;
    let found = checkpoint::load(context, &Device::Cpu, |file| {
        serde_json::from_str::<Position>(&file.state).map_err(|e| e.to_string())
    })?;
    let mut at = found.unwrap_or_default();
    context.seconds_before = at.seconds;
    context.started(0)?;
    let whole = RunSpec::Evaluate(spec.clone());
    let stages = whole.work(dataset.train.len(), dataset.test.len(), network.architecture, None);
    let test = &dataset.test;
    if at.predictions.is_empty() {
        let natural = Natural::of(&mut network, test, &context.device)?;
        every_image_is_answered(&natural, path, test)?;
        let variety = natural.variety(dataset);
        if let Some(collapse) = variety.collapse() {
            warn(context, format!("The model has collapsed: it {collapse}."))?;
        }
        at.predictions.push(natural.answers);
        report(context, &at, None, Some(variety), test)?;
    }
    // Images that are wrong without an attack are wrong under it: the attack may do nothing.
    let robust = correct(&at.predictions[0], &test.labels);
    let batches: Vec<&[usize]> = robust.chunks(spec.batch_size).collect();
    for (index, attack) in spec.attacks.iter().enumerate() {
        if index + 2 < at.predictions.len() {
            continue;
        }
        if index + 2 > at.predictions.len() {
            at.predictions.push(at.predictions[0].clone());
            at.batches = 0;
        }
        let surrogate = attack.surrogate().map(|surrogate| load_surrogate(model_path(surrogate)?, dataset, context));
        let mut surrogate = surrogate.transpose()?;
        let starts = Starts { seed: spec.seed, purpose: Purpose::Attack };
        let mut attacker = Attacker { attack, surrogate: surrogate.as_mut(), starts };
        for batch in batches.iter().skip(at.batches) {
            if let Some(outcome) = context.interrupted() {
                save(context, &mut at)?;
                return Ok(ControlFlow::Break(outcome));
            }
            let answers = &mut at.predictions[index + 1];
            answer(&mut network, &mut attacker, test, batch, answers)?;
            at.batches += 1;
            // The natural accuracy is one pass beside dozens: it counts as no work.
            let within = index as f64 + at.batches as f64 / batches.len() as f64;
            let done = share_done(&stages, 0, within / spec.attacks.len() as f64);
            context.progress(Stage::Evaluate, (0, 0), done)?;
            if context.checkpoint_is_due() {
                save(context, &mut at)?;
            }
        }
        report(context, &at, Some(attack), None, test)?;
        save(context, &mut at)?;
    }
    let attacks = std::iter::once(None).chain(spec.attacks.iter().cloned().map(Some));
    let outcomes = Outcomes {
        classes: header.classes,
        dataset: spec.dataset.clone(),
        labels: test.labels.clone(),
        predictions: attacks.zip(at.predictions.iter().cloned()).collect(),
    };
    Ok(ControlFlow::Continue((network, outcomes)))
}

/// A model for images to be made on. Where its logits are not finite there is no gradient, and the attack would do nothing.
fn load_surrogate(path: &Path, dataset: &Dataset, context: &Context) -> Result<Network> {
    let (mut network, _) = load_for(path, dataset, &context.device)?;
    every_image_is_answered(&Natural::of(&mut network, &dataset.test, &context.device)?, path, &dataset.test)?;
    Ok(network)
}

/// Without an attack a model must answer every test image: else there is nothing that its accuracy could be.
fn every_image_is_answered(natural: &Natural, model: &Path, test: &Split) -> Result<()> {
    match natural.unanswered() {
        places if places.is_empty() => Ok(()),
        places => Err(not_finite(&format!("the model {}", model.display()), &places, test.len(), "test images")),
    }
}

/// Writes the accuracy of the last predictions to the journal, unless an earlier attempt did.
fn report(
    context: &mut Context,
    at: &Position,
    attack: Option<&Attack>,
    variety: Option<Variety>,
    test: &Split,
) -> Result<()> {
    let Some(last) = at.predictions.last() else { return Ok(()) };
    if at.predictions.len() > context.journal.evaluations() {
        let accuracy = accuracy(last, &test.labels);
        let unanswered: Vec<usize> = (0..last.len()).filter(|place| last[*place].is_none()).collect();
        if let (Some(attack), false) = (attack, unanswered.is_empty()) {
            let images = counted(&unanswered, last.len(), "test images");
            let said = "the model's answers are not finite numbers: they count as wrong";
            warn(context, format!("Under {attack}, to {images}, {said}."))?;
        }
        let unanswered = unanswered.len();
        context.journal.write(Event::Evaluation { attack: attack.cloned(), accuracy, unanswered, variety })?;
    }
    Ok(())
}

fn warn(context: &mut Context, message: String) -> Result<()> {
    context.journal.write(Event::Log { level: LogLevel::Warning, message })
}

fn save(context: &mut Context, at: &mut Position) -> Result<()> {
    at.seconds = context.seconds();
    let state = serde_json::to_string(at).unwrap_or_default();
    checkpoint::save(context, StateFile { tensors: Vec::new(), state })
}
