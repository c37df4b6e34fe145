//! The parameters of the methods, as the form offers them.

use retort_spec::{Budget, ExperimentSpec, MethodName, Preset, RunSpec};

use crate::settings;

/// The path by which a published variant is chosen.
const PRESET: &str = "preset";

/// A parameter as a row of the form.
pub struct Parameter {
    /// The name of its field.
    pub field: String,
    /// What it is.
    pub name: &'static str,
    /// The value that it has if nothing is typed.
    pub default: String,
    /// What is typed.
    pub typed: String,
    /// What it may be.
    pub range: &'static str,
    /// The words that it may be, where it is one of a few.
    pub choices: Vec<&'static str>,
    /// Why it has its default, or what another value would do.
    pub reason: &'static str,
}

/// The parameters of one method.
pub struct MethodParameters {
    /// The method.
    pub method: MethodName,
    /// The name of the field that chooses among its published variants.
    pub preset_field: String,
    /// The variant that is chosen; empty for the method as it is.
    pub preset: String,
    /// Its published variants.
    pub presets: &'static [Preset],
    /// Its parameters.
    pub parameters: Vec<Parameter>,
}

impl Parameter {
    /// What a sweep over all that it may be is typed as.
    pub fn all_choices(&self) -> String {
        self.choices.join(", ")
    }

    /// The words that are not its default.
    pub fn others(&self) -> Vec<&'static str> {
        self.choices.iter().copied().filter(|choice| *choice != self.default).collect()
    }

    /// Whether something else is typed than one of the others or all of them: some of them, or its default by name.
    pub fn is_other_sweep(&self) -> bool {
        let typed = self.typed.as_str();
        !typed.is_empty() && typed != self.all_choices() && !self.others().contains(&typed)
    }
}

impl MethodParameters {
    /// Whether something else is typed than one of the published variants, such as several of them.
    pub fn has_other_preset(&self) -> bool {
        !self.preset.is_empty() && !self.presets.iter().any(|preset| preset.name == self.preset)
    }

    /// Whether anything is typed for it.
    pub fn is_set(&self) -> bool {
        !self.preset.is_empty() || self.parameters.iter().any(|parameter| !parameter.typed.is_empty())
    }
}

/// The name of the parameter that `METHOD.PATH` means: `GACD: temperature T`. None where there is no such one.
pub fn name_of(setting: &str) -> Option<String> {
    let (method, path) = setting.split_once('.')?;
    let method: MethodName = method.parse().ok()?;
    let parameter = method.parameters().into_iter().find(|parameter| parameter.path == path);
    let name = parameter.map(|parameter| parameter.name).or((path == PRESET).then_some("published variant"))?;
    Some(format!("{method}: {name}"))
}

/// The parameters of every method at a budget, with `epochs` instead of its own where given. The defaults are read off the
/// runs that would be launched, so that the form cannot say anything else.
pub fn of(budget: Budget, epochs: Option<usize>, typed: &[String]) -> Vec<MethodParameters> {
    let spec = ExperimentSpec {
        methods: MethodName::all().collect(),
        budget,
        epochs: epochs.filter(|e| (1..=10_000).contains(e)),
        ..ExperimentSpec::demo()
    };
    let runs = spec.expand().into_iter().filter(|run| !run.is_teacher);
    let trainings = runs.filter_map(|run| match run.spec {
        RunSpec::Train(train) => Some((run.method, train)),
        RunSpec::Probe(_) | RunSpec::Evaluate(_) | RunSpec::Masking(_) | RunSpec::Analyse(_) => None,
    });
    let of_method = |(method, train): (MethodName, retort_spec::TrainSpec)| MethodParameters {
        method,
        preset_field: settings::field(method, PRESET),
        preset: settings::typed(typed, method, PRESET).to_owned(),
        presets: method.presets(),
        parameters: method
            .parameters()
            .into_iter()
            .map(|parameter| Parameter {
                field: settings::field(method, parameter.path),
                name: parameter.name,
                default: train.parameter(parameter.path).unwrap_or_default(),
                typed: settings::typed(typed, method, parameter.path).to_owned(),
                range: parameter.range,
                choices: parameter.choices(),
                reason: parameter.reason,
            })
            .collect(),
    };
    trainings.map(of_method).collect()
}
