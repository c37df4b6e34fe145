//! Experiments: questions that expand into runs.

mod budget;
mod check;
mod faults;
mod plan;
mod sweep;
mod variant;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    Analysis, Architecture, Attack, DatasetChoice, DeviceName, DivergenceRules, MethodName, Normaliser, Problem,
    Setting, TrainSpec, WeightAveraging, method::PRESET,
};

pub use self::{
    budget::Budget,
    plan::PlannedRun,
    sweep::Sweep,
    variant::{MethodSetting, Variant},
};

/// Where the teacher comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum TeacherChoice {
    /// Train this architecture with PGD-AT first, once a seed.
    Train(Architecture),
    /// The model of a finished run.
    Run {
        /// The run.
        id: i64,
        /// Its model's architecture.
        architecture: Architecture,
    },
    /// A model that was imported.
    Imported {
        /// The model.
        id: i64,
        /// Its architecture.
        architecture: Architecture,
    },
}

impl TeacherChoice {
    /// The teacher's architecture.
    pub const fn architecture(&self) -> Architecture {
        match self {
            Self::Train(architecture) | Self::Run { architecture, .. } | Self::Imported { architecture, .. } => {
                *architecture
            }
        }
    }
}

/// A model that others are attacked through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Surrogate {
    /// How it is trained: without a teacher.
    pub method: MethodName,
    /// What it is.
    pub architecture: Architecture,
}

impl Surrogate {
    /// The name in forms: `natural:resnet18`.
    pub fn id(&self) -> String {
        format!("{}:{}", self.method.id(), self.architecture.id())
    }
}

impl fmt::Display for Surrogate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.architecture)
    }
}

/// A question: these methods, these students, this teacher, these seeds, evaluated so.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExperimentSpec {
    /// What people call it.
    pub title: String,
    /// The images.
    pub dataset: DatasetChoice,
    /// The first layer of every network that it trains, where they normalise their input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normaliser: Option<Normaliser>,
    /// Where the teacher comes from.
    pub teacher: TeacherChoice,
    /// The students' architectures; none where only a teacher that is there already is evaluated.
    pub students: Vec<Architecture>,
    /// The methods to compare; none where there is no student.
    pub methods: Vec<MethodName>,
    /// One training of everything for each seed.
    pub seeds: Vec<u64>,
    /// The attacks that every model is evaluated under, beside its natural accuracy.
    pub attacks: Vec<Attack>,
    /// Models, trained once a seed, on which PGD-20 makes images that every other model is then shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub surrogates: Vec<Surrogate>,
    /// Datasets that a linear probe on every model's frozen features is trained and evaluated on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub probes: Vec<DatasetChoice>,
    /// Check on this many test images whether a model masks its gradients; no checks if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub masking_images: Option<usize>,
    /// What is computed from the models of the first seed to be looked at: of the teacher and, for each method, of the first
    /// student; maps of features of the surrogates too, which come first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub analyses: Vec<Analysis>,
    /// Parameters that differ from a method's defaults; several values make a sweep. The path `preset` names a published
    /// variant of the method.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sweeps: Vec<Sweep>,
    /// How much computing it may take.
    pub budget: Budget,
    /// Train every model for this many epochs instead of the budget's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epochs: Option<usize>,
    /// Leave the model of an average of the weights of every training too, and evaluate it beside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_averaging: Option<WeightAveraging>,
    /// When a training is given up.
    #[serde(default, skip_serializing_if = "DivergenceRules::are_none")]
    pub divergence: DivergenceRules,
    /// Where its runs compute.
    pub device: DeviceName,
}

impl ExperimentSpec {
    /// The comparison that `retort demo` launches: KD, ARD and GACD+AFT from one PGD-AT teacher on the bundled images.
    pub fn demo() -> Self {
        Self {
            title: "Demo: KD, ARD and GACD+AFT from one robust teacher".into(),
            dataset: DatasetChoice::all_of(crate::BUNDLED_DATASET),
            normaliser: None,
            teacher: TeacherChoice::Train(Architecture::ResNet8),
            students: vec![Architecture::ResNet8],
            methods: vec![MethodName::KD, MethodName::ARD, MethodName::GACD.fine_tuned()],
            seeds: vec![1],
            attacks: vec![Attack::pgd(20)],
            surrogates: Vec::new(),
            probes: Vec::new(),
            masking_images: None,
            analyses: Vec::new(),
            sweeps: Vec::new(),
            budget: Budget::Smoke,
            epochs: Some(4),
            weight_averaging: None,
            divergence: DivergenceRules::usual(),
            device: DeviceName::Cpu,
        }
    }

