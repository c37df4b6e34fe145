//! The contrast of CRD and GACD: noise-contrastive estimation against rows of a memory bank (methods.md §2.1).

use candle_core::{Result, Tensor};

/// The constants of the contrast.
#[derive(Clone, Copy, Debug)]
pub(super) struct Contrast {
    /// T.
    pub temperature: f64,
    /// k / M: negatives over rows of the bank.
    pub noise_ratio: f64,
}

impl Contrast {
    /// The scaled scores s/T of every anchor against the chosen rows, `[B, k+1]`: anchors are unit vectors `[B, d]`, the
    /// bank is `[M, d]`, `chosen` is `[B, k+1]` with the positive in column 0.
    pub(super) fn scores(self, anchors: &Tensor, bank: &Tensor, chosen: &Tensor) -> Result<Tensor> {
        // One product with the whole bank and a gather of numbers is far smaller than a gather of its rows.
        let all = anchors.matmul(&bank.t()?)?;
        (all.gather(chosen, 1)? / self.temperature)?.contiguous()
    }

    /// ln Z of these scores: Z = M · mean(exp(s/T)), which CRD's code fixes on the first batch.
    pub(super) fn log_normaliser(scores: &Tensor, bank_rows: usize) -> Result<f64> {
        let values: Vec<f32> = scores.flatten_all()?.to_vec1()?;
        let most = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = values.iter().map(|s| f64::from(s - most).exp()).sum();
        Ok((bank_rows as f64).ln() + f64::from(most) + (sum / values.len() as f64).ln())
    }

    /// −log h(positive) − Σ log(1 − h(negative)) of every anchor, `[B]`, h = eˢ/ᵀ / (eˢ/ᵀ + Z·k/M), without overflow:
    /// with off = ln Z + ln(k/M), −log h = softplus(off − s/T) and −log(1 − h) = softplus(s/T − off).
    pub(super) fn losses(self, scores: &Tensor, log_normaliser: f64) -> Result<Tensor> {
        let logits = (scores - (log_normaliser + self.noise_ratio.ln()))?;
        let negatives = logits.dim(1)? - 1;
        let positive = softplus(&logits.narrow(1, 0, 1)?.contiguous()?.neg()?)?.sum(1)?;
        positive + softplus(&logits.narrow(1, 1, negatives)?.contiguous()?)?.sum(1)?
    }
}

/// ln(1 + eˣ) = max(x, 0) + ln(1 + e^−|x|).
fn softplus(x: &Tensor) -> Result<Tensor> {
    x.relu()? + (x.abs()?.neg()?.exp()? + 1.0)?.log()?
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;
    use crate::ops::testing;

    const K: usize = 16_384;
    const M: usize = 50_000;

    fn contrast(k: usize, m: usize) -> Contrast {
        Contrast { temperature: 0.1, noise_ratio: k as f64 / m as f64 }
    }

    #[test]
    fn equal_scores_give_the_closed_form_of_the_loss() {
        // ln(k+1) + k·ln(1 + 1/k) = 10.704 at k = 16,384 (methods.md §2.1 oracle a).
        let scores = Tensor::ones((2, K + 1), candle_core::DType::F32, &Device::Cpu).unwrap();
        let z = Contrast::log_normaliser(&scores, M).unwrap();
        let found = testing::values(&contrast(K, M).losses(&scores, z).unwrap())[0];
        let k = K as f64;
        let expected = (k + 1.0).ln() + k * (1.0 + 1.0 / k).ln();
        assert!((expected - 10.704).abs() < 1e-3 && (f64::from(found) - expected).abs() < 1e-3, "{found}");
    }

    #[test]
    fn the_oracle_with_three_negatives_holds_with_and_without_normaliser() {
        // s⁺ = .9, s⁻ = (.1, −.2, 0), T = .1, k = 3, M = 10, w = .8 (methods.md §2.1 oracle d).
        let scores = Tensor::new(&[[9f32, 1.0, -2.0, 0.0]], &Device::Cpu).unwrap();
        for (z, expected) in [(1f64, 3.317_895), (20.0, 0.440_687)] {
            let loss = testing::values(&contrast(3, 10).losses(&scores, z.ln()).unwrap())[0];
            assert!((0.8 * f64::from(loss) - expected).abs() < 1e-5, "{loss}");
        }
    }

    #[test]
    fn h_of_two_similarities_is_the_papers() {
        // Z = 1, T = .1: h(0) = 0.753194, h(.5) = 0.997797 (methods.md §2.1 oracle c); −log h is the positive's loss.
        for (similarity, h) in [(0.0f32, 0.753_194f64), (0.5, 0.997_797)] {
            let scores = Tensor::new(&[[similarity / 0.1, -1000.0]], &Device::Cpu).unwrap();
            let loss = testing::values(&contrast(K, M).losses(&scores, 0.0).unwrap())[0];
            assert!((f64::from(-loss).exp() - h).abs() < 1e-6);
        }
    }

    #[test]
    fn random_unit_vectors_have_the_expected_normaliser() {
        // E[exp(s/T)] = 1.476 for random directions of 128 dimensions at T = .1 (methods.md §2.1 oracle b).
        let mut stream = crate::rng::Stream::new(1, crate::rng::Purpose::Test, 0, 0);
        let mut unit = |n: usize| {
            let values: Vec<f32> = (0..n * 128).map(|_| stream.normal()).collect();
            let t = Tensor::from_vec(values, (n, 128), &Device::Cpu).unwrap();
            t.broadcast_div(&t.sqr().unwrap().sum_keepdim(1).unwrap().sqrt().unwrap()).unwrap()
        };
        let (anchors, bank) = (unit(64), unit(2000));
        let chosen: Vec<u32> = (0..64).flat_map(|_| 0..2000).collect();
        let chosen = Tensor::from_vec(chosen, (64, 2000), &Device::Cpu).unwrap();
        let scores = contrast(K, M).scores(&anchors, &bank, &chosen).unwrap();
        let z = Contrast::log_normaliser(&scores, M).unwrap().exp();
        assert!((z / 73_809.0 - 1.0).abs() < 0.03, "{z}");
    }

    #[test]
    fn the_gradient_reaches_the_anchors_and_is_the_slope() {
        let bank = testing::tensor(1, (20, 8));
        let chosen = Tensor::new(&[[3u32, 5, 9, 14], [0, 2, 17, 19]], &Device::Cpu).unwrap();
        let contrast = Contrast { temperature: 0.5, noise_ratio: 3.0 / 20.0 };
        let loss = |anchors: &Tensor| {
            contrast.losses(&contrast.scores(anchors, &bank, &chosen).unwrap(), 2.0).unwrap().sum_all().unwrap()
        };
        let anchors = Var::from_tensor(&testing::tensor(2, (2, 8))).unwrap();
        let gradient = loss(&anchors).backward().unwrap().get(&anchors).unwrap().clone();
        let value = |a: &Tensor| f64::from(loss(a).to_scalar::<f32>().unwrap());
        testing::assert_slopes(&anchors.as_detached_tensor(), &gradient, 1e-2, value);
    }
}
