//! `GET /experiments/new`, and what `POST /experiments` answers when the form has faults.

use askama::Template;
use retort_spec::{
    Architecture, Attack, Budget, DatasetChoice, DeviceName, ExperimentSpec, MethodName, Normaliser, Problem, RunKind,
    RunSpec,
};

use super::parameters::{self, MethodParameters};
use crate::{
    ExperimentForm, Frame, Section,
    format::{self, upper_first},
    run_row::Scores,
};

/// A dataset to choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatasetOption {
    /// The name in specs.
    pub name: String,
    /// Images in its train split.
    pub train_images: usize,
    /// Images in its test split.
    pub test_images: usize,
    /// The names of its classes.
    pub classes: Vec<String>,
}

/// A finished run whose model can be the teacher.
#[derive(Clone, Debug, PartialEq)]
pub struct TeacherOption {
    /// The training run.
    pub run: i64,
    /// How it was trained.
    pub method: MethodName,
    /// Its model's architecture.
    pub architecture: Architecture,
    /// Its seed.
    pub seed: u64,
    /// The dataset that it was trained on.
    pub dataset: String,
    /// Its accuracies, where it was evaluated.
    pub scores: Scores,
}

/// An imported model that can be the teacher.
#[derive(Clone, Debug, PartialEq)]
pub struct ImportedOption {
    /// The model.
    pub id: i64,
    /// What people call it.
    pub title: String,
    /// Its architecture.
    pub architecture: Architecture,
    /// The dataset whose classes it tells apart.
    pub dataset: String,
    /// Its accuracies, where it was evaluated.
    pub scores: Scores,
}

/// A device to choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceOption {
    /// The name in specs.
    pub name: DeviceName,
    /// What it is: `2 cores`, or the GPU's product name.
    pub description: String,
}

/// What launching the form would do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// Teachers to train.
    pub teachers: usize,
    /// Students, and surrogates, to train.
    pub students: usize,
    /// Linear probes.
    pub probes: usize,
    /// Models whose masking is checked.
    pub maskings: usize,
    /// Evaluations.
    pub evaluations: usize,
    /// Analyses.
    pub analyses: usize,
    /// Seconds that all of it takes on its device, roughly; none when the device's speed is unknown.
    pub seconds: Option<f64>,
    /// The device.
    pub device: DeviceName,
}

/// The form that launches a comparison.
#[derive(Clone, Debug, Template)]
#[template(path = "new_experiment.html")]
pub struct NewExperimentPage {
    /// The header.
    pub frame: Frame,
    /// The values in the form: [`ExperimentForm::initial`] at first, else what was sent.
    pub form: ExperimentForm,
    /// What is wrong with them; each stands beside its field. Empty for a form that can be launched.
    pub problems: Vec<Problem>,
    /// What launching would do; none while there are problems.
    pub plan: Option<Plan>,
    /// Datasets to choose from.
    pub datasets: Vec<DatasetOption>,
    /// Models of finished runs to choose from as teachers, newest first.
    pub teachers: Vec<TeacherOption>,
    /// Imported models to choose from, newest first.
    pub imported: Vec<ImportedOption>,
    /// Devices to choose from, the CPU first.
    pub devices: Vec<DeviceOption>,
}

impl NewExperimentPage {
    const SECTION: Section = Section::New;

    /// The attacks to choose from: the usual ones, and those of a cloned experiment.
    fn attacks(&self) -> Vec<Attack> {
        let mut attacks: Vec<Attack> = Vec::new();
        for attack in Attack::usual().chain(self.form.attacks.iter().filter_map(|id| id.parse().ok())) {
            if !attacks.contains(&attack) {
                attacks.push(attack);
            }
        }
        attacks
    }

    /// The classes of the dataset that is chosen.
    fn classes(&self) -> &[String] {
        let chosen = self.datasets.iter().find(|dataset| dataset.name == self.form.dataset);
        chosen.map_or(&[], |dataset| dataset.classes.as_slice())
    }

    fn parameters(&self) -> Vec<MethodParameters> {
        let epochs = self.form.epochs.trim().parse().ok();
        parameters::of(self.form.budget.parse().unwrap_or_default(), epochs, &self.form.settings)
    }

    /// The epochs that the chosen budget has for the chosen methods: `200`, or `5 to 6`.
    fn budget_epochs(&self) -> String {
        let budget: Budget = self.form.budget.parse().unwrap_or_default();
        let chosen = self.form.methods.iter().filter_map(|id| id.parse().ok());
        let epochs = |method: MethodName| {
            let dataset = DatasetChoice::all_of(self.form.dataset.as_str());
            budget.train(method, Architecture::ResNet8, dataset, 1).schedule.epochs
        };
        // The teacher, and surrogates, are trained as PGD-AT is.
        let mut all: Vec<usize> = chosen.chain([MethodName::PGD_AT]).map(epochs).collect();
        all.sort_unstable();
        match (all.first(), all.last()) {
            (Some(least), Some(most)) if least < most => {
                format!("{} to {}", format::count(*least), format::count(*most))
            }
            (least, _) => least.map(|epochs| format::count(*epochs)).unwrap_or_default(),
        }
    }

