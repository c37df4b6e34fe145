//! The linear layer.
//!
//! Its sums do not depend on the batch that a row stands in, nor on the caches of the processor, as those of a general
//! matrix product do: an evaluation gives the same outcomes at any batch size.

use candle_core::{Result, Tensor, bail};

use super::{
    data::{Data, tensor},
    finish::{Finish, Finisher},
    outer_product::OuterProduct,
    product::{Out, Panels, Product},
    simd::dispatch,
};

/// `x · wᵀ + b`: x is `[N, F]`, w is `[O, F]`, b is `[O]`.
///
/// # Errors
/// When the shapes do not fit.
pub fn linear(x: &Tensor, w: &Tensor, b: &Tensor) -> Result<Tensor> {
    let ((n, f), (o, w_f)) = (x.dims2()?, w.dims2()?);
    if f != w_f || b.dims() != [o] {
        bail!("features {:?} meet weights {:?} and a bias {:?}", x.dims(), w.dims(), b.dims());
    }
    if !x.device().is_cpu() {
        return plain(x, w, b);
    }
    let ones = b.ones_like()?;
    let finish = Finish { affine: Some((&ones, b)), ..Finish::default() };
    let (x, w, finish) = (Data::of(x)?, Data::of(w)?, finish.data(&[n, o])?);
    tensor(product(&x, (n, f, o), |i, column| w[column * f + i], finish.finisher()), (n, o))
}

fn plain(x: &Tensor, w: &Tensor, b: &Tensor) -> Result<Tensor> {
    x.matmul(&w.t()?)?.broadcast_add(b)
}

/// The gradients with respect to x, w and b, given that with respect to the output.
///
/// # Errors
/// When the shapes do not fit.
pub fn linear_gradients(x: &Tensor, w: &Tensor, dy: &Tensor) -> Result<(Tensor, Tensor, Tensor)> {
    let ((n, f), (o, w_f)) = (x.dims2()?, w.dims2()?);
    if f != w_f || dy.dims() != [n, o] {
        bail!("features {:?}, weights {:?} and a gradient {:?} do not fit", x.dims(), w.dims(), dy.dims());
    }
    if !x.device().is_cpu() {
        return plain_gradients(x, w, dy);
    }
    let of_b = dy.sum(0)?;
    let dy = dy.contiguous()?;
    let (x, w, dy) = (Data::of(x)?, Data::of(w)?, Data::of(&dy)?);
    let of_x = product(&dy, (n, o, f), |i, column| w[i * f + column], Finisher::default());
    let mut of_w = vec![0f32; o * f];
    dispatch(OuterProduct {
        blocks: &[(0, 0)],
        pixels: n,
        left: &dy,
        left_stride: o,
        rows: o,
        right: &x,
        right_stride: f,
        columns: f,
        out: &mut of_w,
        accumulate: false,
    });
    Ok((tensor(of_x, (n, f))?, tensor(of_w, (o, f))?, of_b))
}

fn plain_gradients(x: &Tensor, w: &Tensor, dy: &Tensor) -> Result<(Tensor, Tensor, Tensor)> {
    Ok((dy.matmul(w)?, dy.t()?.matmul(x)?, dy.sum(0)?))
}

/// `left · right` of n×k and k×m, finished; `right(i, column)` is an entry.
fn product(
    left: &[f32],
    (n, k, m): (usize, usize, usize),
    right: impl Fn(usize, usize) -> f32 + Sync,
    finish: Finisher,
) -> Vec<f32> {
    let panels = Panels::of(m);
    let mut packed = vec![0f32; panels.len(k)];
    panels.lay_out(k, &mut packed, |i, first, out| {
        for (lane, out) in out.iter_mut().enumerate() {
            *out = right(i, first + lane);
        }
    });
    let mut out = vec![0f32; n * m];
    dispatch(Product {
        blocks: &[(0, 0)],
        rows: n,
        left,
        left_stride: k,
        segments: &[0],
        segment: k,
        right: &packed,
        columns: m,
        out: Out::over(&mut out),
        out_stride: m,
        channel: 0,
        finish,
    });
    out
}

#[cfg(test)]
mod tests {
    use super::{super::testing, *};

    fn inputs(n: usize, f: usize, o: usize) -> [Tensor; 4] {
        let (x, w) = (testing::tensor(1, (n, f)), testing::tensor(2, (o, f)));
        [x, w, testing::tensor(3, o), testing::tensor(4, (n, o))]
    }

    #[test]
    fn outputs_and_gradients_equal_the_plain_expression() {
        for (n, f, o) in [(4, 6, 3), (33, 64, 10), (7, 1280, 100), (1, 5, 1)] {
            let [x, w, b, dy] = inputs(n, f, o);
            testing::assert_close(&linear(&x, &w, &b).unwrap(), &plain(&x, &w, &b).unwrap(), 1e-5);
            let (found, expected) = (linear_gradients(&x, &w, &dy).unwrap(), plain_gradients(&x, &w, &dy).unwrap());
            testing::assert_close(&found.0, &expected.0, 1e-5);
            testing::assert_close(&found.1, &expected.1, 1e-5);
            testing::assert_close(&found.2, &expected.2, 1e-6);
        }
    }

    #[test]
    fn gradients_are_the_slopes_of_the_output() {
        let [x, w, b, dy] = inputs(4, 6, 3);
        let loss = |x: &Tensor, w: &Tensor, b: &Tensor| testing::dot(&linear(x, w, b).unwrap(), &dy);
        let (dx, dw, db) = linear_gradients(&x, &w, &dy).unwrap();
        testing::assert_slopes(&x, &dx, 0.1, |x| loss(x, &w, &b));
        testing::assert_slopes(&w, &dw, 0.1, |w| loss(&x, w, &b));
        testing::assert_slopes(&b, &db, 0.1, |b| loss(&x, &w, b));
    }

    #[test]
    fn shapes_that_do_not_fit_are_errors() {
        let [x, w, b, dy] = inputs(4, 6, 3);
        assert!(linear(&x.t().unwrap(), &w, &b).is_err() && linear(&x, &w, &testing::tensor(1, 4)).is_err());
        assert!(linear_gradients(&x, &w, &dy.t().unwrap()).is_err());
    }
}
