//! The values of the form that launches a comparison.

use std::str::FromStr;

use retort_spec::{
    AdversarialImages, Analysis, Architecture, Attack, DatasetChoice, DeviceName, ExperimentSpec, Invalid, MethodName,
    ModelRef, PixelDistance, Problem, Surrogate, TeacherChoice,
};
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
    /// A device's name.
    pub device: String,
}

/// The names of analyses in the form.
pub(crate) const CORRELATION: &str = "correlation";
pub(crate) const GALLERY: &str = "gallery";

/// Images of each kind on a map of features, and in a gallery.
const MAPPED_IMAGES: usize = 100;
const GALLERY_IMAGES: usize = 10;

impl ExperimentForm {
    /// What the form starts with: the demo's question, untitled.
    pub fn initial() -> Self {
        Self { title: String::new(), ..Self::from_spec(&ExperimentSpec::demo()) }
    }

    /// The form that launches `spec` again. The form has one ε, the first attack's, and steps in the usual proportion to it.
    pub fn from_spec(spec: &ExperimentSpec) -> Self {
        let count = |n: Option<usize>| n.map(|n| n.to_string()).unwrap_or_default();
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
            train_images: count(spec.dataset.train_images),
            validation_images: count(spec.dataset.validation_images),
            test_images: count(spec.dataset.test_images),
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
            masking_images: count(spec.masking_images),
            analyses: spec.analyses.iter().filter_map(named).collect(),
            attacked,
            target,
            settings: spec.sweeps.iter().map(settings::text).collect(),
            budget: spec.budget.id().into(),
            epochs: count(spec.epochs),
            device: spec.device.to_string(),
        }
    }

    /// The experiment that the form asks for, already validated. `known` tells the architecture of a model that a finished
    /// training run left or that was imported, and none where there is no such model.
    ///
    /// # Errors
    /// With all problems at once; each names the form's field.
    pub fn to_spec(&self, known: impl Fn(&ModelRef) -> Option<Architecture>) -> Result<ExperimentSpec, Vec<Problem>> {
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
            device: read::<DeviceName>("device", &self.device, &mut problems).unwrap_or_default(),
        };
        if spec.title.is_empty() {
            spec.title = title_of(&spec);
        }
        if let Err(Invalid(more)) = spec.validate() {
            for problem in more {
                let field = form_field(&problem.field);
                // A value that could not be read is missing from the spec; its own message says more than “missing”.
                if !problems.iter().any(|p| p.field == field) {
                    problems.push(Problem { field, ..problem });
                }
            }
        }
        if problems.is_empty() { Ok(spec) } else { Err(problems) }
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

    fn read_teacher(
        &self,
        known: impl Fn(&ModelRef) -> Option<Architecture>,
        problems: &mut Vec<Problem>,
    ) -> TeacherChoice {
        let choice = match self.stored_teacher() {
            Some(model) => match (known(&model), model) {
                (Some(architecture), ModelRef::Run(id)) => Ok(TeacherChoice::Run { id, architecture }),
                (Some(architecture), ModelRef::Imported(id)) => Ok(TeacherChoice::Imported { id, architecture }),
                (_, ModelRef::Run(id)) => Err(format!("run {id} has no finished model: choose another teacher")),
                (_, ModelRef::Imported(id)) => Err(format!("there is no imported model {id}: choose another teacher")),
                _ => Err("choose a teacher".into()),
            },
            None => match self.teacher.trim().split_once(':') {
                Some(("train", architecture)) => architecture.parse().map(TeacherChoice::Train),
                _ => Err("choose a teacher".into()),
            },
        };
        choice.unwrap_or_else(|message| {
            problems.push(Problem::new("teacher", message));
            TeacherChoice::Train(Architecture::ResNet8)
        })
    }

    fn read_seeds(&self, problems: &mut Vec<Problem>) -> Vec<u64> {
        let words = self.seeds.split([',', ';', ' ']).filter(|w| !w.is_empty());
        let seeds: Result<Vec<u64>, _> = words.map(|w| w.parse().map_err(|_| w)).collect();
        seeds.unwrap_or_else(|word| {
            let message = format!("“{word}” is not a seed: write whole numbers such as 1, 2, 3");
            problems.push(Problem::new("seeds", message));
            Vec::new()
        })
    }

    fn read_attacks(&self, problems: &mut Vec<Problem>) -> Vec<Attack> {
        let attacks = read_list::<Attack>("attacks", &self.attacks, problems);
        let Some(radius) = read::<PixelDistance>("eps", &self.eps, problems) else { return attacks };
        if let Some(fault) = radius.fault() {
            problems.push(Problem::new("eps", fault));
            return attacks;
        }
        attacks.into_iter().map(|attack| attack.with_eps(radius)).collect()
    }

    fn read_analyses(&self, problems: &mut Vec<Problem>) -> Vec<Analysis> {
        let mut analyses = Vec::new();
        let (attacked, target) = (self.attacked.trim(), self.target.trim());
        match (attacked.is_empty(), target.is_empty()) {
            (true, true) => {}
            (false, false) => analyses.push(Analysis::Features {
                attacked: attacked.into(),
                target: target.into(),
                images: MAPPED_IMAGES,
                adversarial: AdversarialImages::Shared,
            }),
            (true, false) => problems.push(Problem::new("attacked", "name both classes, or none for no maps")),
            (false, true) => problems.push(Problem::new("target", "name both classes, or none for no maps")),
        }
        for name in &self.analyses {
            match name.trim() {
                CORRELATION => analyses.push(Analysis::correlation()),
                GALLERY => {
                    analyses.push(Analysis::Gallery { classes: Vec::new(), images: GALLERY_IMAGES, differ: false });
                }
                other => {
                    let message = format!("there is no analysis “{other}”: choose {CORRELATION} or {GALLERY}");
                    problems.push(Problem::new("analyses", message));
                }
            }
        }
        analyses
    }

    fn read_surrogates(&self, problems: &mut Vec<Problem>) -> Vec<Surrogate> {
        let chosen = self.surrogates.iter().map(|text| text.trim()).filter(|text| !text.is_empty());
        let read = |text: &str| {
            let (method, architecture) = text.split_once(':').unwrap_or((text, ""));
            Ok(Surrogate { method: method.parse()?, architecture: architecture.parse()? })
        };
        let mut surrogates = Vec::new();
        for text in chosen {
            match read(text) {
                Ok(surrogate) => surrogates.push(surrogate),
                Err(message) => problems.push(Problem { field: "surrogates".into(), message }),
            }
        }
        surrogates
    }
}

