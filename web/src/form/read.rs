//! Reading what was typed: to values, or to what is wrong with it.

use std::str::FromStr;

use retort_spec::{
    AdversarialImages, Analysis, AnalysisKind, Architecture, Attack, ExperimentSpec, Features, MethodName, ModelRef,
    PixelDistance, Problem, Surrogate, TeacherChoice,
};

use super::ExperimentForm;
use crate::{format, settings};

impl ExperimentForm {
    /// Adds problems of a spec to those of the form, each by the form's field, and each once.
    pub fn add(of_spec: Vec<Problem>, problems: &mut Vec<Problem>) {
        let unread = problems.len();
        for problem in of_spec {
            let problem = Problem { field: form_field(&problem.field), ..problem };
            // A value that could not be read is missing from the spec; its own message says more than “missing”.
            let is_unread = problems[..unread].iter().any(|other| other.field == problem.field);
            if !is_unread && !problems.contains(&problem) {
                problems.push(problem);
            }
        }
    }

    pub(super) fn read_teacher(
        &self,
        known: impl Fn(&ModelRef) -> Option<Architecture>,
        problems: &mut Vec<Problem>,
    ) -> TeacherChoice {
        let choice = match self.stored_teacher() {
            Some(model) => match (known(&model), model) {
                (Some(architecture), ModelRef::Run(id)) => Ok(TeacherChoice::Run { id, architecture }),
                (Some(architecture), ModelRef::Imported(id)) => Ok(TeacherChoice::Imported { id, architecture }),
                (_, ModelRef::Run(id)) => Err(format!("there is no run {id}: choose another teacher")),
                (_, ModelRef::Imported(id)) => Err(format!("there is no imported model {id}: choose another teacher")),
                _ => Err("choose a teacher".into()),
            },
            None => match self.teacher.trim().split_once(':') {
                Some(("train", architecture)) => architecture.parse().map(TeacherChoice::Train),
                _ => Err("choose a teacher".into()),
            },
        };
        choice.unwrap_or_else(|message| {
            problems.push(Problem::new("teacher", message));
            TeacherChoice::Train(Architecture::ResNet8)
        })
    }

    pub(super) fn read_seeds(&self, problems: &mut Vec<Problem>) -> Vec<u64> {
        let words = self.seeds.split([',', ';', ' ']).filter(|w| !w.is_empty());
        let seeds: Result<Vec<u64>, _> = words.map(|w| w.parse().map_err(|_| w)).collect();
        seeds.unwrap_or_else(|word| {
            let message = format!("“{word}” is not a seed: write whole numbers such as 1, 2, 3");
            problems.push(Problem::new("seeds", message));
            Vec::new()
        })
    }

    pub(super) fn read_attacks(&self, problems: &mut Vec<Problem>) -> Vec<Attack> {
        let attacks = read_list::<Attack>("attacks", &self.attacks, problems);
        let Some(radius) = read::<PixelDistance>("eps", &self.eps, problems) else { return attacks };
        if let Some(fault) = radius.fault() {
            problems.push(Problem::new("eps", fault));
            return attacks;
        }
        attacks.into_iter().map(|attack| attack.with_eps(radius)).collect()
    }

    pub(super) fn read_analyses(&self, problems: &mut Vec<Problem>) -> Vec<Analysis> {
        let mut analyses = Vec::new();
        let (attacked, target) = (self.attacked.trim(), self.target.trim());
        if !attacked.is_empty() || !target.is_empty() {
            // What one class alone cannot have is told beside that the other is missing.
            for (field, class) in [("attacked", attacked), ("target", target)] {
                if class.is_empty() {
                    problems.push(Problem::new(field, "name both classes, or none for no maps"));
                }
            }
            analyses.push(Analysis::Features(Features {
                attacked: attacked.into(),
                target: target.into(),
                images: Features::IMAGES,
                adversarial: AdversarialImages::Shared,
            }));
        }
        for name in &self.analyses {
            let usual = name.trim().parse().map(AnalysisKind::usual);
            match usual.and_then(|usual| usual.ok_or_else(|| format!("“{name}” asks for more than its name"))) {
                Ok(usual) => analyses.push(usual),
                Err(message) => problems.push(Problem::new("analyses", message)),
            }
        }
        analyses
    }

