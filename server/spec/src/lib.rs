//! The vocabulary of Retort: what can be run, and what a run reports.
//!
//! Types here are plain data with their validation. They know nothing of tensors, SQL or HTTP, so that the form, the
//! queue, the worker and the pages all speak of the same things in the same words.

#![forbid(unsafe_code)]

mod attack;
mod dataset;
mod device;
mod experiment;
mod method;
mod model;
mod paper;
mod pixel;
mod problem;
mod report;
mod robustbench;
mod run;

// All of a folder: what is added to one needs no line here.
pub use attack::*;
pub use experiment::*;
pub use method::*;
pub use model::*;
pub use paper::*;
pub use report::*;
pub use run::*;

pub use dataset::{BUNDLED_DATASET, DatasetChoice, KnownDataset};
pub use device::DeviceName;
pub use pixel::PixelDistance;
pub use problem::{Invalid, Problem};
pub use robustbench::PublishedModel;
