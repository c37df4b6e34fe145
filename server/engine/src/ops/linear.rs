//! The linear layer, by Candle's own matrix product: it is small beside the convolutions.

use candle_core::{Result, Tensor};

/// `x · wᵀ + b`: x is `[N, F]`, w is `[O, F]`, b is `[O]`.
///
/// # Errors
/// When the shapes do not fit.
pub fn linear(x: &Tensor, w: &Tensor, b: &Tensor) -> Result<Tensor> {
    x.matmul(&w.t()?)?.broadcast_add(b)
}

/// The gradients with respect to x, w and b, given that with respect to the output.
///
/// # Errors
/// When the shapes do not fit.
pub fn linear_gradients(x: &Tensor, w: &Tensor, dy: &Tensor) -> Result<(Tensor, Tensor, Tensor)> {
    Ok((dy.matmul(w)?, dy.t()?.matmul(x)?, dy.sum(0)?))
}

#[cfg(test)]
mod tests {
    use super::{super::testing, *};

    #[test]
    fn gradients_are_the_slopes_of_the_output() {
        let (x, w, b) = (testing::tensor(1, (4, 6)), testing::tensor(2, (3, 6)), testing::tensor(3, 3));
        let dy = testing::tensor(4, (4, 3));
        let loss = |x: &Tensor, w: &Tensor, b: &Tensor| testing::dot(&linear(x, w, b).unwrap(), &dy);
        let (dx, dw, db) = linear_gradients(&x, &w, &dy).unwrap();
        testing::assert_slopes(&x, &dx, 0.1, |x| loss(x, &w, &b));
        testing::assert_slopes(&w, &dw, 0.1, |w| loss(&x, w, &b));
        testing::assert_slopes(&b, &db, 0.1, |b| loss(&x, &w, b));
    }
}
