//! Convolutions of any geometry, and their gradients, by sums along the kernel's rows.
//!
//! In NHWC the numbers under one row of a kernel lie side by side, so a convolution is a matrix product whose left rows are
//! read from the image itself. Images are copied into the middle of zeros where the kernel reaches over their edge.
//!
//! The gradient of the input is made of one small convolution of the output's gradient for each place that a pixel can
//! have between two strides; a stride of 1 has one such place.

use std::mem::MaybeUninit;

use rayon::prelude::*;

use super::{Conv2d, Shape, threads};
use crate::ops::{
    finish::Finisher,
    outer_product::OuterProduct,
    product::{Out, Panels, Product},
    simd::{dispatch, written},
};

/// Left rows that the panels of weights should meet while they are in the cache.
const ROWS: usize = 128;
/// Floats of pixels and gradients that the weight gradient goes through before its next rows: they stay in the cache.
const LINES: usize = 24 << 10;

/// Where kernel entries of one axis read: entry `tap` of output i reads place `i + shift` of the source.
#[derive(Clone, Copy)]
struct Tap {
    tap: usize,
    shift: isize,
}

/// One small convolution: outputs `first + step·i` of an axis, with the taps that reach them.
struct Axis {
    first: usize,
    count: usize,
    taps: Vec<Tap>,
}

/// A convolution of a source `[N, h, w, channels]` into an output, forward or backward.
struct Plan {
    /// Side lengths of source and output.
    source: (usize, usize),
    output: (usize, usize),
    /// Channels of source and output, all groups.
    channels: (usize, usize),
    groups: usize,
    /// Source pixels from one output to the next, and output pixels from one to the next of the same axis.
    stride: usize,
    step: usize,
    /// Zeros before and behind the source, down and across.
    pad: [(usize, usize); 2],
    rows: Vec<Axis>,
    columns: Vec<Axis>,
}

/// Forward: output i reads places `stride·i + tap − padding`.
fn forward_axis(conv: Conv2d, n: usize) -> Vec<Axis> {
    let taps = (0..conv.kernel).map(|tap| Tap { tap, shift: tap as isize - conv.padding as isize }).collect();
    vec![Axis { first: 0, count: conv.output(n), taps }]
}

/// Backward: input `stride·i + first` reads the output's places `i + (first + padding − tap) / stride` where that is whole.
fn backward_axis(conv: Conv2d, n: usize) -> Vec<Axis> {
    let stride = conv.stride as isize;
    // Also for places that a small map does not have: the weights are packed without knowing it.
    (0..conv.stride)
        .map(|first| {
            let reach = |tap: usize| first as isize + conv.padding as isize - tap as isize;
            // From the last tap to the first, so that the places ascend.
            let taps = (0..conv.kernel).rev().filter(|tap| reach(*tap) % stride == 0);
            let taps = taps.map(|tap| Tap { tap, shift: reach(tap) / stride }).collect();
            Axis { first, count: n.saturating_sub(first).div_ceil(conv.stride), taps }
        })
        .collect()
}

/// Zeros that are needed before and behind `n` places.
fn pad(axes: &[Axis], n: usize, stride: usize) -> (usize, usize) {
    let (mut before, mut behind) = (0, 0);
    for axis in axes.iter().filter(|axis| axis.count > 0) {
        for tap in &axis.taps {
            let last = ((axis.count - 1) * stride) as isize + tap.shift;
            before = before.max(-tap.shift);
            behind = behind.max(last + 1 - n as isize);
        }
    }
    (before as usize, behind as usize)
}

impl Plan {
    fn forward(s: &Shape) -> Self {
        let (rows, columns) = (forward_axis(s.conv, s.h), forward_axis(s.conv, s.w));
        Self {
            source: (s.h, s.w),
            output: (s.out_h(), s.out_w()),
            channels: (s.c, s.o),
            groups: s.conv.groups,
            stride: s.conv.stride,
            step: 1,
            pad: [pad(&rows, s.h, s.conv.stride), pad(&columns, s.w, s.conv.stride)],
            rows,
            columns,
        }
    }

