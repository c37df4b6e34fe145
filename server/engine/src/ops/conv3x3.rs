//! The CPU kernel for 3×3 convolutions of stride 1, which are nearly all of a CIFAR network.
//!
//! It reads the image where it lies instead of laying out patches, and keeps six output channels of two vectors of
//! pixels in registers through the whole sum. An image with its border is one long line of pixels: the kernel's nine
//! entries are nine fixed distances along it, so neither rows nor columns need a loop of their own. The pixels computed
//! where a row runs into the next one's border are dropped.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

/// Output channels, and vectors of pixels, that are summed at a time: 6 × 2 sums, two vectors and a weight are what the
/// sixteen registers of AVX2 hold; three vectors for four channels would spill.
const CHANNELS: usize = 6;
const VECTORS: usize = 2;
/// Output channels of the weight gradient that are summed at a time, each with the three weights of a row.
const SLOPES: usize = 4;
/// Floats of the widest vector (AVX-512).
const WIDEST: usize = 16;
/// Partial weight gradients that are summed at the end, fixed so that the sum does not depend on the threads.
const PARTS: usize = 8;
/// Floats of images whose weight gradients are summed together, so that they stay in the L2 cache.
const GROUP: usize = 1 << 16;

/// The shape of a 3×3 convolution of stride 1.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub inputs: usize,
    pub outputs: usize,
    pub h: usize,
    pub w: usize,
    pub padding: usize,
}

impl Shape {
    /// Whether the kernel is the faster one: its weights must stay in the cache, its rows must not be mostly border.
    pub(super) const fn suits(&self) -> bool {
        self.inputs * self.outputs <= 1 << 14 && self.w >= 8 && self.h + 2 * self.padding >= 3
    }

    /// Pixels of a row with its border.
    const fn pitch(&self) -> usize {
        self.w + 2 * self.padding
    }

    /// Pixels of a channel with its border.
    const fn plane(&self) -> usize {
        (self.h + 2 * self.padding) * self.pitch()
    }

    const fn out_h(&self) -> usize {
        self.h + 2 * self.padding - 2
    }

    const fn out_w(&self) -> usize {
        self.w + 2 * self.padding - 2
    }

    /// Places along the line at which outputs are computed, a multiple of every block.
    const fn line(&self) -> usize {
        (self.out_h() * self.pitch()).next_multiple_of(VECTORS * WIDEST)
    }

    /// Floats of an image with its border, and as many more as a block may read past its end.
    const fn padded(&self) -> usize {
        self.inputs * self.plane() + self.line() + 2 * self.pitch() + 2
    }
}

/// Copies an image into the middle of zeros.
fn pad(s: &Shape, image: &[f32], padded: &mut Vec<f32>) {
    padded.clear();
    padded.resize(s.padded(), 0.0);
    for (plane, out) in image.chunks_exact(s.h * s.w).zip(padded.chunks_exact_mut(s.plane())) {
        let inner = out[s.padding * s.pitch()..].chunks_mut(s.pitch());
        for (row, out) in plane.chunks_exact(s.w).zip(inner) {
            out[s.padding..][..s.w].copy_from_slice(row);
        }
    }
}

/// `y = x ⋆ w`, x `[N, C, H, W]`, w `[O, C, 3, 3]`.
pub(super) fn forward(s: &Shape, x: &[f32], w: &[f32], y: &mut [f32]) {
    let (taps, blocks) = (9 * s.inputs, s.outputs.div_ceil(CHANNELS));
    // By block of output channels: for each tap the weights of its channels, side by side.
    let mut weights = vec![0f32; blocks * taps * CHANNELS];
    for (o, kernel) in w.chunks_exact(taps).enumerate() {
        for (tap, weight) in kernel.iter().enumerate() {
            weights[(o / CHANNELS * taps + tap) * CHANNELS + o % CHANNELS] = *weight;
        }
    }
    let taps: Vec<usize> = (0..taps).map(|t| t / 9 * s.plane() + t % 9 / 3 * s.pitch() + t % 3).collect();
    let images =
        x.par_chunks_exact(s.inputs * s.h * s.w).zip(y.par_chunks_exact_mut(s.outputs * s.out_h() * s.out_w()));
    images.for_each_init(
        || (Vec::new(), Vec::new()),
        |(padded, lines), (x, y)| {
            pad(s, x, padded);
            lines.resize(blocks * CHANNELS * s.line(), 0.0);
            Arch::new().dispatch(Forward { padded, taps: &taps, weights: &weights, lines, line: s.line() });
            for (channel, line) in y.chunks_exact_mut(s.out_h() * s.out_w()).zip(lines.chunks_exact(s.line())) {
                for (row, line) in channel.chunks_exact_mut(s.out_w()).zip(line.chunks(s.pitch())) {
                    row.copy_from_slice(&line[..row.len()]);
                }
            }
        },
    );
}

