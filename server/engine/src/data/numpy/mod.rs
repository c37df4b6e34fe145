//! Images and labels in arrays of NumPy: `.npz` and `.npy` files.

pub(crate) mod array;
mod found;
mod labels;
mod pixels;

use std::{borrow::Cow, cell::RefCell, io::Read};

use self::{
    array::Header,
    found::{Found, Images},
    labels::Labels,
    pixels::{Floats, Pixels},
};
use super::{
    container::Container,
    content::Content,
    dataset::SIDE,
    images::{Change, Fault},
    import::Import,
    listing::Listing,
    options::{ImportOptions, Links},
    progress::{Progress, Watch},
};
use crate::{EngineError, Result};

/// Bytes of the largest `.npz` that lies in an archive, and so is held in memory.
const MAX_INNER_BYTES: usize = 4 << 30;
/// Bytes of the largest image.
const MAX_IMAGE: usize = 128 << 20;
/// Images between two reports of progress.
const STEP: usize = 5_000;

/// Whether there are arrays, or archives of arrays.
pub(super) fn is_in(listing: &Listing) -> bool {
    listing.files().any(|(_, entry, content)| is_read(entry.file_name(), content))
}

/// Whether a file is an array, or an archive of arrays.
pub(super) fn is_read(name: &str, content: Content) -> bool {
    content == Content::Npy || is_npz(name, content)
}

fn is_npz(name: &str, content: Content) -> bool {
    content == Content::Zip && name.to_ascii_lowercase().ends_with(".npz")
}

/// Reads images and labels out of all arrays there are.
///
/// Which arrays they are is told by their shapes: images have three or four dimensions or 3,072 columns, labels are
/// whole numbers or text in one. To which part they belong is told by their names: `x_train`, `train.npz`, `labels_te`.
///
/// # Errors
/// When images or labels are missing, do not belong together, or hold what is no image and no label.
pub(super) fn read(listing: &Listing, options: &ImportOptions, watch: &mut Watch<'_>) -> Result<Import> {
    let mut reader = Reader { resize: options.resize, found: Found::default() };
    reader.found.holds_out = options.test_percent.is_some();
    // Told by the container between two files, and by us within one.
    let watch = RefCell::new(watch);
    let told = &mut |progress: Progress| (*watch.borrow_mut())(progress);
    reader.arrays_of(listing, "", told, &watch)?;
    for (i, entry, content) in listing.files() {
        if !is_npz(entry.file_name(), content) {
            continue;
        }
        let container = if listing.container.is_folder() {
            Container::open(&listing.container.path_of(&entry.parts), Links::Follow)?
        } else {
            Container::zip(entry.file_name(), listing.read_one(i, MAX_INNER_BYTES, told)?)
        };
        let inner = Listing::of(container, told)?;
        reader.arrays_of(&inner, &format!("{}/", entry.name()), told, &watch)?;
    }
    reader.found.import()
}

/// Reads arrays one after the other.
struct Reader {
    resize: bool,
    found: Found,
}

/// An array of images.
struct Array<'a> {
    name: &'a str,
    header: &'a Header,
    pixels: Pixels,
}

impl Reader {
    /// Reads all arrays of a listing.
    fn arrays_of(
        &mut self,
        listing: &Listing,
        around: &str,
        told: &mut Watch<'_>,
        watch: &RefCell<&mut Watch<'_>>,
    ) -> Result<()> {
        let arrays: Vec<usize> = listing.files().filter(|f| f.2 == Content::Npy).map(|(i, ..)| i).collect();
        listing.read(&arrays, told, &mut |entries, member| {
            let name = format!("{around}{}", listing.entries[entries[0]].name());
            self.add(name.strip_suffix(".npy").unwrap_or(&name), member.content(), watch)
        })
    }

