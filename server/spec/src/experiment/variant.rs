//! What sets a model apart from its method as published.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{MethodName, Setting, method::PRESET};

/// What sets a model apart from its method as published. The default is nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// The values that it has of what an experiment sets, in the order of its settings.
    pub settings: Vec<MethodSetting>,
    /// Whether it is the model of its training's best epoch, where the last one's is the usual.
    pub is_best_epoch: bool,
    /// Whether it is the model of its training's average of weights.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_averaged: bool,
}

/// A value of a method's parameter, or its preset.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MethodSetting {
    /// The method whose parameter it is: of a fine-tuned one either itself or the method that it fine-tunes.
    pub method: MethodName,
    /// The parameter with its value.
    pub setting: Setting,
}

impl Variant {
    /// A method with one setting.
    pub fn of(method: MethodName, setting: Setting) -> Self {
        Self { settings: vec![MethodSetting { method, setting }], ..Self::default() }
    }

    /// Whether nothing sets it apart.
    pub const fn is_plain(&self) -> bool {
        self.settings.is_empty() && !self.is_best_epoch && !self.is_averaged
    }

    /// A model's name with what sets it apart in brackets: `KD`, `GACD (temperature T = 0.1, best epoch)`.
    pub fn named(&self, name: &str) -> String {
        if self.is_plain() {
            return name.to_owned();
        }
        let best = self.is_best_epoch.then(|| BEST_EPOCH.to_owned());
        let averaged = self.is_averaged.then(|| AVERAGED.to_owned());
        let parts: Vec<String> =
            self.settings.iter().map(MethodSetting::equation).chain(best).chain(averaged).collect();
        format!("{name} ({})", parts.join(", "))
    }

    /// The same with a further setting.
    #[must_use]
    pub(crate) fn with(mut self, method: MethodName, setting: Setting) -> Self {
        self.settings.push(MethodSetting { method, setting });
        self
    }

    /// The same, of its training's best epoch.
    #[must_use]
    pub(crate) fn of_best_epoch(mut self) -> Self {
        self.is_best_epoch = true;
        self
    }

    /// The same, of its training's average of weights.
    #[must_use]
    pub(crate) fn of_average(mut self) -> Self {
        self.is_averaged = true;
        self
    }

    /// The variant of a method that these words say, as [`Variant`] displays them: up to schema 9 the database holds the words.
    /// Words that nothing is known of stand as a setting without a value.
    pub fn from_words(method: MethodName, words: &str) -> Self {
        let mut variant = Self::default();
        for part in words.split(", ").filter(|part| !part.is_empty()) {
            if part == BEST_EPOCH {
                variant.is_best_epoch = true;
            } else if let Some(known) = variant.known(method, part) {
                variant.settings.push(known);
            } else if let Some(last) = variant.settings.last_mut().filter(|last| !last.setting.value.is_empty()) {
                // The rest of a list, such as `[100, 150]`.
                last.setting.value = format!("{}, {part}", last.setting.value);
            } else {
                variant.settings.push(MethodSetting { method, setting: Setting::new(part, "") });
            }
        }
        variant
    }

    /// The setting that `part` says. Where a fine-tuned method and the one before it have the parameter, that one comes first.
    fn known(&self, method: MethodName, part: &str) -> Option<MethodSetting> {
        method.fine_tunes().into_iter().chain([method]).find_map(|method| {
            let parameters = method.parameters();
            let valued = parameters.iter().find_map(|parameter| {
                let value = part.strip_prefix(parameter.name)?.strip_prefix(' ')?;
                Some(Setting::new(parameter.path, value))
            });
            let preset = method.presets().iter().find(|preset| preset.name == part);
            let setting = valued.or_else(|| Some(Setting::new(PRESET, preset?.name)))?;
            let is_taken = self.settings.iter().any(|s| (s.method, &s.setting.path) == (method, &setting.path));
            (!is_taken).then_some(MethodSetting { method, setting })
        })
    }
}