/// The name of an experiment whose author gave none: what it compares, on what.
fn title_of(spec: &ExperimentSpec) -> String {
    let mut methods = spec.methods.clone();
    methods.sort_unstable();
    let join = |words: Vec<&str>| match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => words.concat(),
    };
    let methods = join(methods.into_iter().map(MethodName::title).collect());
    let students = join(spec.students.iter().map(|s| s.title()).collect());
    format!("{methods} for {students} on {}", spec.dataset.name)
}

/// The form's field for a field of the spec.
fn form_field(field: &str) -> String {
    if let Some(parameter) = field.strip_prefix("sweeps.") {
        return format!("{}{parameter}", settings::PREFIX);
    }
    if field.starts_with("attacks[") {
        return "eps".into();
    }
    if field.starts_with("probes") {
        return "probes".into();
    }
    if let Some(part) = field.strip_prefix("analyses.") {
        return part.into();
    }
    field.strip_prefix("dataset.").unwrap_or(field).into()
}

fn read<T: FromStr<Err = String>>(field: &str, text: &str, problems: &mut Vec<Problem>) -> Option<T> {
    text.trim().parse().map_err(|message: String| problems.push(Problem::new(field, message))).ok()
}

fn read_list<T: FromStr<Err = String>>(field: &str, ids: &[String], problems: &mut Vec<Problem>) -> Vec<T> {
    ids.iter().filter_map(|id| read(field, id, problems)).collect()
}

/// A number that may be left out. Thousands may be set off: `4,000` or `4 000`.
fn read_count(field: &str, text: &str, problems: &mut Vec<Problem>) -> Option<usize> {
    let digits: String = text.chars().filter(|c| !c.is_whitespace() && *c != ',').collect();
    if digits.is_empty() {
        return None;
    }
    let fault = |_| problems.push(Problem::new(field, format!("“{}” is not a whole number", text.trim())));
    digits.parse().map_err(fault).ok()
}

#[cfg(test)]
mod tests {
    use retort_spec::Budget;

    use super::*;

    fn fields(form: &ExperimentForm) -> Vec<(String, String)> {
        let problems = form.to_spec(|_| None).unwrap_err();
        problems.into_iter().map(|p| (p.field, p.message)).collect()
    }

    #[test]
    fn the_initial_form_launches_the_demo_question_under_a_name_of_its_own() {
        let spec = ExperimentForm::initial().to_spec(|_| None).unwrap();
        assert_eq!(spec.title, "KD, ARD and GACD+AFT for ResNet-8 on fashion-mnist-5k");
        assert_eq!(ExperimentSpec { title: ExperimentSpec::demo().title, ..spec }, ExperimentSpec::demo());
    }

