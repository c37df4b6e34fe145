//! The values of the form that launches a comparison.

mod read;

use retort_spec::{Analysis, Attack, DivergenceRules, ExperimentSpec, ModelRef, TeacherChoice};
use serde::{Deserialize, Serialize};

use crate::settings;

/// The form `/experiments/new` as it is sent, every value as it was typed, so that a form with faults comes back as it
/// was. The fields' names are those in the HTML; lists repeat their name (`students=resnet8&students=resnet20`).
///
/// Its default is empty, as a form is that was sent with nothing chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExperimentForm {
    /// The title; empty for one that says what is compared.
    pub title: String,
    /// A dataset's name.
    pub dataset: String,
    /// How many training images; empty for all.
    pub train_images: String,
    /// How many training images are held out to choose the best epoch by; empty for none.
    pub validation_images: String,
    /// How many test images; empty for all.
    pub test_images: String,
    /// The first layer of every network: a preset's name, or `r g b / r g b`; empty for none.
    pub normaliser: String,
    /// `train:ARCHITECTURE`, `run:ID` for the model of a finished run, or `model:ID` for an imported one.
    pub teacher: String,
    /// Ids of architectures.
    pub students: Vec<String>,
    /// Ids of methods.
    pub methods: Vec<String>,
    /// Seeds, separated by commas or spaces.
    pub seeds: String,
    /// Ids of attacks.
    pub attacks: Vec<String>,
    /// The radius ε of the attacks, such as `8/255`; their steps are in proportion.
    pub eps: String,
    /// Models that others are attacked through, each `METHOD:ARCHITECTURE`; an empty one is none.
    pub surrogates: Vec<String>,
    /// Names of datasets to probe the features on.
    pub probes: Vec<String>,
    /// On how many test images masking is checked; empty for no checks.
    pub masking_images: String,
    /// Analyses by their names: `correlation`, `gallery`. Those of features are asked for by their two classes.
    pub analyses: Vec<String>,
    /// The class whose images are attacked for maps of features; empty for no maps.
    pub attacked: String,
    /// The class that they are to be taken for.
    pub target: String,
    /// Parameters that are not the method's defaults, each `METHOD.PATH=VALUES`.
    pub settings: Vec<String>,
    /// A budget's id.
    pub budget: String,
    /// Epochs of every model; empty for the budget's.
    pub epochs: String,
    /// After how many epochs at chance a training is given up; empty for never.
    #[serde(default = "chance_epochs")]
    pub chance_epochs: String,
    /// At how many times the first epoch's loss a training is given up; empty for never.
    #[serde(default = "loss_factor")]
    pub loss_factor: String,
    /// A device's name.
    pub device: String,
}

/// What counts where the field was not sent, as by a program that leaves out what it does not set.
fn chance_epochs() -> String {
    text(DivergenceRules::usual().chance_epochs)
}

/// The same.
fn loss_factor() -> String {
    text(DivergenceRules::usual().loss_factor)
}

/// A value as it is typed; empty for none.
fn text<T: ToString>(value: Option<T>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// The names of analyses in the form.
pub(crate) const CORRELATION: &str = "correlation";
pub(crate) const GALLERY: &str = "gallery";

impl ExperimentForm {
    /// What the form starts with: the demo's question, untitled, with as many epochs as the budget has.
    pub fn initial() -> Self {
        Self { title: String::new(), epochs: String::new(), ..Self::from_spec(&ExperimentSpec::demo()) }
    }

    /// The form that launches `spec` again. The form has one ε, the first attack's, and steps in the usual proportion to it.
    pub fn from_spec(spec: &ExperimentSpec) -> Self {
        let mapped = spec.analyses.iter().find_map(|analysis| match analysis {
            Analysis::Features { attacked, target, .. } => Some((attacked.clone(), target.clone())),
            _ => None,
        });
        let (attacked, target) = mapped.unwrap_or_default();
        let named = |analysis: &Analysis| match analysis {
            Analysis::Features { .. } => None,
            Analysis::Correlation { .. } => Some(CORRELATION.to_owned()),
            Analysis::Gallery { .. } => Some(GALLERY.to_owned()),
        };
        Self {
            title: spec.title.clone(),
            dataset: spec.dataset.name.clone(),
            train_images: text(spec.dataset.train_images),
            validation_images: text(spec.dataset.validation_images),
            test_images: text(spec.dataset.test_images),
            normaliser: spec.normaliser.map(|n| n.to_string()).unwrap_or_default(),
            teacher: match spec.teacher {
                TeacherChoice::Train(architecture) => format!("train:{}", architecture.id()),
                TeacherChoice::Run { id, .. } => format!("run:{id}"),
                TeacherChoice::Imported { id, .. } => format!("model:{id}"),
            },
            students: spec.students.iter().map(|s| s.id().into()).collect(),
            methods: spec.methods.iter().map(|m| m.id().into()).collect(),
            seeds: spec.seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(", "),
            attacks: spec.attacks.iter().map(Attack::id).collect(),
            eps: spec.attacks.first().map(|a| a.eps().to_string()).unwrap_or_default(),
            surrogates: spec.surrogates.iter().map(|s| format!("{}:{}", s.method.id(), s.architecture.id())).collect(),
            probes: spec.probes.iter().map(|probe| probe.name.clone()).collect(),
            masking_images: text(spec.masking_images),
            analyses: spec.analyses.iter().filter_map(named).collect(),
            attacked,
            target,
            settings: spec.sweeps.iter().map(settings::text).collect(),
            budget: spec.budget.id().into(),
            epochs: text(spec.epochs),
            chance_epochs: text(spec.divergence.chance_epochs),
            loss_factor: text(spec.divergence.loss_factor),
            device: spec.device.to_string(),
        }
    }

    /// The stored model that the form names as its teacher, whether there is one or not.
    pub fn stored_teacher(&self) -> Option<ModelRef> {
        let (kind, id) = self.teacher.trim().split_once(':')?;
        match kind {
            "run" => id.parse().ok().map(ModelRef::Run),
            "model" => id.parse().ok().map(ModelRef::Imported),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
