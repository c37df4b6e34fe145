//! Differences between the logits of a teacher and those of its students, by class and class (Figures 3–4; methods.md §7).

use std::ops::ControlFlow;

use retort_spec::{
    AdversarialImages, AnalyseSpec, Analysis, CorrelationMap, CorrelationMaps, Difference, LogitStatistic,
};

use super::{BATCH, Part, load_models, pgd, proceed};
use crate::{
    EngineError,
    attacks::{Starts, cross_entropy_pgd},
    data::Dataset,
    evaluate::images,
    nn::{Network, StateFile, Statistics},
    rng::Purpose,
    run::Context,
};

pub(super) fn compute(spec: &AnalyseSpec, dataset: &Dataset, context: &mut Context) -> Part<CorrelationMaps> {
    let mut models = load_models(spec, dataset, context)?;
    let (mut teacher, students) = (models.remove(0), models);
    // The maps that an earlier attempt has finished.
    let checkpoint = context.folder.checkpoint();
    let (mut maps, seconds): (Vec<CorrelationMap>, f64) = match StateFile::load(&checkpoint, &context.device) {
        Ok(file) => serde_json::from_str(&file.state).unwrap_or_default(),
        Err(_) => Default::default(),
    };
    context.seconds_before = seconds;
    let total = students.len() as f64;
    for (name, mut student) in students.into_iter().skip(maps.len()) {
        let done = maps.len() as f64;
        match map(&name, &mut teacher.1, &mut student, spec, dataset, context, &|share| (done + share) / total)? {
            ControlFlow::Break(outcome) => return Ok(ControlFlow::Break(outcome)),
            ControlFlow::Continue(map) => maps.push(map),
        }
        let state =
            serde_json::to_string(&(&maps, context.seconds())).map_err(|e| EngineError::io(&checkpoint, e.into()))?;
        StateFile { tensors: Vec::new(), state }.save(&checkpoint)?;
    }
    Ok(ControlFlow::Continue(CorrelationMaps {
        classes: dataset.classes.clone(),
        teacher: teacher.0,
        images: dataset.test.len(),
        maps,
    }))
}

/// The two maps of one student.
fn map(
    name: &str,
    teacher: &mut Network,
    student: &mut Network,
    spec: &AnalyseSpec,
    dataset: &Dataset,
    context: &mut Context,
    done: &dyn Fn(f64) -> f64,
) -> Part<CorrelationMap> {
    let Analysis::Correlation { statistic, adversarial } = spec.analysis else {
        return Err(EngineError::Data("it compares no logits".into()));
    };
    let classes = dataset.classes.len();
    let mut sums = [(); 4].map(|()| Sums::new(statistic, classes));
    let all: Vec<usize> = (0..dataset.test.len()).collect();
    let (eps, pgd) = pgd(spec);
    for places in all.chunks(BATCH) {
        if let ControlFlow::Break(outcome) = proceed(context, done(places[0] as f64 / all.len() as f64))? {
            return Ok(ControlFlow::Break(outcome));
        }
        let natural = images(&dataset.test, places, &context.device)?;
        let labels: Vec<u8> = places.iter().map(|i| dataset.test.labels[*i]).collect();
        let attacked_on = |network: &mut Network| {
            let start = Starts { seed: spec.seed, purpose: Purpose::Analysis }.uniform(&natural, eps, places, 0)?;
            cross_entropy_pgd(network, &natural, &labels, pgd, start, Statistics::Running)
        };
        let attacked = attacked_on(student)?;
        let seen_by_teacher = match adversarial {
            AdversarialImages::Shared => attacked.clone(),
            AdversarialImages::WhiteBox => attacked_on(teacher)?,
        };
        let [teacher_natural, student_natural, teacher_attacked, student_attacked] = &mut sums;
        for (network, pairs) in [
            (&mut *teacher, [(&natural, teacher_natural), (&seen_by_teacher, teacher_attacked)]),
            (&mut *student, [(&natural, student_natural), (&attacked, student_attacked)]),
        ] {
            for (images, sums) in pairs {
                sums.add(&network.infer(images)?.0.to_vec2::<f32>()?, &labels);
            }
        }
    }
    let [teacher_natural, student_natural, teacher_attacked, student_attacked] = sums.map(Sums::matrix);
    Ok(ControlFlow::Continue(CorrelationMap {
        model: name.to_owned(),
        natural: difference(&teacher_natural, &student_natural, classes),
        adversarial: difference(&teacher_attacked, &student_attacked, classes),
    }))
}

/// What is gathered from logits that come in batches.
enum Sums {
    Correlation(Correlation),
    ClassMean(ClassMean),
}

impl Sums {
    fn new(statistic: LogitStatistic, classes: usize) -> Self {
        match statistic {
            LogitStatistic::Correlation => Self::Correlation(Correlation::new(classes)),
            LogitStatistic::ClassMean => Self::ClassMean(ClassMean::new(classes)),
        }
    }

    fn add(&mut self, rows: &[Vec<f32>], labels: &[u8]) {
        match self {
            Self::Correlation(sums) => sums.add(rows),
            Self::ClassMean(sums) => sums.add(rows, labels),
        }
    }

    fn matrix(self) -> Vec<f64> {
        match self {
            Self::Correlation(sums) => sums.matrix(),
            Self::ClassMean(sums) => sums.matrix(),
        }
    }
}

/// The mean logits of the images of each class.
struct ClassMean {
    classes: usize,
    counts: Vec<f64>,
    /// By class of the images and class of the logit.
    sums: Vec<f64>,
}

