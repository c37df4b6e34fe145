//! The values of the form that launches a comparison.

mod read;

use retort_spec::{
    Analysis, Architecture, Attack, DatasetChoice, DeviceName, DivergenceRules, ExperimentSpec, Features, Invalid,
    ModelRef, Problem, Surrogate, TeacherChoice, WeightAveraging,
};
use serde::{Deserialize, Serialize};

use self::read::{next_title, read, read_count, read_list, read_number, title_of};
use crate::settings;

/// Where the form stands.
const PLACE: &str = "/experiments/new";

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
    /// How much of an average of weights stays in a step, such as 0.999; empty for no average.
    #[serde(default)]
    pub weight_averaging: String,
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

impl ExperimentForm {
    /// The fields with their names, in the order of the page.
    pub const FIELDS: &[(&str, &str)] = &[
        ("title", "Title"),
        ("budget", "Budget"),
        ("epochs", "Epochs"),
        ("device", "Device"),
        ("dataset", "Dataset"),
        ("train_images", "Train images"),
        ("validation_images", "Validation images"),
        ("test_images", "Test images"),
        ("normaliser", "Normaliser"),
        ("teacher", "Teacher"),
        ("students", "Students"),
        ("methods", "Methods"),
        ("seeds", "Seeds"),
        ("weight_averaging", "Weight averaging"),
        ("chance_epochs", "Most epochs at chance"),
        ("loss_factor", "Most times the first loss"),
        ("attacks", "Evaluated under"),
        ("eps", "Radius ε"),
        ("surrogates", "Transfer attacks"),
        ("masking_images", "Masking checks"),
        ("probes", "Linear probes"),
        ("analyses", "Analyses"),
        ("attacked", "Attacked class"),
        ("target", "Target class"),
    ];

    /// What the form starts with: the demo's question, untitled, with as many epochs as the budget has.
    pub fn initial() -> Self {
        Self { title: String::new(), epochs: String::new(), ..Self::from_spec(&ExperimentSpec::demo()) }
    }

    /// The form that launches a copy of `spec` under the next title that is not among those that are taken.
    pub fn copy_of(spec: &ExperimentSpec, taken: &[String]) -> Self {
        Self { title: next_title(&spec.title, taken), ..Self::from_spec(spec) }
    }

