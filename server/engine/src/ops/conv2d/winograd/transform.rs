//! The transforms of Winograd's minimal filtering over the points 0, ±a, ±b, ∞ with a = 1/√2, b = √2.
//!
//! With a²b² = 1 and a² + b² = 5/2 the polynomials that interpolate at these points have small, short coefficients. A
//! two-dimensional transform applies a one-dimensional one down and then across. Registers run along the channels.

use std::{
    f32::consts::{FRAC_1_SQRT_2, SQRT_2},
    mem::MaybeUninit,
    ops::Range,
};

use pulp::{Simd, WithSimd};

use super::{PLACES, Tiling};
use crate::ops::{
    finish::{Elements, Finisher},
    simd::{WIDEST, load, registers, store},
};

const A: f32 = FRAC_1_SQRT_2;
const B: f32 = SQRT_2;
/// By point: one over the product of its distances to the other finite points.
const NORMS: [f32; 6] = [1.0, -1.0 / 1.5, -1.0 / 1.5, 1.0 / 6.0, 1.0 / 6.0, 1.0];

/// `factor · x + y`.
#[inline(always)]
fn plus<S: Simd>(s: S, y: S::f32s, factor: f32, x: S::f32s) -> S::f32s {
    s.mul_add_f32s(s.splat_f32s(factor), x, y)
}

/// `even ± factor · odd`.
#[inline(always)]
fn plus_minus<S: Simd>(s: S, even: S::f32s, factor: f32, odd: S::f32s) -> (S::f32s, S::f32s) {
    (plus(s, even, factor, odd), plus(s, even, -factor, odd))
}

/// Sums and differences of the values at ±a, then at ±b.
#[inline(always)]
fn pairs<S: Simd>(s: S, m: [S::f32s; 6]) -> [S::f32s; 4] {
    [s.add_f32s(m[1], m[2]), s.sub_f32s(m[1], m[2]), s.add_f32s(m[3], m[4]), s.sub_f32s(m[3], m[4])]
}

/// Pixels to factors: Bᵀ.
#[inline(always)]
fn of_pixels<S: Simd>(s: S, d: [S::f32s; 6]) -> [S::f32s; 6] {
    let (at_a, at_minus_a) = plus_minus(s, plus(s, d[4], -2.0, d[2]), A, plus(s, d[3], -2.0, d[1]));
    let (at_b, at_minus_b) = plus_minus(s, plus(s, d[4], -0.5, d[2]), B, plus(s, d[3], -0.5, d[1]));
    let at_zero = plus(s, s.add_f32s(d[0], d[4]), -2.5, d[2]);
    let at_infinity = plus(s, s.add_f32s(d[1], d[5]), -2.5, d[3]);
    [at_zero, at_a, at_minus_a, at_b, at_minus_b, at_infinity]
}

/// Products to sums: Aᵀ of F(4, 3).
#[inline(always)]
fn to_sums<S: Simd>(s: S, m: [S::f32s; 6]) -> [S::f32s; 4] {
    let [even_a, odd_a, even_b, odd_b] = pairs(s, m);
    [
        s.add_f32s(m[0], s.add_f32s(even_a, even_b)),
        plus(s, s.mul_f32s(s.splat_f32s(B), odd_b), A, odd_a),
        plus(s, s.add_f32s(even_b, even_b), 0.5, even_a),
        plus(s, plus(s, m[5], 2.0 * B, odd_b), 0.5 * A, odd_a),
    ]
}

/// Kernel entries to factors: G of F(4, 3), norms included.
#[inline(always)]
fn of_kernel<S: Simd>(s: S, g: [S::f32s; 3]) -> [S::f32s; 6] {
    let (at_a, at_minus_a) = plus_minus(s, plus(s, g[0], A * A, g[2]), A, g[1]);
    let (at_b, at_minus_b) = plus_minus(s, plus(s, g[0], B * B, g[2]), B, g[1]);
    let (a, b) = (s.splat_f32s(NORMS[1]), s.splat_f32s(NORMS[3]));
    [g[0], s.mul_f32s(a, at_a), s.mul_f32s(a, at_minus_a), s.mul_f32s(b, at_b), s.mul_f32s(b, at_minus_b), g[2]]
}

