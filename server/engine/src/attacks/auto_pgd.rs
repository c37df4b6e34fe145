//! Auto-PGD (Croce and Hein 2020, arXiv:2003.01690; methods.md §5.2): steps with momentum whose size halves where the loss gets no
//! further.

use candle_core::{Result, Tensor};
use rayon::prelude::*;

use super::{
    Target,
    batch::{at, stack},
};
use crate::{
    answers::answers,
    nn::{Network, Statistics, Want},
};

/// The share of a new step, beside that of the last one.
const MOMENTUM: f32 = 0.75;
/// The share of a window's steps that must have raised the loss, for the step to keep its size.
const RISING: f32 = 0.75;

/// What an attack climbs, by image.
pub(super) trait Loss {
    /// The loss of the image at this place by its logits, whose slope is written; `slope` is zero before.
    fn of(&self, place: usize, logits: &[f32], slope: &mut [f32]) -> f32;
}

/// Climbs a loss for so many steps from `start`. Of each image that the network was seen to answer wrongly under way that one comes
/// back, and it climbs no further: nothing could make it right again. Of every other image the last.
///
/// # Errors
/// When the shapes do not fit.
pub(super) fn auto_pgd(target: &mut Target<'_>, by: (f32, usize), start: &Tensor, loss: &dyn Loss) -> Result<Tensor> {
    let found: Vec<f32> = climb(target, by, start, loss)?.into_iter().flat_map(|climb| climb.x).collect();
    Tensor::from_vec(found, start.shape(), start.device())
}

/// The way of each image, by steps in a ball of this radius.
pub(super) fn climb(
    target: &mut Target<'_>,
    (eps, steps): (f32, usize),
    start: &Tensor,
    loss: &dyn Loss,
) -> Result<Vec<Climb>> {
    let shape = start.dims().to_vec();
    let natural = target.natural.flatten_from(1)?.to_vec2::<f32>()?;
    let begin = start.flatten_from(1)?.to_vec2::<f32>()?;
    let mut climbs: Vec<Climb> =
        natural.into_iter().zip(begin).map(|(natural, start)| Climb::new(natural, start, eps)).collect();
    let mut climbing: Vec<usize> = (0..climbs.len()).collect();
    let (mut window, least, shorter) = windows(steps);
    let mut since_check = 0;
    for step in 0..=steps {
        if step > 0 {
            at(&mut climbs, &climbing).into_par_iter().for_each(|climb| climb.step(step == 1));
        }
        look(target.network, &shape, &mut climbs, &climbing, loss)?
            .into_iter()
            .zip(&climbing)
            .for_each(|(answer, place)| climbs[*place].is_lost = answer != Some(target.labels[*place]));
        climbing.retain(|place| !climbs[*place].is_lost);
        if climbing.is_empty() {
            break;
        }
        for climb in at(&mut climbs, &climbing) {
            climb.note(step > 0);
        }
        since_check += usize::from(step > 0);
        if since_check == window {
            at(&mut climbs, &climbing).into_par_iter().for_each(|climb| climb.check(window));
            window = window.saturating_sub(shorter).max(least);
            since_check = 0;
        }
    }
    Ok(climbs)
}

/// The first window of steps between two checks of the step size, the shortest, and by how much each is shorter than the last.
fn windows(steps: usize) -> (usize, usize, usize) {
    let share = |percent: usize| (percent * steps / 100).max(1);
    (share(22), share(6), share(3))
}

/// What the network answers to the images at these places; each gets its loss and gradient.
fn look(
    network: &mut Network,
    shape: &[usize],
    climbs: &mut [Climb],
    places: &[usize],
    loss: &dyn Loss,
) -> Result<Vec<Option<u8>>> {
    let pixels: Vec<f32> = places.iter().flat_map(|place| climbs[*place].x.iter().copied()).collect();
    let images = stack(pixels, places.len(), shape, network)?;
    let pass = network.forward(&images, Statistics::Running, Want::Input)?;
    let (count, classes) = pass.logits.dims2()?;
    let (logits, answers) = (pass.logits.flatten_all()?.to_vec1::<f32>()?, answers(&pass.logits)?);
    let mut slopes = vec![0f32; count * classes];
    for ((place, logits), slope) in
        places.iter().zip(logits.chunks_exact(classes)).zip(slopes.chunks_exact_mut(classes))
    {
        climbs[*place].loss = loss.of(*place, logits, slope);
    }
    let gradient = pass.input_gradient(Some(Tensor::from_vec(slopes, (count, classes), images.device())?), None)?;
    for (place, gradient) in places.iter().zip(gradient.flatten_from(1)?.to_vec2::<f32>()?) {
        climbs[*place].gradient = gradient;
    }
    Ok(answers)
}