    /// The address of the page with this form: it names what differs from [`ExperimentForm::initial`], and a list that is empty
    /// by an empty value.
    pub fn address(&self) -> String {
        let (own, initial) = (self.fields(), Self::initial().fields());
        let mut names: Vec<&String> = own.iter().chain(&initial).map(|(name, _)| name).collect();
        names.sort_unstable();
        names.dedup();
        let mut query = Vec::new();
        for name in names {
            let of = |fields: &'_ [(String, String)]| -> Vec<(String, String)> {
                fields.iter().filter(|(own, _)| own == name).cloned().collect()
            };
            match (of(&own), of(&initial)) {
                (own, initial) if own == initial => {}
                (own, _) if own.is_empty() => query.push((name.clone(), String::new())),
                (own, _) => query.extend(own),
            }
        }
        let query = serde_html_form::to_string(query).unwrap_or_default();
        if query.is_empty() { PLACE.into() } else { format!("{PLACE}?{query}") }
    }

    /// Its values as a browser sends them.
    pub(crate) fn query(&self) -> String {
        serde_html_form::to_string(self).unwrap_or_default()
    }

    /// The same, each by its name.
    fn fields(&self) -> Vec<(String, String)> {
        serde_html_form::from_str(&self.query()).unwrap_or_default()
    }

    /// Whether a field has a list of values.
    pub fn is_list(name: &str) -> bool {
        let form = serde_json::to_value(Self::default()).unwrap_or_default();
        form.get(name).is_some_and(serde_json::Value::is_array)
    }

    /// The form that launches `spec` again. The form has one ε, the first attack's, and steps in the usual proportion to it.
    pub fn from_spec(spec: &ExperimentSpec) -> Self {
        let mapped = spec.analyses.iter().find_map(|analysis| match analysis {
            Analysis::Features(Features { attacked, target, .. }) => Some((attacked.clone(), target.clone())),
            _ => None,
        });
        let (attacked, target) = mapped.unwrap_or_default();
        let named = |analysis: &Analysis| {
            let kind = analysis.kind();
            kind.usual().map(|_| kind.id().to_owned())
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
            surrogates: spec.surrogates.iter().map(Surrogate::id).collect(),
            probes: spec.probes.iter().map(|probe| probe.name.clone()).collect(),
            masking_images: text(spec.masking_images),
            analyses: spec.analyses.iter().filter_map(named).collect(),
            attacked,
            target,
            settings: spec.sweeps.iter().map(settings::text).collect(),
            budget: spec.budget.id().into(),
            epochs: text(spec.epochs),
            weight_averaging: text(spec.weight_averaging.map(|averaging| averaging.decay)),
            chance_epochs: text(spec.divergence.chance_epochs),
            loss_factor: text(spec.divergence.loss_factor),
            device: spec.device.to_string(),
        }
    }

    /// The experiment that the form asks for, already validated. `known` tells the architecture of a model that a finished
    /// training run left or that was imported, and none where there is no such model.
    ///
    /// # Errors
    /// With all problems at once; each names the form's field.
    pub fn to_spec(&self, known: impl Fn(&ModelRef) -> Option<Architecture>) -> Result<ExperimentSpec, Vec<Problem>> {
        let (spec, mut problems) = self.read(known);
        if let Err(Invalid(more)) = spec.validate() {
            Self::add(more, &mut problems);
        }
        if problems.is_empty() { Ok(spec) } else { Err(problems) }
    }

    /// What the form asks for, not yet validated, as far as it could be read, and what could not be: so that all that is wrong
    /// can be said at once.
    pub fn read(&self, known: impl Fn(&ModelRef) -> Option<Architecture>) -> (ExperimentSpec, Vec<Problem>) {
        let mut problems = Vec::new();
        let mut spec = ExperimentSpec {
            title: self.title.trim().into(),
            dataset: DatasetChoice {
                name: self.dataset.trim().into(),
                train_images: read_count("train_images", &self.train_images, &mut problems),
                validation_images: read_count("validation_images", &self.validation_images, &mut problems),
                test_images: read_count("test_images", &self.test_images, &mut problems),
            },
            normaliser: match self.normaliser.trim() {
                "" => None,
                text => read("normaliser", text, &mut problems),
            },
            teacher: self.read_teacher(known, &mut problems),
            students: read_list("students", &self.students, &mut problems),
            methods: read_list("methods", &self.methods, &mut problems),
            seeds: self.read_seeds(&mut problems),
            attacks: self.read_attacks(&mut problems),
            surrogates: self.read_surrogates(&mut problems),
            probes: self.probes.iter().map(|name| DatasetChoice::all_of(name.trim())).collect(),
            masking_images: read_count("masking_images", &self.masking_images, &mut problems),
            analyses: self.read_analyses(&mut problems),
            sweeps: settings::read(&self.settings, &mut problems),
            budget: read("budget", &self.budget, &mut problems).unwrap_or_default(),
            epochs: read_count("epochs", &self.epochs, &mut problems),
            weight_averaging: read_number("weight_averaging", &self.weight_averaging, &mut problems)
                .map(|decay| WeightAveraging { decay }),
            divergence: DivergenceRules {
                chance_epochs: read_count("chance_epochs", &self.chance_epochs, &mut problems),
                loss_factor: read_number("loss_factor", &self.loss_factor, &mut problems),
            },
            device: read::<DeviceName>("device", &self.device, &mut problems).unwrap_or_default(),
        };
        if spec.title.is_empty() {
            spec.title = title_of(&spec);
        }
        (spec, problems)
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
