//! The matrix kernel that convolutions, linear layers and the contrast are made of, and what it shares with
//! [`OuterProduct`](super::outer_product::OuterProduct).
//!
//! Both keep a tile of sums in registers and read their left factor where it lies, one float at a time spread over a
//! register. This one sums along the channels of a pixel, the other along pixels. Every sum is made by one thread from its
//! first term to its last.

use std::mem::MaybeUninit;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{
    finish::{Elements, Finisher},
    simd::{lanes, load, store},
};

/// Registers of columns that a tile has at most: four of the 32 registers of AVX-512 and NEON, two of the 16 of AVX2.
const fn widest_panel(registers: usize) -> usize {
    if registers >= 32 { 4 } else { 2 }
}

/// The right factor of a [`Product`], `[k, columns]`, laid out in panels: all rows of its first few registers of columns,
/// then of the next. Columns that fill no register are followed by zeros.
pub(super) struct Panels {
    columns: usize,
    lanes: usize,
    widest: usize,
}

impl Panels {
    /// The layout for this many columns on this processor.
    pub(super) fn of(columns: usize) -> Self {
        struct Widest;
        impl WithSimd for Widest {
            type Output = usize;

            #[inline(always)]
            fn with_simd<S: Simd>(self, _: S) -> usize {
                widest_panel(S::REGISTER_COUNT)
            }
        }
        Self { columns, lanes: lanes(), widest: super::simd::dispatch(Widest) }
    }

    /// Floats of `k` rows.
    pub(super) const fn len(&self, k: usize) -> usize {
        k * self.columns.next_multiple_of(self.lanes)
    }

    /// The panels: first column, and columns with the zeros that follow them.
    pub(super) fn panels(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let (lanes, registers) = (self.lanes, self.columns.div_ceil(self.lanes));
        panels(registers, self.widest).map(move |(first, width)| (first * lanes, width * lanes))
    }

    /// Lays out a matrix: `row` writes columns `from..` of row i into the slice.
    pub(super) fn lay_out(&self, k: usize, mut out: &mut [f32], row: impl Fn(usize, usize, &mut [f32]) + Sync) {
        assert_eq!(out.len(), self.len(k), "the panels have another size");
        let mut panels = Vec::new();
        for (first, width) in self.panels() {
            let (panel, rest) = out.split_at_mut(k * width);
            panels.push((first, width, panel));
            out = rest;
        }
        panels.into_par_iter().for_each(|(first, width, panel)| {
            let used = width.min(self.columns - first);
            for (i, to) in panel.chunks_exact_mut(width).enumerate() {
                row(i, first, &mut to[..used]);
                to[used..].fill(0.0);
            }
        });
    }
}

/// Shares `registers` out among as few panels as possible, as evenly as possible: first register and width.
fn panels(registers: usize, widest: usize) -> impl Iterator<Item = (usize, usize)> {
    let mut left = registers.div_ceil(widest);
    let mut first = 0;
    std::iter::from_fn(move || {
        let width = (registers - first).checked_div(left)?;
        let panel = (first, width);
        first += width;
        left -= 1;
        Some(panel)
    })
}

/// Memory that a [`Product`] writes its sums to. Nothing but valid floats is ever written through it.
pub(super) struct Out<'a>(&'a mut [MaybeUninit<f32>]);

impl<'a> Out<'a> {
    /// Memory without content.
    pub(super) const fn into(out: &'a mut [MaybeUninit<f32>]) -> Self {
        Self(out)
    }

    /// Floats, which are overwritten.
    #[expect(unsafe_code, reason = "a view of floats as memory for floats")]
    pub(super) const fn over(out: &'a mut [f32]) -> Self {
        // SAFETY: both types have the same layout, and the view never leaves this module, whose kernels write floats.
        Self(unsafe { std::slice::from_raw_parts_mut(out.as_mut_ptr().cast(), out.len()) })
    }
}

/// `out[r, ·] = finish(Σ_k left[r, k] · right[k, ·])` for blocks of rows.
///
/// Row r of block b starts at `left[b.0 + r·left_stride]` and consists of `segments` of `segment` floats at these distances
/// from there; its sums go to `out[b.1 + r·out_stride + channel]` onwards.
pub(super) struct Product<'a> {
    pub blocks: &'a [(usize, usize)],
    pub rows: usize,
    pub left: &'a [f32],
    pub left_stride: usize,
    pub segments: &'a [usize],
    pub segment: usize,
    /// In [`Panels`].
    pub right: &'a [f32],
    pub columns: usize,
    pub out: Out<'a>,
    pub out_stride: usize,
    /// The output channel of the first column.
    pub channel: usize,
    pub finish: Finisher<'a>,
}

