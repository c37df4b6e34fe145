//! The vocabulary of Retort: what can be run, and what a run reports.
//!
//! Types here are plain data with their validation. They know nothing of tensors, SQL or HTTP, so that the form, the
//! queue, the worker and the pages all speak of the same things in the same words.

#![forbid(unsafe_code)]

mod accuracy;
mod analysis;
mod attack;
mod budget;
mod dataset;
mod device;
mod divergence;
mod evaluate;
mod event;
mod experiment;
mod inner_attack;
mod known_dataset;
mod masking;
mod method;
mod metric;
mod model;
mod normaliser;
mod paired;
mod paper;
mod pixel;
mod plan;
mod probe;
mod problem;
mod run;
mod schedule;
mod setting;
mod state;
mod sweep;
mod train;
mod variety;
mod verdict;
mod work;

// All of these two: what a new method or attack brings needs no line here.
pub use attack::*;
pub use method::*;

pub use accuracy::Accuracy;
pub use analysis::{
    AdversarialImages, AnalyseSpec, AnalysedModel, Analysis, AnalysisResult, Answer, CorrelationMap, CorrelationMaps,
    Difference, FEATURE_IMAGES, FeatureMap, FeatureMaps, GALLERY_IMAGES, Gallery, GalleryImage, LogitStatistic,
};
pub use budget::Budget;
pub use dataset::{BUNDLED_DATASET, DatasetChoice};
pub use device::DeviceName;
pub use divergence::{DivergenceRules, EpochAccuracies, Watched};
pub use evaluate::EvaluateSpec;
pub use event::{CheckResult, Event, LogLevel, Record, Stage};
pub use experiment::{ExperimentSpec, Surrogate, TeacherChoice};
pub use inner_attack::{BatchNormMode, InnerAttack};
pub use known_dataset::KnownDataset;
pub use masking::{MaskingCheck, MaskingSpec};
pub use metric::Metric;
pub use model::{Architecture, ModelRef};
pub use normaliser::Normaliser;
pub use paired::{LEVEL, Paired, RightCounts, holm};
pub use paper::{Conditions, PaperFigure, PaperResult, PaperTable, likely, paper_results, reproduce};
pub use pixel::PixelDistance;
pub use plan::PlannedRun;
pub use probe::ProbeSpec;
pub use problem::{Invalid, Problem};
pub use run::{RunKind, RunSpec};
pub use schedule::Schedule;
pub use setting::Setting;
pub use state::RunState;
pub use sweep::Sweep;
pub use train::{FineTune, FineTuneLoss, TrainSpec};
pub use variety::Variety;
pub use verdict::Verdict;
pub use work::{StageWork, VALIDATION_STEPS};
