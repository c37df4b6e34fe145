//! Differences between the logits of a teacher and those of its students, by class and class (Figures 3–4; methods.md §7).

mod sums;

use std::ops::ControlFlow;

use candle_core::{Device, Tensor};
use retort_spec::{
    AdversarialImages, AnalyseSpec, Correlation, CorrelationMap, CorrelationMaps, Difference, LogitStatistic,
};
use serde::{Deserialize, Serialize};

use self::sums::Sums;
use super::{BATCH, Part, infer, load_models, pgd, proceed};
use crate::{
    EngineError, Result,
    attacks::{Starts, cross_entropy_pgd},
    checkpoint,
    context::Context,
    data::Dataset,
    loader::images,
    natural::Spread,
    nn::{Network, StateFile},
    rng::Purpose,
};

/// A model with its name.
type Named = (String, Network);

/// What an earlier attempt has finished.
#[derive(Default, Serialize, Deserialize)]
struct Progress {
    teacher: Option<Teacher>,
    maps: Vec<CorrelationMap>,
    seconds: f64,
}

/// What is the same beside every student.
#[derive(Clone, Serialize, Deserialize)]
struct Teacher {
    /// By class and class on natural images.
    natural: Vec<f64>,
    /// On images that are attacked on the teacher itself; not where it sees those of each student.
    white_box: Option<Vec<f64>>,
    /// Whether its logits are the same for every natural image.
    #[serde(default)]
    is_collapsed: bool,
}

pub(super) fn compute(
    &Correlation { statistic, adversarial }: &Correlation,
    spec: &AnalyseSpec,
    dataset: &Dataset,
    context: &mut Context,
) -> Part<CorrelationMaps> {
    let mut models = load_models(spec, dataset, context)?;
    let (mut teacher, students) = (models.remove(0), models);
    let found = checkpoint::load(context, &Device::Cpu, |file| {
        serde_json::from_str::<Progress>(&file.state).map_err(|e| e.to_string())
    })?;
    let mut progress = found.unwrap_or_default();
    context.seconds_before = progress.seconds;
    let save = |progress: &mut Progress, context: &mut Context| {
        progress.seconds = context.seconds();
        let state = serde_json::to_string(progress).map_err(|e| EngineError::Data(format!("its progress: {e}")))?;
        checkpoint::save(context, StateFile { tensors: Vec::new(), state })
    };
    let is_white_box = adversarial == AdversarialImages::WhiteBox;
    // An attack takes nearly all the time, so a teacher that is attacked counts as one more student.
    let attacked = usize::from(is_white_box);
    let all = (students.len() + attacked) as f64;
    let share = |finished: usize, part: f64| (finished as f64 + part) / all;
    let pass = Pass { spec, statistic, dataset };
    let known = match progress.teacher.clone() {
        Some(known) => known,
        None => match pass.of_teacher(&mut teacher, is_white_box, context, &|part| share(0, part * attacked as f64))? {
            ControlFlow::Break(outcome) => return Ok(ControlFlow::Break(outcome)),
            ControlFlow::Continue(known) => {
                progress.teacher = Some(known.clone());
                save(&mut progress, context)?;
                known
            }
        },
    };
    let finished = progress.maps.len();
    for (place, mut student) in students.into_iter().enumerate().skip(finished) {
        let done = |part| share(attacked + place, part);
        match pass.of_student(&mut student, (&mut teacher, &known), context, &done)? {
            ControlFlow::Break(outcome) => return Ok(ControlFlow::Break(outcome)),
            ControlFlow::Continue(map) => progress.maps.push(map),
        }
        save(&mut progress, context)?;
    }
    Ok(ControlFlow::Continue(CorrelationMaps {
        classes: dataset.classes.clone(),
        teacher: teacher.0,
        teacher_is_collapsed: known.is_collapsed,
        images: dataset.test.len(),
        maps: progress.maps,
    }))
}

/// Passes over all test images.
struct Pass<'a> {
    spec: &'a AnalyseSpec,
    statistic: LogitStatistic,
    dataset: &'a Dataset,
}

/// A batch of images with their labels and places.
struct Batch<'a> {
    natural: Tensor,
    labels: Vec<u8>,
    places: &'a [usize],
}

