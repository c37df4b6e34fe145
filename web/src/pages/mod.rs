//! The pages, a struct each.

mod analysis;
mod comparison;
mod comparisons;
mod datasets;
mod error;
mod models;
mod new_experiment;
mod overview;
mod parameters;
mod run;
mod runs;

pub use analysis::AnalysisView;
pub use comparison::{AnalysedOption, ComparisonPage, OtherExperiment};
pub use comparisons::{ComparisonSummary, ComparisonsPage};
pub use datasets::{DatasetCard, DatasetsPage, Download, SampleSheet};
pub use error::{ErrorPage, Link};
pub use models::{ImportForm, ModelPage, ModelRow, ModelsPage};
pub use new_experiment::{DatasetOption, DeviceOption, ImportedOption, NewExperimentPage, Plan, TeacherOption};
pub use overview::OverviewPage;
pub use run::{Attempt, LogLine, RunPage};
pub use runs::{RunFilter, RunsPage};
