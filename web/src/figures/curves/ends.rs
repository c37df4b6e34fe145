//! What a figure of curves finds: where each method stands.

use retort_spec::Metric;

use super::{
    drawn_metrics::{noun, say},
    run_curves::{RunCurves, TEACHER, finite, length, name},
};
use crate::format;

/// The last values of the runs that share a name.
struct End {
    name: String,
    values: Vec<f64>,
    /// Epochs done and asked for, while all of them agree.
    place: Option<(usize, usize)>,
}

impl End {
    fn mean(&self) -> f64 {
        self.values.iter().sum::<f64>() / self.values.len() as f64
    }

    fn is_complete(&self) -> bool {
        self.place.is_some_and(|(done, all)| done == all)
    }

    /// What is to be known beside the value: over how many runs, and how far they are unless the sentence says it.
    fn remark(&self, says_place: bool) -> String {
        let mean = (self.values.len() > 1).then(|| format!("mean of {}", self.values.len()));
        let place = match self.place {
            _ if says_place || self.is_complete() => None,
            Some((done, all)) => Some(format!("epoch {done} of {all}")),
            None => Some("some still train".into()),
        };
        let remarks: Vec<_> = mean.into_iter().chain(place).collect();
        if remarks.is_empty() { String::new() } else { format!(" ({})", remarks.join(", ")) }
    }
}

/// What the figure finds: where each method stands now, the best first.
pub(super) fn caption(metric: Metric, runs: &[&RunCurves]) -> String {
    let mut ends: Vec<End> = Vec::new();
    for run in runs {
        let Some(last) = finite(run.points(metric)).last() else { continue };
        let place = Some((last.epoch, length(run)));
        match ends.iter_mut().find(|e| e.name == name(run)) {
            Some(end) => {
                end.values.push(last.value);
                end.place = end.place.filter(|p| Some(*p) == place);
            }
            None => ends.push(End { name: name(run), values: vec![last.value], place }),
        }
    }
    ends.sort_by(|a, b| match metric {
        Metric::TrainLoss => a.mean().total_cmp(&b.mean()),
        _ => b.mean().total_cmp(&a.mean()),
    });
    let common = ends.first().and_then(|e| e.place).filter(|p| ends.iter().all(|e| e.place == Some(*p)));
    let start = match common {
        Some((1, 1)) => "After 1 epoch ".into(),
        Some((done, all)) if done == all => format!("After all {} ", format::plural(all, "epoch", "epochs")),
        Some((done, all)) => format!("After {done} of {} ", format::plural(all, "epoch", "epochs")),
        None if ends.iter().all(End::is_complete) => "After training ".into(),
        None => "So far ".into(),
    };
    if let ([end], [_]) = (ends.as_slice(), runs) {
        return format!("{start}{} is {}.", noun(metric), say(metric, end.mean()));
    }
    let parts = ends.iter().enumerate().map(|(i, end)| {
        let who = if end.name == TEACHER { "the teacher" } else { &end.name };
        let verb = if i == 0 { "is " } else { "" };
        format!("of {who} {verb}{}{}", say(metric, end.mean()), end.remark(common.is_some()))
    });
    let parts = parts.collect::<Vec<_>>().join(", ");
    let scale = match metric {
        Metric::TrainLoss => " Each method has a loss of its own: compare shapes, not heights.",
        Metric::TrainAccuracy => " Each method trains on images of its own: natural ones, or attacked ones.",
        _ => "",
    };
    let has_line = runs.iter().any(|run| finite(run.points(metric)).nth(1).is_some());
    let band = if has_line && ends.iter().any(|end| end.values.len() > 1) {
        " Bands reach from the lowest to the highest seed."
    } else {
        ""
    };
    format!("{start}{} {parts}.{scale}{band}", noun(metric))
}