const BEST_EPOCH: &str = "best epoch";
const AVERAGED: &str = "averaged weights";

/// `temperature T 0.05, anchor student_only, best epoch`, `averaged weights`; nothing for a method as published.
impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let best = self.is_best_epoch.then(|| BEST_EPOCH.to_owned());
        let averaged = self.is_averaged.then(|| AVERAGED.to_owned());
        let words: Vec<String> =
            self.settings.iter().map(MethodSetting::to_string).chain(best).chain(averaged).collect();
        f.write_str(&words.join(", "))
    }
}

impl MethodSetting {
    /// `temperature T = 0.05`; a preset is its name alone.
    fn equation(&self) -> String {
        let words = self.to_string();
        match words.strip_suffix(self.setting.value.as_str()).map(str::trim_end) {
            Some(name) if !name.is_empty() && name != words => format!("{name} = {}", self.setting.value),
            _ => words,
        }
    }
}

/// `temperature T 0.05`; a preset is its name alone.
impl fmt::Display for MethodSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Setting { path, value } = &self.setting;
        let parameters = self.method.parameters();
        match parameters.iter().find(|parameter| parameter.path == *path) {
            Some(parameter) => write!(f, "{} {value}", parameter.name),
            None if path == PRESET => f.write_str(value),
            None if value.is_empty() => f.write_str(path),
            None => write!(f, "{path} {value}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(method: MethodName, name: &str) -> Option<&'static str> {
        method.parameters().iter().find(|parameter| parameter.name == name).map(|parameter| parameter.path)
    }

    #[test]
    fn a_name_holds_what_sets_a_model_apart_in_brackets() {
        let temperature = Setting::new("method.temperature", "0.1");
        let variant = Variant::of(MethodName::GACD, temperature).of_best_epoch();
        assert_eq!(variant.named("GACD"), "GACD (temperature T = 0.1, best epoch)");
        assert_eq!(Variant::default().named("KD"), "KD");
        let preset = Variant::of(MethodName::GACD.fine_tuned(), Setting::new(PRESET, "trades"));
        assert_eq!(preset.named("GACD+AFT"), "GACD+AFT (trades)");
    }

    #[test]
    fn every_setting_is_read_from_its_words() {
        for method in MethodName::all() {
            for parameter in method.parameters() {
                // A fine-tuned method's words of what both have are taken as those of the method before.
                let before = method.fine_tunes().and_then(|before| Some((before, path(before, parameter.name)?)));
                let (owner, path) = before.unwrap_or((method, parameter.path));
                for value in ["0.05", "8/255", "[100, 150]", "student_only"] {
                    let variant = Variant::of(owner, Setting::new(path, value)).of_best_epoch();
                    assert_eq!(Variant::from_words(method, &variant.to_string()), variant, "{variant}");
                }
            }
            for preset in method.presets() {
                let variant = Variant::of(method, Setting::new(PRESET, preset.name));
                assert_eq!(Variant::from_words(method, preset.name), variant);
            }
        }
    }

    #[test]
    fn words_that_say_the_same_twice_are_of_the_method_before_and_of_the_fine_tuning() {
        let (kd, tuned) = (MethodName::KD, MethodName::KD.fine_tuned());
        let rate = |method, value| Setting::new(path(method, "learning rate").unwrap(), value);
        let variant = Variant::of(kd, rate(kd, "0.1")).with(tuned, rate(tuned, "0.001"));
        assert_eq!(variant.to_string(), "learning rate 0.1, learning rate 0.001");
        assert_eq!(Variant::from_words(tuned, &variant.to_string()), variant);
    }

    #[test]
    fn words_of_another_time_stay_as_they_are() {
        let variant = Variant::from_words(MethodName::KD, "warmth 3, temperature T 4");
        assert_eq!(variant.to_string(), "warmth 3, temperature T 4");
        assert_eq!(variant.settings.len(), 2);
        assert!(Variant::from_words(MethodName::KD, "").is_plain());
    }
}