/// By what mean logits are divided, to lie in the range of colours that the notebook chose (methods.md §7).
const CLASS_MEAN_SCALE: f64 = 3.0;

impl ClassMean {
    fn new(classes: usize) -> Self {
        Self { classes, counts: vec![0.0; classes], sums: vec![0.0; classes * classes] }
    }

    fn add(&mut self, rows: &[Vec<f32>], labels: &[u8]) {
        for (row, label) in rows.iter().zip(labels) {
            let class = usize::from(*label);
            self.counts[class] += 1.0;
            for (sum, logit) in self.sums[class * self.classes..].iter_mut().zip(row) {
                *sum += f64::from(*logit);
            }
        }
    }

    /// The means, row after row, with a diagonal of zeros.
    fn matrix(self) -> Vec<f64> {
        let mean = |(place, sum): (usize, &f64)| {
            let (class, logit) = (place / self.classes, place % self.classes);
            if class == logit { 0.0 } else { sum / self.counts[class].max(1.0) / CLASS_MEAN_SCALE }
        };
        self.sums.iter().enumerate().map(mean).collect()
    }
}

/// Pearson's correlations between the columns of rows that come in batches.
struct Correlation {
    classes: usize,
    /// Rows so far, their sums and the sums of their products. Doubles: logits of ten thousand images stay far from the
    /// places where a difference of sums loses what matters.
    n: f64,
    sums: Vec<f64>,
    products: Vec<f64>,
}

impl Correlation {
    fn new(classes: usize) -> Self {
        Self { classes, n: 0.0, sums: vec![0.0; classes], products: vec![0.0; classes * classes] }
    }

    fn add(&mut self, rows: &[Vec<f32>]) {
        for row in rows {
            self.n += 1.0;
            for (i, a) in row.iter().enumerate() {
                self.sums[i] += f64::from(*a);
                for (j, b) in row.iter().enumerate() {
                    self.products[i * self.classes + j] += f64::from(*a) * f64::from(*b);
                }
            }
        }
    }

    /// The correlations, row after row. A column that never changes has none with any other: 0.
    fn matrix(self) -> Vec<f64> {
        let Self { classes, n, sums, products } = self;
        let covariance = |i: usize, j: usize| products[i * classes + j] / n - sums[i] / n * (sums[j] / n);
        let mut matrix = Vec::with_capacity(classes * classes);
        for i in 0..classes {
            for j in 0..classes {
                let scale = (covariance(i, i).max(0.0) * covariance(j, j).max(0.0)).sqrt();
                let value = if scale > 1e-12 { covariance(i, j) / scale } else { 0.0 };
                matrix.push(if i == j && scale > 1e-12 { 1.0 } else { value.clamp(-1.0, 1.0) });
            }
        }
        matrix
    }
}

/// The first values less the second, with what sums them up.
fn difference(teacher: &[f64], student: &[f64], classes: usize) -> Difference {
    let values: Vec<f64> = teacher.iter().zip(student).map(|(t, s)| t - s).collect();
    let off = values.iter().enumerate().filter(|(place, _)| place / classes != place % classes).map(|(_, v)| v.abs());
    Difference {
        mean: off.sum::<f64>() / (classes * (classes - 1)).max(1) as f64,
        max: values.iter().fold(0.0, |most, v| v.abs().max(most)),
        norm: values.iter().map(|v| v * v).sum::<f64>().sqrt(),
        // Four decimals are more than a colour shows.
        values: values.into_iter().map(|v| ((v * 1e4).round() / 1e4) as f32).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn correlations(rows: &[Vec<f32>]) -> Vec<f64> {
        let mut sums = Correlation::new(rows[0].len());
        let (first, second) = rows.split_at(1);
        sums.add(first);
        sums.add(second);
        sums.matrix()
    }

    #[test]
    fn correlations_are_those_of_numpy() {
        // numpy.corrcoef([[1, 2, 3, 4], [2, 4, 6, 9], [4, 1, 3, 2]]); the fourth column never changes.
        let rows = [[1.0, 2.0, 4.0, 5.0], [2.0, 4.0, 1.0, 5.0], [3.0, 6.0, 3.0, 5.0], [4.0, 9.0, 2.0, 5.0]]
            .map(|r| r.to_vec());
        let found = correlations(&rows);
        let expected = [1.0, 0.994_376_71, -0.4, 0.0, 0.994_376_71, 1.0, -0.389_103_93, 0.0];
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
        assert_eq!(found[15], 0.0);
    }

    #[test]
    fn class_means_are_of_the_images_of_each_class_and_leave_the_diagonal_out() {
        let mut sums = ClassMean::new(2);
        sums.add(&[vec![3.0, 6.0], vec![1.0, 12.0]], &[0, 0]);
        sums.add(&[vec![-6.0, 2.0]], &[1]);
        assert_eq!(sums.matrix(), [0.0, 3.0, -2.0, 0.0]);
    }

    #[test]
    fn a_difference_is_summed_up_off_its_diagonal_and_as_a_whole() {
        let found = difference(&[1.0, 0.5, 0.5, 1.0], &[1.0, 0.2, -0.1, 1.0], 2);
        assert_eq!(found.values, [0.0, 0.3, 0.6, 0.0]);
        assert!((found.mean - 0.45).abs() < 1e-9 && (found.max - 0.6).abs() < 1e-9);
        assert!((found.norm - 0.45f64.sqrt()).abs() < 1e-9);
    }
}