/// Gradients of sums to factors: G of F(3, 4), without its norms.
#[inline(always)]
fn of_gradients<S: Simd>(s: S, g: [S::f32s; 4]) -> [S::f32s; 6] {
    let (at_a, at_minus_a) = plus_minus(s, plus(s, g[0], A * A, g[2]), A, plus(s, g[1], A * A, g[3]));
    let (at_b, at_minus_b) = plus_minus(s, plus(s, g[0], B * B, g[2]), B, plus(s, g[1], B * B, g[3]));
    [g[0], at_a, at_minus_a, at_b, at_minus_b, g[3]]
}

/// Products to gradients of the kernel: Aᵀ of F(3, 4).
#[inline(always)]
fn to_kernel<S: Simd>(s: S, m: [S::f32s; 6]) -> [S::f32s; 3] {
    let [even_a, odd_a, even_b, odd_b] = pairs(s, m);
    [
        s.add_f32s(m[0], s.add_f32s(even_a, even_b)),
        plus(s, s.mul_f32s(s.splat_f32s(B), odd_b), A, odd_a),
        s.add_f32s(plus(s, s.add_f32s(even_b, even_b), 0.5, even_a), m[5]),
    ]
}

/// A one-dimensional transform down the columns, then across the rows: n×n values that `read` gives become m×m values that
/// `write` takes. Both are expressions over the row and the column that they name, since a closure would not be compiled
/// for the instruction set of the kernel that it stands in.
macro_rules! both_ways {
    (
        $simd:expr, $transform:ident, $n:literal => $m:literal,
        read($i:ident, $j:ident) $read:block
        write($k:ident, $l:ident, $value:ident) $write:block
    ) => {
        let mut half = [[$simd.splat_f32s(0.0); $n]; $m];
        for $j in 0..$n {
            let mut column = [$simd.splat_f32s(0.0); $n];
            for $i in 0..$n {
                column[$i] = $read;
            }
            for (half, value) in half.iter_mut().zip($transform($simd, column)) {
                half[$j] = value;
            }
        }
        for ($k, half) in half.into_iter().enumerate() {
            for ($l, $value) in $transform($simd, half).into_iter().enumerate() {
                $write
            }
        }
    };
}

/// Transforms tiles of 6×6 pixels, the first of which stands one above and left of the tile's first output.
pub(super) struct InputTransform<'a> {
    pub tiling: Tiling,
    pub x: &'a [f32],
    /// Floats of a pixel, and the channels among them that are transformed.
    pub pixel: usize,
    pub channels: Range<usize>,
    pub tiles: Range<usize>,
    /// By place, `stride` apart: `[tiles, channels]`.
    pub out: &'a mut [f32],
    pub stride: usize,
}

impl WithSimd for InputTransform<'_> {
    type Output = ();

    #[inline(always)]
    #[expect(unsafe_code, reason = "bounds are checked once for all tiles")]
    fn with_simd<S: Simd>(self, simd: S) {
        let (Tiling { h, w }, c, stride) = (self.tiling, self.pixel, self.stride);
        let (first, count) = (self.channels.start, self.channels.len());
        assert!(self.tiles.end <= self.x.len() / (h * w * c) * self.tiling.tiles());
        assert!(self.channels.end <= c && (PLACES - 1) * stride + self.tiles.len() * count <= self.out.len());
        for (t, tile) in self.tiles.enumerate() {
            let (image, top, left) = self.tiling.place(tile);
            let inside = top > 0 && left > 0 && top + 5 <= h && left + 5 <= w;
            let (top, left) = (top.wrapping_sub(1), left.wrapping_sub(1));
            registers(
                simd,
                count,
                #[inline(always)]
                |channel, width| {
                    // SAFETY: pixels are read only where they lie inside the map, which `x` holds for every image of a
                    // tile; the second assert holds the place of every factor.
                    unsafe {
                        let x = self.x.as_ptr().add(image * h * w * c + first + channel);
                        let out = self.out.as_mut_ptr().add(t * count + channel);
                        if inside {
                            let corner = x.add((top * w + left) * c);
                            both_ways!(
                                simd, of_pixels, 6 => 6,
                                read(i, j) { load(simd, corner.add((i * w + j) * c), width) }
                                write(i, j, value) { store(simd, out.add((i * 6 + j) * stride), width, value) }
                            );
                        } else {
                            both_ways!(
                                simd, of_pixels, 6 => 6,
                                read(i, j) {
                                    let (y, z) = (top.wrapping_add(i), left.wrapping_add(j));
                                    if y < h && z < w {
                                        load(simd, x.add((y * w + z) * c), width)
                                    } else {
                                        simd.splat_f32s(0.0)
                                    }
                                }
                                write(i, j, value) { store(simd, out.add((i * 6 + j) * stride), width, value) }
                            );
                        }
                    }
                },
            );
        }
    }
}

