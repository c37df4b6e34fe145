//! What the tables say: runs put together into rows, and their numbers averaged.

mod accuracies;
mod answers;
mod comparison;
mod config;
pub mod export;
mod standing;

pub(crate) use comparison::{experiments, settings};

pub use accuracies::ModelAccuracies;
pub use answers::Answers;
pub use comparison::{
    Beside, Cell, Column, Compared, ComparisonTable, ComparisonView, Highest, Lead, OpenDifference, RightAnswers, Row,
    Seed, Spread, Values, XAxis,
};
pub use config::{Config, ConfigDifferences, differences};
pub use standing::Standing;
