//! The memory bank of contrastive distillation: one embedding a training image (methods.md §2.1).

use candle_core::{Device, Result, Tensor};

use crate::rng::{Purpose, Stream};

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

/// For every anchor the row of its own image, then `k` rows of other classes drawn without replacement (with, where
/// there are fewer than k): `[B, k+1]` (methods.md §2.1, `exact`).
pub(super) struct Negatives {
    /// By class: the training images of all other classes.
    others: Vec<Vec<u32>>,
    k: usize,
}

impl Negatives {
    pub(super) fn new(labels: &[u8], classes: usize, k: usize) -> Self {
        let others = (0..classes)
            .map(|class| (0..labels.len() as u32).filter(|i| usize::from(labels[*i as usize]) != class).collect())
            .collect();
        Self { others, k }
    }

    pub(super) fn draw(&self, indices: &[u32], labels: &[u8], stream: &mut Stream, device: &Device) -> Result<Tensor> {
        let mut chosen = Vec::with_capacity(indices.len() * (self.k + 1));
        for (index, label) in indices.iter().zip(labels) {
            chosen.push(*index);
            let others = &self.others[usize::from(*label)];
            if others.is_empty() {
                candle_core::bail!("all training images are of one class: there is nothing to contrast with");
            }
            if self.k > others.len() {
                chosen.extend((0..self.k).map(|_| others[stream.below(others.len() as u32) as usize]));
            } else {
                let mut pool = others.clone();
                stream.shuffle_first(self.k, &mut pool);
                chosen.extend_from_slice(&pool[..self.k]);
            }
        }
        Tensor::from_vec(chosen, (indices.len(), self.k + 1), device)
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
        let negatives = Negatives::new(&labels, 3, 25);
        let mut stream = Stream::new(1, Purpose::Test, 0, 0);
        let chosen = negatives.draw(&[4, 9], &[1, 0], &mut stream, &Device::Cpu).unwrap().to_vec2::<u32>().unwrap();
        for (row, (own, label)) in chosen.iter().zip([(4, 1), (9, 0)]) {
            assert_eq!(row[0], own);
            let mut rest = row[1..].to_vec();
            assert!(rest.iter().all(|i| labels[*i as usize] != label));
            rest.sort_unstable();
            rest.dedup();
            assert_eq!(rest.len(), 25);
        }
    }
}