    /// Whether it trains nothing of its own: a teacher that is there already is evaluated, and nobody learns from it.
    pub fn evaluates_alone(&self) -> bool {
        self.students.is_empty() && self.methods.is_empty() && !matches!(self.teacher, TeacherChoice::Train(_))
    }

    /// The variants of a method that the sweeps make: every combination of their values. What a fine-tuned method does before
    /// its fine-tuning varies as the method that it fine-tunes.
    pub(crate) fn variants(&self, method: MethodName) -> Vec<Variant> {
        let mut variants = method.fine_tunes().map_or_else(|| vec![Variant::default()], |before| self.variants(before));
        for sweep in self.sweeps.iter().filter(|sweep| sweep.method == method) {
            let with = |variant: &Variant, value| variant.clone().with(method, Setting::new(&sweep.path, value));
            variants = variants.iter().flat_map(|v| sweep.values.iter().map(move |value| with(v, value))).collect();
        }
        variants
    }

    /// Whether another one was made alike but for what a comparison sets side by side: rows of both may then be averaged. Every
    /// field is named here, so that a new one is thought of.
    pub fn has_same_setting(&self, other: &Self) -> bool {
        let Self {
            teacher,
            dataset,
            normaliser,
            budget,
            epochs,
            title: _,
            students: _,
            methods: _,
            seeds: _,
            attacks: _,
            surrogates: _,
            probes: _,
            masking_images: _,
            analyses: _,
            sweeps: _,
            // The average stands beside the last model, and changes nothing of it.
            weight_averaging: _,
            divergence: _,
            device: _,
        } = self;
        (teacher, dataset, normaliser) == (&other.teacher, &other.dataset, &other.normaliser)
            && (budget, epochs) == (&other.budget, &other.epochs)
    }

    /// Whether one of its methods learns from a naturally trained teacher beside the robust one.
    pub(crate) fn needs_natural_teacher(&self) -> bool {
        self.methods.iter().any(|method| method.defaults().needs_natural_teacher())
    }

    /// Whether trainings by a method leave the model of their best epoch beside that of their last.
    pub fn keeps_best(&self, method: MethodName) -> bool {
        self.train(method, Architecture::ResNet8, 0, &Variant::default()).is_ok_and(|spec| spec.keeps_best())
    }

    /// The spec of one training, with this experiment's epochs and device. A variant's presets are applied before the budget
    /// shortens the training, so that they keep their proportions; what was set by hand stands as it is.
    ///
    /// # Errors
    /// Under the setting's path, when it is none of the method's.
    pub(crate) fn train(
        &self,
        method: MethodName,
        architecture: Architecture,
        seed: u64,
        variant: &Variant,
    ) -> Result<TrainSpec, Problem> {
        let mut spec = TrainSpec::published(method, architecture, self.dataset.clone(), seed);
        let (presets, settings): (Vec<_>, Vec<_>) = variant.settings.iter().partition(|s| s.setting.path == PRESET);
        for MethodSetting { method, setting } in presets {
            let preset = method.preset(&setting.value).map_err(|fault| Problem::new(PRESET, fault))?;
            spec = spec.with_preset(preset);
        }
        spec = self.budget.shorten(spec);
        if let Some(epochs) = self.epochs {
            spec = spec.with_epochs(epochs);
        }
        for MethodSetting { setting, .. } in settings {
            spec.set(setting)?;
        }
        Ok(self.own(spec))
    }

    /// A training with what is the same for all of an experiment.
    pub(crate) fn own(&self, spec: TrainSpec) -> TrainSpec {
        let (normaliser, device, divergence) = (self.normaliser, self.device, self.divergence);
        TrainSpec { normaliser, device, divergence, weight_averaging: self.weight_averaging, ..spec }
    }
}