    /// Whether something is typed among the parameters.
    fn has_settings(&self) -> bool {
        !self.form.settings.is_empty()
    }

    /// The normalisers to choose from: those with names, and the one that was written by numbers.
    fn normalisers(&self) -> Vec<String> {
        let named = Normaliser::PRESETS.map(|(name, _)| name.to_owned());
        let own = Some(self.form.normaliser.trim().to_owned()).filter(|own| !own.is_empty() && !named.contains(own));
        named.into_iter().chain(own).collect()
    }

    /// Whether a surrogate is chosen: `natural:resnet18`.
    fn has_surrogate(&self, id: &str) -> bool {
        Self::has(&self.form.surrogates, id)
    }

    fn has(chosen: &[String], id: impl AsRef<str>) -> bool {
        chosen.iter().any(|c| c == id.as_ref())
    }

    fn has_teacher_to_train(&self, architecture: Architecture) -> bool {
        self.form.teacher == format!("train:{}", architecture.id())
    }

    fn has_teacher(&self, teacher: &TeacherOption) -> bool {
        self.form.teacher == format!("run:{}", teacher.run)
    }

    fn has_imported(&self, model: &ImportedOption) -> bool {
        self.form.teacher == format!("model:{}", model.id)
    }

    fn is_device(&self, device: &DeviceOption) -> bool {
        self.form.device == device.name.to_string()
    }

    /// What is wrong with a field; empty where nothing is.
    fn wrong(&self, field: &str) -> String {
        let messages = self.problems.iter().filter(|p| p.field == field).map(|p| p.message.as_str());
        upper_first(&messages.collect::<Vec<_>>().join("; "))
    }

    /// The name of a field as it stands beside it; none for one that the form does not have.
    fn field_name(field: &str) -> Option<&'static str> {
        if field.starts_with(crate::settings::PREFIX) {
            return Some("Parameters");
        }
        ExperimentForm::FIELDS.iter().find(|(id, _)| *id == field).map(|(_, name)| *name)
    }

    /// The problems in the order of the fields, those without a field first.
    fn problems_in_order(&self) -> Vec<Problem> {
        let mut problems = self.problems.clone();
        problems.sort_by_key(|p| ExperimentForm::FIELDS.iter().position(|(id, _)| *id == p.field));
        problems
    }

    fn first_problem(&self, problem: &Problem) -> String {
        let field = Self::field_name(&problem.field).unwrap_or(&problem.field);
        let more = match self.problems.len() {
            0 | 1 => String::new(),
            n => format!(" (and {} more)", n - 1),
        };
        format!("Not ready. {field}: {}{more}", problem.message)
    }
}

impl Plan {
    /// Counts the runs of `spec`.
    pub fn of(spec: &ExperimentSpec, seconds: Option<f64>) -> Self {
        let runs = spec.expand();
        let trainings = |teacher: bool| {
            runs.iter().filter(|r| matches!(r.spec, RunSpec::Train(_)) && r.is_teacher == teacher).count()
        };
        let count = |kind: RunKind| runs.iter().filter(|run| run.spec.kind() == kind).count();
        Self {
            teachers: trainings(true),
            students: trainings(false),
            probes: count(RunKind::Probe),
            maskings: count(RunKind::Masking),
            evaluations: count(RunKind::Evaluate),
            analyses: count(RunKind::Analyse),
            seconds,
            device: spec.device,
        }
    }

    /// Runs in all.
    pub const fn runs(&self) -> usize {
        self.teachers + self.students + self.probes + self.evaluations + self.maskings + self.analyses
    }
}

impl Plan {
    fn time(&self) -> Option<String> {
        self.seconds.map(format::estimate)
    }

    /// The runs by kind: `1 teacher + 3 students + 4 evaluations`.
    pub fn parts(&self) -> String {
        let kinds = [
            (self.teachers, "teacher", "teachers"),
            (self.students, "student", "students"),
            (self.probes, "linear probe", "linear probes"),
            (self.evaluations, "evaluation", "evaluations"),
            (self.maskings, "masking check", "masking checks"),
            (self.analyses, "analysis", "analyses"),
        ];
        let parts = kinds.into_iter().filter(|k| k.0 > 0).map(|(n, one, many)| format::plural(n, one, many));
        parts.collect::<Vec<_>>().join(" + ")
    }
}

impl TeacherOption {
    /// `Run 12 · PGD-AT · ResNet-18 · seed 1 · fashion-mnist-5k · natural 82.10, PGD-20 51.08`.
    fn text(&self) -> String {
        let Self { run, method, architecture, seed, dataset, scores } = self;
        format!("Run {run} · {method} · {architecture} · seed {seed} · {dataset} · {scores}")
    }
}

impl ImportedOption {
    /// `Model 3 · epoch=199.t7 · ResNet-18 · cifar10 · not evaluated`.
    fn text(&self) -> String {
        let Self { id, title, architecture, dataset, scores } = self;
        format!("Model {id} · {title} · {architecture} · {dataset} · {scores}")
    }
}
