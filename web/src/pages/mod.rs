//! The pages, a struct each.

mod bundles;
mod comparison;
mod comparisons;
mod confirm;
mod datasets;
mod disk;
mod document;
mod error;
mod model_upload;
mod models;
mod new_experiment;
mod overview;
mod paper;
mod parameters;
mod robustbench;
mod run;
mod runs;
mod shared;

pub use crate::dataset_form::DatasetForm;
pub use bundles::{BundleCounts, BundleFigure, BundlePage, BundleRow, BundleSummary, BundlesPage, same_verdicts};
pub use comparison::{AnalysedOption, ComparisonPage, OtherExperiment, ShareRow};
pub use comparisons::{ComparisonSummary, ComparisonsPage};
pub use confirm::ConfirmPage;
pub use datasets::{DatasetCard, DatasetPage, DatasetsPage, Download, FindingView, ReportView, SampleSheet};
pub use disk::{DiskKind, DiskPage, DiskRow};
pub use document::{DocumentPage, Frozen, LINK, RunDocumentPage};
pub use error::{ErrorPage, Link};
pub use model_upload::{FoundNetwork, ModelUploadForm, ModelUploadPage};
pub use models::{ModelPage, ModelRow, ModelsPage};
pub use new_experiment::{DatasetOption, DeviceOption, ImportedOption, NewExperimentPage, Plan, TeacherOption};
pub use overview::OverviewPage;
pub use paper::{FigureSection, FoundAnalysis, PaperPage, PaperParts};
pub use run::{Attempt, LogLine, RunPage};
pub use runs::{RunFilter, RunsPage};
pub use shared::SharedPage;
