//! The order of a map's numbers. Images come and go as PyTorch's `[N, C, H, W]`; inside a network maps are
//! `[N, H, W, C]`, so that registers run along the channels.

use candle_core::{Result, Tensor};

/// `[N, C, H, W]` as `[N, H, W, C]`.
///
/// # Errors
/// When x has another number of dimensions.
pub fn nhwc(x: &Tensor) -> Result<Tensor> {
    x.permute((0, 2, 3, 1))?.contiguous()
}

/// `[N, H, W, C]` as `[N, C, H, W]`.
///
/// # Errors
/// When x has another number of dimensions.
pub fn nchw(x: &Tensor) -> Result<Tensor> {
    x.permute((0, 3, 1, 2))?.contiguous()
}