    /// Reads an array, if it is one of images, labels or the names of classes.
    fn add(&mut self, name: &str, content: &mut dyn Read, watch: &RefCell<&mut Watch<'_>>) -> Result<()> {
        let about = |fault: String| EngineError::Data(format!("{name} {fault}"));
        let header = match Header::read(content) {
            Ok(header) => header,
            Err(fault) => {
                self.found.unread.push((name.to_owned(), fault));
                return Ok(());
            }
        };
        match Pixels::of(&header.shape).filter(|_| !header.is_text()) {
            Some(_) if header.is_fortran => {
                let fault = "is stored in Fortran's order: save it with `numpy.ascontiguousarray`";
                Err(about(fault.into()))
            }
            Some(pixels) => {
                let images = self.images(&Array { name, header: &header, pixels }, content, watch)?;
                self.found.add_images(name, images)
            }
            None if Labels::are(&header) => match Labels::read(&header, content) {
                Ok(labels) => self.found.add_labels(name, labels),
                // A mean, say: it is missed only where no other array holds the labels.
                Err(fault) if fault.starts_with("has ") && !found::is_usual(name) => {
                    self.found.unread.push((name.to_owned(), fault));
                    Ok(())
                }
                Err(fault) => Err(about(fault)),
            },
            None => {
                self.found.shapeless(name, &header.shape);
                Ok(())
            }
        }
    }

    /// The planes of all images of an array.
    fn images(
        &self,
        &Array { name, header, pixels }: &Array<'_>,
        content: &mut dyn Read,
        watch: &RefCell<&mut Watch<'_>>,
    ) -> Result<Images> {
        let about = |fault: String| EngineError::Data(format!("{name} {fault}"));
        let (count, size) = (header.shape[0], (pixels.width, pixels.height));
        let mut images = Images { count, ..Images::default() };
        if pixels.channels == 1 {
            images.changes.push(Change::Grey);
        }
        if size != (SIDE, SIDE) {
            images.changes.push(Change::Resized(size.0, size.1));
            if !self.resize {
                images.fault = Some(Fault::Size(size.0, size.1));
                return Ok(images);
            }
        }
        let numbers = pixels.width.checked_mul(pixels.height).and_then(|area| area.checked_mul(pixels.channels));
        let length = numbers.and_then(|numbers| numbers.checked_mul(header.width)).filter(|bytes| *bytes < MAX_IMAGE);
        let mut image = vec![0; length.ok_or_else(|| about("holds images that are too large to be read".into()))?];
        let mut floats = Floats::default();
        for i in 0..count {
            if i % STEP == 0 {
                Progress::images("reading", i, count).tell(&mut **watch.borrow_mut())?;
            }
            content.read_exact(&mut image).map_err(|e| about(format!("ends before its image {i}: {e}")))?;
            header.order(&mut image);
            if header.kind == 'f' {
                floats.add(header.width, &image, |bytes| pixels.planes(bytes)).map_err(about)?;
                continue;
            }
            let bytes = match (header.kind, header.width) {
                ('u', 1) => Cow::Borrowed(&image[..]),
                ('b', 1) => Cow::Owned(image.iter().map(|pixel| u8::MAX * pixel.min(&1)).collect()),
                (kind, width) => {
                    let bytes = array::small_numbers(kind, width, &image);
                    let fault = "has pixels that are no bytes: save them as uint8";
                    Cow::Owned(bytes.ok_or_else(|| about(fault.into()))?)
                }
            };
            images.planes.extend(pixels.planes(&bytes));
        }
        if header.kind == 'f' {
            let (planes, change) = floats.planes();
            images.planes = planes;
            images.changes.push(change);
        }
        if count > 0 && images.planes.iter().all(|pixel| *pixel <= 1) {
            let fault = if header.kind == 'f' {
                "has no pixel above 1 of 255, as if it had been divided by 255 twice: save numbers from 0 to 1"
            } else {
                "has no pixel above 1 of 255: save numbers from 0 to 1 as floats, or bytes from 0 to 255"
            };
            return Err(about(fault.into()));
        }
        if header.shape.len() == 2 {
            images.rows = Some(if pixels::are_side_by_side(&images.planes) {
                pixels::take_apart(&mut images.planes);
                "with the three colours of each pixel side by side"
            } else {
                "as CIFAR's: the red, then the green, then the blue plane"
            });
        }
        Ok(images)
    }
}

#[cfg(test)]
mod tests;
