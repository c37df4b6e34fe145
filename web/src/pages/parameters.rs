//! The parameters of the methods, as the form explains them.

use retort_spec::{
    Architecture, Budget, ExperimentSpec, InnerAttack, Method, MethodName, Reduction, RunSpec, Schedule, TrainSpec,
};

use crate::format;

/// A parameter with its value.
pub struct Parameter {
    /// What it is.
    pub name: &'static str,
    /// Its value.
    pub value: String,
    /// What it may be.
    pub range: &'static str,
    /// Why it has this value, or what another would do.
    pub reason: &'static str,
}

const TEMPERATURE: &str = "0.001 to 1,000";
const WEIGHT: &str = "0 or more";

/// The parameters of every method at a budget, with `epochs` instead of its own where given. They are read off the runs
/// that would be launched, so that the form cannot say anything else.
pub fn of(budget: Budget, epochs: Option<usize>) -> Vec<(MethodName, Vec<Parameter>)> {
    let spec = ExperimentSpec {
        students: vec![Architecture::ResNet8],
        methods: MethodName::ALL.to_vec(),
        budget,
        epochs: epochs.filter(|e| (1..=10_000).contains(e)),
        ..ExperimentSpec::demo()
    };
    let runs = spec.expand().into_iter().filter(|run| !run.is_teacher);
    runs.filter_map(|run| match run.spec {
        RunSpec::Train(train) => Some((run.method, parameters(run.method, &train))),
        RunSpec::Evaluate(_) => None,
    })
    .collect()
}

fn parameters(name: MethodName, spec: &TrainSpec) -> Vec<Parameter> {
    let mut list = Vec::new();
    if name != MethodName::GacdAft {
        loss(&spec.method, &mut list);
        schedule(&spec.schedule, &mut list);
    }
    if let Some(finetune) = &spec.finetune {
        // What goes before is GACD's, with GACD's parameters.
        attack(&finetune.attack, "The fine-tuning is PGD-AT; the steps are the budget's.", &mut list);
        schedule(&finetune.schedule, &mut list);
    }
    list
}

fn loss(method: &Method, list: &mut Vec<Parameter>) {
    let mut add = |name, value: String, range, reason| list.push(Parameter { name, value, range, reason });
    match method {
        Method::Natural {} => {}
        Method::PgdAt { attack: inner } => {
            attack(inner, "More steps find harder images and cost as many passes more.", list);
        }
        Method::Kd { temperature, alpha, gamma } => {
            add("temperature T", temperature.to_string(), TEMPERATURE, "ARD's value, so that the two compare.");
            add("soft labels α", alpha.to_string(), WEIGHT, "All of the loss is the teacher's soft labels.");
            add(
                "true labels γ",
                gamma.to_string(),
                WEIGHT,
                "With true labels the student would leave its teacher behind.",
            );
        }
        Method::Ard { attack: inner, temperature, reduction } => {
            let (reduction, reason) = match reduction {
                Reduction::ElementMean => ("element mean", "As the authors' code averages: over batch and classes."),
                Reduction::BatchMean => ("batch mean", "The mathematical divergence."),
            };
            add("temperature T", temperature.to_string(), TEMPERATURE, "The authors' value for CIFAR-10.");
            add("KL reduction", reduction.into(), "element or batch mean", reason);
            attack(inner, "On the student's cross-entropy; the steps are the budget's.", list);
        }
        Method::Gacd {
            negatives,
            temperature,
            embedding,
            bank_momentum,
            attack: inner,
            sinkhorn_epsilon,
            classifier,
        } => {
            add(
                "negatives k",
                format::count(*negatives),
                "1 to 1,000,000",
                "At 50,000 training images; fewer images use proportionally fewer. More is more robust, and natural accuracy falls.",
            );
            add(
                "temperature T",
                temperature.to_string(),
                TEMPERATURE,
                "The paper's; lower looks at the hardest negatives only.",
            );
            add("embedding", embedding.to_string(), "2 to 4,096", "Dimension of the heads, as in CRD.");
            add(
                "bank momentum",
                bank_momentum.to_string(),
                "0 to 1",
                "How much of a remembered feature stays at an update, as in CRD.",
            );
            add(
                "Sinkhorn ε",
                sinkhorn_epsilon.to_string(),
                "0.0001 to 100",
                "Smaller is nearer to the exact transport, and slower.",
            );
            attack(inner, "Moves the student's features, without labels; the steps are the budget's.", list);
            add_classifier(classifier, list);
        }
    }
}

fn add_classifier(classifier: &Schedule, list: &mut Vec<Parameter>) {
    list.push(Parameter {
        name: "classifier epochs",
        value: format::count(classifier.epochs),
        range: "1 to 10,000",
        reason: "A linear layer on the frozen features; cheap, as these are computed once.",
    });
}

fn attack(attack: &InnerAttack, reason: &'static str, list: &mut Vec<Parameter>) {
    let value = format!("PGD-{}, ε {}, step {}", attack.steps, attack.eps, attack.step_size);
    list.push(Parameter { name: "inner attack", value, range: "1 to 10,000 steps, ε to 1", reason });
}

fn schedule(schedule: &Schedule, list: &mut Vec<Parameter>) {
    let epochs = format::plural(schedule.epochs, "epoch", "epochs");
    list.push(Parameter {
        name: "length",
        value: format!("{epochs} in batches of {}", schedule.batch_size),
        range: "1 to 10,000 epochs",
        reason: "The published length, shortened to the budget.",
    });
    // Counted from 1, as everywhere on the pages; a short training may end before its last milestone.
    let reached = schedule.milestones.iter().filter(|m| **m < schedule.epochs);
    let mut milestones: Vec<String> = reached.map(|m| (m + 1).to_string()).collect();
    milestones.dedup();
    list.push(Parameter {
        name: "learning rate",
        value: match milestones.as_slice() {
            [] => schedule.learning_rate.to_string(),
            [one] => format!("{}, ÷ 10 from epoch {one} on", schedule.learning_rate),
            many => format!("{}, ÷ 10 from epochs {} on", schedule.learning_rate, many.join(", ")),
        },
        range: "above 0, to 10",
        reason: "SGD as published; the milestones keep their share of the length.",
    });
    list.push(Parameter {
        name: "momentum, decay",
        value: format!("{}, {}", schedule.momentum, schedule.weight_decay),
        range: "0 to 1",
        reason: "As published; decay acts on every parameter.",
    });
}
