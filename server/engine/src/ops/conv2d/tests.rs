//! Every kernel against Candle's own operations, on odd sizes, and against finite differences.

use candle_core::{Result, Tensor};

use super::*;
use crate::ops::testing;

fn forward(x: &Tensor, w: &Tensor, conv: Conv2d, finish: &Finish) -> Result<Tensor> {
    conv2d(x, &ConvWeights::pack(w, conv, Direction::Forward, None)?, finish)
}

fn backward(dy: &Tensor, w: &Tensor, conv: Conv2d, side: (usize, usize), finish: &Finish) -> Result<Tensor> {
    conv2d_input_gradient(dy, &ConvWeights::pack(w, conv, Direction::Backward, None)?, side, finish)
}

/// (images, height, width, channels, outputs, kernel, stride, padding, groups).
const CASES: [[usize; 9]; 26] = [
    // Winograd: whole tiles, cut tiles, maps smaller than a tile, more tiles than a chunk, several panels.
    [2, 8, 8, 16, 16, 3, 1, 1, 1],
    [3, 9, 11, 16, 32, 3, 1, 1, 1],
    [5, 2, 3, 32, 16, 3, 1, 1, 1],
    [2, 33, 31, 16, 16, 3, 1, 1, 1],
    [17, 4, 4, 48, 80, 3, 1, 1, 1],
    [1, 1, 1, 16, 16, 3, 1, 1, 1],
    // Direct: stems, strides, paddings, kernels of other sides, channels that fill no register.
    [2, 32, 32, 3, 16, 3, 1, 1, 1],
    [9, 8, 11, 5, 7, 3, 1, 1, 1],
    [2, 9, 8, 3, 6, 3, 1, 0, 1],
    [3, 16, 16, 16, 32, 3, 2, 1, 1],
    [3, 9, 7, 4, 6, 3, 2, 1, 1],
    [3, 7, 10, 20, 24, 3, 3, 1, 1],
    [3, 8, 8, 4, 6, 1, 2, 0, 1],
    [2, 7, 7, 5, 3, 1, 1, 0, 1],
    [6, 8, 8, 96, 24, 1, 1, 0, 1],
    [1, 5, 6, 2, 3, 5, 1, 2, 1],
    [2, 12, 9, 17, 19, 4, 2, 3, 1],
    // Maps smaller than a stride or a kernel.
    [2, 4, 1, 2, 3, 3, 2, 1, 1],
    [2, 4, 4, 2, 3, 1, 2, 1, 1],
    [2, 1, 2, 3, 2, 2, 3, 1, 1],
    // Groups that are no single channels, and depthwise ones.
    [2, 9, 8, 12, 18, 3, 1, 1, 3],
    [2, 9, 8, 32, 64, 3, 2, 1, 2],
    [3, 8, 8, 24, 24, 3, 1, 1, 24],
    [3, 9, 7, 40, 40, 3, 2, 1, 40],
    [2, 6, 6, 3, 3, 5, 1, 2, 3],
    [2, 6, 6, 4, 8, 3, 1, 1, 4],
];

fn cases() -> impl Iterator<Item = (Conv2d, (usize, usize), [Tensor; 3])> {
    CASES.into_iter().enumerate().map(|(seed, [n, h, w, c, o, kernel, stride, padding, groups])| {
        let conv = Conv2d { kernel, stride, padding, groups };
        let x = testing::tensor(seed as u64, (n, h, w, c));
        let weights = testing::tensor(100 + seed as u64, (o, c / groups, kernel, kernel));
        let dy = testing::tensor(200 + seed as u64, (n, conv.output(h), conv.output(w), o));
        (conv, (h, w), [x, weights, dy])
    })
}

#[test]
fn outputs_and_gradients_equal_those_of_candle() {
    for (conv, side, [x, w, dy]) in cases() {
        let plain_steps = Finish::default();
        let y = forward(&x, &w, conv, &plain_steps).unwrap();
        testing::assert_close(&y, &plain::conv2d(&x, &w, conv).unwrap(), 1e-5);
        let dx = backward(&dy, &w, conv, side, &plain_steps).unwrap();
        testing::assert_close(&dx, &plain::conv2d_input_gradient(&dy, &w, conv, side).unwrap(), 1e-5);
        let dw = conv2d_weight_gradient(&x, &dy, conv).unwrap();
        testing::assert_close(&dw, &plain::conv2d_weight_gradient(&x, &dy, conv).unwrap(), 1e-4);
    }
}

