//! Whether two methods differ on the same test images: the paired randomisation test, with an image's seeds kept together.

/// A difference with a p-value below this is told from none, everywhere.
pub const LEVEL: f64 = 0.05;

/// Smaller p-values are given as this one: nothing depends on them, and what is left out of the sums is far below it.
const SMALLEST: f64 = 1e-15;
/// Probabilities below this are left out of the sums.
const NEGLIGIBLE: f64 = 1e-20;
/// Differences are whole multiples of one over the least common multiple of the two numbers of seeds; where that is finer
/// than one over this, they are rounded to it, so that a test stays fast.
const FINEST: usize = 60;

/// By test image: how many of a method's models, one for each seed, answer it rightly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RightCounts {
    seeds: usize,
    images: Vec<u16>,
}

impl RightCounts {
    /// Counts what each model got right, image by image; none without models and images, or if their images are not
    /// equally many.
    pub fn of(models: &[&[bool]]) -> Option<Self> {
        let first = models.first().filter(|first| !first.is_empty())?;
        let mut images = vec![0; first.len()];
        for model in models {
            if model.len() != images.len() {
                return None;
            }
            for (count, right) in images.iter_mut().zip(*model) {
                *count += u16::from(*right);
            }
        }
        u16::try_from(models.len()).is_ok().then_some(Self { seeds: models.len(), images })
    }

    /// How many test images.
    pub fn len(&self) -> usize {
        self.images.len()
    }

    /// Never: counts are of at least one image.
    pub fn is_empty(&self) -> bool {
        self.images.is_empty()
    }
}

/// How two methods compare on the same images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Paired {
    /// The first's accuracy less the second's, each the mean over its seeds, in percentage points.
    pub difference: f64,
    /// The standard deviation over images of an image's difference, in percentage points.
    pub deviation: f64,
    /// The probability of a difference at least so large in either direction, if the two were equally good.
    pub p_value: f64,
}

impl Paired {
    /// Compares two methods by the exact paired randomisation test (Fisher 1935, the sign-flip test), two-sided.
    ///
    /// The difference is the mean over images of d = (share of the first's seeds that are right) − (share of the second's).
    /// If the two methods were equally good, d would be as likely as −d on each image, whatever the seeds of an image have
    /// in common; so all seeds of an image change sides together. All 2ᴺ such changes are counted: d times the least common
    /// multiple of the numbers of seeds is whole, and the sum of ±|d| is a sum of binomials, one for each size of d. With
    /// one seed each it is the exact test of `McNemar` (1947). It speaks of these models on other images like these, not of
    /// models from other seeds.
    ///
    /// None if they are of different numbers of images.
    pub fn of(first: &RightCounts, second: &RightCounts) -> Option<Self> {
        if first.len() != second.len() {
            return None;
        }
        let (rows, columns) = (first.seeds + 1, second.seeds + 1);
        // By how many seeds are right of the first and of the second: on how many images.
        let mut counts = vec![0_usize; rows * columns];
        for (a, b) in first.images.iter().zip(&second.images) {
            counts[usize::from(*a) * columns + usize::from(*b)] += 1;
        }
        let (m, n) = (first.seeds as f64, second.seeds as f64);
        let scale = (first.seeds / gcd(first.seeds, second.seeds) * second.seeds).min(FINEST);
        let (mut sum, mut squares, mut total) = (0.0, 0.0, 0_i64);
        let mut sizes = vec![0_usize; scale + 1];
        for (place, images) in counts.into_iter().enumerate().filter(|(_, images)| *images > 0) {
            let difference = (place / columns) as f64 / m - (place % columns) as f64 / n;
            let whole = (difference * scale as f64).round() as i64;
            sum += difference * images as f64;
            squares += difference * difference * images as f64;
            total += whole * images as i64;
            sizes[whole.unsigned_abs() as usize] += images;
        }
        let (n, difference) = (first.len() as f64, 100.0 * sum / first.len() as f64);
        let deviation = 100.0 * ((squares - sum * sum / n).max(0.0) / (n - 1.0).max(1.0)).sqrt();
        Some(Self { difference, deviation, p_value: two_sided(&sizes, total.unsigned_abs() as usize) })
    }
}