    fn backward(s: &Shape) -> Self {
        let (rows, columns) = (backward_axis(s.conv, s.h), backward_axis(s.conv, s.w));
        Self {
            source: (s.out_h(), s.out_w()),
            output: (s.h, s.w),
            channels: (s.o, s.c),
            groups: s.conv.groups,
            stride: 1,
            step: s.conv.stride,
            pad: [pad(&rows, s.out_h(), 1), pad(&columns, s.out_w(), 1)],
            rows,
            columns,
        }
    }

    /// Pixels of a source row with its zeros.
    fn pitch(&self) -> usize {
        self.pad[1].0 + self.source.1 + self.pad[1].1
    }

    /// Floats of a source with its zeros.
    fn padded(&self) -> usize {
        (self.pad[0].0 + self.source.0 + self.pad[0].1) * self.pitch() * self.channels.0
    }

    fn is_padded(&self) -> bool {
        self.pad != [(0, 0); 2]
    }

    /// Copies a source into the middle of zeros.
    fn pad(&self, source: &[f32], padded: &mut [f32]) {
        let (line, c) = (self.source.1 * self.channels.0, self.channels.0);
        padded.fill(0.0);
        let inside = (self.pad[0].0 * self.pitch() + self.pad[1].0) * c;
        for (row, out) in source.chunks_exact(line).zip(padded[inside..].chunks_mut(self.pitch() * c)) {
            out[..line].copy_from_slice(row);
        }
    }

    /// Floats of a source without zeros.
    const fn source_len(&self) -> usize {
        self.source.0 * self.source.1 * self.channels.0
    }

    /// Channels of a group.
    fn group_channels(&self) -> (usize, usize) {
        (self.channels.0 / self.groups, self.channels.1 / self.groups)
    }

    /// Whether the entries of a kernel row lie side by side, so that they are one segment.
    const fn joins(&self) -> bool {
        self.groups == 1
    }

    /// Distances from the place of an output in the padded source to what its sums read, and how many floats each has.
    fn segments(&self, rows: &Axis, columns: &Axis) -> (Vec<usize>, usize) {
        let place = |row: &Tap, column: &Tap| {
            let down = (row.shift + self.pad[0].0 as isize) as usize;
            let across = (column.shift + self.pad[1].0 as isize) as usize;
            (down * self.pitch() + across) * self.channels.0
        };
        let c = self.group_channels().0;
        if self.joins() {
            let first = columns.taps.first();
            (first.iter().flat_map(|f| rows.taps.iter().map(|r| place(r, f))).collect(), columns.taps.len() * c)
        } else {
            (rows.taps.iter().flat_map(|r| columns.taps.iter().map(move |c| place(r, c))).collect(), c)
        }
    }

    /// The small convolutions: pairs of a row and a column axis.
    fn parts(&self) -> impl Iterator<Item = (&Axis, &Axis)> {
        self.rows.iter().flat_map(|r| self.columns.iter().map(move |c| (r, c)))
    }

    /// The weights of all parts and groups, in the order in which the sums read them. `weight(group, source channel, output
    /// channel, row tap, column tap)` counts channels inside their group.
    fn pack(&self, weight: impl Fn(usize, usize, usize, usize, usize) -> f32 + Sync) -> Vec<f32> {
        let (c, o) = self.group_channels();
        let panels = Panels::of(o);
        let mut packed = Vec::new();
        for (rows, columns) in self.parts() {
            let width = columns.taps.len();
            let k = rows.taps.len() * width * c;
            for group in 0..self.groups {
                let start = packed.len();
                packed.resize(start + panels.len(k), 0.0);
                panels.lay_out(k, &mut packed[start..], |i, first, out| {
                    let (row, column) = (rows.taps[i / c / width].tap, columns.taps[i / c % width].tap);
                    for (o, out) in out.iter_mut().enumerate() {
                        *out = weight(group, i % c, first + o, row, column);
                    }
                });
            }
        }
        packed
    }

