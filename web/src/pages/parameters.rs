//! The parameters of the methods, as the form offers them.

use retort_spec::{Budget, ExperimentSpec, MethodName, Preset, RunSpec};

use crate::settings;

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

impl MethodParameters {
    /// Whether anything is typed for it.
    pub fn is_set(&self) -> bool {
        !self.preset.is_empty() || self.parameters.iter().any(|parameter| !parameter.typed.is_empty())
    }
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
        preset_field: settings::field(method, "preset"),
        preset: settings::typed(typed, method, "preset").to_owned(),
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
                reason: parameter.reason,
            })
            .collect(),
    };
    trainings.map(of_method).collect()
}
