//! The vocabulary of Retort: what can be run, and what a run reports.
//!
//! Types here are plain data with their validation. They know nothing of tensors, SQL or HTTP, so that the form, the
//! queue, the worker and the pages all speak of the same things in the same words.

#![forbid(unsafe_code)]

mod attack;
mod dataset;
mod device;
mod event;
mod experiment;
mod method;
mod model;
mod pixel;
mod problem;
mod run;
mod schedule;
mod state;
mod work;

pub use attack::{Attack, BatchNormMode, InnerAttack};
pub use dataset::{BUNDLED_DATASET, DatasetChoice};
pub use device::DeviceName;
pub use event::{Accuracy, Event, LogLevel, Record, Stage};
pub use experiment::{Budget, ExperimentSpec, PlannedRun, TeacherChoice};
pub use method::{Method, MethodName, Reduction};
pub use model::{Architecture, ModelRef};
pub use pixel::PixelDistance;
pub use problem::{Invalid, Problem};
pub use run::{EvaluateSpec, FineTune, RunSpec, TrainSpec};
pub use schedule::Schedule;
pub use state::RunState;
pub use work::StageWork;
