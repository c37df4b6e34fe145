//! The science of Retort: data, models, attacks, methods, training and evaluation, computed through Candle.
//!
//! The door is [`run_folder`]: it takes a folder with a `spec.json` and leaves a journal and a model there. Nothing here
//! knows of databases or HTTP.

pub mod analysis;
mod answers;
pub mod attacks;
pub mod bench;
mod checkpoint;
mod classes;
mod context;
mod crash;
pub mod data;
pub mod device;
mod error;
mod evaluate;
mod folder;
#[cfg(test)]
mod golden;
mod heartbeat;
pub mod import;
mod journal;
mod loader;
mod loss;
mod masking;
pub mod methods;
mod natural;
pub mod nn;
pub mod ops;
mod outcomes;
mod pickle;
pub mod rng;
mod run;
mod shown;
mod train;

pub use classes::class_order;
pub use context::Outcome;
pub use crash::{CRASH_POINTS, crash_point, test_setting};
pub use error::{EngineError, Result, is_of_the_machine};
pub use folder::{RunFolder, write_atomically};
pub use outcomes::Outcomes;
pub use run::{run_folder, run_held_folder};
