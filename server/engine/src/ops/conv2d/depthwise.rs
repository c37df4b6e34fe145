//! Depthwise convolutions: every channel has a kernel of its own.
//!
//! In NHWC the channels of a pixel are multiplied register by register; each output pixel gathers the pixels that its
//! kernel reaches. They are bound by memory, not by arithmetic.

use std::mem::MaybeUninit;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{Conv2d, Shape};
use crate::ops::{
    finish::{Elements, Finisher},
    simd::{dispatch, load, registers, store, written},
};

/// By output of one axis: pairs of a kernel entry and the place that it reads.
type Reach = Vec<Vec<(usize, usize)>>;

/// Whether every group is one channel in and one out.
pub(super) const fn suits(s: &Shape) -> bool {
    s.conv.groups > 1 && s.conv.groups == s.c && s.conv.groups == s.o
}

fn forward_reach(conv: Conv2d, n: usize) -> Reach {
    let places = |i: usize| {
        let place = move |tap: usize| (i * conv.stride + tap).checked_sub(conv.padding).filter(|at| *at < n);
        (0..conv.kernel).filter_map(|tap| place(tap).map(|at| (tap, at))).collect()
    };
    (0..conv.output(n)).map(places).collect()
}

fn backward_reach(conv: Conv2d, n: usize) -> Reach {
    let mut reach = vec![Vec::new(); n];
    for (output, places) in forward_reach(conv, n).into_iter().enumerate() {
        for (tap, place) in places {
            reach[place].push((tap, output));
        }
    }
    reach
}

/// The weights by entry and channel, times `scale` by channel.
pub(super) fn pack(s: &Shape, w: &[f32], scale: Option<&[f32]>) -> Vec<f32> {
    let taps = s.conv.kernel * s.conv.kernel;
    let mut packed = vec![0f32; w.len()];
    for (c, kernel) in w.chunks_exact(taps).enumerate() {
        for (tap, weight) in kernel.iter().enumerate() {
            packed[tap * s.c + c] = weight * scale.map_or(1.0, |s| s[c]);
        }
    }
    packed
}

/// The convolution of x with packed weights.
pub(super) fn forward(s: &Shape, x: &[f32], packed: &[f32], finish: Finisher) -> Vec<f32> {
    let (rows, columns) = (forward_reach(s.conv, s.h), forward_reach(s.conv, s.w));
    let window = Window { channels: s.c, kernel: s.conv.kernel, h: s.h, w: s.w, rows: &rows, columns: &columns };
    gather(window, x, packed, finish)
}

/// The gradient of x.
pub(super) fn backward(s: &Shape, dy: &[f32], packed: &[f32], finish: Finisher) -> Vec<f32> {
    let (rows, columns) = (backward_reach(s.conv, s.h), backward_reach(s.conv, s.w));
    let (h, w) = (s.out_h(), s.out_w());
    let window = Window { channels: s.c, kernel: s.conv.kernel, h, w, rows: &rows, columns: &columns };
    gather(window, dy, packed, finish)
}

fn gather(window: Window, source: &[f32], packed: &[f32], finish: Finisher) -> Vec<f32> {
    let Window { channels, h, w, rows, columns, .. } = window;
    let (source_image, image) = (h * w * channels, rows.len() * columns.len() * channels);
    let write = |out: &mut [MaybeUninit<f32>]| {
        let images = source.par_chunks_exact(source_image).zip(out.par_chunks_exact_mut(image)).enumerate();
        images.for_each(|(i, (source, out))| {
            let finish = finish.part(i * image..(i + 1) * image);
            dispatch(Gather { window, source, packed, out, finish });
        });
    };
    // SAFETY: every image writes all channels of all its pixels.
    #[expect(unsafe_code, reason = "the output need not be filled with zeros first")]
    unsafe {
        written(source.len() / source_image * image, write)
    }
}

/// What the outputs of an image read.
#[derive(Clone, Copy)]
struct Window<'a> {
    channels: usize,
    kernel: usize,
    /// Rows of a source, and pixels of a row.
    h: usize,
    w: usize,
    rows: &'a Reach,
    columns: &'a Reach,
}

impl Window<'_> {
    /// Holds that a source, numbers by kernel entry and channel, and outputs of so many floats have all that is reached.
    fn check(&self, source: usize, entries: usize, outputs: usize) {
        // The largest entry and the furthest place of an axis.
        let furthest =
            |reach: &Reach| reach.iter().flatten().fold((0, 0), |most, r| (most.0.max(r.0), most.1.max(r.1)));
        let (c, down, across) = (self.channels, furthest(self.rows), furthest(self.columns));
        assert!((down.1 * self.w + across.1 + 1) * c <= source, "a place lies outside the source");
        assert!((down.0 * self.kernel + across.0 + 1) * c <= entries, "an entry lies outside the kernel");
        assert_eq!(self.rows.len() * self.columns.len() * c, outputs, "the outputs are not as many as the places");
    }
}