impl Product<'_> {
    fn check(&self) {
        let (mut left, mut out) = (0, 0);
        for block in self.blocks {
            (left, out) = (left.max(block.0), out.max(block.1));
        }
        if self.rows == 0 || self.blocks.is_empty() {
            return;
        }
        let last = self.rows - 1;
        let reach = self.segments.iter().map(|s| s + self.segment).max().unwrap_or(0);
        assert!(left + last * self.left_stride + reach <= self.left.len(), "a row lies outside the left factor");
        let columns = self.channel + self.columns;
        assert!(out + last * self.out_stride + columns <= self.out.0.len(), "a row lies outside the output");
        assert_eq!(self.right.len(), Panels::of(self.columns).len(self.segments.len() * self.segment));
        assert!(self.finish.fits(self.out.0.len(), columns), "the finish fits another output");
    }
}

/// Runs `$tile::<rows>` over all rows, with tiles as tall as the registers allow and ever smaller ones for the rest.
macro_rules! tiles {
    ($rows:expr, $r:ident, [$($height:literal)*], $tile:expr) => {
        let mut $r = 0;
        $({
            const HEIGHT: usize = $height;
            while $rows - $r >= HEIGHT {
                $tile;
                $r += HEIGHT;
            }
        })*
    };
}
pub(super) use tiles;

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        self.check();
        let k = self.segments.len() * self.segment;
        let widest = widest_panel(S::REGISTER_COUNT);
        for (first, width) in panels(self.columns.div_ceil(S::F32_LANES), widest) {
            let first = first * S::F32_LANES;
            match width {
                1 => self.panel::<S, 1>(simd, first, k),
                2 => self.panel::<S, 2>(simd, first, k),
                3 => self.panel::<S, 3>(simd, first, k),
                _ => self.panel::<S, 4>(simd, first, k),
            }
        }
    }
}

/// Where a tile's rows begin in the left factor and in the output, and its first column.
#[derive(Clone, Copy)]
struct Tile {
    left: usize,
    out: usize,
    first: usize,
}

impl Product<'_> {
    #[inline(always)]
    fn panel<S: Simd, const V: usize>(&mut self, simd: S, first: usize, k: usize) {
        let right = &self.right[first * k..][..V * S::F32_LANES * k];
        for &(left, out) in self.blocks {
            macro_rules! tile {
                ($r:ident) => {
                    self.tile::<S, HEIGHT, V>(
                        simd,
                        Tile { left: left + $r * self.left_stride, out: out + $r * self.out_stride, first },
                        right,
                    )
                };
            }
            // Sums, the registers of a row of the right factor and one of the left fill the register file.
            if S::REGISTER_COUNT < 32 && V == 1 {
                tiles!(self.rows, r, [8 4 2 1], tile!(r));
            } else if S::REGISTER_COUNT < 32 {
                tiles!(self.rows, r, [6 4 2 1], tile!(r));
            } else {
                match V {
                    1 => {
                        tiles!(self.rows, r, [14 8 4 2 1], tile!(r));
                    }
                    2 => {
                        tiles!(self.rows, r, [12 8 4 2 1], tile!(r));
                    }
                    3 => {
                        tiles!(self.rows, r, [8 4 2 1], tile!(r));
                    }
                    _ => {
                        tiles!(self.rows, r, [6 4 2 1], tile!(r));
                    }
                }
            }
        }
    }

    #[inline(always)]
    #[expect(unsafe_code, reason = "a bounds check at every term costs as much as the arithmetic")]
    fn tile<S: Simd, const M: usize, const V: usize>(
        &mut self,
        simd: S,
        Tile { left, out, first }: Tile,
        right: &[f32],
    ) {
        let mut sums = [[simd.splat_f32s(0.0); V]; M];
        // SAFETY: `check` held for all rows of all blocks: row m's segments end inside `left`, its columns inside `out`,
        // and `right` has V registers for each of the k terms. `finish` fits the output.
        unsafe {
            let mut right = right.as_ptr();
            for segment in self.segments {
                let start = self.left.as_ptr().add(left + segment);
                let rows = Rows { start, stride: self.left_stride, terms: self.segment };
                sums = add_products::<S, M, V>(simd, rows, right, sums);
                right = right.add(self.segment * V * S::F32_LANES);
            }
            // The sums stay in registers up to here: what reads them by a running index, like this loop, reads a copy.
            let sums = in_memory(sums);
            for (m, sums) in sums.iter().enumerate() {
                for (v, sum) in sums.iter().enumerate() {
                    let column = first + v * S::F32_LANES;
                    let width = (self.columns - column).min(S::F32_LANES);
                    let channel = self.channel + column;
                    let at = out + m * self.out_stride + channel;
                    let value = self.finish.apply(simd, *sum, Elements { at, channel, width });
                    store(simd, self.out.0.as_mut_ptr().add(at).cast(), width, value);
                }
            }
        }
    }
}

