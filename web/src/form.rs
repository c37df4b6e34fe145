//! The values of the form that launches a comparison.

use std::str::FromStr;

use retort_spec::{
    Architecture, Attack, DatasetChoice, DeviceName, ExperimentSpec, Invalid, MethodName, PixelDistance, Problem,
    TeacherChoice,
};
use serde::{Deserialize, Serialize};

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
    /// How many test images; empty for all.
    pub test_images: String,
    /// `train:ARCHITECTURE`, or `run:ID` for the model of a finished run.
    pub teacher: String,
    /// Ids of architectures.
    pub students: Vec<String>,
    /// Ids of methods.
    pub methods: Vec<String>,
    /// Seeds, separated by commas or spaces.
    pub seeds: String,
    /// Ids of attacks.
    pub attacks: Vec<String>,
    /// The radius ε of the attacks, such as `8/255`; PGD steps by a quarter of it.
    pub eps: String,
    /// A budget's id.
    pub budget: String,
    /// Epochs of every model; empty for the budget's.
    pub epochs: String,
    /// A device's name.
    pub device: String,
}

impl ExperimentForm {
    /// What the form starts with: the demo's question, untitled.
    pub fn initial() -> Self {
        Self { title: String::new(), ..Self::from_spec(&ExperimentSpec::demo()) }
    }

    /// The form that launches `spec` again. The form has one ε, the first attack's, and PGD's steps of ε/4.
    pub fn from_spec(spec: &ExperimentSpec) -> Self {
        let count = |n: Option<usize>| n.map(|n| n.to_string()).unwrap_or_default();
        Self {
            title: spec.title.clone(),
            dataset: spec.dataset.name.clone(),
            train_images: count(spec.dataset.train_images),
            test_images: count(spec.dataset.test_images),
            teacher: match spec.teacher {
                TeacherChoice::Train(architecture) => format!("train:{}", architecture.id()),
                TeacherChoice::Run { id, .. } => format!("run:{id}"),
            },
            students: spec.students.iter().map(|s| s.id().into()).collect(),
            methods: spec.methods.iter().map(|m| m.id().into()).collect(),
            seeds: spec.seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(", "),
            attacks: spec.attacks.iter().map(Attack::id).collect(),
            eps: spec.attacks.first().map(|a| a.eps().to_string()).unwrap_or_default(),
            budget: spec.budget.id().into(),
            epochs: count(spec.epochs),
            device: spec.device.to_string(),
        }
    }

    /// The experiment that the form asks for, already validated. `run_architecture` tells the architecture of the model
    /// that a finished training run left, and none where there is no such run.
    ///
    /// # Errors
    /// With all problems at once; each names the form's field.
    pub fn to_spec(
        &self,
        run_architecture: impl Fn(i64) -> Option<Architecture>,
    ) -> Result<ExperimentSpec, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut spec = ExperimentSpec {
            title: self.title.trim().into(),
            dataset: DatasetChoice {
                name: self.dataset.trim().into(),
                train_images: read_count("train_images", &self.train_images, &mut problems),
                test_images: read_count("test_images", &self.test_images, &mut problems),
                validation_images: None,
            },
            teacher: self.read_teacher(run_architecture, &mut problems),
            students: read_list("students", &self.students, &mut problems),
            methods: read_list("methods", &self.methods, &mut problems),
            seeds: self.read_seeds(&mut problems),
            attacks: self.read_attacks(&mut problems),
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
                    problems.push(Problem { field: field.into(), ..problem });
                }
            }
        }
        if problems.is_empty() { Ok(spec) } else { Err(problems) }
    }

    fn read_teacher(
        &self,
        run_architecture: impl Fn(i64) -> Option<Architecture>,
        problems: &mut Vec<Problem>,
    ) -> TeacherChoice {
        let text = self.teacher.trim();
        let choice = match text.split_once(':') {
            Some(("train", architecture)) => architecture.parse().map(TeacherChoice::Train),
            Some(("run", id)) => {
                let known = id.parse().ok().and_then(|id| Some((id, run_architecture(id)?)));
                known
                    .map(|(id, architecture)| TeacherChoice::Run { id, architecture })
                    .ok_or_else(|| format!("run {id} has no finished model: choose another teacher"))
            }
            _ => Err("choose a teacher".into()),
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
        let mut attacks = read_list::<Attack>("attacks", &self.attacks, problems);
        let Some(radius) = read::<PixelDistance>("eps", &self.eps, problems) else { return attacks };
        if let Some(fault) = radius.fault() {
            problems.push(Problem::new("eps", fault));
            return attacks;
        }
        // Dividing by a power of two is exact, and the shortest decimal reads back as the same number.
        let quarter = (radius.value() / 4.0).to_string().parse().unwrap_or(radius);
        for attack in &mut attacks {
            match attack {
                Attack::Fgsm { eps } => *eps = radius,
                Attack::Pgd { eps, step_size, .. } => (*eps, *step_size) = (radius, quarter),
            }
        }
        attacks
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
fn form_field(field: &str) -> &str {
    match field {
        "dataset.train_images" => "train_images",
        "dataset.test_images" => "test_images",
        _ if field.starts_with("attacks[") => "eps",
        _ => field,
    }
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
            dataset: DatasetChoice { train_images: Some(5_000), ..DatasetChoice::all_of("cifar10") },
            teacher: TeacherChoice::Run { id: 7, architecture: Architecture::ResNet20 },
            seeds: vec![1, 2, 30],
            attacks: vec![
                Attack::Fgsm { eps: PixelDistance::levels(4.0) },
                Attack::Pgd { eps: PixelDistance::levels(4.0), step_size: PixelDistance::levels(1.0), steps: 100 },
            ],
            epochs: Some(12),
            budget: Budget::Quick,
            device: DeviceName::Cuda(1),
            ..ExperimentSpec::demo()
        };
        let form = ExperimentForm::from_spec(&spec);
        assert_eq!(form.to_spec(|id| (id == 7).then_some(Architecture::ResNet20)).unwrap(), spec);
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
    fn thousands_may_be_set_off_by_commas() {
        let form = ExperimentForm { train_images: "4,000".into(), ..ExperimentForm::initial() };
        assert_eq!(form.to_spec(|_| None).unwrap().dataset.train_images, Some(4_000));
    }
}
