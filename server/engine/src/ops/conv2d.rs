//! Two-dimensional convolution, NCHW, square kernels, without bias.
//!
//! The general CPU kernel multiplies the weights with patches of the image (im2col). It lays out only as many patches at a
//! time as stay in the cache, and gives each thread whole images, so that every sum is made in the same order however many
//! threads there are. The common 3×3 of stride 1 has a kernel of its own.

use candle_core::{Result, Tensor};
use rayon::prelude::*;

use super::{
    conv3x3,
    data::{Data, tensor},
    matmul::{Matrix, matmul},
};

/// The geometry of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv2d {
    /// Side of the square kernel.
    pub kernel: usize,
    /// Pixels between two patches, both ways.
    pub stride: usize,
    /// Zeros around the image.
    pub padding: usize,
}

impl Conv2d {
    /// The side of the output for an input of side `n`.
    pub const fn output(&self, n: usize) -> usize {
        (n + 2 * self.padding - self.kernel) / self.stride + 1
    }
}

/// `y[n, o, ·] = Σ_c x[n, c, ·] ⋆ w[o, c, ·]`: x is `[N, C, H, W]`, w is `[O, C, k, k]`.
///
/// # Errors
/// When the shapes do not fit.
pub fn conv2d(x: &Tensor, w: &Tensor, conv: Conv2d) -> Result<Tensor> {
    if !x.device().is_cpu() {
        return plain::conv2d(x, w, conv);
    }
    let (n, c, h, width) = x.dims4()?;
    let (o, ..) = w.dims4()?;
    let shape = Shape { conv, c, h, w: width, o };
    let mut y = vec![0f32; n * shape.output_len()];
    forward(&shape, &Data::of(x)?, &Data::of(w)?, &mut y);
    tensor(y, (n, o, conv.output(h), conv.output(width)))
}

/// The gradient with respect to x of side `h` × `w`, given that with respect to y.
///
/// # Errors
/// When the shapes do not fit.
pub fn conv2d_input_gradient(dy: &Tensor, w: &Tensor, conv: Conv2d, (h, width): (usize, usize)) -> Result<Tensor> {
    if !dy.device().is_cpu() {
        return plain::conv2d_input_gradient(dy, w, conv, (h, width));
    }
    let (n, o, ..) = dy.dims4()?;
    let (_, c, ..) = w.dims4()?;
    let shape = Shape { conv, c, h, w: width, o };
    let mut dx = vec![0f32; n * shape.input_len()];
    let (dy, weights) = (Data::of(dy)?, Data::of(w)?);
    if conv.stride == 1 && conv.kernel > conv.padding {
        // The gradient of a stride-1 convolution is the convolution of dy with the kernels turned by 180°.
        let turned = turn(&weights, o, c, conv.kernel);
        let back = Conv2d { kernel: conv.kernel, stride: 1, padding: conv.kernel - 1 - conv.padding };
        let shape = Shape { conv: back, c: o, h: conv.output(h), w: conv.output(width), o: c };
        forward(&shape, &dy, &turned, &mut dx);
    } else {
        scatter_backward(&shape, &dy, &weights, &mut dx);
    }
    tensor(dx, (n, c, h, width))
}

/// The gradient with respect to w, `[O, C, k, k]`, given that with respect to y.
///
/// # Errors
/// When the shapes do not fit.
pub fn conv2d_weight_gradient(x: &Tensor, dy: &Tensor, conv: Conv2d) -> Result<Tensor> {
    if !x.device().is_cpu() {
        return plain::conv2d_weight_gradient(x, dy, conv);
    }
    let (_, c, h, width) = x.dims4()?;
    let (_, o, ..) = dy.dims4()?;
    let shape = Shape { conv, c, h, w: width, o };
    let dw = weight_backward(&shape, &Data::of(x)?, &Data::of(dy)?);
    tensor(dw, (o, c, conv.kernel, conv.kernel))
}

/// Floats of patches that are laid out at a time: half a megabyte, well inside a core's L2 cache.
const PATCHES: usize = 1 << 16;
/// A product of fewer columns than this leaves the matrix kernel idle; small images are taken together.
const COLUMNS: usize = 256;
/// Partial weight gradients that are summed at the end, fixed so that the sum does not depend on the threads.
const PARTS: usize = 8;

struct Shape {
    conv: Conv2d,
    c: usize,
    h: usize,
    w: usize,
    o: usize,
}

impl Shape {
    const fn out_h(&self) -> usize {
        self.conv.output(self.h)
    }

    const fn out_w(&self) -> usize {
        self.conv.output(self.w)
    }

    const fn pixels(&self) -> usize {
        self.out_h() * self.out_w()
    }

    const fn input_len(&self) -> usize {
        self.c * self.h * self.w
    }

