//! Labelled images: the bundled dataset, CIFAR-10's own files, folders of images, and the library that keeps them.

mod archive;
mod bundled;
mod cifar;
mod dataset;
mod download;
mod image_file;
mod image_folder;
mod library;
mod progress;
mod source;
mod stored;
#[cfg(test)]
mod testing;

pub use dataset::{CHANNELS, Dataset, IMAGE_BYTES, SIDE, Split};
pub use library::{DatasetInfo, FETCHABLE, Library};
pub use progress::{Progress, ProgressUnit};
