//! The fast adaptive boundary attack, targeted (Croce and Hein 2020, Algorithm 1; methods.md §5.2).

use candle_core::{Result, Tensor};
use rayon::prelude::*;
use retort_spec::FabT;

use super::{
    EvaluationAttack, Target,
    batch::{at, stack},
    next_best::{next_best_classes, other_classes},
};
use crate::{
    answers::answers,
    nn::{Network, Statistics, Want},
};

/// The greatest share of the way from the natural image.
const MOST_NATURAL: f32 = 0.1;
/// How far beyond the boundary a step goes, as a share of the way to it.
const BEYOND: f32 = 1.05;
/// How much of the way from the natural image is left once an adversarial image is found.
const BACK: f32 = 0.9;
/// No way counts as shorter.
const LEAST: f32 = 1e-8;

impl EvaluationAttack for FabT {
    fn tries(&self) -> usize {
        self.targets
    }

    fn images(&self, target: &mut Target<'_>, attempt: u64) -> Result<Tensor> {
        if attempt >= other_classes(target.network)? as u64 {
            // It starts at the natural image: the last class again would find the same.
            return Ok(target.natural.clone());
        }
        let classes = next_best_classes(target, attempt)?;
        let walks = walk(target, (self.eps.value() as f32, self.steps), &classes)?;
        let found: Vec<f32> =
            walks.into_iter().flat_map(|walk| if walk.has_found { walk.x } else { walk.natural }).collect();
        Tensor::from_vec(found, target.natural.shape(), target.natural.device())
    }
}

/// The way of each image towards its class, by so many steps, or until it is adversarial inside of the ball.
fn walk(target: &mut Target<'_>, (eps, steps): (f32, usize), classes: &[u8]) -> Result<Vec<Walk>> {
    let labels = &target.labels;
    let shape = target.natural.dims().to_vec();
    let natural = target.natural.flatten_from(1)?.to_vec2::<f32>()?;
    let mut walks: Vec<Walk> = natural.into_iter().map(Walk::new).collect();
    let mut walking: Vec<usize> = (0..walks.len()).collect();
    for _ in 0..steps {
        let aims: Vec<[u8; 2]> = walking.iter().map(|place| [classes[*place], labels[*place]]).collect();
        slope(target.network, &shape, &mut walks, &walking, &aims)?;
        at(&mut walks, &walking).into_par_iter().for_each(Walk::step);
        let images = images_of(&walks, &walking, &shape, target.network)?;
        let answered = answers(&target.network.infer(&images)?.0)?;
        for (place, answer) in walking.iter().zip(answered) {
            if answer != Some(labels[*place]) {
                walks[*place].cross(eps);
            }
        }
        walking.retain(|place| !walks[*place].has_found);
        if walking.is_empty() {
            break;
        }
    }
    Ok(walks)
}

/// The images at these places.
fn images_of(walks: &[Walk], places: &[usize], shape: &[usize], network: &Network) -> Result<Tensor> {
    let pixels = places.iter().flat_map(|place| walks[*place].x.iter().copied()).collect();
    stack(pixels, places.len(), shape, network)
}

/// Gives the images at these places the difference of two logits, the class aimed at and the label, and its gradient.
fn slope(network: &mut Network, shape: &[usize], walks: &mut [Walk], places: &[usize], aims: &[[u8; 2]]) -> Result<()> {
    let images = images_of(walks, places, shape, network)?;
    let pass = network.forward(&images, Statistics::Running, Want::Input)?;
    let logits = pass.logits.to_vec2::<f32>()?;
    let (count, classes) = pass.logits.dims2()?;
    let mut slopes = vec![0f32; count * classes];
    for (slope, [class, label]) in slopes.chunks_exact_mut(classes).zip(aims) {
        (slope[usize::from(*class)], slope[usize::from(*label)]) = (1.0, -1.0);
    }
    let slopes = Tensor::from_vec(slopes, (count, classes), images.device())?;
    let gradients = pass.input_gradient(Some(slopes), None)?.flatten_from(1)?.to_vec2::<f32>()?;
    for (((place, gradient), logits), [class, label]) in places.iter().zip(gradients).zip(&logits).zip(aims) {
        walks[*place].gradient =
            gradient.into_iter().map(|slope| if slope.is_finite() { slope } else { 0.0 }).collect();
        walks[*place].difference = logits[usize::from(*class)] - logits[usize::from(*label)];
        #[cfg(test)]
        {
            let difference = walks[*place].difference;
            walks[*place].differences.push(difference);
        }
    }
    Ok(())
}

