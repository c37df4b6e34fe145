//! Analyses: what is computed from trained models to be looked at, and what comes out (methods.md §7). Each is a file that says
//! what it is called, what can be chosen, and what it finds; the list below is all that knows them all.

mod correlation;
mod features;
mod gallery;

use std::{ops::RangeInclusive, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{Attack, DatasetChoice, DeviceName, KnownDataset, ModelRef, PixelDistance, Problem};

pub use self::{correlation::*, features::*, gallery::*};

/// Makes of the list of analyses what names each of them: [`Analysis`], [`AnalysisResult`] and [`AnalysisKind`].
macro_rules! analyses {
    ($($analysis:ident $result:ident),+) => {
        /// What an analysis computes.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(tag = "name", rename_all = "kebab-case")]
        pub enum Analysis {
            $(
                #[doc = concat!("See [`", stringify!($analysis), "`].")]
                $analysis($analysis)
            ),+
        }

        /// What an analysis found.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "name", rename_all = "kebab-case")]
        pub enum AnalysisResult {
            $(
                #[doc = concat!("What [`", stringify!($analysis), "`] found.")]
                $analysis($result)
            ),+
        }

        /// Which analysis it is, whatever was chosen.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum AnalysisKind {
            $(
                #[doc = concat!("See [`", stringify!($analysis), "`].")]
                $analysis
            ),+
        }

        impl AnalysisKind {
            /// All of them, in the order of pages.
            pub const ALL: &[Self] = &[$(Self::$analysis),+];

            const fn record(self) -> &'static Record {
                match self { $(Self::$analysis => &$analysis::RECORD),+ }
            }
        }

        impl Analysis {
            /// Which it is.
            pub const fn kind(&self) -> AnalysisKind {
                match self { $(Self::$analysis(_) => AnalysisKind::$analysis),+ }
            }

            fn parameters(&self) -> &dyn Parameters {
                match self { $(Self::$analysis(parameters) => parameters),+ }
            }

            fn parameters_mut(&mut self) -> &mut dyn Parameters {
                match self { $(Self::$analysis(parameters) => parameters),+ }
            }
        }
    };
}

// In the order of pages.
analyses!(Features FeatureMaps, Correlation CorrelationMaps, Gallery GalleryImages);

/// Models that one analysis can be of.
const MOST_MODELS: usize = 8;

/// What is the same for every choice of an analysis.
struct Record {
    /// The name in specs, in addresses and on the command line.
    id: &'static str,
    /// The heading of what it found.
    title: &'static str,
    /// What an experiment's form says of it.
    summary: &'static str,
    /// As which it is asked for with an experiment; none of one that asks for more than its name.
    usual: Option<fn() -> Analysis>,
    /// What the teacher is to it.
    teacher: TeachersPart,
    /// Whether it also shows the models that others are attacked through.
    shows_surrogates: bool,
}

/// What the teacher is to an analysis.
#[derive(Clone, Copy, PartialEq, Eq)]
enum TeachersPart {
    /// It is not shown unless somebody asks for it.
    None,
    /// It is shown where there is one.
    Shown,
    /// The others are compared with it.
    Reference,
}

/// What an analysis means by what was chosen.
trait Parameters {
    /// What it is of, in a few words: `features of truck and bird`.
    fn title(&self) -> String;

    /// Checks everything but its models.
    fn check(&self, problems: &mut Vec<Problem>);

    /// The classes that it names, each with its field.
    fn classes(&self) -> Vec<(&'static str, &String)>;

    /// The same, to be changed.
    fn classes_mut(&mut self) -> Vec<&mut String>;

    /// How many models it needs at least.
    fn least_models(&self) -> usize {
        1
    }

    /// What is wrong with a choice of a dataset's test images, if anything is.
    fn fault_of_images(&self, _choice: &DatasetChoice, _dataset: &KnownDataset) -> Option<String> {
        None
    }

    /// How many images it looks at where there are `test`, and how many of its `models` are attacked on them.
    fn work(&self, test: f64, models: f64) -> (f64, f64);

    /// Seconds for each model beside its passes, on the machine by which time is counted.
    fn seconds_of_model(&self) -> f64 {
        0.0
    }
}

/// An analysis of some models on the test images of a dataset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnalyseSpec {
    /// What is computed.
    pub analysis: Analysis,
    /// The models, in the order of the panels.
    pub models: Vec<AnalysedModel>,
    /// The dataset, whose test images are used.
    pub dataset: DatasetChoice,
    /// The radius of the ℓ∞ ball of adversarial images, made by PGD-20 with steps of ε/4.
    pub eps: PixelDistance,
    /// The seed of random starts and of t-SNE.
    pub seed: u64,
    /// Where it computes.
    pub device: DeviceName,
}

