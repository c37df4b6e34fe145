//! The square attack (Andriushchenko et al. 2020, Algorithm 1 with the squares of ℓ∞; methods.md §5.2).

use std::ops::Range;

use candle_core::{Result, Tensor};
use rayon::prelude::*;
use retort_spec::Square;

use super::{EvaluationAttack, Target, batch::stack};
use crate::{answers::answers, nn::Network, rng::Stream};

/// Squares that are tried on an image before other images have their turn.
const ROUND: usize = 100;
/// The share of the pixels that the first squares cover.
const FIRST_SHARE: f64 = 0.8;
/// From which square on the share is halved once more.
const HALVED: [usize; 9] = [11, 51, 201, 501, 1_001, 2_001, 4_001, 6_001, 8_001];

impl EvaluationAttack for Square {
    fn tries(&self) -> usize {
        self.queries.div_ceil(ROUND)
    }

    fn images(&self, target: &mut Target<'_>, attempt: u64) -> Result<Tensor> {
        let first = attempt as usize * ROUND;
        let searches = search(target, self.eps.value() as f32, first..self.queries.min(first + ROUND))?;
        let found: Vec<f32> = searches.iter().flat_map(|search| search.image.moved(&search.best)).collect();
        Tensor::from_vec(found, target.natural.shape(), target.natural.device())
    }
}

/// Tries these squares on each image, behind those that were tried before.
fn search(target: &mut Target<'_>, eps: f32, queries: Range<usize>) -> Result<Vec<Search>> {
    let shape = target.natural.dims().to_vec();
    let natural = target.natural.flatten_from(1)?.to_vec2::<f32>()?;
    let mut searches = Vec::with_capacity(natural.len());
    for (natural, index) in natural.into_iter().zip(&target.indices) {
        let stream = target.starts.stream(*index, 0);
        let kept = target.memory.get(index).filter(|_| queries.start > 0);
        let image = Image { natural, shape: [shape[1], shape[2], shape[3]], eps };
        searches.push(Search::new(image, stream, kept.map(Vec::as_slice)));
    }
    if queries.start == 0 {
        let all: Vec<usize> = (0..searches.len()).collect();
        look(target.network, &shape, &mut searches, &all, &target.labels)?;
    }
    for query in queries {
        let open: Vec<usize> = (0..searches.len()).filter(|place| searches[*place].is_open()).collect();
        if open.is_empty() {
            break;
        }
        searches.par_iter_mut().filter(|search| search.is_open()).for_each(|search| search.propose(query));
        look(target.network, &shape, &mut searches, &open, &target.labels)?;
    }
    for (search, index) in searches.iter().zip(&target.indices) {
        target.memory.insert(*index, search.kept());
    }
    Ok(searches)
}

/// The side of the square that is tried as this one, counted from 0, on images of so many rows and columns.
fn side(query: usize, rows: usize, columns: usize) -> usize {
    let halved = HALVED.iter().filter(|from| query >= **from).count() as i32;
    let share = FIRST_SHARE / f64::from(1 << halved);
    ((share * (rows * columns) as f64).sqrt().round_ties_even() as usize).max(1)
}

/// Shows a network what is proposed for the images at these places, and keeps of each what lowers its margin.
fn look(
    network: &mut Network,
    shape: &[usize],
    searches: &mut [Search],
    places: &[usize],
    labels: &[u8],
) -> Result<()> {
    let images: Vec<f32> =
        places.iter().flat_map(|place| searches[*place].image.moved(&searches[*place].proposed)).collect();
    let images = stack(images, places.len(), shape, network)?;
    let logits = network.infer(&images)?.0;
    let found = answers(&logits)?;
    for ((place, row), answer) in places.iter().zip(logits.to_vec2::<f32>()?).zip(found) {
        let margin = answer.map_or(f32::NEG_INFINITY, |_| margin(&row, labels[*place]));
        searches[*place].judge(margin);
    }
    Ok(())
}

/// By how much the label's logit stands above the highest other one.
fn margin(logits: &[f32], label: u8) -> f32 {
    let label = usize::from(label);
    let others = logits.iter().enumerate().filter(|(class, _)| *class != label);
    logits[label] - others.map(|(_, logit)| *logit).fold(f32::NEG_INFINITY, f32::max)
}

/// An image, and the ball around it.
struct Image {
    natural: Vec<f32>,
    /// Channels, rows, columns.
    shape: [usize; 3],
    eps: f32,
}

impl Image {
    /// Each pixel at the upper or the lower border of the ball.
    fn moved<'a>(&'a self, is_up: &'a [bool]) -> impl Iterator<Item = f32> + 'a {
        let by = |is_up: bool| if is_up { self.eps } else { -self.eps };
        self.natural.iter().zip(is_up).map(move |(natural, is_up)| (natural + by(*is_up)).clamp(0.0, 1.0))
    }
}

/// The search on one image.
struct Search {
    image: Image,
    stream: Stream,
    /// Which pixels are at the upper border, where the margin is least, and that margin.
    best: Vec<bool>,
    margin: f32,
    /// What is shown to the network next.
    proposed: Vec<bool>,
    /// The margins that it was told.
    #[cfg(test)]
    margins: Vec<f32>,
}

