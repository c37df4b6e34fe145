//! The memory bank of contrastive distillation: one embedding a training image (methods.md §2.1).

use std::sync::Arc;

use candle_core::{Device, Result, Tensor};
use rayon::prelude::*;
use retort_spec::Positive;

use crate::{
    ops::Chosen,
    rng::{Purpose, Stream},
};

/// Rows `[M, d]`, each the running embedding of a training image.
pub(super) struct MemoryBank {
    rows: Tensor,
    momentum: f64,
}

impl MemoryBank {
    /// Rows uniform in ±1/√(d/3), whose expected squared norm is 1. `which` tells the banks of one run apart.
    pub(super) fn new(seed: u64, which: u64, (m, d): (usize, usize), momentum: f64, device: &Device) -> Result<Self> {
        let bound = 1.0 / (d as f32 / 3.0).sqrt();
        let mut stream = Stream::new(seed, Purpose::MemoryBank, which, 0);
        let values: Vec<f32> = (0..m * d).map(|_| stream.uniform(-bound, bound)).collect();
        Ok(Self { rows: Tensor::from_vec(values, (m, d), device)?, momentum })
    }

    pub(super) const fn rows(&self) -> &Tensor {
        &self.rows
    }

    pub(super) fn restore(&mut self, rows: Tensor) {
        self.rows = rows;
    }

    /// row ← normalise(momentum·row + (1 − momentum)·embedding), for the images of a batch.
    pub(super) fn update(&mut self, indices: &[u32], embeddings: &Tensor) -> Result<()> {
        let at = Tensor::new(indices, self.rows.device())?;
        let old = self.rows.index_select(&at, 0)?;
        let mixed = ((old * self.momentum)? + (embeddings.detach() * (1.0 - self.momentum))?)?;
        let fresh = mixed.broadcast_div(&(mixed.sqr()?.sum_keepdim(1)? + 1e-12)?.sqrt()?)?;
        for (i, index) in indices.iter().enumerate() {
            self.rows.slice_set(&fresh.narrow(0, i, 1)?.contiguous()?, 0, *index as usize)?;
        }
        Ok(())
    }
}

/// For every anchor a positive row, and `k` rows of other classes drawn without replacement (with, where there are fewer
/// than k) (methods.md §2.1).
pub(crate) struct Sampler {
    positive: Positive,
    /// By class: its training images.
    own: Vec<Vec<u32>>,
    /// By class: the training images of all other classes.
    others: Vec<Vec<u32>>,
    k: usize,
    /// Rows of the bank.
    rows: usize,
}

/// Rows whose counts are turned from anchor by anchor to row by row at a time.
const ROWS: usize = 64;

impl Sampler {
    pub(crate) fn new(labels: &[u8], classes: usize, positive: Positive, k: usize) -> Self {
        let images = |of: &dyn Fn(usize) -> bool| -> Vec<u32> {
            (0..labels.len() as u32).filter(|i| of(usize::from(labels[*i as usize]))).collect()
        };
        let own = (0..classes).map(|class| images(&|label| label == class)).collect();
        let others = (0..classes).map(|class| images(&|label| label != class)).collect();
        Self { positive, own, others, k, rows: labels.len() }
    }

    /// Draws for a batch. Every anchor has a stream of its own, split off from `stream`.
    pub(crate) fn draw(&self, indices: &[u32], labels: &[u8], stream: &Stream) -> Result<Arc<Chosen>> {
        let mut drawn = vec![0u8; indices.len() * self.rows];
        let anchors = drawn.par_chunks_exact_mut(self.rows).zip(labels).enumerate();
        anchors.try_for_each(|(i, (counts, label))| self.draw_one(*label, &mut stream.split(i as u64), counts))?;
        // A few rows at a time, so that what is read of every anchor stays in the cache.
        let mut negatives = vec![0u8; drawn.len()];
        negatives.par_chunks_mut((ROWS * indices.len()).max(1)).enumerate().for_each(|(i, negatives)| {
            for (anchor, counts) in drawn.chunks_exact(self.rows).enumerate() {
                let to = negatives.iter_mut().skip(anchor).step_by(indices.len());
                for (to, count) in to.zip(&counts[i * ROWS..]) {
                    *to = *count;
                }
            }
        });
        let positives = match self.positive {
            Positive::Exact => indices.to_vec(),
            Positive::Relaxed => {
                let any = |(i, label): (usize, &u8)| {
                    let own = &self.own[usize::from(*label)];
                    own[stream.split((indices.len() + i) as u64).below(own.len() as u32) as usize]
                };
                labels.iter().enumerate().map(any).collect()
            }
        };
        Ok(Arc::new(Chosen { positives, negatives }))
    }

