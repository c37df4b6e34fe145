//! Labelled images: the bundled dataset, official files, folders of images, and the library that keeps them.

mod bundled;
mod container;
mod content;
mod dataset;
mod download;
mod hold_out;
mod images;
mod import;
mod library;
mod listing;
mod matlab;
pub(crate) mod numpy;
mod official;
mod options;
mod parquet;
mod progress;
mod python_cifar;
mod report;
mod samples;
mod source;
mod split_name;
mod stored;
mod svhn;
#[cfg(test)]
mod testing;

pub use dataset::{CHANNELS, Dataset, IMAGE_BYTES, SIDE, Split};
pub use library::{DatasetInfo, Fetchable, Library};
pub use official::official_classes;
pub use options::{ImportOptions, Links};
pub use progress::{Progress, ProgressUnit, Watch};
pub use report::{ClassCount, Finding, ImportReport};
pub use samples::{SAMPLE_PITCH, SAMPLES};
pub(crate) use stored::hex;
