//! Parameters of methods as the form names them: a field `set.METHOD.PATH` holds one value, or several for a sweep.

use retort_spec::{MethodName, Problem, Sweep};

/// What the names of these fields begin with.
pub const PREFIX: &str = "set.";

/// The name of a parameter's field: `set.kd.method.temperature`.
pub fn field(method: MethodName, path: &str) -> String {
    format!("{PREFIX}{}.{path}", method.id())
}

/// A sweep as the form keeps it: `kd.method.temperature=4, 30`.
pub fn text(sweep: &Sweep) -> String {
    format!("{}.{}={}", sweep.method.id(), sweep.path, sweep.values.join(", "))
}

/// What is typed for a parameter; empty for its default.
pub fn typed<'a>(settings: &'a [String], method: MethodName, path: &str) -> &'a str {
    let of = |setting: &'a String| {
        let rest = setting.strip_prefix(method.id())?.strip_prefix('.')?;
        rest.strip_prefix(path)?.strip_prefix('=')
    };
    settings.iter().find_map(of).unwrap_or_default()
}

/// Reads settings; those that are left empty are the defaults.
pub fn read(settings: &[String], problems: &mut Vec<Problem>) -> Vec<Sweep> {
    let mut sweeps = Vec::new();
    for setting in settings {
        let (name, typed) = setting.split_once('=').unwrap_or((setting, ""));
        let values = values(typed);
        if values.is_empty() {
            continue;
        }
        let (method, path) = name.split_once('.').unwrap_or((name, ""));
        match method.parse() {
            Ok(method) => sweeps.push(Sweep { method, path: path.into(), values }),
            Err(message) => problems.push(Problem { field: format!("{PREFIX}{name}"), message }),
        }
    }
    sweeps
}

/// The values between commas or semicolons; a list in brackets is one value.
fn values(typed: &str) -> Vec<String> {
    let mut values = vec![String::new()];
    let mut depth = 0usize;
    for c in typed.chars() {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 && matches!(c, ',' | ';') {
            values.push(String::new());
        } else if let Some(last) = values.last_mut() {
            last.push(c);
        }
    }
    let trimmed = values.iter().map(|value| value.trim().to_owned());
    trimmed.filter(|value| !value.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_written_back() {
        let settings =
            ["gacd+aft.finetune.loss=trades", "kd.method.temperature=4, 30", "ard.schedule.milestones=[1,2], [3]"];
        let settings = settings.map(str::to_owned);
        let mut problems = Vec::new();
        let sweeps = read(&settings, &mut problems);
        assert!(problems.is_empty());
        assert_eq!(sweeps[0].method, MethodName::GACD.fine_tuned());
        assert_eq!(sweeps[2].values, ["[1,2]", "[3]"]);
        assert_eq!(sweeps.iter().map(text).collect::<Vec<_>>(), settings);
        assert_eq!(typed(&settings, MethodName::KD, "method.temperature"), "4, 30");
        assert_eq!(typed(&settings, MethodName::KD, "method"), "");
    }

    #[test]
    fn empty_fields_are_defaults_and_an_unknown_method_is_a_problem() {
        let settings = ["kd.method.alpha= , ", "mystery.method.alpha=1"].map(str::to_owned);
        let mut problems = Vec::new();
        assert!(read(&settings, &mut problems).is_empty());
        assert_eq!(problems.iter().map(|p| p.field.as_str()).collect::<Vec<_>>(), ["set.mystery.method.alpha"]);
    }
}
