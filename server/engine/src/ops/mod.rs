//! Tensor operations with their gradients, each beside the plain Candle expression that it is tested against.
//!
//! On the CPU an operation runs a kernel of its own; on any other device it is the plain expression. No operation here
//! records Candle's graph: [`crate::nn::Tape`] calls the gradients itself and asks only for those that it needs.
//! `unsafe` is allowed in this folder alone.

mod batch_norm;
mod conv2d;
mod conv3x3;
mod data;
mod linear;
mod matmul;
mod pgd_step;
mod pool;
mod relu;
mod sgd;
#[cfg(test)]
pub(crate) mod testing;

pub use batch_norm::{BatchNormForward, batch_norm_backward, batch_norm_eval, batch_norm_train};
pub use conv2d::{Conv2d, conv2d, conv2d_input_gradient, conv2d_weight_gradient};
pub use linear::{linear, linear_gradients};
pub use pgd_step::pgd_step;
pub use pool::{global_average_pool, global_average_pool_gradient};
pub use relu::{accumulate, relu_gradient};
pub use sgd::{SgdStep, sgd_step};