    fn run(&self, sources: &[f32], packed: &[f32], finish: Finisher) -> Vec<f32> {
        let source = self.source_len();
        let pixels = self.output.0 * self.output.1;
        let images = sources.len() / source;
        let chunk = ROWS.div_ceil(pixels.max(1)).min(images.div_ceil(threads())).max(1);
        let output = pixels * self.channels.1;
        let write = |out: &mut [MaybeUninit<f32>]| {
            let chunks = sources.par_chunks(chunk * source).zip(out.par_chunks_mut(chunk * output)).enumerate();
            chunks.for_each_init(Vec::new, |padded, (i, (sources, out))| {
                let start = i * chunk * output;
                let finish = finish.part(start..start + out.len());
                if !self.is_padded() {
                    return self.run_chunk(sources, packed, out, finish);
                }
                padded.resize(sources.len() / source * self.padded(), 0.0);
                for (source, padded) in sources.chunks_exact(source).zip(padded.chunks_exact_mut(self.padded())) {
                    self.pad(source, padded);
                }
                self.run_chunk(padded, packed, out, finish);
            });
        };
        // SAFETY: the axes' places are all places of the output, and a part writes all channels of its places, those without
        // a tap as finished zeros.
        #[expect(unsafe_code, reason = "the output need not be filled with zeros first")]
        unsafe {
            written(images * output, write)
        }
    }

    /// Convolves some images on this thread.
    fn run_chunk(&self, sources: &[f32], packed: &[f32], out: &mut [MaybeUninit<f32>], finish: Finisher) {
        let ((c, o), (_, all)) = (self.group_channels(), self.channels);
        let panels = Panels::of(o);
        let (line, images) = (self.stride * self.pitch() * self.channels.0, sources.len() / self.padded());
        let mut rest = packed;
        for (rows, columns) in self.parts() {
            if rows.count == 0 || columns.count == 0 {
                let k = rows.taps.len() * columns.taps.len() * c;
                rest = &rest[self.groups * panels.len(k)..];
                continue;
            }
            let (segments, segment) = self.segments(rows, columns);
            let mut blocks = Vec::with_capacity(images * rows.count);
            for image in 0..images {
                for i in 0..rows.count {
                    let at = (image * self.output.0 + rows.first + i * self.step) * self.output.1 + columns.first;
                    blocks.push((image * self.padded() + i * line, at * all));
                }
            }
            let mut count = columns.count;
            // A 1×1 kernel sees no lines: all pixels are one block.
            if segments == [0] && segment == c && self.stride == 1 && self.step == 1 && !self.is_padded() {
                (count, blocks) = (count * blocks.len(), vec![(0, 0)]);
            }
            for group in 0..self.groups {
                let (right, behind) = rest.split_at(panels.len(segments.len() * segment));
                rest = behind;
                dispatch(Product {
                    blocks: &blocks,
                    rows: count,
                    left: &sources[group * c..],
                    left_stride: self.stride * self.channels.0,
                    segments: &segments,
                    segment,
                    right,
                    columns: o,
                    out: Out::into(&mut *out),
                    out_stride: self.step * all,
                    channel: group * o,
                    finish,
                });
            }
        }
    }
}

/// The weights as [`forward`] reads them, those of output channel o times `scale[o]`.
pub(super) fn pack_forward(s: &Shape, w: &[f32], scale: Option<&[f32]>) -> Vec<f32> {
    let (c, o, k) = (s.c / s.conv.groups, s.o / s.conv.groups, s.conv.kernel);
    Plan::forward(s).pack(|group, i, j, row, column| {
        let j = group * o + j;
        w[((j * c + i) * k + row) * k + column] * scale.map_or(1.0, |s| s[j])
    })
}

/// The weights as [`backward`] reads them, those of output channel o times `scale[o]`.
pub(super) fn pack_backward(s: &Shape, w: &[f32], scale: Option<&[f32]>) -> Vec<f32> {
    let (c, o, k) = (s.c / s.conv.groups, s.o / s.conv.groups, s.conv.kernel);
    Plan::backward(s).pack(|group, i, j, row, column| {
        let i = group * o + i;
        w[((i * c + j) * k + row) * k + column] * scale.map_or(1.0, |s| s[i])
    })
}

