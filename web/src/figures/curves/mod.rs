//! The curves of trainings: accuracies and losses, by epoch or by wall time, seeds as a band.

mod drawn_metrics;
mod ends;
mod run_curves;

use std::collections::BTreeMap;

use retort_spec::{Architecture, Metric, Stage};
use serde::Serialize;

use self::{
    drawn_metrics::title,
    ends::caption,
    run_curves::{finite, length, name, short_name},
};
pub use self::{
    drawn_metrics::{DRAWN, OF_A_RUN},
    run_curves::{CurvePoint, RunCurves},
};
use super::{
    Figure,
    chart::{BandPoint, Chart, ChartData, Line, Scale, number_variants},
};
use crate::{format::lower_first, tables::XAxis};

/// What stands at the x axis.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Along {
    Epochs,
    /// The share of each run's own epochs.
    Share,
    /// The wall time in units of so many seconds.
    Time(f64, &'static str),
}

/// A figure of curves before it is drawn.
pub struct Curves {
    title: String,
    caption: String,
    chart: Chart,
}

/// The data of a figure of curves.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CurvesData {
    /// The name that its address has.
    slug: String,
    title: String,
    caption: String,
    #[serde(flatten)]
    chart: ChartData,
}

impl Curves {
    /// The drawing.
    pub fn figure(&self) -> Figure {
        Figure { title: self.title.clone(), svg: self.chart.svg(), caption: self.caption.clone() }
    }

    /// What it is drawn of.
    pub fn data(&self) -> CurvesData {
        let (title, caption) = (self.title.clone(), self.caption.clone());
        CurvesData { slug: super::slug(&title), title, caption, chart: self.chart.data() }
    }
}

/// The figures of one training, of those quantities of which there is something to see.
pub fn run_figures(run: &RunCurves, axis: XAxis) -> Vec<Figure> {
    run_curves(run, axis).iter().map(Curves::figure).collect()
}

/// The figures of a comparison: for each student, its methods and the teacher.
pub fn comparison_figures(runs: &[RunCurves], axis: XAxis) -> Vec<Figure> {
    comparison_curves(runs, axis).iter().map(Curves::figure).collect()
}

/// What [`run_figures`] draws.
pub fn run_curves(run: &RunCurves, axis: XAxis) -> Vec<Curves> {
    OF_A_RUN.into_iter().filter_map(|metric| draw(metric, &[run], None, axis)).collect()
}

/// What [`comparison_figures`] draws.
pub fn comparison_curves(runs: &[RunCurves], axis: XAxis) -> Vec<Curves> {
    let mut students: Vec<Architecture> =
        runs.iter().filter(|r| !r.label.is_teacher).map(|r| r.label.architecture).collect();
    students.sort_unstable();
    students.dedup();
    let mut figures = Vec::new();
    for student in &students {
        let is_student = |r: &RunCurves| !r.label.is_teacher && r.label.architecture == *student;
        // The teacher of other students, of an experiment beside, has nothing to say here.
        let teaches = |r: &RunCurves| r.label.is_teacher && runs.iter().any(|s| is_student(s) && s.group == r.group);
        let members: Vec<_> = runs.iter().filter(|r| is_student(r) || teaches(r)).collect();
        let named = (students.len() > 1).then_some(*student);
        figures.extend(DRAWN.into_iter().filter_map(|metric| draw(metric, &members, named, axis)));
    }
    figures
}

