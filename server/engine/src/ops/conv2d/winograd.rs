//! 3×3 convolutions of stride 1 by Winograd's minimal filtering F(4×4, 3×3) (Lavin and Gray 2016).
//!
//! Tiles of 6×6 pixels are transformed, multiplied channel by channel with the transformed weights, one matrix product for
//! each of the 36 places of a tile, and transformed back to 4×4 sums: 36 multiplications where the plain sum has 144. The
//! interpolation points 0, ±1/√2, ±√2, ∞ keep rounding errors about as small as those of the plain sum. The gradient of
//! the weights is F(3×3, 4×4) over the same points.

use std::{cell::RefCell, mem::MaybeUninit};

use rayon::prelude::*;

use super::{Shape, threads};
use crate::ops::{
    finish::Finisher,
    product::{Out, Panels, Product},
    simd::{WIDEST, dispatch, written},
};

mod gradient;
mod transform;

pub(super) use gradient::weight_gradient;
use transform::{InputTransform, OutputTransform, WeightTransform};

/// Places of a tile.
const PLACES: usize = 36;
/// Outputs of a tile, along one side.
const STEP: usize = 4;
/// Tiles that are transformed and multiplied at a time.
const TILES: usize = 64;

/// Whether the convolution can be computed so: 3×3, stride 1, padding 1, channels that fill registers.
pub(super) const fn suits(s: &Shape) -> bool {
    s.conv.kernel == 3
        && s.conv.stride == 1
        && s.conv.padding == 1
        && s.conv.groups == 1
        && s.c.is_multiple_of(WIDEST)
        && s.o.is_multiple_of(WIDEST)
}

/// The tiles of a batch of maps.
#[derive(Clone, Copy)]
struct Tiling {
    h: usize,
    w: usize,
}

impl Tiling {
    /// Tiles from left to right.
    const fn across(self) -> usize {
        self.w.div_ceil(STEP)
    }

    /// Tiles of an image.
    const fn tiles(self) -> usize {
        self.h.div_ceil(STEP) * self.across()
    }

    const fn pixels(self) -> usize {
        self.h * self.w
    }

    /// The image of a tile and the pixel of its first output.
    const fn place(self, tile: usize) -> (usize, usize, usize) {
        let inside = tile % self.tiles();
        (tile / self.tiles(), inside / self.across() * STEP, inside % self.across() * STEP)
    }
}

/// Floats from one place of a tile to the next, for so many numbers. Powers of two would put all 36 places into the same
/// few lines of the cache.
const fn place_stride(numbers: usize) -> usize {
    numbers + WIDEST
}

/// The transformed weights: for each of the [`Panels`] of `[C, O]` its columns of all 36 places. Those of output channel o
/// are multiplied by `scale[o]`.
pub(super) fn pack_forward(s: &Shape, w: &[f32], scale: Option<&[f32]>) -> Vec<f32> {
    let scale = |_, o: usize| scale.map_or(1.0, |s| s[o]);
    pack((s.c, s.o), |c, o| &w[(o * s.c + c) * 9..][..9], scale, false)
}

/// Those of the gradient of the input: turned by 180°, inputs and outputs exchanged.
pub(super) fn pack_backward(s: &Shape, w: &[f32], scale: Option<&[f32]>) -> Vec<f32> {
    let scale = |o: usize, _| scale.map_or(1.0, |s| s[o]);
    pack((s.o, s.c), |o, c| &w[(o * s.c + c) * 9..][..9], scale, true)
}

/// `kernel(i, column)` is the 3×3 kernel between a source and an output channel, and `scale(i, column)` its factor.
fn pack<'a>(
    (k, columns): (usize, usize),
    kernel: impl Fn(usize, usize) -> &'a [f32] + Sync,
    scale: impl Fn(usize, usize) -> f32 + Sync,
    turned: bool,
) -> Vec<f32> {
    let write = |mut out: &mut [MaybeUninit<f32>]| {
        let mut panels = Vec::new();
        for (first, width) in Panels::of(columns).panels() {
            let (panel, rest) = out.split_at_mut(PLACES * k * width);
            panels.push((first, width, panel));
            out = rest;
        }
        panels.into_par_iter().for_each(|(first, width, panel)| {
            for i in 0..k {
                for column in (0..width).step_by(WIDEST) {
                    let lanes = WIDEST.min(width - column);
                    let mut kernels = [[0f32; WIDEST]; 9];
                    for (lane, column) in (first + column..).take(lanes).enumerate() {
                        let scale = scale(i, column);
                        for (tap, value) in kernel(i, column).iter().enumerate() {
                            kernels[if turned { 8 - tap } else { tap }][lane] = scale * value;
                        }
                    }
                    let out = &mut panel[i * width + column..];
                    dispatch(WeightTransform { kernels: &kernels, lanes, out, stride: k * width });
                }
            }
        });
    };
    // SAFETY: the panels divide the output, and each is written at all places, of all rows, in runs that cover its width.
    #[expect(unsafe_code, reason = "the weights need not be filled with zeros first")]
    unsafe {
        written(PLACES * k * columns, write)
    }
}

