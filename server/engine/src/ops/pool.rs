//! Global average pooling: the features of a network are the means of its last maps.

use candle_core::{Result, Tensor};

use super::data::{Data, sum_by, tensor};

/// The mean of every channel's map: `[N, C, H, W]` becomes `[N, C]`.
///
/// # Errors
/// When x has another number of dimensions.
pub fn global_average_pool(x: &Tensor) -> Result<Tensor> {
    let (n, c, h, w) = x.dims4()?;
    if !x.device().is_cpu() {
        return x.mean((2, 3));
    }
    let area = h * w;
    let means = Data::of(x)?.chunks_exact(area).map(|map| (sum_by(area, |i| map[i]) / area as f64) as f32).collect();
    tensor(means, (n, c))
}

/// The gradient with respect to the maps of side `h` × `w`, given that with respect to the means.
///
/// # Errors
/// When dy has another number of dimensions.
pub fn global_average_pool_gradient(dy: &Tensor, (h, w): (usize, usize)) -> Result<Tensor> {
    let (n, c) = dy.dims2()?;
    let share = 1.0 / (h * w) as f64;
    if !dy.device().is_cpu() {
        return (dy * share)?.reshape((n, c, 1, 1))?.broadcast_as((n, c, h, w))?.contiguous();
    }
    let mut dx = Vec::with_capacity(n * c * h * w);
    for value in Data::of(dy)?.iter() {
        dx.resize(dx.len() + h * w, (f64::from(*value) * share) as f32);
    }
    tensor(dx, (n, c, h, w))
}

#[cfg(test)]
mod tests {
    use super::{super::testing, *};

    #[test]
    fn means_and_their_gradient_equal_those_of_candle() {
        let x = testing::tensor(1, (3, 5, 7, 3));
        testing::assert_close(&global_average_pool(&x).unwrap(), &x.mean((2, 3)).unwrap(), 1e-6);
        let dy = testing::tensor(2, (3, 5));
        let dx = global_average_pool_gradient(&dy, (7, 3)).unwrap();
        testing::assert_slopes(&x, &dx, 0.5, |x| testing::dot(&global_average_pool(x).unwrap(), &dy));
    }
}