impl Search {
    /// A search that begins with stripes, or goes on from what was kept of it.
    fn new(image: Image, stream: Stream, kept: Option<&[u8]>) -> Self {
        let [_, rows, columns] = image.shape;
        let places = 0..image.natural.len();
        let (best, margin) = if let Some((margin, bits)) = kept.and_then(<[u8]>::split_first_chunk) {
            let is_up = |place: usize| bits.get(place / 8).is_some_and(|byte| byte >> (place % 8) & 1 == 1);
            (places.map(is_up).collect(), f32::from_le_bytes(*margin))
        } else {
            let mut signs = stream.split(0);
            let stripes: Vec<bool> = (0..image.shape[0] * columns).map(|_| signs.below(2) == 1).collect();
            let is_up = |place: usize| stripes[place / (rows * columns) * columns + place % columns];
            (places.map(is_up).collect(), f32::INFINITY)
        };
        Self {
            image,
            stream,
            proposed: Vec::clone(&best),
            best,
            margin,
            #[cfg(test)]
            margins: Vec::new(),
        }
    }

    /// What it goes on from.
    fn kept(&self) -> Vec<u8> {
        let bytes = self.best.chunks(8).map(|bits| bits.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit)));
        self.margin.to_le_bytes().into_iter().chain(bytes).collect()
    }

    /// Whether the network still answers rightly.
    fn is_open(&self) -> bool {
        self.margin > 0.0
    }

    /// Moves a square at random, each channel of it up or down.
    fn propose(&mut self, query: usize) {
        let [channels, rows, columns] = self.image.shape;
        let side = side(query, rows, columns);
        let mut draw = self.stream.split(1 + query as u64);
        // The authors' code draws below the last place too.
        let [row, column] = [rows, columns].map(|size| draw.below((size.saturating_sub(side)).max(1) as u32) as usize);
        self.proposed.clone_from(&self.best);
        for channel in 0..channels {
            let is_up = draw.below(2) == 1;
            for row in row..(row + side).min(rows) {
                let line = (channel * rows + row) * columns;
                self.proposed[line + column..line + (column + side).min(columns)].fill(is_up);
            }
        }
    }

    /// Keeps what was proposed, if it lowers the margin.
    fn judge(&mut self, margin: f32) {
        #[cfg(test)]
        self.margins.push(margin);
        if margin < self.margin {
            self.margin = margin;
            std::mem::swap(&mut self.best, &mut self.proposed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{attacks::golden_tests::Setting, golden::Golden, rng::Purpose};

    #[test]
    fn it_sees_the_margins_that_the_authors_code_sees() {
        let golden = Golden::read("fab_square");
        let mut setting = Setting::new();
        let mut found = Vec::new();
        let mut target = setting.target();
        // In two rounds: the second goes on from what the first kept.
        for queries in [0..ROUND, ROUND..120] {
            found.push(super::search(&mut target, 8.0 / 255.0, queries).unwrap());
        }
        let second = found.pop().unwrap();
        let margins = found.pop().unwrap().into_iter().zip(second).flat_map(|(first, second)| {
            let mut margins = [first.margins, second.margins].concat();
            margins.resize(121, 0.0);
            margins
        });
        golden.hold("square.margins", &margins.collect::<Vec<_>>(), 1e-4);
    }

    fn search(kept: Option<&[u8]>) -> Search {
        let image = Image { natural: vec![0.5; 3 * 32 * 32], shape: [3, 32, 32], eps: 0.1 };
        Search::new(image, Stream::new(1, Purpose::Test, 0, 0), kept)
    }

    #[test]
    fn squares_shrink_by_the_schedule() {
        let sides: Vec<usize> =
            [0, 10, 11, 50, 51, 201, 501, 1_001, 2_001, 4_001, 4_999].map(|query| side(query, 32, 32)).to_vec();
        assert_eq!(sides, [29, 29, 20, 20, 14, 10, 7, 5, 4, 3, 3]);
        assert_eq!(side(9_000, 4, 4), 1);
    }

    #[test]
    fn it_begins_with_stripes_and_moves_one_square_in_one_direction_a_channel() {
        let mut search = search(None);
        let column = |bits: &[bool], channel: usize, column: usize| -> Vec<bool> {
            (0..32).map(|row| bits[(channel * 32 + row) * 32 + column]).collect()
        };
        for (channel, at) in [(0, 0), (1, 7), (2, 31)] {
            let stripe = column(&search.best, channel, at);
            assert!(stripe.iter().all(|bit| *bit == stripe[0]));
        }
        let first = &search.best[..32];
        assert!(first.contains(&true) && first.contains(&false));
        search.best.fill(false);
        let mut moved = 0;
        for query in 300..320 {
            search.propose(query);
            for channel in search.proposed.chunks_exact(32 * 32) {
                let places: Vec<usize> = (0..32 * 32).filter(|place| channel[*place]).collect();
                let (rows, columns): (Vec<_>, Vec<_>) = places.iter().map(|place| (place / 32, place % 32)).unzip();
                if let (Some(low), Some(high), Some(left), Some(right)) =
                    (rows.iter().min(), rows.iter().max(), columns.iter().min(), columns.iter().max())
                {
                    assert!(places.len() == 100 && high - low == 9 && right - left == 9);
                    moved += 1;
                }
            }
        }
        assert!((10..50).contains(&moved), "{moved}");
    }

    #[test]
    fn it_keeps_what_lowers_the_margin_and_goes_on_from_what_was_kept() {
        let mut search = search(None);
        search.judge(2.0);
        let stripes = search.best.clone();
        search.propose(0);
        search.judge(2.0);
        assert_eq!(search.best, stripes);
        search.propose(1);
        let better = search.proposed.clone();
        search.judge(0.5);
        assert!(search.best == better && better != stripes && search.is_open());
        let again = self::search(Some(&search.kept()));
        assert!(again.best == better && again.margin.to_bits() == 0.5f32.to_bits());
        search.judge(0.0);
        assert!(!search.is_open());
    }
}
