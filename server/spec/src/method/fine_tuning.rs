//! Adversarial fine-tuning after a distillation (AFT; methods.md §3.3): its parameters and presets, whatever was distilled.

use super::{
    parameter::{Parameter, RADIUS, STEPS, parameter},
    preset::Preset,
};

pub(super) const PARAMETERS: [Parameter; 9] = [
    parameter("finetune.loss", "loss", "pgd-at or trades", "PGD-AT; the paper says adversarial training and no more."),
    parameter("finetune.attack.steps", "attack steps", STEPS, "The budget's."),
    parameter("finetune.attack.eps", "attack ε", RADIUS, "The radius of the inner attack, in pixel units."),
    parameter("finetune.attack.step_size", "attack step", RADIUS, "The size of a step of the inner attack."),
    parameter(
        "finetune.label_smoothing",
        "label smoothing",
        "0 to below 1",
        "None, as published. This much of each label is spread over all classes; the attack keeps the true label.",
    ),
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

/// TRADES instead of PGD-AT, at its own ε and step (methods.md §3.2–3.3).
const TRADES: Preset = Preset {
    name: "trades",
    summary: "Fine-tunes with TRADES at its published β, ε and step.",
    settings: &[("finetune.loss", "trades"), ("finetune.attack.eps", "0.031"), ("finetune.attack.step_size", "0.007")],
};

pub(super) const PRESETS: [Preset; 1] = [TRADES];
