//! Labelled images: the bundled dataset, official files, folders of images, and the library that keeps them.

mod archive;
mod bundled;
mod dataset;
mod download;
mod image_file;
mod image_folder;
mod library;
mod official;
mod progress;
mod samples;
mod source;
mod stored;
#[cfg(test)]
mod testing;

pub use dataset::{CHANNELS, Dataset, IMAGE_BYTES, SIDE, Split};
pub use library::{DatasetInfo, Fetchable, Library};
pub use progress::{Progress, ProgressUnit};
pub use samples::{SAMPLE_PITCH, SAMPLES};
