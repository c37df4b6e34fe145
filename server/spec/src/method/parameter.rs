//! The parameters of the methods that a lab may want to vary, as a form explains them.

use crate::MethodName;

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

const TEMPERATURE: &str = "0.001 to 1,000";
const WEIGHT: &str = "0 or more";
const RADIUS: &str = "above 0, to 1";
const STEPS: &str = "1 to 10,000";
const BATCH_NORM: &str = "eval or train";

const fn parameter(path: &'static str, name: &'static str, range: &'static str, reason: &'static str) -> Parameter {
    Parameter { path, name, range, reason }
}

const ATTACK: [Parameter; 4] = [
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

const SCHEDULE: [Parameter; 6] = [
    parameter("schedule.epochs", "epochs", "1 to 10,000", "The published length, shortened to the budget."),
    parameter("schedule.batch_size", "batch size", "2 to 4,096", "As published."),
    parameter("schedule.learning_rate", "learning rate", "above 0, to 10", "SGD as published."),
    parameter(
        "schedule.milestones",
        "milestones",
        "[epochs]",
        "Epochs, counted from 0, from which the learning rate is a tenth of what it was.",
    ),
    parameter("schedule.weight_decay", "weight decay", "0 to 1", "As published; it acts on every parameter."),
    parameter("schedule.momentum", "momentum", "0 to below 1", "As published."),
];

const TRADES: [Parameter; 1] =
    [parameter("method.beta", "β", WEIGHT, "Weight of the KL between answers: more is more robust and less accurate.")];

const REDUCTIONS: &str = "element_mean or batch_mean";

const KD: [Parameter; 4] = [
    parameter("method.temperature", "temperature T", TEMPERATURE, "ARD's value, so that the two compare."),
    parameter("method.alpha", "soft labels α", WEIGHT, "All of the loss is the teacher's soft labels."),
    parameter("method.gamma", "true labels γ", WEIGHT, "With true labels the student would leave its teacher behind."),
    parameter(
        "method.reduction",
        "KL reduction",
        REDUCTIONS,
        "ARD's, so that the two compare. A mean over batch and classes weighs as many times less than batch_mean as there are \
         classes, so that short budgets learn less: after 12 epochs on 5,000 images of CIFAR-10, natural / PGD-20, 32.5 / 1.3 % \
         against 35.6 / 14.6 %.",
    ),
];

const ARD: [Parameter; 4] = [
    parameter("method.temperature", "temperature T", TEMPERATURE, "The authors' value for CIFAR-10."),
    parameter("method.alpha", "soft labels α", "0 to 1", "The cross-entropy on natural images weighs 1 − α."),
    parameter(
        "method.reduction",
        "KL reduction",
        REDUCTIONS,
        "As the authors' code averages: over batch and classes. batch_mean is the mathematical divergence and weighs as many \
         times more as there are classes, so that short budgets learn more: after 12 epochs on 5,000 images of CIFAR-10, \
         natural / PGD-20, 35.7 / 22.4 % against 29.8 / 12.5 %.",
    ),
    parameter(
        "method.sample_weighting",
        "sample weighting",
        "none, teacher or teacher_normalised",
        "teacher weighs each image by w_t, the paper's ablation of ARD.",
    ),
];

const GACD: [Parameter; 18] = [
    parameter(
        "method.negatives",
        "negatives k",
        "1 to 1,000,000",
        "At 50,000 training images; fewer images use proportionally fewer. More is more robust, and natural accuracy falls.",
    ),
    parameter(
        "method.temperature",
        "temperature T",
        TEMPERATURE,
        "The paper's; lower looks at the hardest negatives only.",
    ),
    parameter(
        "method.sample_weighting",
        "sample weighting",
        "none, teacher or teacher_normalised",
        "The paper's w_t: images that the teacher knows count more.",
    ),
    parameter(
        "method.anchor",
        "anchor",
        "symmetric, teacher_live or student_only",
        "CRD's two terms; the printed loss alone sends the student no gradient through a memory.",
    ),
    parameter(
        "method.normalising_constant",
        "normalising constant Z",
        "calibrated or one",
        "CRD's code calibrates it on the first batch; the printed formula has none.",
    ),
    parameter("method.positive", "positive", "exact or relaxed", "The same image, or a random one of its class."),
    parameter(
        "method.teacher_input",
        "teacher's input",
        "same or natural",
        "Algorithm 1 shows it the adversarial image.",
    ),
    parameter(
        "method.student_input",
        "student's input",
        "adversarial or both",
        "both averages the loss over the natural and the adversarial image.",
    ),
    parameter(
        "method.attacked_features",
        "attacked features",
        "penultimate, logits or embedding",
        "“Distortion on features”; feature scattering's code takes the logits.",
    ),
    parameter("method.attacked_network", "attacked network", "student or teacher", "Whose features the attack moves."),
    parameter(
        "method.coupling",
        "coupling",
        "transport or identity",
        "identity is the mean cosine distance of each image to itself: faster, and almost the same.",
    ),
    parameter(
        "method.sinkhorn_epsilon",
        "Sinkhorn ε",
        "0.0001 to 100",
        "Smaller is nearer to the exact transport, and slower.",
    ),
    parameter(
        "method.plan_gradient",
        "gradient of the plan",
        "detached or unrolled",
        "At the optimum a constant plan gives the exact gradient.",
    ),
    parameter("method.contrast_weight", "contrast β", WEIGHT, "Weight of the contrast; 0.8 in CRD."),
    parameter(
        "method.cross_entropy_weight",
        "cross-entropy γ",
        WEIGHT,
        "Above 0 the classifier is trained with the contrast, as in CRD, and none follows.",
    ),
    parameter("method.embedding", "embedding", "2 to 4,096", "Dimension of the heads, as in CRD."),
    parameter(
        "method.bank_momentum",
        "bank momentum",
        "0 to 1",
        "How much of a remembered embedding stays at an update, as in CRD.",
    ),
    parameter(
        "method.classifier.epochs",
        "classifier epochs",
        "1 to 10,000",
        "A linear layer on the frozen features; cheap, as these are computed once.",
    ),
];

const FINE_TUNE: [Parameter; 8] = [
    parameter("finetune.loss", "loss", "pgd-at or trades", "PGD-AT; the paper says adversarial training and no more."),
    parameter("finetune.attack.steps", "attack steps", STEPS, "The budget's."),
    parameter("finetune.attack.eps", "attack ε", RADIUS, "The radius of the inner attack, in pixel units."),
    parameter("finetune.attack.step_size", "attack step", RADIUS, "The size of a step of the inner attack."),
    parameter("finetune.schedule.epochs", "epochs", "1 to 10,000", "25, shortened to the budget."),
    parameter("finetune.schedule.batch_size", "batch size", "2 to 4,096", "As adversarial training has it."),
    parameter(
        "finetune.schedule.learning_rate",
        "learning rate",
        "above 0, to 10",
        "Small, so that the distilled features stay.",
    ),
    parameter("finetune.schedule.weight_decay", "weight decay", "0 to 1", "It acts on every parameter."),
];

impl MethodName {
    /// The parameters that a lab may want to vary, those of its own loss first. For a method that ends with AFT they are
    /// those of the fine-tuning; what goes before has the parameters of the method that is fine-tuned.
    pub fn parameters(self) -> Vec<Parameter> {
        let (own, attack): (&[Parameter], &[Parameter]) = match self {
            Self::Natural => (&[], &[]),
            Self::PgdAt => (&[], &ATTACK),
            Self::Trades => (&TRADES, &ATTACK),
            Self::Kd => (&KD, &[]),
            Self::Ard => (&ARD, &ATTACK),
            // Its attack is always in eval mode.
            Self::Gacd => (&GACD, &ATTACK[..3]),
            Self::KdAft | Self::ArdAft | Self::GacdAft => return FINE_TUNE.to_vec(),
        };
        [own, attack, &SCHEDULE].concat()
    }
}

#[cfg(test)]
mod tests {
    use crate::{Architecture, Budget, DatasetChoice, MethodName, Setting};

    #[test]
    fn every_parameter_is_one_of_its_methods_spec_and_can_be_set_to_its_own_value() {
        for method in MethodName::ALL {
            for parameter in method.parameters() {
                let mut spec = Budget::Paper.train(method, Architecture::ResNet8, DatasetChoice::all_of("d"), 1);
                let value = spec.parameter(parameter.path).unwrap_or_else(|| panic!("{method}: {}", parameter.path));
                spec.set(&Setting::new(parameter.path, value)).unwrap();
            }
        }
    }

    #[test]
    fn a_range_of_choices_names_exactly_those_that_there_are() {
        for method in MethodName::ALL {
            for parameter in method.parameters() {
                let words = parameter.range.replace(" or ", ", ");
                let choices: Vec<&str> = words.split(", ").collect();
                let mut spec = Budget::Paper.train(method, Architecture::ResNet8, DatasetChoice::all_of("d"), 1);
                let own = spec.parameter(parameter.path).unwrap_or_default();
                if !choices.contains(&own.as_str()) || own.parse::<f64>().is_ok() {
                    continue;
                }
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
    }
}