struct Forward<'a> {
    padded: &'a [f32],
    taps: &'a [usize],
    weights: &'a [f32],
    lines: &'a mut [f32],
    line: usize,
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    #[expect(unsafe_code, reason = "a bounds check at every tap costs as much as the arithmetic")]
    fn with_simd<S: Simd>(self, simd: S) {
        let lanes = size_of::<S::f32s>() / size_of::<f32>();
        let step = VECTORS * lanes;
        let furthest = self.taps.iter().copied().max().unwrap_or(0);
        let blocks = self.lines.len() / (CHANNELS * self.line);
        assert!(self.line.is_multiple_of(step) && furthest + self.line <= self.padded.len());
        assert!(self.weights.len() == blocks * self.taps.len() * CHANNELS);
        for at in (0..self.line).step_by(step) {
            for block in 0..blocks {
                let weights = &self.weights[block * self.taps.len() * CHANNELS..];
                let mut sums = [[simd.splat_f32s(0.0); VECTORS]; CHANNELS];
                for (i, tap) in self.taps.iter().enumerate() {
                    // SAFETY: at + step ≤ line and tap ≤ furthest, so the vectors end before furthest + line, which the
                    // assert above holds inside `padded`; weight 6·i + c < 6·taps lies inside this block's weights.
                    unsafe {
                        let from = self.padded.as_ptr().add(at + tap);
                        let mut pixels = [simd.splat_f32s(0.0); VECTORS];
                        for (v, pixels) in pixels.iter_mut().enumerate() {
                            *pixels = from.add(v * lanes).cast::<S::f32s>().read_unaligned();
                        }
                        for (c, sums) in sums.iter_mut().enumerate() {
                            let weight = simd.splat_f32s(*weights.get_unchecked(CHANNELS * i + c));
                            for (sum, pixels) in sums.iter_mut().zip(pixels) {
                                *sum = simd.mul_add_e_f32s(weight, pixels, *sum);
                            }
                        }
                    }
                }
                for (c, sums) in sums.iter().enumerate() {
                    let out = &mut self.lines[(block * CHANNELS + c) * self.line + at..][..step];
                    for (out, sum) in S::as_mut_simd_f32s(out).0.iter_mut().zip(sums) {
                        *out = *sum;
                    }
                }
            }
        }
    }
}

/// The gradient with respect to w, `[O, C, 3, 3]`.
pub(super) fn weight_gradient(s: &Shape, x: &[f32], dy: &[f32]) -> Vec<f32> {
    let (input, output) = (s.inputs * s.h * s.w, s.outputs * s.out_h() * s.out_w());
    let n = x.len() / input;
    let part = n.div_ceil(PARTS).max(1);
    let blocks = s.outputs.div_ceil(SLOPES);
    // The gradient's line: rows of the output with zeros where the border's pixels stand in the image's line.
    let floats = s.padded() + blocks * SLOPES * s.line();
    let group = (GROUP / floats).max(1);
    let parts: Vec<Vec<f32>> = x
        .par_chunks(part * input)
        .zip(dy.par_chunks(part * output))
        .map(|(x, dy)| {
            let mut sums = vec![0f32; blocks * s.inputs * 3 * SLOPES * 3 * WIDEST];
            let (mut padded, mut lines, mut image) = (Vec::new(), Vec::new(), Vec::new());
            for (x, dy) in x.chunks(group * input).zip(dy.chunks(group * output)) {
                padded.clear();
                lines.clear();
                for (x, dy) in x.chunks_exact(input).zip(dy.chunks_exact(output)) {
                    pad(s, x, &mut image);
                    padded.extend_from_slice(&image);
                    let start = lines.len();
                    lines.resize(start + blocks * SLOPES * s.line(), 0.0);
                    let planes = dy.chunks_exact(s.out_h() * s.out_w());
                    for (plane, line) in planes.zip(lines[start..].chunks_exact_mut(s.line())) {
                        for (row, line) in plane.chunks_exact(s.out_w()).zip(line.chunks_mut(s.pitch())) {
                            line[..row.len()].copy_from_slice(row);
                        }
                    }
                }
                Arch::new().dispatch(WeightGradient { s, padded: &padded, lines: &lines, sums: &mut sums });
            }
            collect(s, &sums)
        })
        .collect();
    let mut parts = parts.into_iter();
    let mut sum = parts.next().unwrap_or_else(|| vec![0.0; s.outputs * s.inputs * 9]);
    for part in parts {
        for (sum, value) in sum.iter_mut().zip(part) {
            *sum += value;
        }
    }
    sum
}