fn draw(metric: Metric, runs: &[&RunCurves], student: Option<Architecture>, axis: XAxis) -> Option<Curves> {
    let runs: Vec<_> = runs.iter().copied().filter(|r| finite(r.points(metric)).next().is_some()).collect();
    let along = along(&runs, axis)?;
    let mut groups: Vec<Vec<&RunCurves>> = Vec::new();
    for run in &runs {
        match groups.iter_mut().find(|group| name(group[0]) == name(run)) {
            // A seed that two experiments have run is the same training twice.
            Some(group) if group.iter().any(|other| other.label.seed == run.label.seed) => {}
            Some(group) => group.push(run),
            None => groups.push(vec![run]),
        }
    }
    let mut lines: Vec<_> = groups.iter().map(|group| line(metric, group, groups.len() > 1, along)).collect();
    number_variants(&mut lines);
    let values = || runs.iter().flat_map(|r| finite(r.points(metric))).map(|p| p.value);
    let (low, high) = values().fold((f64::INFINITY, 0.0_f64), |(l, h), v| (l.min(v), h.max(v)));
    let caption = caption(metric, &runs);
    let title = match student {
        Some(student) => format!("{student}: {}", lower_first(title(metric))),
        None => title(metric).into(),
    };
    let is_log = matches!(metric, Metric::TrainLoss | Metric::GradientNorm) && low > 0.0 && high / low > 20.0;
    let last = lines.iter().flat_map(|line| line.pieces.iter().flatten()).map(|point| point.x).fold(0.0, f64::max);
    let chart = Chart {
        description: format!("{title}. {caption}"),
        x_label: match along {
            Along::Epochs => "epoch".into(),
            Along::Share => "share of each run's own epochs, %".into(),
            Along::Time(_, unit) => format!("wall time, {unit}"),
        },
        lines,
        x: match along {
            Along::Epochs => (1.0, runs.iter().map(|r| length(r)).max()? as f64),
            Along::Share => (0.0, 100.0),
            Along::Time(..) => (0.0, last.max(1e-3)),
        },
        x_scale: if matches!(along, Along::Time(..)) { Scale::Linear } else { Scale::Whole },
        is_log,
        rules: rules(metric, &groups, along),
    };
    Some(Curves { title, caption, chart })
}

/// Where the stages of the methods begin that have several, in the words of the stage, with the method where they are of more
/// than one.
fn rules(metric: Metric, groups: &[Vec<&RunCurves>], along: Along) -> Vec<(f64, String)> {
    let mut rules: Vec<(f64, &'static str, Vec<&'static str>)> = Vec::new();
    for run in groups.iter().filter_map(|group| group.first()) {
        for (epoch, stage) in stage_starts(run.points(metric)) {
            let at = match along {
                Along::Epochs => epoch - 0.5,
                Along::Share => 100.0 * (epoch - 0.5) / length(run) as f64,
                Along::Time(..) => continue,
            };
            let method = run.label.method_name();
            match rules.iter_mut().find(|(other, title, _)| (*other - at).abs() < 1e-9 && *title == stage) {
                Some((_, _, methods)) if !methods.contains(&method) => methods.push(method),
                Some(_) => {}
                None => rules.push((at, stage, vec![method])),
            }
        }
    }
    let is_one = |methods: &[&str]| rules.iter().all(|(_, _, other)| other == methods);
    let words = |(at, stage, methods): &(f64, &'static str, Vec<&'static str>)| {
        let whose =
            if is_one(methods) && groups.len() == 1 { String::new() } else { format!("{}: ", methods.join(", ")) };
        (*at, format!("{whose}{stage}"))
    };
    rules.iter().map(words).collect()
}

/// By what the curves of these runs are drawn; none without a run.
fn along(runs: &[&RunCurves], axis: XAxis) -> Option<Along> {
    let lengths = || runs.iter().map(|r| length(r));
    let (shortest, longest) = (lengths().min()?, lengths().max()?);
    let seconds = runs.iter().filter_map(|run| run.wall_time.values().copied().reduce(f64::max)).reduce(f64::max);
    if let (XAxis::WallTime, Some(seconds)) = (axis, seconds) {
        return Some(match seconds {
            s if s < 120.0 => Along::Time(1.0, "s"),
            s if s < 7_200.0 => Along::Time(60.0, "min"),
            _ => Along::Time(3_600.0, "h"),
        });
    }
    // Methods with stages of their own have several times the epochs of the others; by its own share each line has
    // the whole width.
    Some(if 2 * longest > 3 * shortest { Along::Share } else { Along::Epochs })
}

/// What the runs of a group report of one epoch.
#[derive(Default)]
struct Epoch {
    stage: Option<Stage>,
    values: Vec<f64>,
    seconds: Vec<f64>,
}

