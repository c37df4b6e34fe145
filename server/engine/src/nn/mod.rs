//! Networks: their weights, and the tape that takes a gradient back through them.

mod checkpoint;
mod forward;
pub mod models;
mod network;
mod optimiser;
mod packed;
mod tape;
mod weights;

pub(crate) use checkpoint::{HEADER, is_finite};
pub use checkpoint::{ModelHeader, StateFile, check_model, load_model, save_model};
pub use forward::{Activation, BatchNormLayer, Bias, ConvLayer, ConvNorm, Forward, LinearLayer, Statistics};
pub use network::{Network, Pass};
pub use optimiser::Sgd;
pub use tape::{Pending, Tape, Value, Want};
pub(crate) use weights::uniform as initial_uniform;
pub use weights::{Builder, Init, Named, Weights};
