//! What the tables say: runs put together into rows, and their numbers averaged.

mod answers;
mod comparison;
mod standing;

pub use answers::Answers;
pub use comparison::{Best, ComparisonTable, attack_detail};
pub use standing::Standing;
