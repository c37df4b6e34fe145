//! The matrix kernel that gradients of weights are made of: sums along pixels.

use pulp::{Simd, WithSimd};

use super::{
    product::{Term, add_product, in_memory, rows, tiles},
    simd::{load, registers, store},
};

/// `out[i, ·] = Σ_p left[p, i] · right[p, ·]` over the pixels p of all blocks, added to what was there if `accumulate`.
///
/// Pixel p of block b has its left numbers at `left[b.0 + p·left_stride]` and its right ones at
/// `right[b.1 + p·right_stride]`.
pub(super) struct OuterProduct<'a> {
    pub blocks: &'a [(usize, usize)],
    pub pixels: usize,
    pub left: &'a [f32],
    pub left_stride: usize,
    pub rows: usize,
    pub right: &'a [f32],
    pub right_stride: usize,
    pub columns: usize,
    /// `[rows, columns]`.
    pub out: &'a mut [f32],
    pub accumulate: bool,
}

impl WithSimd for OuterProduct<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let (mut left, mut right) = (0, 0);
        for block in self.blocks {
            (left, right) = (left.max(block.0), right.max(block.1));
        }
        let last = self.pixels.saturating_sub(1);
        assert!(left + last * self.left_stride + self.rows <= self.left.len(), "a pixel lies outside the left factor");
        assert!(
            right + last * self.right_stride + self.columns <= self.right.len(),
            "a pixel lies outside the right one"
        );
        assert_eq!(self.out.len(), self.rows * self.columns);
        let pair = 2 * S::F32_LANES;
        let paired = self.columns - self.columns % pair;
        for column in (0..paired).step_by(pair) {
            self.stripe::<S, 2>(simd, column, S::F32_LANES);
        }
        registers(
            simd,
            self.columns - paired,
            #[inline(always)]
            |at, width| self.stripe::<S, 1>(simd, paired + at, width),
        );
    }
}

impl OuterProduct<'_> {
    #[inline(always)]
    fn stripe<S: Simd, const V: usize>(&mut self, simd: S, column: usize, width: usize) {
        if S::REGISTER_COUNT < 32 {
            tiles!(self.rows, r, [6 4 2 1], self.tile::<S, HEIGHT, V>(simd, r, column, width));
        } else {
            tiles!(self.rows, r, [12 8 4 2 1], self.tile::<S, HEIGHT, V>(simd, r, column, width));
        }
    }

    #[inline(always)]
    #[expect(unsafe_code, reason = "a bounds check at every term costs as much as the arithmetic")]
    fn tile<S: Simd, const M: usize, const V: usize>(&mut self, simd: S, row: usize, column: usize, width: usize) {
        // SAFETY: rows `row..row + M` and V registers of `width` columns from `column` lie inside the factors and the
        // output, as the asserts above hold for all pixels of all blocks.
        unsafe {
            let mut sums = [[simd.splat_f32s(0.0); V]; M];
            for &(left, right) in self.blocks {
                let mut left = self.left.as_ptr().add(left + row);
                let mut right = self.right.as_ptr().add(right + column);
                for _ in 0..self.pixels {
                    let rows = &rows::<M>(left, 1);
                    sums = add_product::<S, M, V>(simd, Term { rows, i: 0, right, width }, sums);
                    left = left.wrapping_add(self.left_stride);
                    right = right.wrapping_add(self.right_stride);
                }
            }
            let out = self.out.as_mut_ptr().add(row * self.columns + column);
            for (m, sums) in in_memory(sums).iter().enumerate() {
                for (v, sum) in sums.iter().enumerate() {
                    let out = out.add(m * self.columns + v * S::F32_LANES);
                    let sum = if self.accumulate { simd.add_f32s(load(simd, out, width), *sum) } else { *sum };
                    store(simd, out, width, sum);
                }
            }
        }
    }
}
