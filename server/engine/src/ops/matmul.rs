//! Matrix products on slices.

/// A matrix inside a slice: element (r, c) stands at `r * row_stride + c * column_stride`.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    pub values: &'a [f32],
    pub row_stride: usize,
    pub column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// A matrix whose rows lie one after another, `columns` apart.
    pub(super) const fn rows(values: &'a [f32], columns: usize) -> Self {
        Self { values, row_stride: columns, column_stride: 1 }
    }

    /// The transpose of [`Self::rows`].
    pub(super) const fn transposed(values: &'a [f32], columns: usize) -> Self {
        Self { values, row_stride: 1, column_stride: columns }
    }

    const fn holds(&self, rows: usize, columns: usize) -> bool {
        rows == 0
            || columns == 0
            || (rows - 1) * self.row_stride + (columns - 1) * self.column_stride < self.values.len()
    }
}

/// `out = lhs · rhs`, or `out += lhs · rhs` if `accumulate`, on this thread; lhs is m×k, rhs is k×n.
///
/// `out` is row-major with its rows `out_stride` apart.
///
/// # Panics
/// When a slice is too short for its matrix.
pub(super) fn matmul(
    (m, n, k): (usize, usize, usize),
    out: &mut [f32],
    out_stride: usize,
    lhs: Matrix,
    rhs: Matrix,
    accumulate: bool,
) {
    if m == 0 || n == 0 {
        return;
    }
    assert!(out_stride >= n && (m - 1) * out_stride + n <= out.len(), "the product does not fit its slice");
    assert!(lhs.holds(m, k) && rhs.holds(k, n), "a factor is shorter than its shape");
    // SAFETY: the asserts above show that every element that `gemm` touches lies inside its slice, `out` is borrowed
    // mutably and so overlaps neither factor, and rows of `out` do not overlap since they are at least n apart.
    #[expect(unsafe_code, reason = "gemm takes raw pointers")]
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            out_stride as isize,
            accumulate,
            lhs.values.as_ptr(),
            lhs.column_stride as isize,
            lhs.row_stride as isize,
            rhs.values.as_ptr(),
            rhs.column_stride as isize,
            rhs.row_stride as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_matrices_and_transposes_are_those_of_the_definition() {
        let (m, n, k) = (3, 5, 4);
        let a: Vec<f32> = (0..12).map(|v| v as f32 * 0.5 - 2.0).collect();
        let b: Vec<f32> = (0..20).map(|v| (v * v % 7) as f32).collect();
        let mut out = vec![1.0; 15];
        matmul((m, n, k), &mut out, n, Matrix::rows(&a, k), Matrix::rows(&b, n), true);
        for r in 0..m {
            for c in 0..n {
                let expected: f32 = 1.0 + (0..k).map(|i| a[r * k + i] * b[i * n + c]).sum::<f32>();
                assert!((out[r * n + c] - expected).abs() < 1e-5);
            }
        }
        // (B · Aᵀ) with both read transposed is the transpose of the product.
        let mut transposed = vec![0.0; 15];
        matmul((n, m, k), &mut transposed, m, Matrix::transposed(&b, n), Matrix::transposed(&a, k), false);
        for r in 0..m {
            for c in 0..n {
                assert!((out[r * n + c] - 1.0 - transposed[c * m + r]).abs() < 1e-5);
            }
        }
    }
}