/// Adds up the lanes of every weight's sums: `[block, input, row, channel, column, lane]` becomes `[O, C, 3, 3]`.
fn collect(s: &Shape, sums: &[f32]) -> Vec<f32> {
    let mut dw = vec![0f32; s.outputs * s.inputs * 9];
    for (i, lanes) in sums.chunks_exact(WIDEST).enumerate() {
        let (column, channel, row) = (i % 3, i / 3 % SLOPES, i / (3 * SLOPES) % 3);
        let (input, block) = (i / (9 * SLOPES) % s.inputs, i / (9 * SLOPES) / s.inputs);
        let output = block * SLOPES + channel;
        if output < s.outputs {
            dw[((output * s.inputs + input) * 3 + row) * 3 + column] = lanes.iter().sum();
        }
    }
    dw
}

struct WeightGradient<'a> {
    s: &'a Shape,
    /// Images with their borders.
    padded: &'a [f32],
    /// By image: the gradient's lines, a multiple of [`SLOPES`] channels.
    lines: &'a [f32],
    sums: &'a mut [f32],
}

impl WithSimd for WeightGradient<'_> {
    type Output = ();

    #[inline(always)]
    #[expect(unsafe_code, reason = "a bounds check at every pixel costs as much as the arithmetic")]
    fn with_simd<S: Simd>(self, simd: S) {
        let lanes = size_of::<S::f32s>() / size_of::<f32>();
        let (s, line) = (self.s, self.s.line());
        let blocks = s.outputs.div_ceil(SLOPES);
        let images = self.padded.len() / s.padded();
        let per_image = blocks * SLOPES * line;
        assert!(line.is_multiple_of(lanes) && self.lines.len() == images * per_image);
        assert!((s.inputs - 1) * s.plane() + 2 * s.pitch() + 2 + line <= s.padded());
        for (i, sums) in self.sums.chunks_exact_mut(SLOPES * 3 * WIDEST).enumerate() {
            let (row, input, block) = (i % 3, i / 3 % s.inputs, i / 3 / s.inputs);
            let mut own = [[simd.splat_f32s(0.0); 3]; SLOPES];
            for image in 0..images {
                let pixels = &self.padded[image * s.padded() + input * s.plane() + row * s.pitch()..];
                let slopes = &self.lines[image * per_image + block * SLOPES * line..][..SLOPES * line];
                for at in (0..line).step_by(lanes) {
                    // SAFETY: at + lanes ≤ line. Four lines of slopes were just sliced; the pixels read end at
                    // input·plane + row·pitch + 2 + line, which the second assert holds inside the padded image.
                    unsafe {
                        let mut columns = [simd.splat_f32s(0.0); 3];
                        for (column, vector) in columns.iter_mut().enumerate() {
                            *vector = pixels.as_ptr().add(at + column).cast::<S::f32s>().read_unaligned();
                        }
                        for (c, own) in own.iter_mut().enumerate() {
                            let slope = slopes.as_ptr().add(c * line + at).cast::<S::f32s>().read_unaligned();
                            for (sum, column) in own.iter_mut().zip(columns) {
                                *sum = simd.mul_add_e_f32s(slope, column, *sum);
                            }
                        }
                    }
                }
            }
            for (sums, own) in sums.chunks_exact_mut(WIDEST).zip(own.iter().flatten()) {
                let sums = &mut S::as_mut_simd_f32s(&mut sums[..lanes]).0[0];
                *sums = simd.add_f32s(*sums, *own);
            }
        }
    }
}