/// One image on its way.
struct Walk {
    natural: Vec<f32>,
    x: Vec<f32>,
    /// The difference of logits where it is, and its gradient there.
    difference: f32,
    gradient: Vec<f32>,
    /// The differences so far.
    #[cfg(test)]
    differences: Vec<f32>,
    /// Whether it is adversarial inside of the ball.
    has_found: bool,
}

impl Walk {
    fn new(natural: Vec<f32>) -> Self {
        Self {
            x: natural.clone(),
            natural,
            difference: 0.0,
            gradient: Vec::new(),
            #[cfg(test)]
            differences: Vec::new(),
            has_found: false,
        }
    }

    /// A step to where the difference, were it linear, would be nought: from where it is, and for a share from the natural image.
    fn step(&mut self) {
        let away = self.gradient.iter().zip(self.natural.iter().zip(&self.x));
        let behind: f64 = away.map(|(slope, (natural, x))| f64::from(*slope) * f64::from(natural - x)).sum();
        let difference = f64::from(self.difference);
        let from_here = onto_plane(&self.x, &self.gradient, difference);
        let from_natural = onto_plane(&self.natural, &self.gradient, difference + behind);
        let [here, natural] = [&from_here, &from_natural].map(|way| length(way).max(LEAST));
        let share = (here / (here + natural)).clamp(0.0, MOST_NATURAL);
        let ways = from_here.iter().zip(&from_natural);
        for ((x, natural), (here, from_natural)) in self.x.iter_mut().zip(&self.natural).zip(ways) {
            let ahead = (*x + BEYOND * here) * (1.0 - share) + (natural + BEYOND * from_natural) * share;
            *x = ahead.clamp(0.0, 1.0);
        }
    }

    /// It is adversarial: inside of the ball this is what was looked for, and outside it goes back a little.
    fn cross(&mut self, eps: f32) {
        let way: Vec<f32> = self.x.iter().zip(&self.natural).map(|(x, natural)| x - natural).collect();
        self.has_found = length(&way) <= eps;
        if !self.has_found {
            for ((x, natural), way) in self.x.iter_mut().zip(&self.natural).zip(way) {
                *x = natural + way * BACK;
            }
        }
    }
}

/// The longest move of a pixel (ℓ∞).
fn length(way: &[f32]) -> f32 {
    way.iter().fold(0.0, |most, by| most.max(by.abs()))
}