/// Transforms products back to 4×4 sums, finishes them and writes those that lie inside the map.
pub(super) struct OutputTransform<'a> {
    pub tiling: Tiling,
    /// By place, `stride` apart: `[tiles, channels]`.
    pub products: &'a [f32],
    pub stride: usize,
    pub channels: usize,
    pub tiles: Range<usize>,
    pub out: &'a mut [MaybeUninit<f32>],
    pub finish: Finisher<'a>,
}

impl WithSimd for OutputTransform<'_> {
    type Output = ();

    #[inline(always)]
    #[expect(unsafe_code, reason = "bounds are checked once for all tiles")]
    fn with_simd<S: Simd>(self, simd: S) {
        let (Tiling { h, w }, c, stride) = (self.tiling, self.channels, self.stride);
        assert!(self.tiles.end <= self.out.len() / (h * w * c) * self.tiling.tiles());
        assert!((PLACES - 1) * stride + self.tiles.len() * c <= self.products.len());
        assert!(self.finish.fits(self.out.len(), c));
        for (t, tile) in self.tiles.enumerate() {
            let (image, top, left) = self.tiling.place(tile);
            registers(
                simd,
                c,
                #[inline(always)]
                |channel, width| {
                    // SAFETY: sums are written only where they lie inside the map, which `out` holds for every image of
                    // a tile; the asserts hold the products and the finish.
                    unsafe {
                        let products = self.products.as_ptr().add(t * c + channel);
                        let out = self.out.as_mut_ptr().cast::<f32>();
                        both_ways!(
                            simd, to_sums, 6 => 4,
                            read(i, j) { load(simd, products.add((i * 6 + j) * stride), width) }
                            write(i, j, value) {
                                if top + i < h && left + j < w {
                                    let at = ((image * h + top + i) * w + left + j) * c + channel;
                                    let value = self.finish.apply(simd, value, Elements { at, channel, width });
                                    store(simd, out.add(at), width, value);
                                }
                            }
                        );
                    }
                },
            );
        }
    }
}

/// Transforms 4×4 gradients of sums for the gradient of the weights.
pub(super) struct GradientTransform<'a> {
    pub tiling: Tiling,
    pub dy: &'a [f32],
    /// Floats of a pixel, and the channels among them that are transformed.
    pub pixel: usize,
    pub channels: Range<usize>,
    pub tiles: Range<usize>,
    /// By place, `stride` apart: `[tiles, channels]`.
    pub out: &'a mut [f32],
    pub stride: usize,
}

