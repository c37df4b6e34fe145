//! The repulsion between the points of a t-SNE map: the part of its gradient that every pair has.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::simd::{dispatch, load, registers};

/// Points that one task computes the repulsion of.
const CHUNK: usize = 32;

/// For every point i of a map, `Σ_j q²(p_i − p_j)` in both coordinates, and the sum of all q for i ≠ j, with
/// `q = 1 / (1 + |p_i − p_j|²)` (van der Maaten and Hinton 2008, eq. 4–5). `xs` and `ys` are the points' coordinates.
///
/// Every pair is computed: in registers that is quicker than a tree for some thousands of points, it is exact, and it is
/// the same on any number of threads.
///
/// # Panics
/// When there are more coordinates of one kind than of the other.
pub fn repulsion(xs: &[f32], ys: &[f32]) -> (Vec<[f32; 2]>, f64) {
    assert_eq!(xs.len(), ys.len(), "every point has two coordinates");
    let n = xs.len();
    let mut forces = vec![[0f32; 3]; n];
    forces.par_chunks_mut(CHUNK).enumerate().for_each(|(i, forces)| {
        dispatch(Forces { xs, ys, first: i * CHUNK, out: forces });
    });
    // Every point met itself too, at distance 0.
    let sum = forces.iter().map(|f| f64::from(f[2]) - 1.0).sum();
    (forces.into_iter().map(|[x, y, _]| [x, y]).collect(), sum)
}

struct Forces<'a> {
    xs: &'a [f32],
    ys: &'a [f32],
    first: usize,
    /// Both coordinates of the force, and the sum of q.
    out: &'a mut [[f32; 3]],
}

impl WithSimd for Forces<'_> {
    type Output = ();

    #[inline(always)]
    #[expect(unsafe_code, reason = "bounds are checked once for all points")]
    fn with_simd<S: Simd>(self, simd: S) {
        let (zero, one) = (simd.splat_f32s(0.0), simd.splat_f32s(1.0));
        let points = self.xs[self.first..].iter().zip(&self.ys[self.first..]);
        for (force, (x, y)) in self.out.iter_mut().zip(points) {
            let (x, y) = (simd.splat_f32s(*x), simd.splat_f32s(*y));
            let (mut fx, mut fy, mut sum) = (zero, zero, zero);
            registers(
                simd,
                self.xs.len(),
                #[inline(always)]
                |at, width| {
                    // SAFETY: `at + width` is at most the number of points, and both slices have one float a point.
                    let (other_x, other_y) = unsafe {
                        (load(simd, self.xs.as_ptr().add(at), width), load(simd, self.ys.as_ptr().add(at), width))
                    };
                    let (dx, dy) = (simd.sub_f32s(x, other_x), simd.sub_f32s(y, other_y));
                    let distance = simd.mul_add_f32s(dx, dx, simd.mul_add_f32s(dy, dy, one));
                    // Lanes behind the last point count as nothing.
                    let used = if width == S::F32_LANES {
                        one
                    } else {
                        // SAFETY: a register of ones is read up to its width.
                        unsafe { load(simd, [1f32; 16].as_ptr(), width) }
                    };
                    let q = simd.div_f32s(used, distance);
                    let square = simd.mul_f32s(q, q);
                    sum = simd.add_f32s(sum, q);
                    fx = simd.mul_add_f32s(square, dx, fx);
                    fy = simd.mul_add_f32s(square, dy, fy);
                },
            );
            *force = [simd.reduce_sum_f32s(fx), simd.reduce_sum_f32s(fy), simd.reduce_sum_f32s(sum)];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing, *};

    #[test]
    fn forces_and_their_sum_equal_those_pair_by_pair() {
        // 37 points fill no register and no task.
        for n in [1, 2, 16, 37, 100] {
            let (xs, ys) = (testing::values(&testing::tensor(1, n)), testing::values(&testing::tensor(2, n)));
            let (forces, sum) = repulsion(&xs, &ys);
            let mut expected_sum = 0f64;
            for i in 0..n {
                let mut expected = [0f64; 2];
                for j in (0..n).filter(|j| *j != i) {
                    let (dx, dy) = (f64::from(xs[i] - xs[j]), f64::from(ys[i] - ys[j]));
                    let q = 1.0 / (1.0 + dx * dx + dy * dy);
                    expected_sum += q;
                    expected = [expected[0] + q * q * dx, expected[1] + q * q * dy];
                }
                for (found, expected) in forces[i].iter().zip(expected) {
                    assert!((f64::from(*found) - expected).abs() < 1e-5, "point {i} of {n}: {found}, not {expected}");
                }
            }
            assert!((sum - expected_sum).abs() < 1e-5 * expected_sum.max(1.0), "{sum}, not {expected_sum}");
        }
    }

    #[test]
    fn forces_do_not_depend_on_the_number_of_threads() {
        let (xs, ys) = (testing::values(&testing::tensor(1, 300)), testing::values(&testing::tensor(2, 300)));
        let run = |threads| {
            rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| repulsion(&xs, &ys))
        };
        assert_eq!(run(1), run(3));
    }
}