/// The mean of a group's runs with their range. A loss is interrupted where a stage ends: what it measures before and after
/// is not the same.
fn line(metric: Metric, group: &[&RunCurves], is_one_of_many: bool, along: Along) -> Line {
    let mut epochs: BTreeMap<usize, Epoch> = BTreeMap::new();
    for run in group {
        for point in finite(run.points(metric)) {
            let epoch = epochs.entry(point.epoch).or_default();
            epoch.stage = Some(point.stage);
            epoch.values.push(point.value);
            epoch.seconds.extend(run.wall_time.get(&point.epoch));
        }
    }
    let clocks = group.iter().filter(|run| !run.wall_time.is_empty()).count();
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let total = group.iter().map(|run| length(run)).max().unwrap_or(1) as f64;
    let mut pieces: Vec<Vec<BandPoint>> = Vec::new();
    let mut stage = None;
    for (epoch, Epoch { stage: of, values, seconds }) in epochs {
        let x = match along {
            Along::Epochs => epoch as f64,
            Along::Share => 100.0 * epoch as f64 / total,
            // A mean over some of the clocks would not run forward.
            Along::Time(..) if seconds.is_empty() || seconds.len() < clocks => f64::NAN,
            Along::Time(unit, _) => mean(&seconds) / unit,
        };
        if x.is_nan() {
            continue;
        }
        if pieces.is_empty() || metric == Metric::TrainLoss && stage != of {
            pieces.push(Vec::new());
            stage = of;
        }
        if let Some(piece) = pieces.last_mut() {
            let low = values.iter().copied().fold(f64::INFINITY, f64::min);
            let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            piece.push(BandPoint { x, y: mean(&values), low, high });
        }
    }
    let name = if is_one_of_many { short_name(group[0]) } else { String::new() };
    Line { label: group[0].label.clone(), variant: 0, name, pieces }
}

/// The first epochs of each stage but the first.
fn stage_starts(points: &[CurvePoint]) -> impl Iterator<Item = (f64, &'static str)> {
    let starts = points.windows(2).filter(|w| w[0].stage != w[1].stage);
    starts.map(|w| (w[1].epoch as f64, w[1].stage.title()))
}

#[cfg(test)]
mod tests {
    use retort_spec::{MethodName, Variant};

    use super::*;
    use crate::RunLabel;

    fn run(method: MethodName, seed: u64, epochs: usize, losses: &[f64]) -> RunCurves {
        let point = |(i, value): (usize, &f64)| CurvePoint { stage: Stage::Train, epoch: i + 1, value: *value };
        RunCurves {
            label: RunLabel {
                id: 1,
                kind: retort_spec::RunKind::Train,
                variant: Variant::default(),
                analysis: None,
                method,
                architecture: Architecture::ResNet8,
                is_teacher: false,
                is_imported: false,
                seed,
            },
            group: String::new(),
            epochs: Some(epochs),
            values: [(Metric::TrainLoss, losses.iter().enumerate().map(point).collect())].into(),
            wall_time: BTreeMap::new(),
        }
    }

    #[test]
    fn the_caption_says_where_each_method_stands() {
        let runs =
            [run(MethodName::ARD, 1, 5, &[2.0, 1.5, 1.0, 0.912]), run(MethodName::KD, 1, 5, &[2.0, 1.0, 0.7, 0.54])];
        let figures = comparison_figures(&runs, XAxis::Epochs);
        let caption = &figures[0].caption;
        assert!(
            caption.starts_with("After 4 of 5 epochs the training loss of KD is 0.540, of ARD 0.912."),
            "{caption}"
        );
    }

    #[test]
    fn the_caption_averages_over_seeds_and_says_so() {
        let runs = [run(MethodName::KD, 1, 2, &[1.0, 0.4]), run(MethodName::KD, 2, 2, &[1.0, 0.6])];
        let caption = &comparison_figures(&runs, XAxis::Epochs)[0].caption;
        assert!(caption.starts_with("After all 2 epochs the training loss of KD is 0.500 (mean of 2)."), "{caption}");
    }