thread_local! {
    /// Transformed tiles, and their products, of the thread's last chunk.
    static SCRATCH: RefCell<(Vec<f32>, Vec<f32>)> = const { RefCell::new((Vec::new(), Vec::new())) };
}

/// A convolution of `x`, `[N, h, w, k]`, with packed weights into `[N, h, w, columns]`.
fn convolve(
    (h, w): (usize, usize),
    (k, columns): (usize, usize),
    x: &[f32],
    packed: &[f32],
    finish: Finisher,
) -> Vec<f32> {
    let tiling = Tiling { h, w };
    let convolution = Convolution { tiling, k, columns, packed };
    let (source, output) = (tiling.pixels() * k, tiling.pixels() * columns);
    let images = x.len() / source;
    let chunk = TILES.div_ceil(tiling.tiles()).min(images.div_ceil(threads())).max(1);
    let write = |out: &mut [MaybeUninit<f32>]| {
        let chunks = x.par_chunks(chunk * source).zip(out.par_chunks_mut(chunk * output)).enumerate();
        chunks.for_each(|(i, (x, out))| {
            let start = i * chunk * output;
            let finish = finish.part(start..start + out.len());
            SCRATCH.with_borrow_mut(|scratch| convolution.chunk(x, out, finish, scratch));
        });
    };
    // SAFETY: the tiles of an image cover it, and every tile's outputs inside the image are written in all channels.
    #[expect(unsafe_code, reason = "the output need not be filled with zeros first")]
    unsafe {
        written(images * output, write)
    }
}

/// A convolution of `k` into `columns` channels with packed weights.
#[derive(Clone, Copy)]
struct Convolution<'a> {
    tiling: Tiling,
    k: usize,
    columns: usize,
    packed: &'a [f32],
}

impl Convolution<'_> {
    /// Whole images; `tiles` and `products` are memory to work in.
    fn chunk(
        self,
        x: &[f32],
        out: &mut [MaybeUninit<f32>],
        finish: Finisher,
        (tiles, products): &mut (Vec<f32>, Vec<f32>),
    ) {
        let Self { tiling, k, columns, packed } = self;
        let all = x.len() / (tiling.pixels() * k) * tiling.tiles();
        let (tiles_stride, products_stride) = (place_stride(TILES * k), place_stride(TILES * columns));
        grow(tiles, PLACES * tiles_stride);
        grow(products, PLACES * products_stride);
        for first in (0..all).step_by(TILES) {
            let range = first..(first + TILES).min(all);
            let (pixel, channels) = (k, 0..k);
            dispatch(InputTransform {
                tiling,
                x,
                pixel,
                channels,
                tiles: range.clone(),
                out: tiles,
                stride: tiles_stride,
            });
            for (channel, width) in Panels::of(columns).panels() {
                let panel = &packed[PLACES * k * channel..][..PLACES * k * width];
                for (place, right) in panel.chunks_exact(k * width).enumerate() {
                    dispatch(Product {
                        blocks: &[(0, 0)],
                        rows: range.len(),
                        left: &tiles[place * tiles_stride..],
                        left_stride: k,
                        segments: &[0],
                        segment: k,
                        right,
                        columns: width,
                        out: Out::over(&mut products[place * products_stride..][..range.len() * columns]),
                        out_stride: columns,
                        channel,
                        finish: Finisher::default(),
                    });
                }
            }
            let stride = products_stride;
            dispatch(OutputTransform { tiling, products, stride, channels: columns, tiles: range, out, finish });
        }
    }
}

fn grow(values: &mut Vec<f32>, len: usize) {
    if values.len() < len {
        values.resize(len, 0.0);
    }
}

/// The convolution of x with packed weights.
pub(super) fn forward(s: &Shape, x: &[f32], packed: &[f32], finish: Finisher) -> Vec<f32> {
    convolve((s.h, s.w), (s.c, s.o), x, packed, finish)
}

/// The gradient of x.
pub(super) fn backward(s: &Shape, dy: &[f32], packed: &[f32], finish: Finisher) -> Vec<f32> {
    convolve((s.h, s.w), (s.o, s.c), dy, packed, finish)
}
