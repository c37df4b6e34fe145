//! The curves of trainings: natural accuracy and training loss by epoch.

use retort_spec::Architecture;

use super::{
    CurvePoint, Figure, RunCurves,
    chart::{Chart, Line},
};
use crate::format::{self, lower_first};

const TEACHER: &str = "Teacher";

/// What is drawn.
#[derive(Clone, Copy, PartialEq)]
enum Quantity {
    NaturalAccuracy,
    TrainLoss,
}

impl Quantity {
    const fn title(self) -> &'static str {
        match self {
            Self::NaturalAccuracy => "Natural accuracy on the test images, %",
            Self::TrainLoss => "Training loss, nats",
        }
    }

    /// As it stands in a sentence.
    const fn noun(self) -> &'static str {
        match self {
            Self::NaturalAccuracy => "the natural accuracy",
            Self::TrainLoss => "the training loss",
        }
    }

    fn points(self, run: &RunCurves) -> &[CurvePoint] {
        match self {
            Self::NaturalAccuracy => &run.natural_accuracy,
            Self::TrainLoss => &run.train_loss,
        }
    }

    fn say(self, value: f64) -> String {
        match self {
            Self::NaturalAccuracy => format!("{} %", format::percent(value)),
            Self::TrainLoss => format::figure(value),
        }
    }
}

/// The figures of one training: its natural accuracy and its loss, those of which there is something to see.
pub fn run_figures(run: &RunCurves) -> Vec<Figure> {
    let both = [Quantity::NaturalAccuracy, Quantity::TrainLoss];
    both.into_iter().filter_map(|quantity| draw(quantity, &[run], None)).collect()
}

/// The figures of a comparison: for each student, its methods and the teacher.
pub fn comparison_figures(runs: &[RunCurves]) -> Vec<Figure> {
    let mut students: Vec<Architecture> =
        runs.iter().filter(|r| !r.label.is_teacher).map(|r| r.label.architecture).collect();
    students.sort_unstable();
    students.dedup();
    let mut figures = Vec::new();
    for student in &students {
        let members: Vec<_> = runs.iter().filter(|r| r.label.is_teacher || r.label.architecture == *student).collect();
        let named = (students.len() > 1).then_some(*student);
        for quantity in [Quantity::NaturalAccuracy, Quantity::TrainLoss] {
            figures.extend(draw(quantity, &members, named));
        }
    }
    figures
}

fn draw(quantity: Quantity, runs: &[&RunCurves], student: Option<Architecture>) -> Option<Figure> {
    let runs: Vec<_> = runs.iter().copied().filter(|r| finite(quantity.points(r)).next().is_some()).collect();
    if runs.is_empty() {
        return None;
    }
    let lengths: Vec<usize> = runs.iter().map(|r| length(r)).collect();
    let (shortest, longest) = (lengths.iter().min().copied()?, lengths.iter().max().copied()?);
    // Methods with stages of their own have several times the epochs of the others; by its own share each line has
    // the whole width.
    let by_share = 2 * longest > 3 * shortest;
    let lines: Vec<_> = runs.iter().map(|run| line(quantity, run, runs.len() > 1, by_share)).collect();
    let values = || runs.iter().flat_map(|r| finite(quantity.points(r))).map(|p| p.value);
    let (low, high) = values().fold((f64::INFINITY, 0.0_f64), |(l, h), v| (l.min(v), h.max(v)));
    let caption = caption(quantity, &runs);
    let title = match student {
        Some(student) => format!("{student}: {}", lower_first(quantity.title())),
        None => quantity.title().into(),
    };
    let chart = Chart {
        description: format!("{title}. {caption}"),
        x_label: if by_share { "share of each run's own epochs, %".into() } else { "epoch".into() },
        lines,
        x: if by_share { (0.0, 100.0) } else { (1.0, longest as f64) },
        is_log: quantity == Quantity::TrainLoss && low > 0.0 && high / low > 20.0,
        rules: if runs.len() == 1 { stage_rules(quantity.points(runs[0])) } else { Vec::new() },
    };
    Some(Figure { title, svg: chart.svg(), caption })
}