    #[test]
    fn every_experiment_that_the_form_can_ask_for_comes_back_from_its_form() {
        let spec = ExperimentSpec {
            title: "ε 4, <b>three</b> seeds".into(),
            dataset: DatasetChoice {
                train_images: Some(5_000),
                validation_images: Some(500),
                ..DatasetChoice::all_of("cifar10")
            },
            normaliser: Some(retort_spec::Normaliser::PRESETS[0].1),
            teacher: TeacherChoice::Run { id: 7, architecture: Architecture::ResNet20 },
            seeds: vec![1, 2, 30],
            attacks: vec![
                "fgsm".parse::<Attack>().unwrap().with_eps(PixelDistance::levels(4.0)),
                Attack::pgd(100).with_eps(PixelDistance::levels(4.0)),
                "cw-30".parse::<Attack>().unwrap().with_eps(PixelDistance::levels(4.0)),
            ],
            surrogates: vec![Surrogate { method: MethodName::Natural, architecture: Architecture::ResNet18 }],
            probes: vec![DatasetChoice::all_of("stl10")],
            sweeps: vec![retort_spec::Sweep {
                method: MethodName::Ard,
                path: "method.sample_weighting".into(),
                values: vec!["none".into(), "teacher".into()],
            }],
            masking_images: Some(100),
            analyses: vec![
                Analysis::Features {
                    attacked: "truck".into(),
                    target: "bird".into(),
                    images: 100,
                    adversarial: AdversarialImages::Shared,
                },
                Analysis::correlation(),
                Analysis::Gallery { classes: vec![], images: 10, differ: false },
            ],
            epochs: Some(12),
            budget: Budget::Quick,
            device: DeviceName::Cuda(1),
            ..ExperimentSpec::demo()
        };
        let form = ExperimentForm::from_spec(&spec);
        let known = |model: &ModelRef| (*model == ModelRef::Run(7)).then_some(Architecture::ResNet20);
        assert_eq!(form.to_spec(known).unwrap(), spec);
        let spec =
            ExperimentSpec { teacher: TeacherChoice::Imported { id: 7, architecture: Architecture::ResNet18 }, ..spec };
        let form = ExperimentForm::from_spec(&spec);
        let known = |model: &ModelRef| (*model == ModelRef::Imported(7)).then_some(Architecture::ResNet18);
        assert_eq!(form.to_spec(known).unwrap(), spec);
    }

    #[test]
    fn a_form_without_student_method_seed_or_attack_names_each() {
        let form = ExperimentForm {
            students: vec![],
            methods: vec![],
            seeds: " ".into(),
            attacks: vec![],
            ..ExperimentForm::initial()
        };
        let names: Vec<_> = fields(&form).into_iter().map(|(field, _)| field).collect();
        assert_eq!(names, ["students", "methods", "seeds", "attacks"]);
    }

    #[test]
    fn what_cannot_be_read_is_reported_once_at_its_own_field() {
        let form = ExperimentForm {
            seeds: "1, two".into(),
            eps: "8".into(),
            train_images: "many".into(),
            test_images: "3".into(),
            teacher: "run:99".into(),
            epochs: "0".into(),
            device: "tpu".into(),
            ..ExperimentForm::initial()
        };
        let found = fields(&form);
        let names: Vec<_> = found.iter().map(|(field, _)| field.as_str()).collect();
        assert_eq!(names, ["train_images", "teacher", "seeds", "eps", "device", "epochs", "test_images"]);
        assert!(found[2].1.contains("“two”") && found[1].1.contains("99"), "{found:?}");
    }

    #[test]
    fn maps_of_features_need_two_classes_that_are_not_the_same() {
        let form = |attacked: &str, target: &str| ExperimentForm {
            attacked: attacked.into(),
            target: target.into(),
            ..ExperimentForm::initial()
        };
        assert_eq!(fields(&form("Bag", ""))[0].0, "target");
        assert_eq!(fields(&form(" ", "Coat"))[0].0, "attacked");
        assert_eq!(fields(&form("Bag", "Bag"))[0].0, "target");
        assert!(form("", "").to_spec(|_| None).unwrap().analyses.is_empty());
        assert_eq!(form("Bag", "Coat").to_spec(|_| None).unwrap().analyses[0].classes(), ["Bag", "Coat"]);
    }

    #[test]
    fn thousands_may_be_set_off_by_commas() {
        let form = ExperimentForm { train_images: "4,000".into(), ..ExperimentForm::initial() };
        assert_eq!(form.to_spec(|_| None).unwrap().dataset.train_images, Some(4_000));
    }
}
