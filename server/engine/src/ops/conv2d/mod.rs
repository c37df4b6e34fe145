//! Two-dimensional convolution of maps `[N, H, W, C]` with square kernels, without bias.
//!
//! The weights are PyTorch's `[O, C / groups, k, k]`. On the CPU a convolution reads them in a layout of its own, which is
//! made once by [`ConvWeights::pack`] and serves as long as the weights stand, as in the steps of an attack.

mod depthwise;
mod direct;
mod plain;
#[cfg(test)]
mod tests;
mod winograd;

use candle_core::{Result, Tensor, bail};

use super::{
    data::{Data, tensor},
    finish::{Finish, Finisher},
};

/// The geometry of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv2d {
    /// Side of the square kernel.
    pub kernel: usize,
    /// Pixels between two patches, both ways.
    pub stride: usize,
    /// Zeros around the image.
    pub padding: usize,
    /// Groups of channels that do not see each other; as many as channels make a depthwise convolution.
    pub groups: usize,
}

impl Conv2d {
    /// The side of the output for an input of side `n`.
    pub const fn output(&self, n: usize) -> usize {
        (n + 2 * self.padding - self.kernel) / self.stride + 1
    }
}

/// Which way weights are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To compute the output.
    Forward,
    /// To compute the gradient of the input.
    Backward,
}

/// Weights of a convolution, laid out for one direction.
#[derive(Debug)]
pub struct ConvWeights {
    conv: Conv2d,
    direction: Direction,
    inputs: usize,
    outputs: usize,
    values: Values,
}

#[derive(Debug)]
enum Values {
    Packed(Vec<f32>),
    /// On a device without kernels of our own: the weights, scaled.
    Plain(Tensor),
}

/// How the CPU computes a convolution; a matter of its shape alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    Winograd,
    Depthwise,
    Direct,
}

struct Shape {
    conv: Conv2d,
    c: usize,
    h: usize,
    w: usize,
    o: usize,
}

impl Shape {
    /// # Errors
    /// When there is no such convolution.
    fn new(conv: Conv2d, (h, w): (usize, usize), c: usize, o: usize) -> Result<Self> {
        let Conv2d { kernel, stride, padding, groups } = conv;
        if [kernel, stride, groups, h, w, c, o].contains(&0) || !c.is_multiple_of(groups) || !o.is_multiple_of(groups) {
            bail!("{conv:?} is no convolution of {c} channels to {o} on maps of {h} × {w}");
        }
        if h.min(w) + 2 * padding < kernel {
            bail!("a kernel of {kernel} is larger than a map of {h} × {w} with {padding} zeros around it");
        }
        Ok(Self { conv, c, h, w, o })
    }

    const fn out_h(&self) -> usize {
        self.conv.output(self.h)
    }

    const fn out_w(&self) -> usize {
        self.conv.output(self.w)
    }

    const fn input_len(&self) -> usize {
        self.c * self.h * self.w
    }

    const fn output_len(&self) -> usize {
        self.o * self.out_h() * self.out_w()
    }

    const fn algorithm(&self) -> Algorithm {
        if winograd::suits(self) {
            Algorithm::Winograd
        } else if depthwise::suits(self) {
            Algorithm::Depthwise
        } else {
            Algorithm::Direct
        }
    }
}

/// Threads that share the images of a batch.
fn threads() -> usize {
    rayon::current_num_threads().max(1)
}

impl ConvWeights {
    /// Lays out weights `[O, C / groups, k, k]`. With a `scale`, `[O]`, those of output channel o are multiplied by
    /// `scale[o]`: what a batch normalisation by running statistics does to the gradient on its way back.
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub fn pack(w: &Tensor, conv: Conv2d, direction: Direction, scale: Option<&Tensor>) -> Result<Self> {
        let (outputs, group_inputs, k, other_k) = w.dims4()?;
        let inputs = group_inputs * conv.groups;
        if k != conv.kernel || other_k != k {
            bail!("weights of shape {:?} are not those of {conv:?}", w.dims());
        }
        let values = if w.device().is_cpu() {
            // The layout does not depend on the size of the maps.
            let shape = Shape::new(conv, (conv.kernel, conv.kernel), inputs, outputs)?;
            let (data, scale) = (Data::of(w)?, scale.map(Data::of).transpose()?);
            let scale = scale.as_deref();
            if scale.is_some_and(|s| s.len() != outputs) {
                bail!("a scale for each of {outputs} channels is wanted");
            }
            Values::Packed(match (shape.algorithm(), direction) {
                (Algorithm::Winograd, Direction::Forward) => winograd::pack_forward(&shape, &data, scale),
                (Algorithm::Winograd, Direction::Backward) => winograd::pack_backward(&shape, &data, scale),
                (Algorithm::Depthwise, _) => depthwise::pack(&shape, &data, scale),
                (Algorithm::Direct, Direction::Forward) => direct::pack_forward(&shape, &data, scale),
                (Algorithm::Direct, Direction::Backward) => direct::pack_backward(&shape, &data, scale),
            })
        } else {
            Values::Plain(match scale {
                Some(scale) => w.broadcast_mul(&scale.reshape((outputs, 1, 1, 1))?)?,
                None => w.clone(),
            })
        };
        Ok(Self { conv, direction, inputs, outputs, values })
    }
}