/// The shortest way (ℓ∞) on which a linear function with this gradient, and this value at `point`, comes to nought inside of [0, 1];
/// where it does not, as far as pixels can go.
///
/// Each pixel moves by the same length against the function, or to the border if that is nearer.
fn onto_plane(point: &[f32], gradient: &[f32], value: f64) -> Vec<f32> {
    let down = if value < 0.0 { -1f32 } else { 1f32 };
    let room = |point: f32, slope: f32| if slope * down > 0.0 { point } else { 1.0 - point };
    let mut length = 0f64;
    loop {
        // Those whose room is no longer than the way so far are at the border; the others share what is left.
        let (mut left, mut slopes) = (value.abs(), 0f64);
        for (point, slope) in point.iter().zip(gradient) {
            let (room, slope) = (f64::from(room(*point, *slope)), f64::from(slope.abs()));
            if room <= length {
                left -= slope * room;
            } else {
                slopes += slope;
            }
        }
        if slopes <= 0.0 {
            length = f64::INFINITY;
            break;
        }
        let further = left / slopes;
        if further > length {
            length = further;
        } else {
            break;
        }
    }
    let length = length as f32;
    let moved = |(point, slope): (&f32, &f32)| {
        let direction = slope * down;
        if direction == 0.0 { 0.0 } else { -direction.signum() * room(*point, *slope).min(length) }
    };
    point.iter().zip(gradient).map(moved).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{attacks::golden_tests::Setting, golden::Golden};

    #[test]
    fn the_shortest_way_onto_a_plane_is_the_one_of_its_definition() {
        let way = onto_plane(&[0.5, 0.5], &[1.0, 2.0], 0.9);
        assert!(way.iter().all(|by| (by + 0.3).abs() < 1e-6), "{way:?}");
        // Upwards; the first pixel has no room, the second does not count.
        let way = onto_plane(&[1.0, 0.5, 0.25], &[1.0, 0.0, 2.0], -0.5);
        assert_eq!(way, [0.0, 0.0, 0.25]);
        // Too far away: all that there is. And nothing to follow.
        assert_eq!(onto_plane(&[0.75, 0.5], &[1.0, -1.0], 5.0), [-0.75, 0.5]);
        assert_eq!(onto_plane(&[0.75, 0.5], &[0.0, 0.0], 5.0), [0.0, 0.0]);
        assert_eq!(onto_plane(&[0.75, 0.5], &[1.0, 1.0], 0.0), [0.0, 0.0]);
    }

    #[test]
    fn a_linear_function_is_nought_at_the_end_of_the_way_and_no_shorter_one_gets_there() {
        let mut numbers = crate::rng::Stream::new(1, crate::rng::Purpose::Test, 0, 0);
        for _ in 0..50 {
            let point: Vec<f32> = (0..40).map(|_| numbers.uniform(-0.2, 1.2).clamp(0.0, 1.0)).collect();
            let gradient: Vec<f32> = (0..40).map(|_| numbers.uniform(-1.0, 1.0)).collect();
            let value = f64::from(numbers.uniform(-6.0, 6.0));
            let way = onto_plane(&point, &gradient, value);
            let end: f64 = value + way.iter().zip(&gradient).map(|(by, slope)| f64::from(by * slope)).sum::<f64>();
            assert!(end.abs() < 1e-5, "{value} {end}");
            let longest = length(&way);
            for ((by, point), slope) in way.iter().zip(&point).zip(&gradient) {
                assert!((-1e-6..=1.000_001).contains(&(by + point)));
                // Each goes down the function, as far as the longest or to the border.
                let is_at_border = (by + point).abs() < 1e-6 || (by + point - 1.0).abs() < 1e-6;
                assert!(f64::from(by * slope) * value <= 0.0 && ((by.abs() - longest).abs() < 1e-6 || is_at_border));
            }
        }
    }

    #[test]
    fn what_it_finds_is_answered_wrongly_and_lies_in_the_ball_and_what_it_does_not_find_stays() {
        const LEVELS: f64 = 2.0;
        let mut setting = Setting::new();
        let (natural, labels) = (setting.natural.clone(), setting.labels.clone());
        let attack = FabT { eps: retort_spec::PixelDistance::levels(LEVELS), steps: 10, targets: 9 };
        let moved = attack.images(&mut setting.target(), 0).unwrap();
        let way = (&moved - &natural).unwrap().abs().unwrap().flatten_from(1).unwrap().max(1).unwrap();
        let answered = answers(&setting.network.infer(&moved).unwrap().0).unwrap();
        let mut found = 0;
        for ((way, answer), label) in way.to_vec1::<f32>().unwrap().into_iter().zip(answered).zip(labels) {
            assert!(way <= LEVELS as f32 / 255.0 && (answer == Some(label)) == (way == 0.0), "{way} {answer:?}");
            found += usize::from(way > 0.0);
        }
        assert!((3..24).contains(&found), "{found}");
        // Beyond the last other class there is nothing to aim at.
        let none = attack.images(&mut setting.target(), 9).unwrap();
        assert_eq!(none.to_string(), natural.to_string());
    }

    #[test]
    fn it_walks_as_the_authors_code_does() {
        let golden = Golden::read("fab_square");
        let mut setting = Setting::new();
        let classes = setting.targets.clone();
        let walks = walk(&mut setting.target(), (1e-6, 12), &classes).unwrap();
        let found: Vec<f32> = walks.into_iter().flat_map(|walk| walk.differences).collect();
        golden.hold("fab_t.differences", &found, 1e-4);
    }
}