/// Values that an axis can show; a training that diverged reports others.
fn finite(points: &[CurvePoint]) -> impl Iterator<Item = &CurvePoint> {
    points.iter().filter(|p| p.value.is_finite())
}

/// Its epochs, or as many as it has reported.
fn length(run: &RunCurves) -> usize {
    let last = run.train_loss.iter().chain(&run.natural_accuracy).map(|p| p.epoch).max().unwrap_or(1);
    run.epochs.unwrap_or(last).max(last)
}

/// A loss is interrupted where a stage ends: what it measures before and after is not the same.
fn line(quantity: Quantity, run: &RunCurves, is_one_of_many: bool, by_share: bool) -> Line {
    let total = length(run) as f64;
    let mut pieces: Vec<Vec<(f64, f64)>> = Vec::new();
    let mut stage = None;
    for point in finite(quantity.points(run)) {
        if pieces.is_empty() || quantity == Quantity::TrainLoss && stage != Some(point.stage) {
            pieces.push(Vec::new());
            stage = Some(point.stage);
        }
        let x = if by_share { 100.0 * point.epoch as f64 / total } else { point.epoch as f64 };
        if let Some(piece) = pieces.last_mut() {
            piece.push((x, point.value));
        }
    }
    Line { label: run.label.clone(), name: if is_one_of_many { short_name(run) } else { String::new() }, pieces }
}

fn name(run: &RunCurves) -> String {
    if run.label.is_teacher { TEACHER.into() } else { run.label.row() }
}

/// The name as it stands beside a line: of what sets a variant apart only the values, as the caption says what they are of.
fn short_name(run: &RunCurves) -> String {
    if run.label.is_teacher || run.label.variant.is_empty() {
        return name(run);
    }
    let values = run.label.variant.split(", ").filter_map(|setting| setting.split(' ').next_back());
    format!("{}, {}", run.label.method_name(), values.collect::<Vec<_>>().join(", "))
}

/// Where each stage but the first begins.
fn stage_rules(points: &[CurvePoint]) -> Vec<(f64, String)> {
    let starts = points.windows(2).filter(|w| w[0].stage != w[1].stage);
    starts.map(|w| (w[1].epoch as f64 - 0.5, w[1].stage.title().to_owned())).collect()
}

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
fn caption(quantity: Quantity, runs: &[&RunCurves]) -> String {
    let mut ends: Vec<End> = Vec::new();
    for run in runs {
        let Some(last) = finite(quantity.points(run)).last() else { continue };
        let place = Some((last.epoch, length(run)));
        match ends.iter_mut().find(|e| e.name == name(run)) {
            Some(end) => {
                end.values.push(last.value);
                end.place = end.place.filter(|p| Some(*p) == place);
            }
            None => ends.push(End { name: name(run), values: vec![last.value], place }),
        }
    }
    ends.sort_by(|a, b| match quantity {
        Quantity::NaturalAccuracy => b.mean().total_cmp(&a.mean()),
        Quantity::TrainLoss => a.mean().total_cmp(&b.mean()),
    });
    let common = ends.first().and_then(|e| e.place).filter(|p| ends.iter().all(|e| e.place == Some(*p)));
    let start = match common {
        Some((done, all)) if done == all => format!("After all {} ", format::plural(all, "epoch", "epochs")),
        Some((done, all)) => format!("After {done} of {} ", format::plural(all, "epoch", "epochs")),
        None if ends.iter().all(End::is_complete) => "After training ".into(),
        None => "So far ".into(),
    };
    if let ([end], [_]) = (ends.as_slice(), runs) {
        return format!("{start}{} is {}.", quantity.noun(), quantity.say(end.mean()));
    }
    let parts = ends.iter().enumerate().map(|(i, end)| {
        let who = if end.name == TEACHER { "the teacher" } else { &end.name };
        let verb = if i == 0 { "is " } else { "" };
        format!("of {who} {verb}{}{}", quantity.say(end.mean()), end.remark(common.is_some()))
    });
    let parts = parts.collect::<Vec<_>>().join(", ");
    let scale = match quantity {
        Quantity::TrainLoss => " Each method has a loss of its own: compare shapes, not heights.",
        Quantity::NaturalAccuracy => "",
    };
    format!("{start}{} {parts}.{scale}", quantity.noun())
}

