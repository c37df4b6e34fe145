//! The gradient of the weights by F(3×3, 4×4): products of transformed pixels and transformed gradients, summed over tiles.

use std::{cell::RefCell, ops::Range};

use rayon::prelude::*;

use super::{
    PLACES, Tiling, grow, place_stride,
    transform::{GradientTransform, InputTransform, WeightGradientTransform},
};
use crate::ops::{conv2d::Shape, outer_product::OuterProduct, simd::dispatch};

/// Channels of either side that a task sums at most: more would leave the cache, fewer would transform tiles more often.
const BLOCK: usize = 64;
/// Tasks that there should be at least. The number is fixed, and not that of the threads, so that the sums are too.
const TASKS: usize = 16;
/// Tiles that are transformed and multiplied at a time.
const TILES: usize = 32;

/// The gradient of the weights, `[O, C, 3, 3]`.
pub(in crate::ops::conv2d) fn weight_gradient(s: &Shape, x: &[f32], dy: &[f32]) -> Vec<f32> {
    let (source, output) = (s.input_len(), s.output_len());
    let images = x.len() / source;
    let (inputs, outputs) = (blocks(s.c), blocks(s.o));
    let parts = TASKS.div_ceil(inputs.len() * outputs.len()).min(images).max(1);
    let part = images.div_ceil(parts).max(1);
    let mut tasks = Vec::new();
    for (x, dy) in x.chunks(part * source).zip(dy.chunks(part * output)) {
        for outputs in &outputs {
            for inputs in &inputs {
                tasks.push((x, dy, inputs.clone(), outputs.clone()));
            }
        }
    }
    let gradients: Vec<Vec<f32>> = tasks.into_par_iter().map(|(x, dy, c, o)| block_gradient(s, x, dy, c, o)).collect();
    let mut dw = vec![0f32; s.o * s.c * 9];
    dw.par_chunks_exact_mut(s.c * 9).enumerate().for_each(|(o, dw)| {
        for part in gradients.chunks_exact(inputs.len() * outputs.len()) {
            let row = &part[o / BLOCK * inputs.len()..];
            for (c, gradient) in inputs.iter().zip(row) {
                let run = c.len() * 9;
                let gradient = &gradient[o % BLOCK * run..][..run];
                for (sum, value) in dw[c.start * 9..].iter_mut().zip(gradient) {
                    *sum += value;
                }
            }
        }
    });
    dw
}

fn blocks(channels: usize) -> Vec<Range<usize>> {
    (0..channels).step_by(BLOCK).map(|start| start..(start + BLOCK).min(channels)).collect()
}

thread_local! {
    /// Transformed pixels, transformed gradients, and sums of the thread's last task.
    static SCRATCH: RefCell<[Vec<f32>; 3]> = const { RefCell::new([Vec::new(), Vec::new(), Vec::new()]) };
}

/// The gradient of the weights between some channels over some images, `[o, c, 3, 3]`.
fn block_gradient(s: &Shape, x: &[f32], dy: &[f32], c: Range<usize>, o: Range<usize>) -> Vec<f32> {
    let tiling = Tiling { h: s.h, w: s.w };
    let tiles = x.len() / s.input_len() * tiling.tiles();
    let (x_stride, dy_stride) = (place_stride(TILES * c.len()), place_stride(TILES * o.len()));
    let mut gradient = vec![0f32; o.len() * c.len() * 9];
    SCRATCH.with_borrow_mut(|[of_x, of_dy, sums]| {
        grow(of_x, PLACES * x_stride);
        grow(of_dy, PLACES * dy_stride);
        // By place, input and output channel.
        grow(sums, PLACES * c.len() * o.len());
        for first in (0..tiles).step_by(TILES) {
            let range = first..(first + TILES).min(tiles);
            let (tiles, channels) = (range.clone(), c.clone());
            dispatch(InputTransform { tiling, x, pixel: s.c, channels, tiles, out: of_x, stride: x_stride });
            let (tiles, channels) = (range.clone(), o.clone());
            dispatch(GradientTransform { tiling, dy, pixel: s.o, channels, tiles, out: of_dy, stride: dy_stride });
            for (place, sums) in sums.chunks_exact_mut(c.len() * o.len()).take(PLACES).enumerate() {
                dispatch(OuterProduct {
                    blocks: &[(0, 0)],
                    pixels: range.len(),
                    left: &of_x[place * x_stride..],
                    left_stride: c.len(),
                    rows: c.len(),
                    right: &of_dy[place * dy_stride..],
                    right_stride: o.len(),
                    columns: o.len(),
                    out: sums,
                    accumulate: first > 0,
                });
            }
        }
        for i in 0..c.len() {
            dispatch(WeightGradientTransform {
                products: &sums[i * o.len()..],
                stride: c.len() * o.len(),
                outputs: o.len(),
                out: &mut gradient[i * 9..],
                out_stride: c.len() * 9,
            });
        }
    });
    gradient
}