    fn draw_one(&self, label: u8, stream: &mut Stream, counts: &mut [u8]) -> Result<()> {
        let others = &self.others[usize::from(label)];
        if others.is_empty() {
            candle_core::bail!("all training images are of one class: there is nothing to contrast with");
        }
        let n = others.len();
        let mut any = || others[stream.below(n as u32) as usize] as usize;
        if self.k > n {
            for _ in 0..self.k {
                let count = &mut counts[any()];
                let Some(more) = count.checked_add(1) else {
                    candle_core::bail!("{} negatives are too many for {n} images of other classes", self.k);
                };
                *count = more;
            }
            return Ok(());
        }
        // Draws that hit a row twice are repeated; of more than half the rows, those that are left out are drawn.
        let (drawn, rest) = if self.k > n / 2 { (n - self.k, 0) } else { (self.k, 1) };
        for row in others {
            counts[*row as usize] = 1 - rest;
        }
        for _ in 0..drawn {
            let count = loop {
                let count = &mut counts[any()];
                if *count != rest {
                    break count;
                }
            };
            *count = rest;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing;

    #[test]
    fn rows_start_with_a_squared_norm_of_one_on_average() {
        let bank = MemoryBank::new(1, 0, (2_000, 128), 0.5, &Device::Cpu).unwrap();
        let mean = testing::dot(bank.rows(), bank.rows()) / 2_000.0;
        assert!((mean - 1.0).abs() < 0.01, "{mean}");
    }

    #[test]
    fn an_update_moves_the_rows_of_the_batch_half_way_and_no_others() {
        let mut bank = MemoryBank::new(1, 0, (5, 2), 0.5, &Device::Cpu).unwrap();
        let before = bank.rows().to_vec2::<f32>().unwrap();
        bank.update(&[3, 1], &Tensor::new(&[[1f32, 0.0], [0.0, -1.0]], &Device::Cpu).unwrap()).unwrap();
        let after = bank.rows().to_vec2::<f32>().unwrap();
        let (x, y) = (f64::from(before[3][0]) + 1.0, f64::from(before[3][1]));
        let norm = x.hypot(y);
        assert!((f64::from(after[3][0]) - x / norm).abs() < 1e-6 && (f64::from(after[3][1]) - y / norm).abs() < 1e-6);
        for row in [0, 2, 4] {
            assert_eq!(after[row], before[row]);
        }
    }

    #[test]
    fn negatives_are_distinct_and_of_other_classes() {
        let labels: Vec<u8> = (0..60).map(|i| i % 3).collect();
        let stream = Stream::new(1, Purpose::Test, 0, 0);
        // Fewer and more than half of the 40 images of other classes, and all of them.
        for k in [3, 25, 40] {
            let chosen = Sampler::new(&labels, 3, Positive::Exact, k).draw(&[4, 9], &[1, 0], &stream).unwrap();
            assert_eq!(chosen.positives, [4, 9]);
            for (anchor, label) in [1, 0].into_iter().enumerate() {
                let counts = || chosen.negatives.iter().skip(anchor).step_by(2);
                assert!(counts().zip(&labels).all(|(count, of)| *count <= u8::from(*of != label)));
                assert_eq!(counts().map(|c| usize::from(*c)).sum::<usize>(), k);
            }
        }
    }

    #[test]
    fn a_relaxed_positive_is_any_image_of_the_same_class() {
        let labels: Vec<u8> = (0..30).map(|i| i % 3).collect();
        let sampler = Sampler::new(&labels, 3, Positive::Relaxed, 5);
        let mut seen = [false; 30];
        for i in 0..200 {
            let chosen = sampler.draw(&[4, 9], &[1, 0], &Stream::new(1, Purpose::Test, i, 0)).unwrap();
            assert_eq!(chosen.positives.iter().map(|p| labels[*p as usize]).collect::<Vec<_>>(), [1, 0]);
            seen[chosen.positives[0] as usize] = true;
        }
        assert_eq!(seen.iter().filter(|seen| **seen).count(), 10);
    }

    #[test]
    fn every_row_of_another_class_is_drawn_equally_often() {
        let labels: Vec<u8> = (0..30).map(|i| i % 3).collect();
        let negatives = Sampler::new(&labels, 3, Positive::Exact, 7);
        let mut sums = vec![0u32; 30];
        for i in 0..3_000 {
            let stream = Stream::new(1, Purpose::Test, i, 0);
            let chosen = negatives.draw(&[0], &[0], &stream).unwrap();
            for (sum, count) in sums.iter_mut().zip(&chosen.negatives) {
                *sum += u32::from(*count);
            }
        }
        // 3,000 draws of 7 among 20: 1,050 each, give or take four deviations of 26.
        assert!(
            sums.iter().zip(&labels).all(|(s, l)| if *l == 0 { *s == 0 } else { s.abs_diff(1_050) < 105 }),
            "{sums:?}"
        );
    }

    #[test]
    fn more_negatives_than_there_are_rows_are_drawn_with_replacement() {
        let labels = [0, 0, 1, 1, 1];
        let stream = Stream::new(1, Purpose::Test, 0, 0);
        let chosen = Sampler::new(&labels, 2, Positive::Exact, 100).draw(&[0], &[0], &stream).unwrap();
        assert_eq!(chosen.negatives[..2], [0, 0]);
        assert_eq!(chosen.negatives.iter().map(|c| u32::from(*c)).sum::<u32>(), 100);
        assert!(Sampler::new(&labels, 2, Positive::Exact, 10_000).draw(&[0], &[0], &stream).is_err());
    }
}