    const fn output_len(&self) -> usize {
        self.o * self.pixels()
    }

    const fn patch(&self) -> usize {
        self.c * self.conv.kernel * self.conv.kernel
    }

    /// Images whose patches are laid out together.
    fn group(&self) -> usize {
        (COLUMNS / self.pixels()).max(1)
    }

    /// The shape for the direct kernel, where that is the faster one.
    fn direct(&self) -> Option<conv3x3::Shape> {
        let Conv2d { kernel, stride, padding } = self.conv;
        let direct = conv3x3::Shape { inputs: self.c, outputs: self.o, h: self.h, w: self.w, padding };
        (kernel == 3 && stride == 1 && direct.suits()).then_some(direct)
    }

    /// Output rows whose patches are laid out together, where an image is a group of its own.
    fn band(&self) -> usize {
        (PATCHES / (self.patch() * self.out_w())).clamp(1, self.out_h())
    }
}

/// Lays out the patches of output rows `rows` of `image` as columns `at..` of a matrix of `columns` columns whose rows
/// are (channel, kernel row, kernel column).
#[inline(always)]
fn lay_out(s: &Shape, image: &[f32], rows: std::ops::Range<usize>, patches: &mut [f32], columns: usize, at: usize) {
    let Conv2d { kernel, stride, padding } = s.conv;
    let out_w = s.out_w();
    let mut line = at;
    for plane in image.chunks_exact(s.h * s.w) {
        for ky in 0..kernel {
            for kx in 0..kernel {
                // Output columns whose input column `ox * stride + kx - padding` lies inside the image.
                let first = padding.saturating_sub(kx).div_ceil(stride).min(out_w);
                let end = (s.w + padding).saturating_sub(kx).div_ceil(stride).clamp(first, out_w);
                for (r, oy) in rows.clone().enumerate() {
                    let to = &mut patches[line + r * out_w..][..out_w];
                    let iy = (oy * stride + ky).wrapping_sub(padding);
                    if iy >= s.h {
                        to.fill(0.0);
                        continue;
                    }
                    to[..first].fill(0.0);
                    to[end..].fill(0.0);
                    if first == end {
                        continue;
                    }
                    let from = &plane[iy * s.w + first * stride + kx - padding..];
                    if stride == 1 {
                        to[first..end].copy_from_slice(&from[..end - first]);
                    } else {
                        for (value, from) in to[first..end].iter_mut().zip(from.iter().step_by(stride)) {
                            *value = *from;
                        }
                    }
                }
                line += columns;
            }
        }
    }
}

/// The reverse of [`lay_out`] for whole images: adds every patch entry to the pixel that it came from.
#[inline(always)]
fn add_back(s: &Shape, patches: &[f32], columns: usize, at: usize, image: &mut [f32]) {
    let Conv2d { kernel, stride, padding } = s.conv;
    let (out_h, out_w) = (s.out_h(), s.out_w());
    let mut line = at;
    for plane in image.chunks_exact_mut(s.h * s.w) {
        for ky in 0..kernel {
            for kx in 0..kernel {
                for oy in 0..out_h {
                    let iy = (oy * stride + ky).wrapping_sub(padding);
                    if iy >= s.h {
                        continue;
                    }
                    for (ox, value) in patches[line + oy * out_w..][..out_w].iter().enumerate() {
                        let ix = (ox * stride + kx).wrapping_sub(padding);
                        if ix < s.w {
                            plane[iy * s.w + ix] += value;
                        }
                    }
                }
                line += columns;
            }
        }
    }
}

fn forward(s: &Shape, x: &[f32], w: &[f32], y: &mut [f32]) {
    if let Some(direct) = s.direct() {
        return conv3x3::forward(&direct, x, w, y);
    }
    let (k, pixels, group) = (s.patch(), s.pixels(), s.group());
    let images = x.par_chunks(group * s.input_len()).zip(y.par_chunks_mut(group * s.output_len()));
    images.for_each_init(
        || (Vec::new(), Vec::new()),
        |(patches, product), (x, y)| {
            let n = x.len() / s.input_len();
            let weights = Matrix::rows(w, k);
            if n == 1 {
                let band = s.band();
                patches.resize(k * band * s.out_w(), 0.0);
                for start in (0..s.out_h()).step_by(band) {
                    let rows = start..(start + band).min(s.out_h());
                    let (from, columns) = (start * s.out_w(), rows.len() * s.out_w());
                    lay_out(s, x, rows, patches, columns, 0);
                    matmul((s.o, columns, k), &mut y[from..], pixels, weights, Matrix::rows(patches, columns), false);
                }
                return;
            }
            let columns = n * pixels;
            patches.resize(k * columns, 0.0);
            product.resize(s.o * columns, 0.0);
            for (i, image) in x.chunks_exact(s.input_len()).enumerate() {
                lay_out(s, image, 0..s.out_h(), patches, columns, i * pixels);
            }
            matmul((s.o, columns, k), product, columns, weights, Matrix::rows(patches, columns), false);
            for (i, y) in y.chunks_exact_mut(s.output_len()).enumerate() {
                for (o, plane) in y.chunks_exact_mut(pixels).enumerate() {
                    plane.copy_from_slice(&product[o * columns + i * pixels..][..pixels]);
                }
            }
        },
    );
}

