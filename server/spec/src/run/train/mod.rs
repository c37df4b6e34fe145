//! The training of one model.

mod averaging;
mod parameters;

use serde::{Deserialize, Serialize};

pub use self::averaging::WeightAveraging;

use crate::{
    Architecture, DatasetChoice, DeviceName, DivergenceRules, InnerAttack, Method, MethodName, ModelRef, Normaliser,
    Problem, Schedule, method::check_smoothing,
};

/// The training of one model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainSpec {
    /// The images.
    pub dataset: DatasetChoice,
    /// The network to train.
    pub architecture: Architecture,
    /// The network's first layer, where it normalises its input; absent, it sees the pixels as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normaliser: Option<Normaliser>,
    /// The model that it learns from, where the method has a teacher.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub teacher: Option<ModelRef>,
    /// The naturally trained model that it learns from too, where the method has two teachers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub natural_teacher: Option<ModelRef>,
    /// How a batch becomes a loss.
    pub method: Method,
    /// How long, with which steps.
    pub schedule: Schedule,
    /// Adversarial fine-tuning of the whole network afterwards (AFT).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finetune: Option<FineTune>,
    /// Fine-tune this model, which was trained with the same spec but for the fine-tuning, instead of training it
    /// again: the numbers are the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_from: Option<ModelRef>,
    /// Leave the model of an average of the weights beside that of the last step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_averaging: Option<WeightAveraging>,
    /// Whether training images are padded by 4, cropped at random and flipped with probability ½.
    pub augment: bool,
    /// When it is given up.
    #[serde(default, skip_serializing_if = "DivergenceRules::are_none")]
    pub divergence: DivergenceRules,
    /// The seed of every random number of the run.
    pub seed: u64,
    /// Where it computes.
    pub device: DeviceName,
}

/// Adversarial training of all layers that starts from the trained model (methods.md §3.3).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FineTune {
    /// What is minimised.
    #[serde(default)]
    pub loss: FineTuneLoss,
    /// The inner maximisation.
    pub attack: InnerAttack,
    /// How much of a label is spread over all classes.
    #[serde(default)]
    pub label_smoothing: f64,
    /// How long, with which steps.
    pub schedule: Schedule,
}

/// The loss of adversarial fine-tuning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FineTuneLoss {
    /// Cross-entropy on PGD images.
    #[default]
    PgdAt,
    /// TRADES with its published β.
    Trades,
}

impl Default for FineTune {
    /// 25 epochs, learning rate 0.01, a tenth at epochs 15 and 20 (methods.md §3.3).
    fn default() -> Self {
        Self {
            loss: FineTuneLoss::default(),
            attack: InnerAttack::default(),
            label_smoothing: 0.0,
            schedule: Schedule::new(25, 128, 0.01, 2e-4, &[0.6, 0.8]),
        }
    }
}

impl TrainSpec {
    /// The row of the comparison table that this training belongs to.
    pub const fn method_name(&self) -> MethodName {
        let name = self.method.name();
        if self.finetune.is_some() { name.fine_tuned() } else { name }
    }

    /// Whether it keeps the model of its best epoch beside that of its last: the best under PGD-10 on validation images, by
    /// its last stage that trains the whole network together with its classifier.
    pub fn keeps_best(&self) -> bool {
        let trains_classifier = self.finetune.is_some() || self.method.classifier().is_none();
        self.dataset.validation_images.is_some() && trains_classifier
    }

    /// Whether it leaves the model of an average of its weights beside that of its last step: of its last stage that trains the
    /// whole network together with its classifier.
    pub fn keeps_average(&self) -> bool {
        self.weight_averaging.is_some() && (self.finetune.is_some() || self.method.classifier().is_none())
    }

    /// The same training with each stage of trained epochs stretched or shortened to `epochs`, and a classifier of at
    /// most ten times as many.
    #[must_use]
    pub fn with_epochs(mut self, epochs: usize) -> Self {
        self.schedule = self.schedule.stretched_to(epochs);
        if let Some(finetune) = &mut self.finetune {
            finetune.schedule = finetune.schedule.clone().stretched_to(epochs);
        }
        self.method.shorten_classifier(10 * epochs);
        self
    }

    /// A training by the published defaults of a method, its teacher left open.
    pub fn published(method: MethodName, architecture: Architecture, dataset: DatasetChoice, seed: u64) -> Self {
        Self {
            dataset,
            architecture,
            normaliser: None,
            teacher: None,
            natural_teacher: None,
            method: method.defaults(),
            schedule: method.schedule(architecture),
            finetune: method.fine_tunes().map(|_| FineTune::default()),
            start_from: None,
            weight_averaging: None,
            augment: true,
            divergence: DivergenceRules::usual(),
            seed,
            device: DeviceName::Cpu,
        }
    }

    /// The same training with this model as each teacher that its method needs and it does not have yet.
    #[must_use]
    pub fn taught_by(mut self, model: &ModelRef) -> Self {
        if self.method.needs_teacher() && self.teacher.is_none() {
            self.teacher = Some(model.clone());
        }
        if self.method.needs_natural_teacher() && self.natural_teacher.is_none() {
            self.natural_teacher = Some(model.clone());
        }
        self
    }

    pub(crate) fn check(&self, problems: &mut Vec<Problem>) {
        self.method.check(problems);
        self.schedule.check("schedule", problems);
        self.divergence.check("divergence", problems);
        if let Some(averaging) = &self.weight_averaging {
            averaging.check("weight_averaging", problems);
        }
        if let Some(fault) = self.normaliser.and_then(|n| n.impossible()) {
            problems.push(Problem::new("normaliser", fault));
        }
        let name = self.method_name();
        if self.method.needs_teacher() && self.teacher.is_none() {
            problems.push(Problem::new("teacher", format!("{name} needs a teacher: name a model file")));
        }
        if !self.method.needs_teacher() && self.teacher.is_some() {
            problems.push(Problem::new("teacher", format!("{name} has no teacher: remove it")));
        }
        if self.method.needs_natural_teacher() && self.natural_teacher.is_none() {
            let message = format!("{name} needs a second teacher, naturally trained: name a model file");
            problems.push(Problem::new("natural_teacher", message));
        }
        if !self.method.needs_natural_teacher() && self.natural_teacher.is_some() {
            problems.push(Problem::new("natural_teacher", format!("{name} has no second teacher: remove it")));
        }
        if let Some(finetune) = &self.finetune {
            finetune.attack.check("finetune.attack", problems);
            check_smoothing(finetune.label_smoothing, "finetune.label_smoothing", problems);
            finetune.schedule.check("finetune.schedule", problems);
            if !self.method.needs_teacher() {
                problems.push(Problem::new("finetune", format!("fine-tuning follows a distillation, not {name}")));
            }
        }
        if self.start_from.is_some() && self.finetune.is_none() {
            problems.push(Problem::new("start_from", "is for fine-tuning: add `finetune`, or remove it"));
        }
    }
}