/// A model with its name in the figure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnalysedModel {
    /// What a panel calls it, such as `GACD`.
    pub name: String,
    /// The model.
    pub model: ModelRef,
}

/// The model that adversarial images are made on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AdversarialImages {
    /// The first of the models: the same images for all (the paper's figure).
    #[default]
    Shared,
    /// Each model itself.
    WhiteBox,
}

impl AdversarialImages {
    /// What a title says of it; nothing of the paper's.
    const fn remark(self) -> &'static str {
        match self {
            Self::Shared => "",
            Self::WhiteBox => ", white-box",
        }
    }
}

impl FromStr for AdversarialImages {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "shared" => Ok(Self::Shared),
            "white-box" => Ok(Self::WhiteBox),
            other => Err(format!("“{other}” adversarial images are not known: choose shared or white-box")),
        }
    }
}

impl AnalysisKind {
    /// The name in specs, in addresses and on the command line.
    pub const fn id(self) -> &'static str {
        self.record().id
    }

    /// The heading of what it found.
    pub const fn title(self) -> &'static str {
        self.record().title
    }

    /// What an experiment's form says of it.
    pub const fn summary(self) -> &'static str {
        self.record().summary
    }

    /// As which it is asked for with an experiment; none of one that asks for more than its name.
    pub fn usual(self) -> Option<Analysis> {
        self.record().usual.map(|usual| usual())
    }

    /// Whether the others are compared with the teacher, which is the first of its models.
    pub fn is_from_teacher(self) -> bool {
        self.record().teacher == TeachersPart::Reference
    }

    /// Whether the teacher is among its models where there is one.
    pub fn shows_teacher(self) -> bool {
        self.record().teacher != TeachersPart::None
    }

    /// Whether it also shows the models that others are attacked through.
    pub const fn shows_surrogates(self) -> bool {
        self.record().shows_surrogates
    }
}

impl FromStr for AnalysisKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().copied().find(|kind| kind.id() == text);
        found.ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|kind| kind.id()).collect();
            format!("there is no analysis “{text}”: choose {}", known.join(" or "))
        })
    }
}

impl Analysis {
    /// What it is of, in a few words: `features of truck and bird`.
    pub fn title(&self) -> String {
        self.parameters().title()
    }

    /// Checks everything but its models.
    pub(crate) fn check(&self, problems: &mut Vec<Problem>) {
        self.parameters().check(problems);
    }

    /// The classes that it names.
    pub fn classes(&self) -> Vec<&str> {
        self.parameters().classes().into_iter().map(|(_, class)| class.as_str()).collect()
    }

    /// The same, to be changed.
    pub fn classes_mut(&mut self) -> Vec<&mut String> {
        self.parameters_mut().classes_mut()
    }

    /// What keeps it from being made of a choice of a dataset's test images: a class that is not there, or too few images.
    pub fn faults_on(&self, choice: &DatasetChoice, dataset: &KnownDataset) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (field, class) in self.parameters().classes() {
            if !dataset.classes.contains(class) {
                let (name, known) = (dataset.name, dataset.classes.join(", "));
                let message = format!("“{class}” is no class of {name}: choose from {known}");
                problems.push(Problem::new(field, message));
            }
        }
        let fault = self.parameters().fault_of_images(choice, dataset);
        problems.extend(fault.map(|message| Problem::new("test_images", message)));
        problems
    }
}

impl AnalyseSpec {
    /// The attack that makes its adversarial images.
    pub fn attack(&self) -> Attack {
        Attack::pgd(20).with_eps(self.eps)
    }