impl WithSimd for GradientTransform<'_> {
    type Output = ();

    #[inline(always)]
    #[expect(unsafe_code, reason = "bounds are checked once for all tiles")]
    fn with_simd<S: Simd>(self, simd: S) {
        let (Tiling { h, w }, c, stride) = (self.tiling, self.pixel, self.stride);
        let (first, count) = (self.channels.start, self.channels.len());
        assert!(self.tiles.end <= self.dy.len() / (h * w * c) * self.tiling.tiles());
        assert!(self.channels.end <= c && (PLACES - 1) * stride + self.tiles.len() * count <= self.out.len());
        for (t, tile) in self.tiles.enumerate() {
            let (image, top, left) = self.tiling.place(tile);
            registers(
                simd,
                count,
                #[inline(always)]
                |channel, width| {
                    // SAFETY: gradients are read only where they lie inside the map, which `dy` holds for every image of
                    // a tile; the second assert holds the place of every factor.
                    unsafe {
                        let dy = self.dy.as_ptr().add(image * h * w * c + first + channel);
                        let out = self.out.as_mut_ptr().add(t * count + channel);
                        both_ways!(
                            simd, of_gradients, 4 => 6,
                            read(i, j) {
                                if top + i < h && left + j < w {
                                    load(simd, dy.add(((top + i) * w + left + j) * c), width)
                                } else {
                                    simd.splat_f32s(0.0)
                                }
                            }
                            write(i, j, value) { store(simd, out.add((i * 6 + j) * stride), width, value) }
                        );
                    }
                },
            );
        }
    }
}

/// Transforms the 3×3 kernels of some output channels.
pub(super) struct WeightTransform<'a> {
    /// By entry and channel.
    pub kernels: &'a [[f32; WIDEST]; 9],
    /// Channels that there are, at most [`WIDEST`].
    pub lanes: usize,
    /// By place, `stride` apart: a factor for each channel.
    pub out: &'a mut [MaybeUninit<f32>],
    pub stride: usize,
}

impl WithSimd for WeightTransform<'_> {
    type Output = ();

    #[inline(always)]
    #[expect(unsafe_code, reason = "bounds are checked once for all places")]
    fn with_simd<S: Simd>(self, simd: S) {
        assert!(self.lanes <= WIDEST && (PLACES - 1) * self.stride + self.lanes <= self.out.len());
        registers(
            simd,
            self.lanes,
            #[inline(always)]
            |channel, width| {
                // SAFETY: the assert holds as many channels in the kernels and at each place.
                unsafe {
                    let out = self.out.as_mut_ptr().cast::<f32>().add(channel);
                    both_ways!(
                        simd, of_kernel, 3 => 6,
                        read(i, j) { load(simd, self.kernels[i * 3 + j].as_ptr().add(channel), width) }
                        write(i, j, value) { store(simd, out.add((i * 6 + j) * self.stride), width, value) }
                    );
                }
            },
        );
    }
}

/// Transforms the products of one input channel and all output channels back to gradients of 3×3 kernels.
pub(super) struct WeightGradientTransform<'a> {
    /// By place, `stride` apart: `[outputs]`.
    pub products: &'a [f32],
    pub stride: usize,
    pub outputs: usize,
    /// The 9 entries of output channel o start at `o · out_stride`.
    pub out: &'a mut [f32],
    pub out_stride: usize,
}

impl WithSimd for WeightGradientTransform<'_> {
    type Output = ();

    #[inline(always)]
    #[expect(unsafe_code, reason = "bounds are checked once for all channels")]
    fn with_simd<S: Simd>(self, simd: S) {
        assert!((PLACES - 1) * self.stride + self.outputs <= self.products.len());
        registers(
            simd,
            self.outputs,
            #[inline(always)]
            |channel, width| {
                let mut lanes = [[0f32; WIDEST]; 9];
                // SAFETY: the assert holds the products; a register has at most WIDEST lanes.
                unsafe {
                    let products = self.products.as_ptr().add(channel);
                    both_ways!(
                        simd, to_kernel, 6 => 3,
                        read(i, j) {
                            let norm = simd.splat_f32s(NORMS[i] * NORMS[j]);
                            simd.mul_f32s(norm, load(simd, products.add((i * 6 + j) * self.stride), width))
                        }
                        write(i, j, value) { store(simd, lanes[i * 3 + j].as_mut_ptr(), width, value) }
                    );
                }
                for lane in 0..width {
                    let out = &mut self.out[(channel + lane) * self.out_stride..][..9];
                    for (out, lanes) in out.iter_mut().zip(&lanes) {
                        *out = lanes[lane];
                    }
                }
            },
        );
    }
}
