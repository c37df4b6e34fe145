//! Architectures. Each is one file; adding one is that file and a line in [`build`].

mod resnet;

use candle_core::Result;
use retort_spec::Architecture;

use crate::nn::{Builder, Forward, LinearLayer, Value};

/// The body of a network.
pub trait Model: Send + Sync {
    /// The pooled vectors `[N, features]` in front of the classifier.
    ///
    /// # Errors
    /// When the shapes do not fit.
    fn features(&self, forward: &mut Forward, images: &Value) -> Result<Value>;

    /// The last layer.
    fn classifier(&self) -> &LinearLayer;
}

/// The layers of `architecture`, their weights collected by `builder`.
///
/// # Errors
/// When the device has no memory left.
pub fn build(architecture: Architecture, classes: usize, builder: &mut Builder) -> Result<Box<dyn Model>> {
    Ok(match architecture {
        Architecture::ResNet8 => Box::new(resnet::cifar(builder, 8, classes)?),
        Architecture::ResNet20 => Box::new(resnet::cifar(builder, 20, classes)?),
        Architecture::ResNet18 => Box::new(resnet::resnet18(builder, classes)?),
    })
}
