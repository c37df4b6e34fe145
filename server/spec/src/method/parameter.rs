//! The parameters of the methods that a lab may want to vary, as a form explains them.

use std::ops::RangeInclusive;

use crate::{Problem, problem::expect};

/// A parameter of a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its path in a spec.
    pub path: &'static str,
    /// What it is.
    pub name: &'static str,
    /// What it may be.
    pub range: &'static str,
    /// Why it has its default, or what another value would do.
    pub reason: &'static str,
}

impl Parameter {
    /// The words that it may be, where it is one of a few: `none`, `teacher`. Empty for numbers and lists.
    pub fn choices(&self) -> Vec<&'static str> {
        let words: Vec<&str> = self.range.split(" or ").flat_map(|part| part.split(", ")).collect();
        let is_word = |word: &&str| word.chars().all(|c| c.is_ascii_lowercase() || matches!(c, '_' | '-'));
        if words.len() > 1 && words.iter().all(is_word) { words } else { Vec::new() }
    }
}

pub(super) const TEMPERATURE: &str = "0.001 to 1,000";
pub(super) const TEMPERATURE_RANGE: &str = "must be from 0.001 to 1,000";
pub(super) const WEIGHT: &str = "0 or more";
pub(super) const WEIGHT_RANGE: &str = "must be from 0 to 1,000,000";
pub(super) const RADIUS: &str = "above 0, to 1";
pub(super) const STEPS: &str = "1 to 10,000";
pub(super) const REDUCTIONS: &str = "element_mean or batch_mean";
const BATCH_NORM: &str = "eval or train";

pub(super) fn temperature_holds(temperature: f64) -> bool {
    const RANGE: RangeInclusive<f64> = 0.001..=1_000.0;
    RANGE.contains(&temperature)
}

pub(super) const fn parameter(
    path: &'static str,
    name: &'static str,
    range: &'static str,
    reason: &'static str,
) -> Parameter {
    Parameter { path, name, range, reason }
}

/// Those of losses that average over classes too, as the codes of RSLAD and MTARD do.
pub(super) const ELEMENT_MEAN: [Parameter; 2] = [
    parameter(
        "method.loss_weight",
        "loss weight",
        WEIGHT,
        "1; for 100 classes the authors take 10, so that the mean over classes weighs as it does for 10.",
    ),
    parameter("method.reduction", "KL reduction", REDUCTIONS, "As the authors' code averages: over batch and classes."),
];

/// That of methods whose loss has true labels and nothing else beside them.
pub(super) const LABEL_SMOOTHING: [Parameter; 1] = [parameter(
    "method.label_smoothing",
    "label smoothing",
    "0 to below 1",
    "None, as published. This much of each label is spread over all classes; the attack keeps the true label.",
)];

/// Adds what is wrong with a smoothing of labels.
pub(crate) fn check_smoothing(smoothing: f64, field: &str, problems: &mut Vec<Problem>) {
    expect((0.0..1.0).contains(&smoothing), field, "must be from 0 to below 1", problems);
}

/// Those of an inner attack.
pub(super) const ATTACK: [Parameter; 4] = [
    parameter(
        "method.attack.steps",
        "attack steps",
        STEPS,
        "The budget's. More find harder images, for as many passes more.",
    ),
    parameter("method.attack.eps", "attack ε", RADIUS, "The radius of the inner attack, in pixel units."),
    parameter("method.attack.step_size", "attack step", RADIUS, "The size of a step of the inner attack."),
    parameter(
        "method.attack.batch_norm",
        "batch norm in the attack",
        BATCH_NORM,
        "eval leaves the running statistics alone; train is what ARD's code does.",
    ),
];

/// Those of a schedule.
pub(super) const SCHEDULE: [Parameter; 8] = [
    parameter("schedule.epochs", "epochs", "1 to 10,000", "The published length, shortened to the budget."),
    parameter("schedule.batch_size", "batch size", "2 to 4,096", "As published."),
    parameter("schedule.learning_rate", "learning rate", "above 0, to 10", "SGD as published."),
    parameter(
        "schedule.decay",
        "decay",
        "milestones, cosine or cyclic",
        "As published. cosine falls to 0; cyclic rises over two fifths of the epochs and falls to 0, which short trainings use.",
    ),
    parameter(
        "schedule.warm_up",
        "warm-up",
        "epochs",
        "None, as published. The learning rate rises over them in a line.",
    ),
    parameter(
        "schedule.milestones",
        "milestones",
        "[epochs]",
        "Epochs, counted from 0, from which the learning rate is a tenth of what it was.",
    ),
    parameter("schedule.weight_decay", "weight decay", "0 to 1", "As published; it acts on every parameter."),
    parameter("schedule.momentum", "momentum", "0 to below 1", "As published."),
];

#[cfg(test)]
mod tests {
    use crate::{Architecture, Budget, DatasetChoice, MethodName, Setting};

    #[test]
    fn every_parameter_is_one_of_its_methods_spec_and_can_be_set_to_its_own_value() {
        for method in MethodName::all() {
            for parameter in method.parameters() {
                let mut spec = Budget::Paper.train(method, Architecture::ResNet8, DatasetChoice::all_of("d"), 1);
                let value = spec.parameter(parameter.path).unwrap_or_else(|| panic!("{method}: {}", parameter.path));
                spec.set(&Setting::new(parameter.path, value)).unwrap();
            }
        }
    }

    #[test]
    fn a_range_of_choices_names_exactly_those_that_there_are() {
        let mut with_choices = 0;
        for method in MethodName::all() {
            for parameter in method.parameters() {
                let choices = parameter.choices();
                let mut spec = Budget::Paper.train(method, Architecture::ResNet8, DatasetChoice::all_of("d"), 1);
                let own = spec.parameter(parameter.path).unwrap_or_default();
                let is_word = own.parse::<f64>().is_err() && !own.contains(['/', '[']);
                assert_eq!(choices.contains(&own.as_str()), is_word, "{method} {}: {own}", parameter.path);
                if choices.is_empty() {
                    continue;
                }
                with_choices += 1;
                for choice in &choices {
                    spec.set(&Setting::new(parameter.path, *choice)).unwrap();
                }
                // The message of a wrong choice lists all of them.
                let message = spec.set(&Setting::new(parameter.path, "neither")).unwrap_err().message;
                assert_eq!(
                    message.matches('`').count(),
                    2 * (choices.len() + 1),
                    "{method} {}: {message}",
                    parameter.path
                );
            }
        }
        assert!(with_choices > 20, "{with_choices}");
    }
}