#[test]
fn what_follows_the_sums_is_applied_to_every_output_once() {
    for (conv, side, [x, w, dy]) in cases() {
        let (scale, shift) = (testing::tensor(1, dy.dim(3).unwrap()), testing::tensor(2, dy.dim(3).unwrap()));
        let add = testing::tensor(3, dy.dims());
        let steps = Finish { affine: Some((&scale, &shift)), add: Some(&add), relu: true, gate: None };
        let y = forward(&x, &w, conv, &steps).unwrap();
        testing::assert_close(&y, &steps.plain(&plain::conv2d(&x, &w, conv).unwrap()).unwrap(), 1e-5);
        let add = testing::tensor(4, x.dims());
        let steps = Finish { add: Some(&add), gate: Some(&x), ..Finish::default() };
        let dx = backward(&dy, &w, conv, side, &steps).unwrap();
        let expected = steps.plain(&plain::conv2d_input_gradient(&dy, &w, conv, side).unwrap()).unwrap();
        testing::assert_close(&dx, &expected, 1e-5);
    }
}

#[test]
fn scaled_weights_give_the_gradient_of_scaled_outputs() {
    for (conv, side, [_, w, dy]) in cases() {
        let scale = testing::tensor(5, dy.dim(3).unwrap());
        for direction in [Direction::Forward, Direction::Backward] {
            let scaled = w.broadcast_mul(&scale.reshape((scale.elem_count(), 1, 1, 1)).unwrap()).unwrap();
            let found = ConvWeights::pack(&w, conv, direction, Some(&scale)).unwrap();
            let expected = ConvWeights::pack(&scaled, conv, direction, None).unwrap();
            let (Values::Packed(found), Values::Packed(expected)) = (found.values, expected.values) else {
                panic!("weights on the CPU are packed");
            };
            let close = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-6;
            assert!(found.len() == expected.len() && found.iter().zip(&expected).all(close));
        }
        let weights = ConvWeights::pack(&w, conv, Direction::Backward, Some(&scale)).unwrap();
        let found = conv2d_input_gradient(&dy, &weights, side, &Finish::default()).unwrap();
        let dy = dy.broadcast_mul(&scale).unwrap();
        testing::assert_close(&found, &plain::conv2d_input_gradient(&dy, &w, conv, side).unwrap(), 1e-5);
    }
}

#[test]
fn gradients_are_the_slopes_of_the_output() {
    // The convolution is linear in both arguments, so a difference quotient is exact up to rounding.
    for (c, o, stride) in [(3, 4, 2), (16, 16, 1)] {
        let conv = Conv2d { kernel: 3, stride, padding: 1, groups: 1 };
        let (x, w) = (testing::tensor(1, (2, 7, 5, c)), testing::tensor(2, (o, c, 3, 3)));
        let dy = testing::tensor(3, (2, conv.output(7), conv.output(5), o));
        let loss = |x: &Tensor, w: &Tensor| testing::dot(&forward(x, w, conv, &Finish::default()).unwrap(), &dy);
        let dx = backward(&dy, &w, conv, (7, 5), &Finish::default()).unwrap();
        testing::assert_slopes(&x, &dx, 1e-2, |x| loss(x, &w));
        let dw = conv2d_weight_gradient(&x, &dy, conv).unwrap();
        testing::assert_slopes(&w, &dw, 1e-2, |w| loss(&x, w));
    }
}

