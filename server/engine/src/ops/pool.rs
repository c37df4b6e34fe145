//! Global average pooling: the features of a network are the means of its last maps.

use candle_core::{Result, Tensor};

use super::{
    data::{Data, tensor},
    finish::{Finish, finish},
};

/// The mean of every channel's map: `[N, H, W, C]` becomes `[N, C]`.
///
/// # Errors
/// When x has another number of dimensions.
pub fn global_average_pool(x: &Tensor) -> Result<Tensor> {
    let (n, h, w, c) = x.dims4()?;
    if !x.device().is_cpu() {
        return x.mean((1, 2));
    }
    let mut means = Vec::with_capacity(n * c);
    for image in Data::of(x)?.chunks_exact(h * w * c) {
        let mut sums = vec![0f32; c];
        for pixel in image.chunks_exact(c) {
            for (sum, value) in sums.iter_mut().zip(pixel) {
                *sum += value;
            }
        }
        means.extend(sums.into_iter().map(|sum| sum / (h * w) as f32));
    }
    tensor(means, (n, c))
}

/// The gradient with respect to maps of side `h` × `w`, given that with respect to the means.
///
/// # Errors
/// When the shapes do not fit.
pub fn global_average_pool_gradient(dy: &Tensor, (h, w): (usize, usize), steps: &Finish) -> Result<Tensor> {
    let (n, c) = dy.dims2()?;
    let share = (dy / (h * w) as f64)?;
    finish(&share.reshape((n, 1, 1, c))?.broadcast_as((n, h, w, c))?.contiguous()?, steps)
}

#[cfg(test)]
mod tests {
    use super::{super::testing, *};

    #[test]
    fn means_and_their_gradient_equal_those_of_candle() {
        let x = testing::tensor(1, (3, 7, 3, 5));
        testing::assert_close(&global_average_pool(&x).unwrap(), &x.mean((1, 2)).unwrap(), 1e-6);
        let dy = testing::tensor(2, (3, 5));
        let dx = global_average_pool_gradient(&dy, (7, 3), &Finish::default()).unwrap();
        testing::assert_slopes(&x, &dx, 0.5, |x| testing::dot(&global_average_pool(x).unwrap(), &dy));
        let gated = global_average_pool_gradient(&dy, (7, 3), &Finish { gate: Some(&x), ..Finish::default() });
        let expected = Finish { gate: Some(&x), ..Finish::default() }.plain(&dx).unwrap();
        testing::assert_close(&gated.unwrap(), &expected, 0.0);
    }
}
