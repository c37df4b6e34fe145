//! Evaluation: the natural accuracy of a model, and its accuracy under attacks (methods.md §5.1).

mod flags;
mod position;

use std::{ops::ControlFlow, path::Path};

use candle_core::Device;
use retort_spec::{Accuracy, Attack, EvaluateSpec, Event, LogLevel, Stage, VALIDATION_STEPS, Variety};

use self::position::{Costs, Position};
use crate::{
    Outcomes, Result,
    answers::{accuracy, correct, counted, not_finite},
    attacks::{Attacker, Course, Images, Memory, Starts, Try, parts},
    checkpoint,
    classes::load_for,
    context::{Context, Outcome, UnderAttack, model_path},
    data::{Dataset, Split},
    loader::images,
    natural::Natural,
    nn::Network,
    rng::Purpose,
};

/// Percentage points that an attack without gradients may find behind those with (methods.md §5.4).
pub(crate) const GRADIENT_FREE: f64 = 0.2;

/// Natural and adversarial accuracy on validation images, the latter under PGD-10: what the best epoch is chosen by.
pub(crate) fn validate(network: &mut Network, split: &Split, seed: u64, device: &Device) -> Result<[Accuracy; 2]> {
    let attack = Attack::pgd(VALIDATION_STEPS);
    let natural = Natural::of(network, split, device)?.answers;
    let mut attacker =
        Attacker { attack: &attack, surrogate: None, starts: Starts { seed, purpose: Purpose::Validation } };
    let robust = correct(&natural, &split.labels);
    let mut adversarial = natural.clone();
    for batch in robust.chunks(100) {
        let first = Try { attempt: 0, memory: &mut Memory::new() };
        answer(network, &mut attacker, (split, batch), first, &mut adversarial)?;
    }
    Ok([accuracy(&natural, &split.labels), accuracy(&adversarial, &split.labels)])
}

/// Tries the images of a split at these places, and sets what the network answers to them.
fn answer(
    network: &mut Network,
    attacker: &mut Attacker,
    (split, places): (&Split, &[usize]),
    with: Try<'_>,
    answers: &mut [Option<u8>],
) -> Result<()> {
    let tried = Images {
        natural: images(split, places, network.device())?,
        labels: places.iter().map(|i| split.labels[*i]).collect(),
        indices: places.to_vec(),
    };
    let found = attacker.answers(network, tried, with)?;
    for (place, answer) in places.iter().zip(found) {
        answers[*place] = answer;
    }
    Ok(())
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
    let test = &dataset.test;
    let robust = |at: &Position| correct(&at.predictions[0], &test.labels);
    let found = checkpoint::load(context, &Device::Cpu, |file| Position::read(&file, spec.batch_size, robust))?;
    let mut at = found.unwrap_or_default();
    context.seconds_before = at.seconds;
    context.started(0)?;
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
    let robust = robust(&at);
    let mut evaluation =
        Evaluation { spec, dataset, costs: Costs::of(spec, robust.len()), network, robust, attack: 0, at };
    for (index, attack) in spec.attacks.iter().enumerate() {
        evaluation.attack = index;
        if let ControlFlow::Break(outcome) = evaluation.carry_out(attack, context)? {
            return Ok(ControlFlow::Break(outcome));
        }
    }
    let Evaluation { at, network, .. } = evaluation;
    let attacks = std::iter::once(None).chain(spec.attacks.iter().cloned().map(Some));
    let outcomes = Outcomes {
        classes: header.classes,
        dataset: spec.dataset.clone(),
        labels: test.labels.clone(),
        predictions: attacks.zip(at.predictions).collect(),
        found_by: spec
            .attacks
            .iter()
            .cloned()
            .zip(at.found_by)
            .filter(|(attack, _)| !attack.parts().is_empty())
            .collect(),
    };
    Ok(ControlFlow::Continue((network, outcomes)))
}

/// An evaluation under way.
struct Evaluation<'a> {
    spec: &'a EvaluateSpec,
    dataset: &'a Dataset,
    costs: Costs,
    network: Network,
    /// The images that are answered rightly without an attack.
    robust: Vec<usize>,
    /// The attack that it is at, counted from 0.
    attack: usize,
    at: Position,
}

