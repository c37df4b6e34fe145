//! What is computed from trained models to be looked at.

mod affinity;
mod pca;
mod trustworthiness;
mod tsne;

pub use trustworthiness::trustworthiness;
pub use tsne::{Tsne, tsne};
