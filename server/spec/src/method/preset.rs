//! Published variants of a method under names of their own.

use crate::{MethodName, Setting, TrainSpec};

/// A named variant of a method: what differs from its defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset {
    /// The name.
    pub name: &'static str,
    /// One sentence that says whose it is and what differs.
    pub summary: &'static str,
    settings: &'static [(&'static str, &'static str)],
}

impl Preset {
    /// The parameters that differ from the method's defaults.
    pub fn settings(&self) -> impl Iterator<Item = Setting> {
        self.settings.iter().map(|(path, value)| Setting::new(*path, *value))
    }
}

/// RepDistiller's KD (methods.md §1.1).
const REPDISTILLER: Preset = Preset {
    name: "repdistiller",
    summary: "RepDistiller's KD: true labels count too, T = 4, the KL's mean over the batch, 240 epochs.",
    settings: &[
        ("method.temperature", "4"),
        ("method.alpha", "0.9"),
        ("method.gamma", "0.1"),
        ("method.reduction", "batch_mean"),
        ("schedule.epochs", "240"),
        ("schedule.batch_size", "64"),
        ("schedule.learning_rate", "0.05"),
        ("schedule.milestones", "[150,180,210]"),
        ("schedule.weight_decay", "0.0005"),
    ],
};

/// What ARD's published code does where its paper says otherwise (methods.md §1.2).
const GOLDBLUM: Preset = Preset {
    name: "goldblum-code",
    summary: "The authors' code to the letter: batch norm in training mode inside the attack, one fall of the learning rate.",
    settings: &[("method.attack.batch_norm", "train"), ("schedule.milestones", "[100]")],
};

/// The attack of the feature-scattering code (methods.md §2.3).
const FEATURE_SCATTER: Preset = Preset {
    name: "feature-scatter-1",
    summary: "Feature scattering's own attack: one step of 8/255 on the logits, through the unrolled plan.",
    settings: &[
        ("method.attack.steps", "1"),
        ("method.attack.step_size", "8/255"),
        ("method.attacked_features", "logits"),
        ("method.plan_gradient", "unrolled"),
    ],
};

/// CRD's weights and temperature (methods.md §2.1).
const CRD: Preset = Preset {
    name: "crd",
    summary: "CRD's loss on adversarial images: cross-entropy beside the contrast, T = 0.07, no weights w_t.",
    settings: &[
        ("method.cross_entropy_weight", "1"),
        ("method.contrast_weight", "0.8"),
        ("method.temperature", "0.07"),
        ("method.sample_weighting", "none"),
    ],
};

/// The formulas as the paper prints them (methods.md §2.2).
const AS_PRINTED: Preset = Preset {
    name: "as-printed",
    summary: "Eq. 9 to the letter: the teacher is the only anchor, and h has no normalising constant.",
    settings: &[("method.anchor", "teacher_live"), ("method.normalising_constant", "one")],
};

/// TRADES instead of PGD-AT, at its own ε and step (methods.md §3.2–3.3).
const AFT_TRADES: Preset = Preset {
    name: "trades",
    summary: "Fine-tunes with TRADES at its published β, ε and step.",
    settings: &[("finetune.loss", "trades"), ("finetune.attack.eps", "0.031"), ("finetune.attack.step_size", "0.007")],
};

impl MethodName {
    /// Its published variants.
    pub const fn presets(self) -> &'static [Preset] {
        match self {
            Self::Natural | Self::PgdAt | Self::Trades => &[],
            Self::Kd => &[REPDISTILLER],
            Self::Ard => &[GOLDBLUM],
            Self::Gacd => &[FEATURE_SCATTER, CRD, AS_PRINTED],
            Self::KdAft | Self::ArdAft | Self::GacdAft => &[AFT_TRADES],
        }
    }

    /// The preset of this name.
    ///
    /// # Errors
    /// With those that there are.
    pub fn preset(self, name: &str) -> Result<Preset, String> {
        self.presets().iter().find(|preset| preset.name == name).copied().ok_or_else(|| {
            let known: Vec<_> = self.presets().iter().map(|preset| preset.name).collect();
            let known =
                if known.is_empty() { "it has none".to_owned() } else { format!("choose {}", known.join(" or ")) };
            format!("{self} has no preset “{name}”: {known}")
        })
    }
}

impl TrainSpec {
    /// This training as a preset varies it.
    #[must_use]
    pub fn with_preset(mut self, preset: Preset) -> Self {
        for setting in preset.settings() {
            // Each names a parameter of its method; a test holds that.
            let _ = self.set(&setting);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use crate::{Architecture, Budget, DatasetChoice, MethodName, ModelRef, RunSpec};

    #[test]
    fn every_preset_names_parameters_of_its_method_and_gives_a_valid_spec() {
        for method in MethodName::ALL {
            for preset in method.presets() {
                let mut spec = Budget::Paper.train(method, Architecture::ResNet8, DatasetChoice::all_of("d"), 1);
                spec.teacher = Some(ModelRef::File("teacher.safetensors".into()));
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
        let message = MethodName::Gacd.preset("paper").unwrap_err();
        assert!(message.contains("“paper”") && message.contains("feature-scatter-1"), "{message}");
    }
}