    #[test]
    fn a_loss_is_not_joined_across_stages() {
        let mut curves = run(MethodName::GACD.fine_tuned(), 1, 4, &[9.0, 8.0, 1.2, 1.1]);
        for point in &mut curves.values.get_mut(&Metric::TrainLoss).unwrap()[2..] {
            point.stage = Stage::Finetune;
        }
        let svg = &run_figures(&curves, XAxis::Epochs)[0].svg;
        assert_eq!(svg.matches("<polyline").count(), 2);
        assert!(svg.contains("fine-tuning"));
    }

    #[test]
    fn methods_with_more_epochs_do_not_squeeze_the_others() {
        let runs = [run(MethodName::KD, 1, 5, &[2.0, 1.0]), run(MethodName::GACD.fine_tuned(), 1, 48, &[2.0, 1.0])];
        assert!(comparison_figures(&runs, XAxis::Epochs)[0].svg.contains("share of each run"));
    }

    #[test]
    fn what_a_chart_hands_out_is_what_it_draws() {
        let mut runs = [run(MethodName::KD, 1, 3, &[2.0, 1.0, 0.5]), run(MethodName::KD, 2, 3, &[2.5, 1.5, 0.5])];
        runs[1].label.seed = 2;
        let curves = comparison_curves(&runs, XAxis::Epochs);
        let data = serde_json::to_value(curves[0].data()).unwrap();
        assert_eq!(
            data["lines"][0]["pieces"][0],
            serde_json::json!([[1.0, 2.25, 2.0, 2.5], [2.0, 1.25, 1.0, 1.5], [3.0, 0.5]])
        );
        let svg = curves[0].figure().svg;
        let drawn = svg.split("points=\"").nth(2).unwrap().split('"').next().unwrap();
        assert_eq!(drawn.split(' ').count(), 3);
        let [left, bottom] = [0, 3].map(|i| data["plot"][i].as_f64().unwrap());
        assert!(drawn.starts_with(&format!("{left:.1},")), "{drawn} of a plot from {left} to {bottom}");
        assert_eq!(data["slug"], "training-loss-nats");
    }

    #[test]
    fn stages_are_named_and_methods_that_have_them_too() {
        let mut tuned = run(MethodName::GACD.fine_tuned(), 1, 4, &[9.0, 8.0, 1.2, 1.1]);
        for point in &mut tuned.values.get_mut(&Metric::TrainLoss).unwrap()[2..] {
            point.stage = Stage::Finetune;
        }
        let svg = &comparison_figures(&[tuned, run(MethodName::KD, 1, 4, &[2.0, 1.0])], XAxis::Epochs)[0].svg;
        assert!(svg.contains(">GACD+AFT: fine-tuning<"), "{svg}");
    }

    #[test]
    fn an_axis_that_is_logarithmic_says_so() {
        let figure = |losses: &[f64]| run_figures(&run(MethodName::KD, 1, 2, losses), XAxis::Epochs).remove(0);
        assert!(figure(&[100.0, 1.0]).svg.contains(">log scale<") && !figure(&[2.0, 1.0]).svg.contains("log scale"));
    }

    #[test]
    fn a_training_that_diverged_is_drawn_as_far_as_it_has_numbers() {
        let figures = run_figures(&run(MethodName::KD, 1, 3, &[2.0, f64::NAN, f64::INFINITY]), XAxis::Epochs);
        assert!(!figures[0].svg.contains("NaN") && !figures[0].svg.contains("inf"), "{}", figures[0].svg);
        assert!(figures[0].caption.contains("After 1 of 3 epochs"), "{}", figures[0].caption);
    }

    #[test]
    fn without_an_epoch_there_is_no_figure() {
        assert!(run_figures(&run(MethodName::KD, 1, 3, &[]), XAxis::Epochs).is_empty());
    }

