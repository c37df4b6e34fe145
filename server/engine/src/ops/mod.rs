//! Tensor operations with their gradients, each beside the plain Candle expression that it is tested against.
//!
//! On the CPU an operation runs a kernel of its own; on any other device it is the plain expression. Maps are
//! `[N, H, W, C]`. No operation here records Candle's graph: [`crate::nn::Tape`] calls the gradients itself and asks only
//! for those that it needs. `unsafe` is allowed in this folder alone.

mod batch_norm;
mod contrast;
mod conv2d;
mod data;
mod finish;
mod layout;
mod linear;
mod memory;
mod outer_product;
mod pgd_step;
mod pool;
mod product;
mod repulsion;
mod sgd;
mod simd;
#[cfg(test)]
pub(crate) mod testing;

pub use batch_norm::{BatchNormGradients, batch_norm_affine, batch_norm_gradient, batch_norm_statistics};
pub use contrast::{Chosen, NoiseContrast, noise_contrast, softplus};
pub use conv2d::{Conv2d, ConvWeights, Direction, conv2d, conv2d_input_gradient, conv2d_weight_gradient};
pub use finish::{Finish, finish};
pub use layout::{nchw, nhwc};
pub use linear::{linear, linear_gradients};
pub use memory::keep_freed_memory;
pub use pgd_step::pgd_step;
pub use pool::{global_average_pool, global_average_pool_gradient};
pub use repulsion::repulsion;
pub use sgd::{SgdStep, sgd_step};
pub use simd::instruction_set;
