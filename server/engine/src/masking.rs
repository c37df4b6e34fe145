//! Masking checks: whether a model's adversarial accuracy can be believed (methods.md §5.4).

mod measures;
mod verdicts;

use std::ops::ControlFlow;

use retort_spec::{Attack, Event, MaskingSpec};

use self::{measures::Measures, verdicts::verdicts};
use crate::{
    Outcomes, Result,
    context::{Context, Outcome},
    data::Dataset,
    evaluate,
};

/// Carries the checks on to their end: an evaluation under many attacks, then what they and the gradients say.
pub(crate) fn run(spec: &MaskingSpec, dataset: &Dataset, context: &mut Context) -> Result<Outcome> {
    let mut evaluation = spec.evaluation();
    evaluation.attacks.retain(|attack| attack.fewest_classes() <= dataset.classes.len());
    let (mut network, outcomes) = match evaluate::answers(&evaluation, dataset, context)? {
        ControlFlow::Break(outcome) => return Ok(outcome),
        ControlFlow::Continue(answers) => answers,
    };
    let correct = correct_under(&outcomes, None);
    let robust = correct_under(&outcomes, Some(&spec.iterative()));
    let measures = Measures::of(&mut network, &dataset.test, &correct, &robust, spec)?;
    for result in verdicts(spec, &outcomes, &measures).into_iter().skip(context.journal.checks()) {
        context.journal.write(Event::Check(result))?;
    }
    outcomes.save(&context.folder.outcomes())?;
    context.journal.write(Event::Finished { seconds: context.seconds() })?;
    Ok(Outcome::Finished)
}

/// The images that are still classified correctly under an attack; none where it was not made.
fn correct_under(outcomes: &Outcomes, attack: Option<&Attack>) -> Vec<usize> {
    let answers = outcomes.under(attack).unwrap_or_default();
    let correct = |(place, (answer, label)): (usize, (&Option<u8>, &u8))| (*answer == Some(*label)).then_some(place);
    answers.iter().zip(&outcomes.labels).enumerate().filter_map(correct).collect()
}