/// The convolution of x with packed weights.
pub(super) fn forward(s: &Shape, x: &[f32], packed: &[f32], finish: Finisher) -> Vec<f32> {
    Plan::forward(s).run(x, packed, finish)
}

/// The gradient of x.
pub(super) fn backward(s: &Shape, dy: &[f32], packed: &[f32], finish: Finisher) -> Vec<f32> {
    Plan::backward(s).run(dy, packed, finish)
}

/// The gradient of the weights, `[O, C / groups, k, k]`.
pub(super) fn weight_gradient(s: &Shape, x: &[f32], dy: &[f32]) -> Vec<f32> {
    let plan = Plan::forward(s);
    let mut copy = Vec::new();
    let x = if plan.is_padded() {
        copy.resize(x.len() / plan.source_len() * plan.padded(), 0.0);
        let images = x.par_chunks_exact(plan.source_len()).zip(copy.par_chunks_exact_mut(plan.padded()));
        images.for_each(|(source, padded)| plan.pad(source, padded));
        &copy
    } else {
        x
    };
    let (c, o) = plan.group_channels();
    let (segments, segment) = plan.segments(&plan.rows[0], &plan.columns[0]);
    let padded = plan.padded();
    let images = x.len() / padded;
    let line = plan.stride * plan.pitch() * s.c;
    let lines: Vec<(usize, usize)> = (0..images * s.out_h())
        .map(|row| (row / s.out_h() * padded + row % s.out_h() * line, row * s.out_w() * s.o))
        .collect();
    // A task sums a few rows of the gradient over a part of the images.
    let rows: Vec<(usize, usize, usize)> = (0..s.conv.groups * segments.len())
        .flat_map(|i| (0..segment).step_by(TASK_ROWS).map(move |start| (i, start, TASK_ROWS.min(segment - start))))
        .collect();
    let parts = TASKS.div_ceil(rows.len()).min(images).max(1);
    let part = images.div_ceil(parts).max(1) * s.out_h();
    let group = (LINES / (s.out_w() * (TASK_ROWS.min(segment) + o))).max(1);
    let tasks: Vec<_> = lines.chunks(part).flat_map(|lines| rows.iter().map(move |rows| (lines, *rows))).collect();
    let sums: Vec<Vec<f32>> = tasks
        .into_par_iter()
        .map(|(lines, (i, start, rows))| {
            let (of, segment) = (i / segments.len(), segments[i % segments.len()]);
            let mut sums = vec![0f32; rows * o];
            for (i, blocks) in lines.chunks(group).enumerate() {
                dispatch(OuterProduct {
                    blocks,
                    pixels: s.out_w(),
                    left: &x[of * c + segment + start..],
                    left_stride: plan.stride * s.c,
                    rows,
                    right: &dy[of * o..],
                    right_stride: s.o,
                    columns: o,
                    out: &mut sums,
                    accumulate: i > 0,
                });
            }
            sums
        })
        .collect();
    // By output channel, then channel and tap; the sums are by tap, channel and output channel.
    let taps = s.conv.kernel * s.conv.kernel;
    let mut dw = vec![0f32; s.o * c * taps];
    let lanes = [16, 8, 4, 2].into_iter().find(|lanes| o.is_multiple_of(*lanes)).unwrap_or(1);
    dw.par_chunks_exact_mut(lanes * c * taps).enumerate().for_each(|(i, dw)| {
        let (group, first) = (i * lanes / o, i * lanes % o);
        for part in sums.chunks(rows.len()) {
            for ((of, start, count), sums) in rows.iter().zip(part).filter(|((of, ..), _)| of / segments.len() == group)
            {
                for row in 0..*count {
                    let place = of % segments.len() * segment + start + row;
                    let at = place % c * taps + place / c;
                    for (lane, value) in sums[row * o + first..][..lanes].iter().enumerate() {
                        dw[lane * c * taps + at] += value;
                    }
                }
            }
        }
    });
    dw
}

/// Rows of the weight gradient that one task sums.
const TASK_ROWS: usize = 96;
/// Tasks that there should be at least. The number is fixed, and not that of the threads, so that the sums are too.
const TASKS: usize = 16;
