//! The contrast of CRD and GACD: noise-contrastive estimation against rows of a memory bank (methods.md §2.1).

use std::sync::Arc;

use candle_core::{Device, Result, Tensor};

use crate::ops::{Chosen, NoiseContrast, noise_contrast, softplus};

/// The constants of the contrast.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Contrast {
    /// T.
    pub temperature: f64,
    /// k / M: negatives over rows of the bank.
    pub noise_ratio: f64,
}

impl Contrast {
    /// ln Z of unit anchors `[B, d]` against the chosen rows of a bank: Z = M · mean(exp(s/T)) over the positive and the k
    /// negatives of each, which CRD's code fixes on the first batch.
    pub(crate) fn log_normaliser(self, anchors: &Tensor, bank: &Tensor, chosen: &Chosen) -> Result<f64> {
        let (m, b) = (bank.dim(0)?, chosen.positives.len());
        let similarities = anchors.detach().matmul(&bank.t()?)?.to_device(&Device::Cpu)?.to_vec2::<f32>()?;
        // Each row's share of exp(s/T), with the largest logit taken out so that nothing overflows.
        let mut terms = Vec::new();
        for (anchor, (row, positive)) in similarities.iter().zip(&chosen.positives).enumerate() {
            terms.push((f64::from(row[*positive as usize]) / self.temperature, 1.0));
            let negatives = chosen.negatives.iter().skip(anchor).step_by(b);
            let drawn = row.iter().zip(negatives).filter(|(_, n)| **n > 0);
            terms.extend(drawn.map(|(s, n)| (f64::from(*s) / self.temperature, f64::from(*n))));
        }
        let most = terms.iter().fold(f64::NEG_INFINITY, |m, t| m.max(t.0));
        let (sum, count) = terms.iter().fold((0.0, 0.0), |(s, c), (x, n)| (s + n * (x - most).exp(), c + n));
        Ok((m as f64).ln() + most + (sum / count).ln())
    }

    /// −log h(positive) − Σ log(1 − h(negative)) of every anchor, `[B]`, h = eˢ/ᵀ / (eˢ/ᵀ + Z·k/M).
    pub(crate) fn losses(
        self,
        anchors: &Tensor,
        bank: &Tensor,
        chosen: &Arc<Chosen>,
        log_normaliser: f64,
    ) -> Result<Tensor> {
        let offset = self.offset(log_normaliser);
        noise_contrast(anchors, bank, chosen, NoiseContrast { temperature: self.temperature, offset })
    }

    /// −log h of positives whose similarities `[B]` to their anchors are in the graph.
    pub(crate) fn positive_losses(self, similarities: &Tensor, log_normaliser: f64) -> Result<Tensor> {
        softplus(&similarities.affine(-1.0 / self.temperature, self.offset(log_normaliser))?)
    }

    /// ln(Z·k/M).
    fn offset(self, log_normaliser: f64) -> f64 {
        log_normaliser + self.noise_ratio.ln()
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::ops::testing;

    const K: usize = 16_384;
    const M: usize = 50_000;

    fn contrast(k: usize, m: usize) -> Contrast {
        Contrast { temperature: 0.1, noise_ratio: k as f64 / m as f64 }
    }

    /// One anchor of one dimension, and a bank whose rows are the similarities: the positive's, then the negatives'.
    fn one(similarities: &[f32]) -> (Tensor, Tensor, Arc<Chosen>) {
        let bank = Tensor::from_slice(similarities, (similarities.len(), 1), &Device::Cpu).unwrap();
        let mut negatives = vec![1; similarities.len()];
        negatives[0] = 0;
        let anchor = Tensor::new(&[[1f32]], &Device::Cpu).unwrap();
        (anchor, bank, Arc::new(Chosen { positives: vec![0], negatives }))
    }

    #[test]
    fn equal_scores_give_the_closed_form_of_the_loss() {
        // ln(k+1) + k·ln(1 + 1/k) = 10.704 at k = 16,384 (methods.md §2.1 oracle a). M only scales Z, so k + 1 rows do.
        let (anchor, bank, chosen) = one(&vec![1.0; K + 1]);
        let contrast = contrast(K, K + 1);
        let z = contrast.log_normaliser(&anchor, &bank, &chosen).unwrap();
        let found = testing::values(&contrast.losses(&anchor, &bank, &chosen, z).unwrap())[0];
        let k = K as f64;
        let expected = (k + 1.0).ln() + k * (1.0 + 1.0 / k).ln();
        assert!((expected - 10.704).abs() < 1e-3 && (f64::from(found) - expected).abs() < 1e-3, "{found}");
    }

    #[test]
    fn the_oracle_with_three_negatives_holds_with_and_without_normaliser() {
        // s⁺ = .9, s⁻ = (.1, −.2, 0), T = .1, k = 3, M = 10, w = .8 (methods.md §2.1 oracle d).
        let (anchor, bank, chosen) = one(&[0.9, 0.1, -0.2, 0.0]);
        for (z, expected) in [(1f64, 3.317_895), (20.0, 0.440_687)] {
            let loss = testing::values(&contrast(3, 10).losses(&anchor, &bank, &chosen, z.ln()).unwrap())[0];
            assert!((0.8 * f64::from(loss) - expected).abs() < 1e-5, "{loss}");
        }
    }

    #[test]
    fn h_of_two_similarities_is_the_papers() {
        // Z = 1, T = .1: h(0) = 0.753194, h(.5) = 0.997797 (methods.md §2.1 oracle c); −log h is the positive's loss.
        for (similarity, h) in [(0.0f32, 0.753_194f64), (0.5, 0.997_797)] {
            let (anchor, bank, chosen) = one(&[similarity]);
            let loss = testing::values(&contrast(K, M).losses(&anchor, &bank, &chosen, 0.0).unwrap())[0];
            assert!((f64::from(-loss).exp() - h).abs() < 1e-6);
        }
    }

    #[test]
    fn random_unit_vectors_have_the_expected_normaliser() {
        // E[exp(s/T)] = 1.476 for random directions of 128 dimensions at T = .1 (methods.md §2.1 oracle b), so that
        // Z = 1.476 · M.
        let mut stream = crate::rng::Stream::new(1, crate::rng::Purpose::Test, 0, 0);
        let mut unit = |n: usize| {
            let values: Vec<f32> = (0..n * 128).map(|_| stream.normal()).collect();
            let t = Tensor::from_vec(values, (n, 128), &Device::Cpu).unwrap();
            t.broadcast_div(&t.sqr().unwrap().sum_keepdim(1).unwrap().sqrt().unwrap()).unwrap()
        };
        let (anchors, bank) = (unit(64), unit(2000));
        let chosen = Chosen { positives: vec![0; 64], negatives: vec![1; 64 * 2000] };
        let z = contrast(K, M).log_normaliser(&anchors, &bank, &chosen).unwrap().exp();
        assert!((z / 2000.0 / 1.476 - 1.0).abs() < 0.03, "{z}");
    }
}