impl Evaluation<'_> {
    /// Carries an attack on to its end, unless that was done, or the run is interrupted.
    fn carry_out(&mut self, attack: &Attack, context: &mut Context) -> Result<ControlFlow<Outcome>> {
        let done = self.at.predictions.len();
        if self.attack + 2 < done {
            return Ok(ControlFlow::Continue(()));
        }
        let (parts, test) = (parts(attack), &self.dataset.test);
        if self.attack + 2 > done {
            self.at.begin(Course::new(self.robust.clone()), parts.len());
            if parts.len() > 1 {
                for said in flags::of(&mut self.network, test, &self.robust)? {
                    warn(context, format!("{attack}: {said}"))?;
                }
            }
        }
        let surrogate =
            attack.surrogate().map(|surrogate| load_surrogate(model_path(surrogate)?, self.dataset, context));
        let mut surrogate = surrogate.transpose()?;
        let starts = Starts { seed: self.spec.seed, purpose: Purpose::Attack };
        let mut attacker = Attacker { attack, surrogate: surrogate.as_mut(), starts };
        while let Some(batch) = self.at.next(self.spec.batch_size, attacker.tries()) {
            if let Some(outcome) = context.interrupted() {
                save(context, &mut self.at)?;
                return Ok(ControlFlow::Break(outcome));
            }
            let (attempt, part) = (self.at.course.attempt, self.costs.part(self.attack, self.at.course.attempt));
            let Some(predictions) = self.at.predictions.last_mut() else { break };
            let with = Try { attempt, memory: &mut self.at.memory };
            answer(&mut self.network, &mut attacker, (test, &batch), with, predictions)?;
            self.at.spent += self.costs.one(self.attack, attempt) * batch.len() as f64;
            self.at.advance(&batch, &test.labels, part);
            let next = self.costs.part(self.attack, self.at.course.attempt);
            if parts.len() > 1 && next > part {
                self.tell(context, attack, (part, &parts[part].0))?;
            }
            self.progress(context, &parts)?;
            if context.checkpoint_is_due() {
                save(context, &mut self.at)?;
            }
        }
        report(context, &self.at, Some(attack), None, test)?;
        save(context, &mut self.at)?;
        Ok(ControlFlow::Continue(()))
    }

    /// Tells how many images stand behind a part of an attack, given by its number.
    fn tell(&self, context: &mut Context, attack: &Attack, (number, part): (usize, &Attack)) -> Result<()> {
        let (stand, of) = (self.at.course.standing(), self.dataset.test.len());
        let percent = Accuracy { correct: stand, n: of }.percent();
        let message = format!("{attack}: {stand} of {of} images withstand it up to {part} ({percent:.2} %).");
        context.journal.write(Event::Log { level: LogLevel::Info, message })?;
        let found_by = self.at.found_by.last().into_iter().flatten();
        let found = found_by.filter(|by| usize::from(**by) == number + 1).count();
        let lowered = 100.0 * found as f64 / of.max(1) as f64;
        if part.strength() == 0 && lowered > GRADIENT_FREE {
            let said = format!(
                "{part}, which looks at no gradient, lowered the accuracy by {lowered:.2} points beyond the attacks that do: \
                 gradients may be masked."
            );
            warn(context, format!("{attack}: {said}"))?;
        }
        Ok(())
    }

    fn progress(&self, context: &mut Context, parts: &[(Attack, usize)]) -> Result<()> {
        let (own, left) = self.costs.left(self.attack, &self.at.course);
        // The natural accuracy is one pass beside dozens: it counts as no work.
        let done = self.at.spent / (self.at.spent + left).max(1.0);
        let part = self.costs.part(self.attack, self.at.course.attempt);
        let under = parts.get(part).map(|(attack, _)| UnderAttack {
            attack: attack.clone(),
            standing: self.at.course.standing(),
            share_of_rest: own / left.max(1.0),
        });
        context.progress((Stage::Evaluate, 0, 0), done, under)
    }
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
        context.journal.write(Event::Evaluation {
            attack: attack.cloned(),
            accuracy,
            unanswered,
            standing: attack.map_or_else(Vec::new, |attack| at.standing(attack, &test.labels)),
            variety,
        })?;
    }
    Ok(())
}

fn warn(context: &mut Context, message: String) -> Result<()> {
    context.journal.write(Event::Log { level: LogLevel::Warning, message })
}

fn save(context: &mut Context, at: &mut Position) -> Result<()> {
    at.seconds = context.seconds();
    checkpoint::save(context, at.file()?)
}
