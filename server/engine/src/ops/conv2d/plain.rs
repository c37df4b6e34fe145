//! Convolutions in Candle's own operations: what other devices compute with, and what the kernels are tested against.

use candle_core::{Result, Tensor};

use super::Conv2d;
use crate::ops::layout::{nchw, nhwc};

pub(super) fn conv2d(x: &Tensor, w: &Tensor, conv: Conv2d) -> Result<Tensor> {
    nhwc(&nchw(x)?.conv2d(w, conv.padding, conv.stride, 1, conv.groups)?)
}

pub(super) fn conv2d_input_gradient(
    dy: &Tensor,
    w: &Tensor,
    conv: Conv2d,
    (h, width): (usize, usize),
) -> Result<Tensor> {
    // Rows and columns that no patch reached get their zeros from the output padding; Candle knows only one for
    // both ways, so the larger is taken and the rest cut off.
    let reach = |n: usize| (conv.output(n) - 1) * conv.stride + conv.kernel - 2 * conv.padding;
    let extra = (h - reach(h)).max(width - reach(width));
    // Candle has no groups here: each is a convolution of its own.
    let (dy, outputs) = (nchw(dy)?, w.dim(0)? / conv.groups);
    let groups = (0..conv.groups).map(|i| {
        let w = w.narrow(0, i * outputs, outputs)?.contiguous()?;
        let dy = dy.narrow(1, i * outputs, outputs)?.contiguous()?;
        dy.conv_transpose2d(&w, conv.padding, extra, conv.stride, 1)?.narrow(2, 0, h)?.narrow(3, 0, width)
    });
    nhwc(&Tensor::cat(&groups.collect::<Result<Vec<_>>>()?, 1)?)
}

pub(super) fn conv2d_weight_gradient(x: &Tensor, dy: &Tensor, conv: Conv2d) -> Result<Tensor> {
    let (x, dy) = (nchw(x)?, nchw(dy)?);
    let (inputs, outputs) = (x.dim(1)? / conv.groups, dy.dim(1)? / conv.groups);
    let groups = (0..conv.groups).map(|i| {
        let x = x.narrow(1, i * inputs, inputs)?.transpose(0, 1)?.contiguous()?;
        let dy = dy.narrow(1, i * outputs, outputs)?.transpose(0, 1)?.contiguous()?;
        let dw = x.conv2d(&dy, conv.padding, 1, conv.stride, 1)?;
        dw.transpose(0, 1)?.narrow(2, 0, conv.kernel)?.narrow(3, 0, conv.kernel)
    });
    Tensor::cat(&groups.collect::<Result<Vec<_>>>()?, 0)?.contiguous()
}