/// `y[n, ·, o] = finish(Σ_c x[n, ·, c] ⋆ w[o, c, ·])`: x is `[N, H, W, C]`, y is `[N, H', W', O]`.
///
/// # Errors
/// When the shapes do not fit, or the weights are laid out for the other direction.
pub fn conv2d(x: &Tensor, weights: &ConvWeights, finish: &Finish) -> Result<Tensor> {
    let (n, h, w, c) = x.dims4()?;
    let &ConvWeights { conv, direction, inputs, outputs, ref values } = weights;
    if c != inputs || direction != Direction::Forward {
        bail!("maps {:?} meet {direction:?} weights of {conv:?} for {inputs} channels", x.dims());
    }
    let packed = match values {
        Values::Packed(packed) => packed,
        Values::Plain(w) => return finish.plain(&plain::conv2d(x, w, conv)?),
    };
    let shape = Shape::new(conv, (h, w), c, outputs)?;
    let dims = [n, shape.out_h(), shape.out_w(), outputs];
    let (x, finish) = (Data::of(x)?, finish.data(&dims)?);
    let run: Kernel = match shape.algorithm() {
        Algorithm::Winograd => winograd::forward,
        Algorithm::Depthwise => depthwise::forward,
        Algorithm::Direct => direct::forward,
    };
    tensor(run(&shape, &x, packed, finish.finisher()), dims.as_slice())
}

type Kernel = fn(&Shape, &[f32], &[f32], Finisher) -> Vec<f32>;

/// The gradient with respect to x of side `h` × `w`, given that with respect to the sums y.
///
/// # Errors
/// When the shapes do not fit, or the weights are laid out for the other direction.
pub fn conv2d_input_gradient(
    dy: &Tensor,
    weights: &ConvWeights,
    (h, w): (usize, usize),
    finish: &Finish,
) -> Result<Tensor> {
    let &ConvWeights { conv, direction, inputs, outputs, ref values } = weights;
    let (n, ..) = dy.dims4()?;
    let shape = Shape::new(conv, (h, w), inputs, outputs)?;
    if dy.dims() != [n, shape.out_h(), shape.out_w(), outputs] || direction != Direction::Backward {
        bail!("a gradient {:?} meets {direction:?} weights of {conv:?} for maps of {h} × {w}", dy.dims());
    }
    let packed = match values {
        Values::Packed(packed) => packed,
        Values::Plain(weights) => return finish.plain(&plain::conv2d_input_gradient(dy, weights, conv, (h, w))?),
    };
    let dims = [n, h, w, inputs];
    let (dy, finish) = (Data::of(dy)?, finish.data(&dims)?);
    let run: Kernel = match shape.algorithm() {
        Algorithm::Winograd => winograd::backward,
        Algorithm::Depthwise => depthwise::backward,
        Algorithm::Direct => direct::backward,
    };
    tensor(run(&shape, &dy, packed, finish.finisher()), dims.as_slice())
}

/// The gradient with respect to w, `[O, C / groups, k, k]`, given that with respect to the sums y.
///
/// # Errors
/// When the shapes do not fit.
pub fn conv2d_weight_gradient(x: &Tensor, dy: &Tensor, conv: Conv2d) -> Result<Tensor> {
    let ((n, h, w, c), (.., o)) = (x.dims4()?, dy.dims4()?);
    let shape = Shape::new(conv, (h, w), c, o)?;
    if dy.dims() != [n, shape.out_h(), shape.out_w(), o] {
        bail!("maps {:?} and a gradient {:?} are not those of {conv:?}", x.dims(), dy.dims());
    }
    if !x.device().is_cpu() {
        return plain::conv2d_weight_gradient(x, dy, conv);
    }
    let run = match shape.algorithm() {
        Algorithm::Winograd => winograd::weight_gradient,
        Algorithm::Depthwise => depthwise::weight_gradient,
        Algorithm::Direct => direct::weight_gradient,
    };
    tensor(run(&shape, &Data::of(x)?, &Data::of(dy)?), (o, c / conv.groups, conv.kernel, conv.kernel))
}