/// dy of several images as one matrix of (output channel) × (image, pixel).
fn gather(s: &Shape, dy: &[f32], out: &mut Vec<f32>) {
    let pixels = s.pixels();
    out.clear();
    for o in 0..s.o {
        for image in dy.chunks_exact(s.output_len()) {
            out.extend_from_slice(&image[o * pixels..][..pixels]);
        }
    }
}

fn scatter_backward(s: &Shape, dy: &[f32], w: &[f32], dx: &mut [f32]) {
    let (k, pixels, group) = (s.patch(), s.pixels(), s.group());
    let images = dy.par_chunks(group * s.output_len()).zip(dx.par_chunks_mut(group * s.input_len()));
    images.for_each_init(
        || (Vec::new(), Vec::new()),
        |(patches, gathered), (dy, dx)| {
            let columns = dy.len() / s.o;
            gather(s, dy, gathered);
            patches.resize(k * columns, 0.0);
            let turned = Matrix::transposed(w, k);
            matmul((k, columns, s.o), patches, columns, turned, Matrix::rows(gathered, columns), false);
            for (i, dx) in dx.chunks_exact_mut(s.input_len()).enumerate() {
                add_back(s, patches, columns, i * pixels, dx);
            }
        },
    );
}

fn weight_backward(s: &Shape, x: &[f32], dy: &[f32]) -> Vec<f32> {
    if let Some(direct) = s.direct() {
        return conv3x3::weight_gradient(&direct, x, dy);
    }
    let (k, pixels, group) = (s.patch(), s.pixels(), s.group());
    let n = x.len() / s.input_len();
    let part = n.div_ceil(PARTS).next_multiple_of(group).max(1);
    let parts: Vec<Vec<f32>> = x
        .par_chunks(part * s.input_len())
        .zip(dy.par_chunks(part * s.output_len()))
        .map(|(x, dy)| {
            let mut dw = vec![0f32; s.o * k];
            let (mut patches, mut gathered) = (Vec::new(), Vec::new());
            let groups = x.chunks(group * s.input_len()).zip(dy.chunks(group * s.output_len()));
            for (x, dy) in groups {
                if group == 1 {
                    let band = s.band();
                    patches.resize(k * band * s.out_w(), 0.0);
                    for start in (0..s.out_h()).step_by(band) {
                        let rows = start..(start + band).min(s.out_h());
                        let columns = rows.len() * s.out_w();
                        lay_out(s, x, rows, &mut patches, columns, 0);
                        let lhs = Matrix::rows(&dy[start * s.out_w()..], pixels);
                        matmul((s.o, k, columns), &mut dw, k, lhs, Matrix::transposed(&patches, columns), true);
                    }
                    continue;
                }
                let columns = dy.len() / s.o;
                patches.resize(k * columns, 0.0);
                for (i, image) in x.chunks_exact(s.input_len()).enumerate() {
                    lay_out(s, image, 0..s.out_h(), &mut patches, columns, i * pixels);
                }
                gather(s, dy, &mut gathered);
                let lhs = Matrix::rows(&gathered, columns);
                matmul((s.o, k, columns), &mut dw, k, lhs, Matrix::transposed(&patches, columns), true);
            }
            dw
        })
        .collect();
    let mut parts = parts.into_iter();
    let mut sum = parts.next().unwrap_or_else(|| vec![0.0; s.o * k]);
    for part in parts {
        for (sum, value) in sum.iter_mut().zip(part) {
            *sum += value;
        }
    }
    sum
}

/// Kernels turned by 180° with inputs and outputs exchanged: `[O, C, k, k]` becomes `[C, O, k, k]`.
fn turn(w: &[f32], o: usize, c: usize, kernel: usize) -> Vec<f32> {
    let area = kernel * kernel;
    let mut turned = vec![0f32; w.len()];
    for i in 0..o {
        for j in 0..c {
            for a in 0..area {
                turned[(j * o + i) * area + area - 1 - a] = w[(i * c + j) * area + a];
            }
        }
    }
    turned
}

/// The same in Candle's own operations.
mod plain {
    use super::{Conv2d, Result, Tensor};

    pub(super) fn conv2d(x: &Tensor, w: &Tensor, conv: Conv2d) -> Result<Tensor> {
        x.conv2d(w, conv.padding, conv.stride, 1, 1)
    }