#[cfg(test)]
mod tests {
    use retort_spec::{MethodName, Stage};

    use super::*;
    use crate::RunLabel;

    fn run(method: MethodName, seed: u64, epochs: usize, losses: &[f64]) -> RunCurves {
        let point = |(i, value): (usize, &f64)| CurvePoint { stage: Stage::Train, epoch: i + 1, value: *value };
        RunCurves {
            label: RunLabel {
                id: 1,
                kind: retort_spec::RunKind::Train,
                variant: String::new(),
                method,
                architecture: Architecture::ResNet8,
                is_teacher: false,
                is_imported: false,
                seed,
            },
            epochs: Some(epochs),
            train_loss: losses.iter().enumerate().map(point).collect(),
            natural_accuracy: vec![],
        }
    }

    #[test]
    fn the_caption_says_where_each_method_stands() {
        let runs =
            [run(MethodName::Ard, 1, 5, &[2.0, 1.5, 1.0, 0.912]), run(MethodName::Kd, 1, 5, &[2.0, 1.0, 0.7, 0.54])];
        let figures = comparison_figures(&runs);
        let caption = &figures[0].caption;
        assert!(
            caption.starts_with("After 4 of 5 epochs the training loss of KD is 0.540, of ARD 0.912."),
            "{caption}"
        );
    }

    #[test]
    fn the_caption_averages_over_seeds_and_says_so() {
        let runs = [run(MethodName::Kd, 1, 2, &[1.0, 0.4]), run(MethodName::Kd, 2, 2, &[1.0, 0.6])];
        let caption = &comparison_figures(&runs)[0].caption;
        assert!(caption.starts_with("After all 2 epochs the training loss of KD is 0.500 (mean of 2)."), "{caption}");
    }

    #[test]
    fn a_loss_is_not_joined_across_stages() {
        let mut curves = run(MethodName::GacdAft, 1, 4, &[9.0, 8.0, 1.2, 1.1]);
        curves.train_loss[2].stage = Stage::Finetune;
        curves.train_loss[3].stage = Stage::Finetune;
        let svg = &run_figures(&curves)[0].svg;
        assert_eq!(svg.matches("<polyline").count(), 2);
        assert!(svg.contains("fine-tuning"));
    }

    #[test]
    fn methods_with_more_epochs_do_not_squeeze_the_others() {
        let runs = [run(MethodName::Kd, 1, 5, &[2.0, 1.0]), run(MethodName::GacdAft, 1, 48, &[2.0, 1.0])];
        assert!(comparison_figures(&runs)[0].svg.contains("share of each run"));
    }

    #[test]
    fn a_training_that_diverged_is_drawn_as_far_as_it_has_numbers() {
        let figures = run_figures(&run(MethodName::Kd, 1, 3, &[2.0, f64::NAN, f64::INFINITY]));
        assert!(!figures[0].svg.contains("NaN") && !figures[0].svg.contains("inf"), "{}", figures[0].svg);
        assert!(figures[0].caption.contains("After 1 of 3 epochs"), "{}", figures[0].caption);
    }

    #[test]
    fn without_an_epoch_there_is_no_figure() {
        assert!(run_figures(&run(MethodName::Kd, 1, 3, &[])).is_empty());
    }

    #[test]
    fn variants_of_a_method_are_told_apart() {
        let mut runs = [run(MethodName::Ard, 1, 2, &[2.0, 1.0]), run(MethodName::Ard, 1, 2, &[2.0, 1.5])];
        for (run, variant) in runs.iter_mut().zip(["temperature T 5", "temperature T 30"]) {
            run.label.variant = variant.into();
        }
        let figures = comparison_figures(&runs);
        let loss = figures.iter().find(|f| f.title.contains("loss")).unwrap();
        assert!(loss.svg.contains(">ARD, 5<") && loss.svg.contains(">ARD, 30<"), "{}", loss.svg);
        assert!(loss.caption.contains("ARD, temperature T 5") && !loss.caption.contains("mean of"), "{}", loss.caption);
    }
}