    /// How many images it looks at where there are `test`, and how many of its models are attacked on them.
    pub(super) fn work(&self, test: f64) -> (f64, f64) {
        self.analysis.parameters().work(test, self.models.len() as f64)
    }

    /// Seconds that it takes beside passes of networks, on the machine by which time is counted.
    pub(super) fn other_seconds(&self) -> f64 {
        self.models.len() as f64 * self.analysis.parameters().seconds_of_model()
    }

    /// What is wrong with the number of its models, if anything is.
    pub(crate) fn fault_of_models(&self) -> Option<String> {
        let (least, count) = (self.analysis.parameters().least_models(), self.models.len());
        let is_enough = (least..=MOST_MODELS).contains(&count);
        (!is_enough)
            .then(|| format!("{} can be of {least} to {MOST_MODELS} models, not of {count}", self.analysis.title()))
    }

    pub(crate) fn check(&self, problems: &mut Vec<Problem>) {
        problems.extend(self.eps.fault().map(|fault| Problem::new("eps", fault)));
        problems.extend(self.fault_of_models().map(|fault| Problem::new("models", fault)));
        for (i, AnalysedModel { name, .. }) in self.models.iter().enumerate() {
            if name.trim().is_empty() || self.models[..i].iter().any(|other| other.name == *name) {
                let message = format!("“{name}” names no model, or two: a panel needs a name of its own");
                problems.push(Problem::new("models", message));
            }
        }
        self.analysis.check(problems);
    }
}

fn expect_images(images: usize, range: &RangeInclusive<usize>, problems: &mut Vec<Problem>) {
    if !range.contains(&images) {
        let message = format!("must be from {} to {}", range.start(), range.end());
        problems.push(Problem::new("images", message));
    }
}

/// Spares a stored spec the values that say nothing, so that it stays as it was before they could be chosen.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_analysis_of_one_class_against_itself_or_of_too_few_models_is_refused_by_field() {
        let spec = |analysis, models: usize| AnalyseSpec {
            analysis,
            models: (0..models)
                .map(|id| AnalysedModel { name: format!("KD {id}"), model: ModelRef::Run(id as i64) })
                .collect(),
            dataset: DatasetChoice::all_of("cifar10"),
            eps: PixelDistance::levels(8.0),
            seed: 1,
            device: DeviceName::Cpu,
        };
        let fields = |spec: &AnalyseSpec| {
            let mut problems = Vec::new();
            spec.check(&mut problems);
            problems.into_iter().map(|p| p.field).collect::<Vec<_>>()
        };
        let features = |target: &str, images| {
            Analysis::Features(Features {
                attacked: "truck".into(),
                target: target.into(),
                images,
                adversarial: AdversarialImages::Shared,
            })
        };
        assert_eq!(fields(&spec(features("bird", 100), 4)), [""; 0]);
        assert_eq!(fields(&spec(features("truck", 5), 0)), ["models", "images", "target"]);
        let correlation: Analysis = serde_json::from_str(r#"{"name": "correlation"}"#).unwrap();
        let mut correlation = spec(correlation, 2);
        assert_eq!(fields(&correlation), [""; 0]);
        correlation.models[1].name = "KD 0".into();
        assert_eq!(fields(&correlation), ["models"]);
        correlation.models.pop();
        assert_eq!(fields(&correlation), ["models"]);
    }

    #[test]
    fn every_analysis_is_known_by_its_name_and_refuses_what_it_does_not_know() {
        for kind in AnalysisKind::ALL {
            assert_eq!(kind.id().parse::<AnalysisKind>().unwrap(), *kind);
            if let Some(usual) = kind.usual() {
                let text = serde_json::to_string(&usual).unwrap();
                assert!(text.starts_with(&format!(r#"{{"name":"{}""#, kind.id())), "{text}");
                assert_eq!(serde_json::from_str::<Analysis>(&text).unwrap(), usual);
                let with_more = text.replace('}', r#","mood":1}"#);
                assert!(serde_json::from_str::<Analysis>(&with_more).is_err(), "{with_more}");
            }
        }
    }
}