    pub(super) fn conv2d_input_gradient(
        dy: &Tensor,
        w: &Tensor,
        conv: Conv2d,
        (h, width): (usize, usize),
    ) -> Result<Tensor> {
        // Rows and columns that no patch reached get their zeros from the output padding; Candle knows only one for
        // both ways, so the larger is taken and the rest cut off.
        let reach = |n: usize| (conv.output(n) - 1) * conv.stride + conv.kernel - 2 * conv.padding;
        let extra = (h - reach(h)).max(width - reach(width));
        let dx = dy.conv_transpose2d(w, conv.padding, extra, conv.stride, 1)?;
        dx.narrow(2, 0, h)?.narrow(3, 0, width)?.contiguous()
    }

    pub(super) fn conv2d_weight_gradient(x: &Tensor, dy: &Tensor, conv: Conv2d) -> Result<Tensor> {
        let (x, dy) = (x.transpose(0, 1)?.contiguous()?, dy.transpose(0, 1)?.contiguous()?);
        let dw = x.conv2d(&dy, conv.padding, 1, conv.stride, 1)?.transpose(0, 1)?;
        dw.narrow(2, 0, conv.kernel)?.narrow(3, 0, conv.kernel)?.contiguous()
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing, *};

    /// (images, channels, height, width, outputs, kernel, stride, padding): bands, groups, odd sides, strides.
    const CASES: [[usize; 8]; 13] = [
        [9, 5, 8, 11, 7, 3, 1, 1],
        [2, 3, 9, 8, 6, 3, 1, 0],
        [17, 64, 8, 8, 64, 3, 1, 1],
        [2, 130, 9, 9, 130, 3, 1, 1],
        [2, 3, 32, 32, 16, 3, 1, 1],
        [3, 16, 16, 16, 32, 3, 2, 1],
        [5, 8, 8, 8, 8, 3, 1, 1],
        [19, 6, 4, 4, 5, 3, 1, 1],
        [3, 4, 9, 7, 6, 3, 2, 1],
        [3, 4, 8, 8, 6, 1, 2, 0],
        [2, 5, 7, 7, 3, 1, 1, 0],
        [1, 2, 5, 6, 3, 5, 1, 2],
        [2, 40, 33, 31, 3, 3, 1, 0],
    ];

    #[test]
    fn outputs_and_gradients_equal_those_of_candle() {
        for (seed, [n, c, h, w, o, kernel, stride, padding]) in CASES.into_iter().enumerate() {
            let conv = Conv2d { kernel, stride, padding };
            let x = testing::tensor(seed as u64, (n, c, h, w));
            let weights = testing::tensor(100 + seed as u64, (o, c, kernel, kernel));
            let y = conv2d(&x, &weights, conv).unwrap();
            testing::assert_close(&y, &plain::conv2d(&x, &weights, conv).unwrap(), 1e-5);
            let dy = testing::tensor(200 + seed as u64, y.dims());
            let dx = conv2d_input_gradient(&dy, &weights, conv, (h, w)).unwrap();
            testing::assert_close(&dx, &plain::conv2d_input_gradient(&dy, &weights, conv, (h, w)).unwrap(), 1e-5);
            let dw = conv2d_weight_gradient(&x, &dy, conv).unwrap();
            testing::assert_close(&dw, &plain::conv2d_weight_gradient(&x, &dy, conv).unwrap(), 1e-4);
        }
    }

    #[test]
    fn gradients_are_the_slopes_of_the_output() {
        // The convolution is linear in both arguments, so a difference quotient is exact up to rounding.
        let conv = Conv2d { kernel: 3, stride: 2, padding: 1 };
        let (x, w) = (testing::tensor(1, (2, 3, 7, 5)), testing::tensor(2, (4, 3, 3, 3)));
        let dy = testing::tensor(3, (2, 4, 4, 3));
        let loss = |x: &Tensor, w: &Tensor| testing::dot(&conv2d(x, w, conv).unwrap(), &dy);
        let dx = conv2d_input_gradient(&dy, &w, conv, (7, 5)).unwrap();
        testing::assert_slopes(&x, &dx, 1e-2, |x| loss(x, &w));
        let dw = conv2d_weight_gradient(&x, &dy, conv).unwrap();
        testing::assert_slopes(&w, &dw, 1e-2, |w| loss(&x, w));
    }

    #[test]
    fn results_do_not_depend_on_the_number_of_threads() {
        let conv = Conv2d { kernel: 3, stride: 1, padding: 1 };
        let (x, dy) = (testing::tensor(1, (21, 8, 8, 8)), testing::tensor(2, (21, 6, 8, 8)));
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            testing::values(&pool.install(|| conv2d_weight_gradient(&x, &dy, conv).unwrap()))
        };
        assert_eq!(run(1), run(3));
    }
}
