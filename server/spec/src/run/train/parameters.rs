//! The parameters of a training by their place in its spec.

use serde_json::Value;

use crate::{Preset, Problem, Setting, TrainSpec};

/// Parts of a spec whose parameters can be set; the others are what an experiment is made of.
const PARTS: [&str; 4] = ["method", "schedule", "finetune", "augment"];

impl TrainSpec {
    /// The value of the parameter at `path`, as it would be typed; none if this spec has no such parameter.
    pub fn parameter(&self, path: &str) -> Option<String> {
        let json = serde_json::to_value(self).ok()?;
        match json.pointer(&pointer(path))? {
            Value::String(text) => Some(text.clone()),
            // A whole number is written without the point that JSON gives a float.
            Value::Number(number) if number.is_f64() => number.as_f64().map(|value| value.to_string()),
            Value::Object(_) | Value::Null => None,
            value => Some(value.to_string()),
        }
    }

    /// Sets a parameter.
    ///
    /// # Errors
    /// Under the parameter's path, when this spec has no such parameter or the value is not of its kind. The spec then stays
    /// as it was. Whether the value is in its range is what [`crate::RunSpec::validate`] tells.
    pub fn set(&mut self, setting: &Setting) -> Result<(), Problem> {
        let Setting { path, value } = setting;
        let problem = |message: String| Problem::new(path.as_str(), message);
        let mut json = serde_json::to_value(&*self).map_err(|e| problem(e.to_string()))?;
        let can_be_set = PARTS.iter().any(|part| path.split('.').next() == Some(*part)) && path != "method.name";
        let place = json.pointer_mut(&pointer(path)).filter(|v| can_be_set && !v.is_object());
        let Some(place) = place else {
            return Err(problem(format!("{} has no parameter {path}", self.method_name())));
        };
        *place = match place {
            Value::String(_) => Value::String(value.trim().to_owned()),
            _ => serde_json::from_str(value.trim()).map_err(|_| problem(format!("“{value}” is not like {place}")))?,
        };
        *self = serde_json::from_value(json).map_err(|e| problem(format!("{e}")))?;
        Ok(())
    }
}

fn pointer(path: &str) -> String {
    format!("/{}", path.replace('.', "/"))
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
    use super::*;
    use crate::{Architecture, Budget, DatasetChoice, Method, MethodName};

    fn spec(method: MethodName) -> TrainSpec {
        Budget::Paper.train(method, Architecture::ResNet8, DatasetChoice::all_of("d"), 1)
    }

    #[test]
    fn numbers_distances_choices_and_lists_are_set_by_their_paths() {
        let mut gacd = spec(MethodName::GACD.fine_tuned());
        for (path, value) in [
            ("method.temperature", "0.05"),
            ("method.attack.eps", "4/255"),
            ("method.anchor", "student_only"),
            ("schedule.milestones", "[3,5]"),
            ("finetune.schedule.learning_rate", "0.1"),
            ("augment", "false"),
        ] {
            gacd.set(&Setting::new(path, value)).unwrap();
            assert_eq!(gacd.parameter(path).unwrap(), value);
        }
        let Method::Gacd(parameters) = &gacd.method else { panic!("it stays GACD") };
        assert_eq!((parameters.temperature, &gacd.schedule.milestones), (0.05, &vec![3, 5]));
    }

    #[test]
    fn what_is_no_parameter_is_refused_by_its_path_and_changes_nothing() {
        let mut kd = spec(MethodName::KD);
        let before = kd.clone();
        for path in ["method.anchor", "seed", "dataset.name", "method", "method.name", "", "finetune.loss", "schedule"]
        {
            let problem = kd.set(&Setting::new(path, "1")).unwrap_err();
            assert!(problem.field == path && problem.message.contains("has no parameter"), "{path}: {problem:?}");
        }
        for (path, value) in [("method.temperature", "warm"), ("schedule.epochs", "1.5"), ("augment", "8")] {
            assert_eq!(kd.set(&Setting::new(path, value)).unwrap_err().field, path);
        }
        let mut gacd = spec(MethodName::GACD);
        let message = gacd.set(&Setting::new("method.anchor", "both")).unwrap_err().message;
        assert!(message.contains("both") && message.contains("student_only"), "{message}");
        assert_eq!(kd, before);
    }
}