#[test]
fn winograds_rounding_errors_are_those_of_the_plain_sum() {
    // Against sums of doubles, 64 channels: the plain f32 sum errs by about 1e-6 of the largest output.
    let (conv, c) = (Conv2d { kernel: 3, stride: 1, padding: 1, groups: 1 }, 64);
    let (x, w) = (testing::tensor(1, (1, 8, 8, c)), testing::tensor(2, (c, c, 3, 3)));
    let found = testing::values(&forward(&x, &w, conv, &Finish::default()).unwrap());
    let (x, w) = (testing::values(&x), testing::values(&w));
    let (mut error, mut largest) = (0f64, 0f64);
    for (i, found) in found.into_iter().enumerate() {
        let (row, column, o) = (i / c / 8, i / c % 8, i % c);
        let mut sum = 0f64;
        for tap in 0..9 {
            let (y, z) = ((row + tap / 3).wrapping_sub(1), (column + tap % 3).wrapping_sub(1));
            if y < 8 && z < 8 {
                let pixel = &x[(y * 8 + z) * c..][..c];
                sum += (0..c).map(|k| f64::from(pixel[k]) * f64::from(w[(o * c + k) * 9 + tap])).sum::<f64>();
            }
        }
        error = error.max((f64::from(found) - sum).abs());
        largest = largest.max(sum.abs());
    }
    assert!(error < 3e-6 * largest, "{error} of {largest}");
}

#[test]
fn results_do_not_depend_on_the_number_of_threads_nor_on_the_batch() {
    for (conv, side, [x, w, dy]) in cases() {
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let y = forward(&x, &w, conv, &Finish::default()).unwrap();
                let dx = backward(&dy, &w, conv, side, &Finish::default()).unwrap();
                let dw = conv2d_weight_gradient(&x, &dy, conv).unwrap();
                [y, dx, dw].map(|t| testing::values(&t))
            })
        };
        let whole = run(1);
        assert_eq!(whole, run(3));
        let first = forward(&x.narrow(0, 0, 1).unwrap(), &w, conv, &Finish::default()).unwrap();
        let first = testing::values(&first);
        assert_eq!(whole[0][..first.len()], first);
    }
}

#[test]
fn shapes_and_directions_that_do_not_fit_are_errors() {
    let conv = Conv2d { kernel: 3, stride: 1, padding: 1, groups: 1 };
    let (x, w) = (testing::tensor(1, (2, 7, 5, 3)), testing::tensor(2, (4, 3, 3, 3)));
    let pack = |direction| ConvWeights::pack(&w, conv, direction, None).unwrap();
    let steps = Finish::default();
    assert!(conv2d(&x, &pack(Direction::Backward), &steps).is_err());
    assert!(conv2d(&testing::tensor(1, (2, 7, 5, 4)), &pack(Direction::Forward), &steps).is_err());
    assert!(conv2d_input_gradient(&x, &pack(Direction::Backward), (7, 5), &steps).is_err());
    assert!(conv2d_weight_gradient(&x, &testing::tensor(1, (2, 6, 5, 4)), conv).is_err());
    assert!(ConvWeights::pack(&w, Conv2d { kernel: 1, ..conv }, Direction::Forward, None).is_err());
    let scale = testing::tensor(1, 3);
    assert!(ConvWeights::pack(&w, conv, Direction::Forward, Some(&scale)).is_err());
    for wrong in [Conv2d { stride: 0, ..conv }, Conv2d { groups: 0, ..conv }, Conv2d { groups: 3, ..conv }] {
        assert!(ConvWeights::pack(&w, wrong, Direction::Forward, None).is_err(), "{wrong:?}");
    }
    let unpadded = Conv2d { padding: 0, ..conv };
    assert!(conv2d(&testing::tensor(1, (1, 2, 5, 3)), &pack_as(&w, unpadded), &steps).is_err());
    assert!(
        conv2d_weight_gradient(&testing::tensor(1, (1, 2, 5, 3)), &testing::tensor(1, (1, 1, 3, 4)), unpadded).is_err()
    );
}

fn pack_as(w: &Tensor, conv: Conv2d) -> ConvWeights {
    ConvWeights::pack(w, conv, Direction::Forward, None).unwrap()
}

#[test]
fn an_empty_batch_has_empty_outputs_and_a_gradient_of_zeros() {
    for (conv, side, [x, w, dy]) in cases() {
        let (none, no_dy) = (x.narrow(0, 0, 0).unwrap(), dy.narrow(0, 0, 0).unwrap());
        assert_eq!(forward(&none, &w, conv, &Finish::default()).unwrap().elem_count(), 0);
        assert_eq!(backward(&no_dy, &w, conv, side, &Finish::default()).unwrap().elem_count(), 0);
        let dw = testing::values(&conv2d_weight_gradient(&none, &no_dy, conv).unwrap());
        assert!(dw.len() == w.elem_count() && dw.iter().all(|v| *v == 0.0));
    }
}
