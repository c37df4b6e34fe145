//! Where attacks start.

use candle_core::{Result, Tensor};
use retort_spec::PixelDistance;

use crate::rng::{Purpose, Stream};

/// The streams of random starts: one for each image and try, so that an outcome does not depend on the batch that the image
/// stands in.
#[derive(Clone, Copy)]
pub(crate) struct Starts {
    pub seed: u64,
    pub purpose: Purpose,
}

impl Starts {
    /// The stream of one image's try.
    pub(crate) fn stream(self, index: usize, attempt: u64) -> Stream {
        Stream::new(self.seed, self.purpose, index as u64, attempt)
    }

    /// The images moved uniformly at random inside the ball, clipped to [0, 1].
    ///
    /// # Errors
    /// When the device has no memory left.
    pub(crate) fn uniform(
        self,
        natural: &Tensor,
        eps: PixelDistance,
        indices: &[usize],
        attempt: u64,
    ) -> Result<Tensor> {
        let eps = eps.value() as f32;
        self.moved(natural, indices, attempt, |noise, stream| {
            for by in noise {
                *by = stream.uniform(-eps, eps);
            }
        })
    }

    /// The images moved uniformly at random, by as much as the ball holds in the pixel that moves most, clipped to [0, 1]: where
    /// AutoAttack starts.
    ///
    /// # Errors
    /// When the device has no memory left.
    pub(crate) fn stretched(
        self,
        natural: &Tensor,
        eps: PixelDistance,
        indices: &[usize],
        attempt: u64,
    ) -> Result<Tensor> {
        let eps = eps.value() as f32;
        self.moved(natural, indices, attempt, |noise, stream| {
            for by in noise.iter_mut() {
                *by = stream.uniform(-1.0, 1.0);
            }
            let most = noise.iter().fold(0f32, |most, by| most.max(by.abs())) + 1e-12;
            for by in noise {
                *by = eps * *by / most;
            }
        })
    }

    /// The images moved by noise that is drawn for each of them, clipped to [0, 1].
    fn moved(
        self,
        natural: &Tensor,
        indices: &[usize],
        attempt: u64,
        draw: impl Fn(&mut [f32], &mut Stream),
    ) -> Result<Tensor> {
        let mut noise = vec![0f32; natural.elem_count()];
        let size = noise.len() / indices.len().max(1);
        for (index, noise) in indices.iter().zip(noise.chunks_exact_mut(size.max(1))) {
            draw(noise, &mut self.stream(*index, attempt));
        }
        (natural + Tensor::from_vec(noise, natural.shape(), natural.device())?)?.clamp(0f32, 1f32)
    }
}

/// Whether a start stays in the range of images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartRange {
    /// In [0, 1].
    Image,
    /// Anywhere in the ball; the first step clips it.
    Ball,
}

/// The natural images plus noise uniform in ±eps.
///
/// # Errors
/// When the device has no memory left.
pub fn uniform_start(natural: &Tensor, eps: f32, stream: &mut Stream, range: StartRange) -> Result<Tensor> {
    let noise: Vec<f32> = (0..natural.elem_count()).map(|_| stream.uniform(-eps, eps)).collect();
    let moved = (natural + Tensor::from_vec(noise, natural.shape(), natural.device())?)?;
    match range {
        StartRange::Image => moved.clamp(0f32, 1f32),
        StartRange::Ball => Ok(moved),
    }
}

/// The natural images plus normal noise of this standard deviation.
///
/// # Errors
/// When the device has no memory left.
pub fn normal_start(natural: &Tensor, deviation: f32, stream: &mut Stream) -> Result<Tensor> {
    let noise: Vec<f32> = (0..natural.elem_count()).map(|_| deviation * stream.normal()).collect();
    natural + Tensor::from_vec(noise, natural.shape(), natural.device())?
}