impl Pass<'_> {
    /// What is the same beside every student.
    fn of_teacher(
        &self,
        teacher: &mut Named,
        is_white_box: bool,
        context: &mut Context,
        done: &dyn Fn(f64) -> f64,
    ) -> Part<Teacher> {
        let [mut natural, mut white_box] = self.sums();
        let mut spread = Spread::default();
        let ended = self.over_images(context, done, |batch| {
            spread.add_rows(&add(&mut natural, teacher, &batch.natural, batch)?);
            if is_white_box {
                let images = self.attacked(&mut teacher.1, batch)?;
                add(&mut white_box, teacher, &images, batch)?;
            }
            Ok(())
        })?;
        Ok(ended.map_continue(|()| Teacher {
            natural: natural.matrix(),
            white_box: is_white_box.then(|| white_box.matrix()),
            is_collapsed: spread.is_collapsed(),
        }))
    }

    /// The two maps of one student.
    fn of_student(
        &self,
        student: &mut Named,
        (teacher, known): (&mut Named, &Teacher),
        context: &mut Context,
        done: &dyn Fn(f64) -> f64,
    ) -> Part<CorrelationMap> {
        let [mut natural, mut attacked, mut teacher_attacked] = self.sums();
        let mut spread = Spread::default();
        let ended = self.over_images(context, done, |batch| {
            spread.add_rows(&add(&mut natural, student, &batch.natural, batch)?);
            let images = self.attacked(&mut student.1, batch)?;
            add(&mut attacked, student, &images, batch)?;
            if known.white_box.is_none() {
                add(&mut teacher_attacked, teacher, &images, batch)?;
            }
            Ok(())
        })?;
        let classes = self.dataset.classes.len();
        Ok(ended.map_continue(|()| {
            let teacher_attacked = known.white_box.clone().unwrap_or_else(|| teacher_attacked.matrix());
            CorrelationMap {
                model: student.0.clone(),
                natural: difference(&known.natural, &natural.matrix(), classes),
                adversarial: difference(&teacher_attacked, &attacked.matrix(), classes),
                is_collapsed: spread.is_collapsed(),
            }
        }))
    }

    fn sums<const N: usize>(&self) -> [Sums; N] {
        [(); N].map(|()| Sums::new(self.statistic, self.dataset.classes.len()))
    }

    /// Hands over all test images, batch after batch.
    fn over_images(
        &self,
        context: &mut Context,
        done: &dyn Fn(f64) -> f64,
        mut visit: impl FnMut(&Batch) -> Result<()>,
    ) -> Part<()> {
        let split = &self.dataset.test;
        let all: Vec<usize> = (0..split.len()).collect();
        for places in all.chunks(BATCH) {
            if let ControlFlow::Break(outcome) = proceed(context, done(places[0] as f64 / all.len() as f64))? {
                return Ok(ControlFlow::Break(outcome));
            }
            let natural = images(split, places, &context.device)?;
            let labels = places.iter().map(|i| split.labels[*i]).collect();
            visit(&Batch { natural, labels, places })?;
        }
        Ok(ControlFlow::Continue(()))
    }

    /// The images of a batch attacked on a network.
    fn attacked(&self, network: &mut Network, batch: &Batch) -> Result<Tensor> {
        let (eps, pgd) = pgd(self.spec);
        let starts = Starts { seed: self.spec.seed, purpose: Purpose::Analysis };
        let start = starts.uniform(&batch.natural, eps, batch.places, 0)?;
        Ok(cross_entropy_pgd(network, &batch.natural, &batch.labels, pgd, start)?)
    }
}

/// Adds a network's logits of the images of a batch, natural or attacked, and returns them.
fn add(sums: &mut Sums, (name, network): &mut Named, images: &Tensor, batch: &Batch) -> Result<Vec<Vec<f32>>> {
    let rows = infer((name.as_str(), network), images, batch.places)?.0.to_vec2::<f32>()?;
    sums.add(&rows, &batch.labels);
    Ok(rows)
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

    #[test]
    fn a_difference_is_summed_up_off_its_diagonal_and_as_a_whole() {
        let found = difference(&[1.0, 0.5, 0.5, 1.0], &[1.0, 0.2, -0.1, 1.0], 2);
        assert_eq!(found.values, [0.0, 0.3, 0.6, 0.0]);
        assert!((found.mean - 0.45).abs() < 1e-9 && (found.max - 0.6).abs() < 1e-9);
        assert!((found.norm - 0.45f64.sqrt()).abs() < 1e-9);
    }
}
