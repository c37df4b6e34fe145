//! Random numbers from counter-based streams: which number is drawn depends on the seed, the purpose, the epoch and the
//! step alone, never on what was drawn before. So a resumed run draws what it would have drawn, on any device.
//!
//! The bits come from ChaCha8; how they become floats, bounds and permutations is written here, so that the numbers
//! stay the same whatever a library changes.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

/// What random numbers are for; each purpose has streams of its own. The numbers of the variants are part of the
/// meaning of a seed: they never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Initial weights of a network.
    Weights = 1,
    /// Order of the training images.
    Shuffle = 2,
    /// Crops and flips.
    Augment = 3,
    /// Start of an attack inside training.
    InnerAttack = 4,
    /// Start of an attack in an evaluation.
    Attack = 5,
    /// Initial weights of the embedding heads.
    Heads = 6,
    /// Initial rows of the memory banks.
    MemoryBank = 7,
    /// Negatives of the contrast.
    Negatives = 8,
    /// The linear classifier: its weights and its order.
    Classifier = 9,
    /// Choice of a dataset's subset.
    Subset = 10,
    /// Numbers to measure speed on.
    Bench = 11,
    /// Start of the search for principal components.
    Components = 12,
    /// Start of the attack on validation images.
    Validation = 13,
    /// Start of the attack whose loss is followed step by step.
    LossCurve = 14,
    /// Start of the attacks whose images are looked at.
    Analysis = 15,
    /// Numbers for tests.
    #[cfg(test)]
    Test = 255,
}

/// One stream of random numbers.
#[derive(Clone, Debug)]
pub struct Stream(ChaCha8Rng);

impl Stream {
    /// The stream of `seed` for a purpose; `major` and `minor` are its place in the run, such as the epoch and the step.
    pub fn new(seed: u64, purpose: Purpose, major: u64, minor: u64) -> Self {
        let mut key = [0u8; 32];
        for (part, value) in key.chunks_exact_mut(8).zip([seed, purpose as u64, major, minor]) {
            part.copy_from_slice(&value.to_le_bytes());
        }
        Self(ChaCha8Rng::from_seed(key))
    }

    /// The `index`-th of many streams that share this one's key and start at their beginning, whatever was drawn from this.
    #[must_use]
    pub fn split(&self, index: u64) -> Self {
        let mut rng = self.0.clone();
        rng.set_stream(index + 1);
        rng.set_word_pos(0);
        Self(rng)
    }

    /// Uniform in `[low, high)`, on a grid of 2²⁴ values.
    pub fn uniform(&mut self, low: f32, high: f32) -> f32 {
        let unit = (self.0.next_u32() >> 8) as f32 / 16_777_216.0;
        low + (high - low) * unit
    }

    /// A whole number below `n`, every one equally likely (Lemire's multiplication with rejection).
    ///
    /// `n` must be at least 1.
    pub fn below(&mut self, n: u32) -> u32 {
        loop {
            let wide = u64::from(self.0.next_u32()) * u64::from(n);
            // The threshold is below n: most draws are spared its division.
            if wide as u32 >= n || wide as u32 >= n.wrapping_neg() % n {
                return (wide >> 32) as u32;
            }
        }
    }

    /// Normal with mean 0 and standard deviation 1 (Box and Muller 1958).
    pub fn normal(&mut self) -> f32 {
        let unit = |bits: u32| (f64::from(bits) + 0.5) / 4_294_967_296.0;
        let (u, v) = (unit(self.0.next_u32()), unit(self.0.next_u32()));
        ((-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()) as f32
    }

    /// Puts the items in random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        self.shuffle_first(items.len(), items);
    }

    /// Makes the first `count` items a random draw without replacement from all of them.
    pub fn shuffle_first<T>(&mut self, count: usize, items: &mut [T]) {
        for i in 0..count.min(items.len()) {
            let rest = (items.len() - i) as u32;
            items.swap(i, i + self.below(rest) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_the_same_each_time_and_differs_by_every_part_of_its_key() {
        let draw = |seed, purpose, major, minor| {
            let mut stream = Stream::new(seed, purpose, major, minor);
            [stream.below(u32::MAX), stream.below(u32::MAX)]
        };
        let first = draw(1, Purpose::Shuffle, 2, 3);
        assert_eq!(first, draw(1, Purpose::Shuffle, 2, 3));
        for other in [draw(2, Purpose::Shuffle, 2, 3), draw(1, Purpose::Augment, 2, 3), draw(1, Purpose::Shuffle, 3, 2)]
        {
            assert_ne!(first, other);
        }
    }

    #[test]
    fn streams_split_off_differ_from_each_other_and_not_by_what_was_drawn_before() {
        let mut stream = Stream::new(1, Purpose::Test, 0, 0);
        let first = stream.split(0).below(u32::MAX);
        assert_ne!(first, stream.split(1).below(u32::MAX));
        assert_ne!(first, stream.below(u32::MAX));
        assert_eq!(first, stream.split(0).below(u32::MAX));
    }

    #[test]
    fn moments_are_those_of_the_distributions() {
        let mut stream = Stream::new(7, Purpose::Test, 0, 0);
        let n = 100_000;
        let normals: Vec<f64> = (0..n).map(|_| f64::from(stream.normal())).collect();
        let mean = normals.iter().sum::<f64>() / f64::from(n);
        let variance = normals.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / f64::from(n);
        assert!(mean.abs() < 0.015 && (variance - 1.0).abs() < 0.02, "{mean} {variance}");
        let uniform = (0..n).map(|_| f64::from(stream.uniform(-2.0, 4.0))).sum::<f64>() / f64::from(n);
        assert!((uniform - 1.0).abs() < 0.02, "{uniform}");
        let mut counts = [0; 3];
        (0..30_000).for_each(|_| counts[stream.below(3) as usize] += 1);
        assert!(counts.iter().all(|c| (9_700..10_300).contains(c)), "{counts:?}");
    }

    #[test]
    fn a_shuffle_keeps_every_item() {
        let mut items: Vec<u32> = (0..100).collect();
        Stream::new(1, Purpose::Test, 0, 0).shuffle(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }
}