/// One image on its way.
pub(super) struct Climb {
    natural: Vec<f32>,
    eps: f32,
    /// Where it is, with the gradient and the loss there.
    x: Vec<f32>,
    gradient: Vec<f32>,
    loss: f32,
    /// Where it was before the last step.
    before: Vec<f32>,
    pub step_size: f32,
    /// The highest loss, where that was, and the gradient there.
    best_loss: f32,
    best: Vec<f32>,
    best_gradient: Vec<f32>,
    /// The loss after each step.
    pub losses: Vec<f32>,
    /// The highest loss at the last check, and whether that halved the step.
    best_at_check: f32,
    was_halved: bool,
    /// The size of a step behind each check.
    #[cfg(test)]
    pub sizes: Vec<f32>,
    /// Whether the network was seen to answer it wrongly.
    pub is_lost: bool,
}

impl Climb {
    fn new(natural: Vec<f32>, start: Vec<f32>, eps: f32) -> Self {
        Self {
            natural,
            eps,
            before: start.clone(),
            best: start.clone(),
            x: start,
            gradient: Vec::new(),
            best_gradient: Vec::new(),
            loss: 0.0,
            step_size: 2.0 * eps,
            best_loss: f32::NEG_INFINITY,
            losses: Vec::new(),
            best_at_check: f32::NEG_INFINITY,
            was_halved: true,
            #[cfg(test)]
            sizes: Vec::new(),
            is_lost: false,
        }
    }

    /// A step along the sign of the gradient, and after the first a share of the step before.
    fn step(&mut self, is_first: bool) {
        let share = if is_first { 1.0 } else { MOMENTUM };
        let (eps, size) = (self.eps, self.step_size);
        let inside = |value: f32, natural: f32| value.max(natural - eps).min(natural + eps).clamp(0.0, 1.0);
        let places = self.x.iter_mut().zip(&mut self.before).zip(&self.natural).zip(&self.gradient);
        for (((x, before), natural), slope) in places {
            let last = *x - *before;
            *before = *x;
            let sign = if *slope > 0.0 {
                1.0
            } else if *slope < 0.0 {
                -1.0
            } else {
                0.0
            };
            let ahead = inside(*x + size * sign, *natural);
            *x = inside(*x + (ahead - *x) * share + last * (1.0 - share), *natural);
        }
    }

    /// Notes the loss where it is, of the start or after a step.
    fn note(&mut self, is_step: bool) {
        if is_step {
            self.losses.push(self.loss);
        }
        if !is_step || self.loss > self.best_loss {
            self.best_loss = self.loss;
            self.best.clone_from(&self.x);
            self.best_gradient.clone_from(&self.gradient);
        }
        if !is_step {
            self.best_at_check = self.loss;
        }
    }

    /// Halves the step and goes back to the best place where too few of the window's steps raised the loss, or none found a higher
    /// one since the last check, unless that halved it too.
    fn check(&mut self, window: usize) {
        // The authors' history of losses wraps around: before the first stands the last, which is still 0 then.
        let before = |i: usize| i.checked_sub(1).map_or(0.0, |i| self.losses[i]);
        let last = self.losses.len();
        let rises = (last - window..last).filter(|i| self.losses[*i] > before(*i)).count();
        let is_stuck = !self.was_halved && self.best_at_check >= self.best_loss;
        self.was_halved = rises as f32 <= RISING * window as f32 || is_stuck;
        self.best_at_check = self.best_loss;
        if self.was_halved {
            self.step_size /= 2.0;
            self.x.clone_from(&self.best);
            self.gradient.clone_from(&self.best_gradient);
        }
        #[cfg(test)]
        self.sizes.push(self.step_size);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_steps_are_checked_after_these() {
        let (mut window, least, shorter) = windows(100);
        let (mut checks, mut at) = (Vec::new(), 0);
        while at + window <= 100 {
            at += window;
            checks.push(at);
            window = window.saturating_sub(shorter).max(least);
        }
        assert_eq!(checks, [22, 41, 57, 70, 80, 87, 93, 99]);
    }

    #[test]
    fn a_step_whose_loss_hardly_rises_is_halved_from_the_best_place() {
        let mut climb = Climb::new(vec![0.5], vec![0.5], 0.1);
        climb.gradient = vec![1.0];
        climb.loss = 1.0;
        climb.note(false);
        climb.step(true);
        assert!((climb.x[0] - 0.6).abs() < 1e-7);
        for loss in [2.0, 1.5, 1.4] {
            climb.loss = loss;
            climb.note(true);
            climb.x = vec![0.55];
        }
        climb.check(3);
        assert!((climb.step_size - 0.1).abs() < 1e-7 && (climb.x[0] - 0.6).abs() < 1e-7 && climb.was_halved);
        // Nothing new was found, but the last check halved it already; and every step rises.
        for loss in [1.6, 1.7, 1.8] {
            climb.loss = loss;
            climb.note(true);
        }
        climb.check(3);
        assert!(!climb.was_halved);
        for loss in [1.81, 1.82, 1.83] {
            climb.loss = loss;
            climb.note(true);
        }
        climb.check(3);
        assert!(climb.was_halved && (climb.step_size - 0.05).abs() < 1e-7);
    }
}