    pub(super) fn read_surrogates(&self, problems: &mut Vec<Problem>) -> Vec<Surrogate> {
        let chosen = self.surrogates.iter().map(|text| text.trim()).filter(|text| !text.is_empty());
        let read = |text: &str| {
            let (method, architecture) = text.split_once(':').unwrap_or((text, ""));
            Ok(Surrogate { method: method.parse()?, architecture: architecture.parse()? })
        };
        let mut surrogates = Vec::new();
        for text in chosen {
            match read(text) {
                Ok(surrogate) => surrogates.push(surrogate),
                Err(message) => problems.push(Problem { field: "surrogates".into(), message }),
            }
        }
        surrogates
    }
}

/// The name of an experiment whose author gave none: what it compares, on what.
pub(super) fn title_of(spec: &ExperimentSpec) -> String {
    let mut methods = spec.methods.clone();
    methods.sort_unstable();
    let (methods, students): (Vec<&str>, Vec<&str>) =
        (methods.into_iter().map(MethodName::title).collect(), spec.students.iter().map(|s| s.title()).collect());
    let title = format!("{} for {} on {}", format::list(&methods), format::list(&students), spec.dataset.name);
    if title.chars().count() <= MOST_SIGNS {
        return title;
    }
    let (methods, students) =
        (format::plural(methods.len(), "method", "methods"), format::plural(students.len(), "student", "students"));
    format!("{methods} for {students} on {}", spec.dataset.name).chars().take(MOST_SIGNS).collect()
}

/// What a copy of an experiment is called where these titles are taken: the same with the next number, `ARD at ε 4 (2)`.
pub(super) fn next_title(title: &str, taken: &[String]) -> String {
    let (base, _) = numbered(title);
    let number = taken.iter().map(|other| numbered(other)).filter(|(other, _)| *other == base).map(|(_, n)| n).max();
    let number = format!(" ({})", number.unwrap_or(1) + 1);
    let room = MOST_SIGNS - number.chars().count();
    base.chars().take(room).chain(number.chars()).collect()
}

/// A title without the number of a copy, and that number: 1 for an original.
fn numbered(title: &str) -> (&str, u64) {
    let copy = title.strip_suffix(')').and_then(|rest| rest.rsplit_once(" ("));
    // A larger number is a year, or means something else.
    let is_copy = |number: &u64| (2..1_000).contains(number);
    let copy = copy.and_then(|(base, number)| Some((base, number.parse().ok().filter(is_copy)?)));
    copy.unwrap_or((title, 1))
}

/// Most signs of a title.
const MOST_SIGNS: usize = 200;

/// The form's field for a field of the spec.
fn form_field(field: &str) -> String {
    if let Some(parameter) = field.strip_prefix("sweeps.") {
        return format!("{}{parameter}", settings::PREFIX);
    }
    if field.starts_with("attacks[") {
        return "eps".into();
    }
    if field.starts_with("probes") {
        return "probes".into();
    }
    if let Some(part) = field.strip_prefix("analyses.") {
        return part.into();
    }
    ["dataset.", "divergence."].into_iter().find_map(|part| field.strip_prefix(part)).unwrap_or(field).into()
}

pub(super) fn read<T: FromStr<Err = String>>(field: &str, text: &str, problems: &mut Vec<Problem>) -> Option<T> {
    text.trim().parse().map_err(|message: String| problems.push(Problem::new(field, message))).ok()
}

pub(super) fn read_list<T: FromStr<Err = String>>(field: &str, ids: &[String], problems: &mut Vec<Problem>) -> Vec<T> {
    ids.iter().filter_map(|id| read(field, id, problems)).collect()
}

/// A number with a point that may be left out.
pub(super) fn read_number(field: &str, text: &str, problems: &mut Vec<Problem>) -> Option<f64> {
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    let fault = |_| problems.push(Problem::new(field, format!("“{text}” is not a number")));
    text.parse().map_err(fault).ok()
}

/// A number that may be left out. Thousands may be set off: `4,000` or `4 000`.
pub(super) fn read_count(field: &str, text: &str, problems: &mut Vec<Problem>) -> Option<usize> {
    let digits: String = text.chars().filter(|c| !c.is_whitespace() && *c != ',').collect();
    if digits.is_empty() {
        return None;
    }
    let fault = |_| problems.push(Problem::new(field, format!("“{}” is not a whole number", text.trim())));
    digits.parse().map_err(fault).ok()
}