/// Rows of `terms` floats, `stride` apart.
#[derive(Clone, Copy)]
struct Rows {
    start: *const f32,
    stride: usize,
    terms: usize,
}

/// `sums[m][v] + Σ_i rows[m][i] · right[i][v]`.
///
/// # Safety
/// M rows must be readable, and as many rows of V registers from `right` on as they have terms.
#[inline(always)]
#[expect(unsafe_code, reason = "a bounds check at every term costs as much as the arithmetic")]
unsafe fn add_products<S: Simd, const M: usize, const V: usize>(
    simd: S,
    Rows { start, stride, terms }: Rows,
    right: *const f32,
    mut sums: [[S::f32s; V]; M],
) -> [[S::f32s; V]; M] {
    // SAFETY: the caller holds the bounds of both factors.
    unsafe {
        let rows = &rows::<M>(start, stride);
        // Four terms a round: a tile has more row pointers than there are registers for them.
        let whole = terms - terms % 4;
        let mut right = right;
        let mut i = 0;
        while i < whole {
            for term in 0..4 {
                let right = right.add(term * V * S::F32_LANES);
                sums = add_product::<S, M, V>(simd, Term { rows, i: i + term, right, width: S::F32_LANES }, sums);
            }
            right = right.add(4 * V * S::F32_LANES);
            i += 4;
        }
        while i < terms {
            sums = add_product::<S, M, V>(simd, Term { rows, i, right, width: S::F32_LANES }, sums);
            right = right.add(V * S::F32_LANES);
            i += 1;
        }
    }
    sums
}

/// A copy that is addressed, so that the original need not be.
#[inline(always)]
pub(super) fn in_memory<V: Copy, const N: usize, const M: usize>(sums: [[V; N]; M]) -> [[V; N]; M] {
    let mut copy = sums;
    for (copy, sums) in copy.iter_mut().zip(&sums) {
        copy.copy_from_slice(sums);
    }
    copy
}

/// Where M rows start.
#[inline(always)]
pub(super) fn rows<const M: usize>(left: *const f32, stride: usize) -> [*const f32; M] {
    let mut rows = [left; M];
    for (m, row) in rows.iter_mut().enumerate() {
        *row = left.wrapping_add(m * stride);
    }
    rows
}

/// One term of M rows' products: the rows' floats i, and V registers of `width` floats from `right` on.
#[derive(Clone, Copy)]
pub(super) struct Term<'a, const M: usize> {
    pub rows: &'a [*const f32; M],
    pub i: usize,
    pub right: *const f32,
    pub width: usize,
}

/// `sums[m][v] + rows[m][i] · right[v]`.
///
/// # Safety
/// The floats and the registers of the term must be readable.
#[inline(always)]
#[expect(clippy::needless_range_loop, reason = "behind iterators the compiler keeps the sums in memory")]
#[expect(unsafe_code, reason = "a bounds check at every term costs as much as the arithmetic")]
pub(super) unsafe fn add_product<S: Simd, const M: usize, const V: usize>(
    simd: S,
    Term { rows, i, right, width }: Term<'_, M>,
    mut sums: [[S::f32s; V]; M],
) -> [[S::f32s; V]; M] {
    // SAFETY: the caller holds the bounds of both factors.
    unsafe {
        let mut columns = [simd.splat_f32s(0.0); V];
        for v in 0..V {
            columns[v] = load(simd, right.add(v * S::F32_LANES), width);
        }
        for m in 0..M {
            let factor = simd.splat_f32s(*rows[m].add(i));
            for v in 0..V {
                sums[m][v] = simd.mul_add_f32s(factor, columns[v], sums[m][v]);
            }
        }
    }
    sums
}