    #[test]
    fn variants_of_a_method_are_told_apart() {
        let mut runs = [run(MethodName::ARD, 1, 2, &[2.0, 1.0]), run(MethodName::ARD, 1, 2, &[2.0, 1.5])];
        for (run, variant) in runs.iter_mut().zip(["temperature T 5", "temperature T 30"]) {
            run.label.variant = Variant::from_words(MethodName::ARD, variant);
        }
        let figures = comparison_figures(&runs, XAxis::Epochs);
        let loss = figures.iter().find(|f| f.title.contains("loss")).unwrap();
        assert!(loss.svg.contains(">ARD, 5<") && loss.svg.contains(">ARD, 30<"), "{}", loss.svg);
        // By shade and dash too.
        assert!(loss.svg.contains("class=\"line method-ard shade-1\" stroke-dasharray=\"6 2\""), "{}", loss.svg);
        assert!(
            loss.caption.contains("ARD (temperature T = 5)") && !loss.caption.contains("mean of"),
            "{}",
            loss.caption
        );
    }

    #[test]
    fn seeds_are_one_line_with_a_band_from_the_lowest_to_the_highest() {
        let runs = [run(MethodName::KD, 1, 2, &[1.0, 0.4]), run(MethodName::KD, 2, 2, &[1.0, 0.6])];
        let figure = &comparison_figures(&runs, XAxis::Epochs)[0];
        assert_eq!(figure.svg.matches("<polyline").count(), 1);
        assert_eq!(figure.svg.matches(r#"<polygon class="band"#).count(), 1);
        assert!(figure.caption.contains("Bands reach from the lowest to the highest seed."), "{}", figure.caption);
        let alone = &comparison_figures(&runs[..1], XAxis::Epochs)[0];
        assert!(!alone.svg.contains("<polygon") && !alone.caption.contains("Bands"));
    }

    #[test]
    fn by_time_a_run_ends_where_its_clock_stood_and_an_unknown_time_is_left_out() {
        let mut slow = run(MethodName::ARD, 1, 3, &[2.0, 1.0, 0.5]);
        slow.wall_time = [(1, 60.0), (2, 120.0), (3, 180.0)].into();
        let mut fast = run(MethodName::KD, 1, 3, &[2.0, 1.0, 0.5]);
        fast.wall_time = [(1, 10.0), (2, 20.0)].into();
        let figure = &comparison_figures(&[slow, fast], XAxis::WallTime)[0];
        assert!(figure.svg.contains("wall time, min"), "{}", figure.svg);
        let lines: Vec<_> = figure.svg.split("points=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
        assert_eq!(lines.iter().map(|line| line.split(' ').count()).collect::<Vec<_>>(), [3, 2]);
        // Without any clock there are only epochs.
        assert!(
            comparison_figures(&[run(MethodName::KD, 1, 3, &[2.0, 1.0])], XAxis::WallTime)[0].svg.contains(">epoch<")
        );
    }

    #[test]
    fn a_teacher_stands_beside_its_own_students_alone() {
        let mut runs = [0, 1, 2, 3].map(|_| run(MethodName::KD, 1, 2, &[1.0, 0.4]));
        for teacher in [0, 2] {
            (runs[teacher].label.is_teacher, runs[teacher].label.method) = (true, MethodName::PGD_AT);
        }
        for run in &mut runs[2..] {
            run.group = "exp. 2".into();
        }
        runs[3].label.architecture = Architecture::ResNet18;
        let [small, large] = comparison_figures(&runs, XAxis::Epochs).try_into().unwrap();
        assert!(small.svg.contains(">Teacher<") && !small.svg.contains("(exp. 2)"), "{}", small.svg);
        assert!(large.svg.contains(">Teacher (exp. 2)<") && !large.svg.contains(">Teacher<"), "{}", large.svg);
    }

    #[test]
    fn runs_of_another_setting_have_a_line_of_their_own() {
        let mut runs = [run(MethodName::KD, 1, 2, &[1.0, 0.4]), run(MethodName::KD, 1, 2, &[1.0, 0.6])];
        runs[1].group = "experiment 2".into();
        let figure = &comparison_figures(&runs, XAxis::Epochs)[0];
        assert!(figure.svg.contains(">KD (experiment 2)<") && figure.caption.contains("of KD (experiment 2) 0.600"));
    }
}