struct Gather<'a> {
    window: Window<'a>,
    source: &'a [f32],
    packed: &'a [f32],
    out: &'a mut [MaybeUninit<f32>],
    finish: Finisher<'a>,
}

impl WithSimd for Gather<'_> {
    type Output = ();

    #[inline(always)]
    #[expect(unsafe_code, reason = "bounds are checked once for the whole image")]
    fn with_simd<S: Simd>(self, simd: S) {
        let Window { channels: c, kernel, w, rows, columns, .. } = self.window;
        self.window.check(self.source.len(), self.packed.len(), self.out.len());
        assert!(self.finish.fits(self.out.len(), c));
        let mut pixel = 0;
        for rows in rows {
            for columns in columns {
                registers(
                    simd,
                    c,
                    #[inline(always)]
                    |channel, width| {
                        let mut sum = simd.splat_f32s(0.0);
                        let at = pixel + channel;
                        // SAFETY: the checks hold the furthest place and entry of each axis, and all output pixels.
                        unsafe {
                            for &(row, y) in rows {
                                for &(column, x) in columns {
                                    let source = self.source.as_ptr().add((y * w + x) * c + channel);
                                    let weight = self.packed.as_ptr().add((row * kernel + column) * c + channel);
                                    sum = simd.mul_add_f32s(load(simd, source, width), load(simd, weight, width), sum);
                                }
                            }
                            let value = self.finish.apply(simd, sum, Elements { at, channel, width });
                            store(simd, self.out.as_mut_ptr().add(at).cast(), width, value);
                        }
                    },
                );
                pixel += c;
            }
        }
    }
}

/// The gradient of the weights, `[C, 1, k, k]`.
pub(super) fn weight_gradient(s: &Shape, x: &[f32], dy: &[f32]) -> Vec<f32> {
    let (rows, columns) = (&forward_reach(s.conv, s.h), &forward_reach(s.conv, s.w));
    let window = Window { channels: s.c, kernel: s.conv.kernel, h: s.h, w: s.w, rows, columns };
    let taps = s.conv.kernel * s.conv.kernel;
    let images = x.par_chunks_exact(s.input_len()).zip(dy.par_chunks_exact(s.output_len()));
    let parts: Vec<Vec<f32>> = images
        .map(|(x, dy)| {
            let mut sums = vec![0f32; taps * s.c];
            dispatch(Slopes { window, x, dy, sums: &mut sums });
            sums
        })
        .collect();
    let mut dw = vec![0f32; taps * s.c];
    for (i, dw) in dw.iter_mut().enumerate() {
        let (c, tap) = (i / taps, i % taps);
        *dw = parts.iter().map(|part| part[tap * s.c + c]).sum();
    }
    dw
}

/// Sums `x · dy` over the pixels of an image, by kernel entry and channel.
struct Slopes<'a> {
    window: Window<'a>,
    x: &'a [f32],
    dy: &'a [f32],
    sums: &'a mut [f32],
}

impl WithSimd for Slopes<'_> {
    type Output = ();

    #[inline(always)]
    #[expect(unsafe_code, reason = "bounds are checked once for the whole image")]
    fn with_simd<S: Simd>(self, simd: S) {
        let Window { channels: c, kernel, w, rows, columns, .. } = self.window;
        self.window.check(self.x.len(), self.sums.len(), self.dy.len());
        for (i, reached) in rows.iter().enumerate() {
            for &(row, y) in reached {
                for (j, reached) in columns.iter().enumerate() {
                    for &(column, x) in reached {
                        registers(
                            simd,
                            c,
                            #[inline(always)]
                            |channel, width| {
                                // SAFETY: the checks hold the furthest place and entry of each axis, and all pixels of dy.
                                unsafe {
                                    let x = load(simd, self.x.as_ptr().add((y * w + x) * c + channel), width);
                                    let at = (i * columns.len() + j) * c + channel;
                                    let slope = load(simd, self.dy.as_ptr().add(at), width);
                                    let sum = self.sums.as_mut_ptr().add((row * kernel + column) * c + channel);
                                    store(simd, sum, width, simd.mul_add_f32s(x, slope, load(simd, sum, width)));
                                }
                            },
                        );
                    }
                }
            }
        }
    }
}
