//! What is known of one training's curves, and what it is called among others.

use std::collections::BTreeMap;

use retort_spec::{Metric, Stage};

use crate::RunLabel;

/// What the teacher is called.
pub(super) const TEACHER: &str = "Teacher";

/// One value of one epoch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CurvePoint {
    /// The part of the run.
    pub stage: Stage,
    /// The epoch, counted from 1 over all stages.
    pub epoch: usize,
    /// The value.
    pub value: f64,
}

/// The curves of one training.
#[derive(Clone, Debug, PartialEq)]
pub struct RunCurves {
    /// The run.
    pub label: RunLabel,
    /// What sets its experiment apart from the others of the figure; mostly empty.
    pub group: String,
    /// Epochs of all its stages, where known; the axis reaches so far.
    pub epochs: Option<usize>,
    /// By metric: its values by epoch.
    pub values: BTreeMap<Metric, Vec<CurvePoint>>,
    /// By epoch: seconds from the run's start to the epoch's end; empty where they are not known.
    pub wall_time: BTreeMap<usize, f64>,
}

impl RunCurves {
    /// A training that has not reported anything.
    pub const fn new(label: RunLabel, epochs: Option<usize>) -> Self {
        Self { label, group: String::new(), epochs, values: BTreeMap::new(), wall_time: BTreeMap::new() }
    }

    /// The values of a metric, by epoch.
    pub fn points(&self, metric: Metric) -> &[CurvePoint] {
        self.values.get(&metric).map_or(&[], Vec::as_slice)
    }
}

/// Values that an axis can show; a training that diverged reports others.
pub fn finite(points: &[CurvePoint]) -> impl Iterator<Item = &CurvePoint> {
    points.iter().filter(|p| p.value.is_finite())
}

/// Its epochs, or as many as it has reported.
pub fn length(run: &RunCurves) -> usize {
    let last = run.values.values().flatten().map(|p| p.epoch).max().unwrap_or(1);
    run.epochs.unwrap_or(last).max(last)
}

/// Its method and what sets that apart, or the teacher, with its group.
pub fn name(run: &RunCurves) -> String {
    let own = if run.label.is_teacher { TEACHER.into() } else { run.label.row() };
    join(own, &run.group)
}

/// The name as it stands beside a line: of what sets a variant apart only the values, as the caption says what they are of.
pub fn short_name(run: &RunCurves) -> String {
    if run.label.is_teacher || run.label.variant.is_plain() {
        return name(run);
    }
    let values: Vec<&str> = run.label.variant.settings.iter().map(|s| s.setting.value.as_str()).collect();
    join(format!("{}, {}", run.label.method_name(), values.join(", ")), &run.group)
}

fn join(name: String, group: &str) -> String {
    if group.is_empty() { name } else { format!("{name} ({group})") }
}
