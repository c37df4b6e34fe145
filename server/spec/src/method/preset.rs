//! Published variants of a method under names of their own.

use crate::Setting;

/// A named variant of a method: what differs from its defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset {
    /// The name.
    pub name: &'static str,
    /// One sentence that says whose it is and what differs.
    pub summary: &'static str,
    pub(super) settings: &'static [(&'static str, &'static str)],
}

/// What codes whose loss averages over classes too take for CIFAR-100.
pub(super) const HUNDRED_CLASSES: Preset = Preset {
    name: "cifar100",
    summary: "The authors' weight for 100 classes: the loss counts ten times.",
    settings: &[("method.loss_weight", "10")],
};

impl Preset {
    /// The parameters that differ from the method's defaults.
    pub fn settings(&self) -> impl Iterator<Item = Setting> {
        self.settings.iter().map(|(path, value)| Setting::new(*path, *value))
    }
}

#[cfg(test)]
mod tests {
    use crate::{Architecture, Budget, DatasetChoice, MethodName, ModelRef, RunSpec};

    #[test]
    fn every_preset_names_parameters_of_its_method_and_gives_a_valid_spec() {
        for method in MethodName::all() {
            for preset in method.presets() {
                let spec = Budget::Paper.train(method, Architecture::ResNet8, DatasetChoice::all_of("d"), 1);
                let mut spec = spec.taught_by(&ModelRef::File("teacher.safetensors".into()));
                for setting in preset.settings() {
                    assert_ne!(
                        spec.parameter(&setting.path).as_ref(),
                        Some(&setting.value),
                        "{setting:?} is the default"
                    );
                    spec.set(&setting).unwrap();
                    assert_eq!(spec.parameter(&setting.path).as_ref(), Some(&setting.value));
                }
                RunSpec::Train(spec).validate().unwrap();
            }
        }
    }

    #[test]
    fn a_preset_that_there_is_not_is_refused_with_those_that_there_are() {
        let message = MethodName::GACD.preset("paper").unwrap_err();
        assert!(message.contains("“paper”") && message.contains("feature-scatter-1"), "{message}");
    }
}
