//! What the tables say: runs put together into rows, and their numbers averaged.

mod comparison;
mod standing;

pub use comparison::{Best, ComparisonTable, attack_detail};
pub use standing::Standing;