/// The probability that a sum of signed sizes is at least `observed` away from zero, where each sign is as likely as the other.
/// `counts` says of how many terms each size is, from size 0 on.
fn two_sided(counts: &[usize], observed: usize) -> f64 {
    if observed == 0 {
        return 1.0;
    }
    let largest: usize = counts.iter().enumerate().map(|(size, count)| size * count).sum();
    // The sum is 2 X − largest, where X adds up the terms with a plus: one tail is X up to this.
    let most = (largest - observed) / 2;
    let sizes = || (1..counts.len()).filter(|size| counts[*size] > 0);
    // The size with the most terms comes last: of that sum only a tail is needed.
    let Some(last) = sizes().max_by_key(|size| counts[*size]) else { return 1.0 };
    let others = sizes().filter(|size| *size != last);
    let sum = others.fold(Weights { from: 0, values: vec![1.0] }, |sum, size| sum.plus(size, counts[size]));
    let Weights { from: least, values } = Weights::binomial(counts[last]);
    let up_to: Vec<f64> = values
        .iter()
        .scan(0.0, |sum, value| {
            *sum += value;
            Some(*sum)
        })
        .collect();
    let below = |x: usize| {
        // How many of the last terms may have a plus beside this much of the others.
        let terms = most.checked_sub(x)? / last;
        let place = terms.checked_sub(least)?.min(up_to.len() - 1);
        Some(up_to[place])
    };
    let tail: f64 = sum.values.iter().enumerate().filter_map(|(x, weight)| Some(weight * below(sum.from + x)?)).sum();
    (2.0 * tail).clamp(SMALLEST, 1.0)
}

/// The probabilities of whole numbers from `from` on; what is left out is negligible.
struct Weights {
    from: usize,
    values: Vec<f64>,
}

impl Weights {
    /// How many of `n` fair coins show heads.
    fn binomial(n: usize) -> Self {
        // From the middle outwards, relative to the middle: no logarithms, no underflow.
        let middle = n / 2;
        let outwards = |from: usize| {
            let ratios = (from..n).map(|k| (n - k) as f64 / (k + 1) as f64);
            ratios.scan(1.0, |weight, ratio| {
                *weight *= ratio;
                (*weight > NEGLIGIBLE).then_some(*weight)
            })
        };
        let above: Vec<f64> = outwards(middle).collect();
        // The lower half mirrors the upper one: k heads are as likely as n − k.
        let mut values: Vec<f64> = above[(n - 2 * middle).min(above.len())..].to_vec();
        values.reverse();
        let from = middle - values.len();
        values.push(1.0);
        values.extend(above);
        let sum: f64 = values.iter().sum();
        for value in &mut values {
            *value /= sum;
        }
        Self { from, values }
    }

    /// The sum with `count` terms that are `size` or nothing, as a fair coin says.
    fn plus(&self, size: usize, count: usize) -> Self {
        let terms = Self::binomial(count);
        let mut values = vec![0.0; self.values.len() + size * (terms.values.len() - 1)];
        for (place, weight) in terms.values.iter().enumerate() {
            for (sum, value) in values[size * place..].iter_mut().zip(&self.values) {
                *sum += weight * value;
            }
        }
        let counts = |value: &f64| *value > NEGLIGIBLE;
        let first = values.iter().position(counts).unwrap_or(0);
        values.truncate(values.iter().rposition(counts).map_or(1, |last| last + 1));
        values.drain(..first);
        Self { from: self.from + size * terms.from + first, values }
    }
}

const fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// p-values of several tests, adjusted so that the chance of any false finding among them stays at the level of one
/// (Holm 1979), in the order in which they came.
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|a, b| p_values[*a].total_cmp(&p_values[*b]));
    let mut adjusted = vec![0.0; p_values.len()];
    let mut least: f64 = 0.0;
    for (rank, place) in order.into_iter().enumerate() {
        least = least.max((p_values.len() - rank) as f64 * p_values[place]).min(1.0);
        adjusted[place] = least;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    /// McNemar's exact test, by its own formula: twice the binomial tail of the images that only one is right on.
    fn mcnemar(only_first: u64, only_second: u64) -> f64 {
        let n = only_first + only_second;
        let choose = |k: u64| (0..k).fold(1.0, |product, i| product * (n - i) as f64 / (i + 1) as f64);
        let tail: f64 = (0..=only_first.min(only_second)).map(choose).sum();
        (2.0 * tail * 0.5_f64.powi(n as i32)).min(1.0)
    }

    fn counts(models: &[Vec<bool>]) -> RightCounts {
        RightCounts::of(&models.iter().map(Vec::as_slice).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn with_one_seed_each_it_is_mcnemars_exact_test() {
        for only_first in 0..=20 {
            for only_second in 0..=20 {
                for alike in [1, 7] {
                    let model = |right: usize, wrong: usize| {
                        [vec![true; right], vec![false; wrong], vec![true; alike]].concat()
                    };
                    let first = model(only_first, only_second);
                    let second: Vec<bool> =
                        [vec![false; only_first], vec![true; only_second], vec![true; alike]].concat();
                    let paired = Paired::of(&counts(&[first]), &counts(&[second])).unwrap();
                    let expected = mcnemar(only_first as u64, only_second as u64);
                    assert!((paired.p_value / expected - 1.0).abs() < 1e-12, "{only_first} {only_second} {paired:?}");
                    let n = (only_first + only_second + alike) as f64;
                    let difference = 100.0 * (only_first as f64 - only_second as f64) / n;
                    assert!((paired.difference - difference).abs() < 1e-12);
                    let squares = (only_first + only_second) as f64 / n - (difference / 100.0).powi(2);
                    let deviation = 100.0 * (squares * n / (n - 1.0).max(1.0)).sqrt();
                    assert!((paired.deviation - deviation).abs() < 1e-9, "{paired:?} {deviation}");
                }
            }
        }
    }

    #[test]
    fn it_agrees_with_scipy_and_with_counting_in_whole_numbers() {
        let golden: serde_json::Value = serde_json::from_str(include_str!("../../golden/paired.json")).unwrap();
        let number = |value: &serde_json::Value| value.as_f64().unwrap();
        for case in golden["cases"].as_array().unwrap() {
            let models = |side: &str| {
                let seeds = case[side].as_array().unwrap().iter();
                let right = |seed: &serde_json::Value| seed.as_str().unwrap().bytes().map(|b| b == b'1').collect();
                counts(&seeds.map(right).collect::<Vec<Vec<bool>>>())
            };
            let paired = Paired::of(&models("first"), &models("second")).unwrap();
            let name = &case["name"];
            assert!((paired.difference - number(&case["difference"])).abs() < 1e-9, "{name} {paired:?}");
            assert!((paired.p_value / number(&case["p_value"]) - 1.0).abs() < 1e-9, "{name} {paired:?}");
            if let Some(range) = case["resampled"].as_array() {
                let is_inside = (number(&range[0])..=number(&range[1])).contains(&paired.p_value);
                assert!(
                    is_inside && (paired.p_value / number(&case["normal"]) - 1.0).abs() < 0.15,
                    "{name} {paired:?}"
                );
            }
        }
        for family in golden["holm"].as_array().unwrap() {
            let list = |name: &str| family[name].as_array().unwrap().iter().map(number).collect::<Vec<f64>>();
            let adjusted = holm(&list("p_values"));
            assert!(adjusted.iter().zip(list("adjusted")).all(|(a, b)| (a - b).abs() < 1e-12), "{adjusted:?} {family}");
        }
    }

    #[test]
    fn an_image_counts_once_however_many_seeds_agree_on_it() {
        let right = |from: usize, to: usize| (0..10).map(|i| (from..to).contains(&i)).collect::<Vec<bool>>();
        let one = Paired::of(&counts(&[right(0, 8)]), &counts(&[right(8, 10)])).unwrap();
        let three = Paired::of(&counts(&vec![right(0, 8); 3]), &counts(&vec![right(8, 10); 3])).unwrap();
        assert!((one.p_value - three.p_value).abs() < 1e-12 && (three.difference - 60.0).abs() < 1e-9);
    }

    #[test]
    fn no_difference_has_no_evidence_and_the_largest_has_the_smallest_p_value() {
        let all = |right: bool, seeds: usize| counts(&vec![vec![right; 10_000]; seeds]);
        let none = Paired { difference: 0.0, deviation: 0.0, p_value: 1.0 };
        assert_eq!(Paired::of(&all(true, 2), &all(true, 3)).unwrap(), none);
        let largest = Paired::of(&all(false, 5), &all(true, 5)).unwrap();
        assert_eq!(largest, Paired { difference: -100.0, deviation: 0.0, p_value: SMALLEST });
        let balanced = |right: bool| counts(&[vec![right, !right, true]]);
        assert_eq!(Paired::of(&balanced(true), &balanced(false)).unwrap().p_value, 1.0);
    }

    #[test]
    fn answers_to_other_images_are_not_compared() {
        let of = |n: usize| counts(&[vec![true; n]]);
        assert_eq!(Paired::of(&of(3), &of(4)), None);
        assert_eq!(RightCounts::of(&[&[true, false], &[true]]), None);
        assert!(RightCounts::of(&[]).is_none() && RightCounts::of(&[&[]]).is_none());
    }

    #[test]
    fn many_seeds_of_odd_numbers_are_compared_on_a_grid_that_is_fine_enough() {
        // 11 and 13 seeds: their least common multiple is 143.
        let model = |seed: usize, ease: usize| (0..500).map(|i| (i * 7919 + seed * 31) % 500 < ease).collect();
        let models =
            |seeds: usize, ease: usize| counts(&(0..seeds).map(|s| model(s, ease)).collect::<Vec<Vec<bool>>>());
        let paired = Paired::of(&models(11, 300), &models(13, 285)).unwrap();
        assert!((paired.difference - 3.0).abs() < 1e-9 && (0.0..1.0).contains(&paired.p_value), "{paired:?}");
    }
}
