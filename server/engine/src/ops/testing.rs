//! What the tests of the operations share.

use candle_core::{Device, Shape, Tensor};

use crate::rng::{Purpose, Stream};

/// A tensor of uniform numbers from −1 to 1.
pub(crate) fn tensor(seed: u64, shape: impl Into<Shape>) -> Tensor {
    let shape = shape.into();
    let mut stream = Stream::new(seed, Purpose::Test, 0, 0);
    let values: Vec<f32> = (0..shape.elem_count()).map(|_| stream.uniform(-1.0, 1.0)).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

pub(crate) fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

pub(crate) fn dot(a: &Tensor, b: &Tensor) -> f64 {
    values(a).iter().zip(values(b)).map(|(a, b)| f64::from(*a) * f64::from(b)).sum()
}

/// Equal shapes, and no element further apart than `tolerance` times the largest expected one (or 1).
#[track_caller]
pub(crate) fn assert_close(found: &Tensor, expected: &Tensor, tolerance: f32) {
    assert_eq!(found.dims(), expected.dims());
    let (found, expected) = (values(found), values(expected));
    let scale = expected.iter().fold(1f32, |m, v| m.max(v.abs()));
    for (i, (f, e)) in found.iter().zip(&expected).enumerate() {
        assert!((f - e).abs() <= tolerance * scale, "element {i}: {f}, expected {e} (scale {scale})");
    }
}

/// `gradient` is the slope of `loss` along a spread of coordinates of `at`, by central differences of width `step`.
#[track_caller]
pub(crate) fn assert_slopes(at: &Tensor, gradient: &Tensor, step: f32, loss: impl Fn(&Tensor) -> f64) {
    assert_eq!(at.dims(), gradient.dims());
    let (base, gradient) = (values(at), values(gradient));
    let scale = gradient.iter().fold(1e-3f32, |m, v| m.max(v.abs()));
    for i in (0..base.len()).step_by((base.len() / 40).max(1)) {
        let moved = |by: f32| {
            let mut values = base.clone();
            values[i] += by;
            loss(&Tensor::from_vec(values, at.shape(), &Device::Cpu).unwrap())
        };
        let slope = ((moved(step) - moved(-step)) / (2.0 * f64::from(step))) as f32;
        assert!((slope - gradient[i]).abs() <= 2e-2 * scale, "coordinate {i}: {slope} against {}", gradient[i]);
    }
}
