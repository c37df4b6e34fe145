//! What launching the form would do.

use retort_spec::{DeviceName, ExperimentSpec, Problem, RunKind, RunSpec};

use crate::format;

/// Seconds beyond which a launch is confirmed first.
pub const A_DAY: f64 = 86_400.0;

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
    pub(super) fn time(&self) -> Option<String> {
        self.seconds.map(format::estimate)
    }

    /// The days that it takes, where these are more than one: then a launch is confirmed first.
    pub fn days(&self) -> Option<u64> {
        self.seconds.filter(|seconds| *seconds > A_DAY).map(|seconds| (seconds / A_DAY).ceil() as u64)
    }

    /// Whether it may be launched where somebody agreed to so many days.
    pub fn is_agreed(&self, agreed: Option<u64>) -> bool {
        self.days().is_none_or(|days| agreed.is_some_and(|agreed| days <= agreed))
    }

    /// What a launch that was not confirmed is answered with.
    pub fn question(&self) -> Problem {
        let time = self.time().unwrap_or_default();
        Problem::new("confirmed", format!("this takes {time}: confirm that beside Launch, or ask for less"))
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
