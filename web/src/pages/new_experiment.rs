//! `GET /experiments/new`, and what `POST /experiments` answers when the form has faults.

use askama::Template;
use retort_spec::{
    Architecture, Attack, Budget, DatasetChoice, DeviceName, MethodName, Normaliser, Problem, Surrogate,
};

use super::{
    parameters::{self, MethodParameters},
    plan::Plan,
};
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
    /// What launching would do; none while there are problems in the way of an estimate.
    pub plan: Option<Plan>,
    /// The days that a person agreed to, of a launch that takes longer than one.
    pub agreed: Option<u64>,
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

    /// The dataset that is chosen.
    fn chosen(&self) -> Option<&DatasetOption> {
        self.datasets.iter().find(|dataset| dataset.name == self.form.dataset)
    }

    /// The classes of the dataset that is chosen.
    fn classes(&self) -> &[String] {
        self.chosen().map_or(&[], |dataset| dataset.classes.as_slice())
    }

    /// What an empty number of images means: `all 4,000`.
    fn all(&self, images: impl Fn(&DatasetOption) -> usize) -> String {
        self.chosen().map_or_else(|| "all".into(), |dataset| format!("all {}", format::count(images(dataset))))
    }

    /// How many are trained on unless somebody says otherwise: those that are not held out.
    fn all_train(&self) -> String {
        let held_out = self.form.validation_images.trim().replace(',', "").parse().unwrap_or(0);
        self.all(|dataset| dataset.train_images.saturating_sub(held_out))
    }

    fn all_test(&self) -> String {
        self.all(|dataset| dataset.test_images)
    }

    /// The datasets that models can be probed on: all but the chosen one, and what was ticked before, so that it can be unticked.
    fn probes(&self) -> Vec<String> {
        let here = self.datasets.iter().map(|dataset| &dataset.name).filter(|name| **name != self.form.dataset);
        let mut names: Vec<String> = here.cloned().collect();
        let ticked = self.form.probes.iter().filter(|name| !names.contains(name)).cloned().collect::<Vec<_>>();
        names.extend(ticked);
        names
    }

    /// The chosen methods' parameters, and those of others for which something is typed.
    fn parameters(&self) -> Vec<MethodParameters> {
        let epochs = self.form.epochs.trim().parse().ok();
        let chosen: Vec<MethodName> = self.form.methods.iter().filter_map(|id| id.parse().ok()).collect();
        let is_shown = |own: &MethodParameters| {
            own.is_set() || chosen.iter().any(|name| *name == own.method || name.fine_tunes() == Some(own.method))
        };
        let budget = self.form.budget.parse().unwrap_or_default();
        let mut all = parameters::of(budget, epochs, &self.form.settings);
        all.retain(is_shown);
        all
    }

    /// The form at first, as a browser would send it: the page's script tells by it what was changed.
    fn initial() -> String {
        ExperimentForm::initial().query()
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

    /// Whether a model is chosen to be attacked in the others' stead.
    fn has_surrogate(&self, method: MethodName, architecture: Architecture) -> bool {
        Self::has(&self.form.surrogates, Surrogate { method, architecture }.id())
    }

    /// What a transfer attack may come from: `natural network`.
    fn trained_by(method: MethodName) -> String {
        if method == MethodName::NATURAL { "natural network".into() } else { format!("{method} network") }
    }

    /// About how long it takes.
    fn time(&self) -> String {
        self.plan.and_then(|plan| plan.time()).unwrap_or_default()
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

    /// Whether the form names a device that is not here.
    fn is_elsewhere(&self) -> bool {
        !self.devices.iter().any(|device| self.is_device(device))
    }

    /// What is wrong with a field; empty where nothing is.
    fn wrong(&self, field: &str) -> String {
        let messages = self.problems.iter().filter(|p| p.field == field).map(|p| p.message.as_str());
        upper_first(&messages.collect::<Vec<_>>().join("; "))
    }

    /// The name of a field as it stands beside it; none for one that the form does not have.
    fn field_name(field: &str) -> Option<String> {
        if let Some(parameter) = field.strip_prefix(crate::settings::PREFIX) {
            return parameters::name_of(parameter);
        }
        if field == "confirmed" {
            return Some("Launch".into());
        }
        ExperimentForm::FIELDS.iter().find(|(id, _)| *id == field).map(|(_, name)| (*name).to_owned())
    }

    /// The problems in the order of the fields, those without a field first.
    fn problems_in_order(&self) -> Vec<Problem> {
        let mut problems = self.problems.clone();
        problems.sort_by_key(|problem| {
            // Parameters stand below the methods.
            let field =
                if problem.field.starts_with(crate::settings::PREFIX) { "methods" } else { problem.field.as_str() };
            ExperimentForm::FIELDS.iter().position(|(id, _)| *id == field)
        });
        problems
    }

    fn first_problem(&self, problem: &Problem) -> String {
        let field = Self::field_name(&problem.field).unwrap_or_else(|| problem.field.clone());
        let more = match self.problems.len() {
            0 | 1 => String::new(),
            n => format!(" (and {} more)", n - 1),
        };
        format!("Not ready. {field}: {}{more}", problem.message)
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
