//! Images and labels in arrays of NumPy: `.npz` and `.npy` files.

pub(crate) mod array;
mod pixels;

use std::{borrow::Cow, cell::RefCell, collections::BTreeMap, io::Read};

use self::{array::Header, pixels::Pixels};
use super::{
    container::Container,
    content::Content,
    dataset::{Dataset, IMAGE_BYTES, SIDE, Split},
    images::{Change, Changes, Fault, Faults},
    import::Import,
    listing::Listing,
    options::Links,
    progress::{Progress, Watch},
    report::{self, ImportReport},
    split_name::Part,
};
use crate::{EngineError, Result};

/// Bytes of the largest `.npz` that lies in an archive, and so is held in memory.
const MAX_INNER_BYTES: usize = 4 << 30;
/// Labels are bytes.
const MAX_CLASSES: usize = 256;
/// Bytes of the largest image, and of all labels of an array.
const MAX_IMAGE: usize = 128 << 20;
const MAX_LABELS: usize = 1 << 30;
/// Images between two reports of progress.
const STEP: usize = 5_000;

/// Whether there are arrays, or archives of arrays.
pub(super) fn is_in(listing: &Listing) -> bool {
    listing.files().any(|(_, entry, content)| content == Content::Npy || is_npz(entry.file_name(), content))
}

fn is_npz(name: &str, content: Content) -> bool {
    content == Content::Zip && name.to_ascii_lowercase().ends_with(".npz")
}

/// Reads images and labels out of all arrays there are.
///
/// Which arrays they are is told by their shapes: images have three or four dimensions or 3,072 columns, labels are
/// whole numbers in one. To which part they belong is told by their names: `x_train`, `train.npz`, `test_labels.npy`.
///
/// # Errors
/// When images or labels are missing, do not belong together, or hold what is no image and no label.
pub(super) fn read(listing: &Listing, resize: bool, watch: &mut Watch<'_>) -> Result<Import> {
    let mut reader = Reader { resize, ..Reader::default() };
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
    reader.finish()
}

/// What was read so far.
#[derive(Default)]
struct Reader {
    resize: bool,
    images: BTreeMap<Option<Part>, Array>,
    labels: BTreeMap<Option<Part>, Array>,
    faults: Faults,
    changes: Changes,
    report: ImportReport,
}

/// Images or labels that were read.
struct Array {
    /// Its name for people: `train.npz/images`.
    name: String,
    bytes: Vec<u8>,
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

    /// Reads an array, if it is one of images or labels.
    fn add(&mut self, name: &str, content: &mut dyn Read, watch: &RefCell<&mut Watch<'_>>) -> Result<()> {
        let about = |fault: String| EngineError::Data(format!("{name} {fault}"));
        let Ok(header) = Header::read(content) else {
            report::count(&mut self.report.left_out, "arrays that are no numbers", name);
            return Ok(());
        };
        let pixels = Pixels::of(&header.shape);
        // A column for each class, of which one is 1 in each row, is another way to write labels.
        let is_labels = matches!(header.shape[..], [_] | [_, 1..=MAX_CLASSES]);
        let bytes = match pixels {
            Some(_) if header.is_fortran => {
                let fault = "is stored in Fortran's order: save it with `numpy.ascontiguousarray`";
                return Err(about(fault.into()));
            }
            Some(pixels) => self.images(name, &header, pixels, content, watch)?,
            None if is_labels => labels(&header, content).map_err(about)?,
            None => {
                report::count(
                    &mut self.report.left_out,
                    "arrays that are neither images nor labels by their shape",
                    name,
                );
                return Ok(());
            }
        };
        let (place, what) = if is_labels { (&mut self.labels, "labels") } else { (&mut self.images, "images") };
        let part = Part::mentioned(name);
        if let Some(other) = place.insert(part, Array { name: name.to_owned(), bytes }) {
            let of = part.map_or("", |part| part.images().trim_end_matches(" images"));
            return Err(EngineError::Data(format!(
                "both {} and {name} would be the {of} {what}: keep one of them",
                other.name
            )));
        }
        Ok(())
    }

    /// The planes of all images of an array.
    fn images(
        &mut self,
        name: &str,
        header: &Header,
        pixels: Pixels,
        content: &mut dyn Read,
        watch: &RefCell<&mut Watch<'_>>,
    ) -> Result<Vec<u8>> {
        let about = |fault: String| EngineError::Data(format!("{name} {fault}"));
        let (count, size) = (header.shape[0], (pixels.width, pixels.height));
        let mut planes = Vec::new();
        if size != (SIDE, SIDE) && !self.resize {
            (0..count).for_each(|_| self.faults.add(name, &Fault::Size(size.0, size.1)));
            return Ok(planes);
        }
        let numbers = pixels.width.checked_mul(pixels.height).and_then(|area| area.checked_mul(pixels.channels));
        let length = numbers.and_then(|numbers| numbers.checked_mul(header.width)).filter(|bytes| *bytes < MAX_IMAGE);
        let mut image = vec![0; length.ok_or_else(|| about("holds images that are too large to be read".into()))?];
        for i in 0..count {
            if i % STEP == 0 {
                Progress::images("reading", i, count).tell(&mut **watch.borrow_mut())?;
            }
            content.read_exact(&mut image).map_err(|e| about(format!("ends before its image {i}: {e}")))?;
            let mut changes = Vec::new();
            let image = match (header.kind, header.width) {
                ('u' | 'b', 1) => Cow::Borrowed(&image[..]),
                ('f', width) => Cow::Owned(array::pixels(width, &image).map_err(about)?),
                (kind, width) => {
                    let bytes = array::small_numbers(kind, width, &image);
                    let fault = "has pixels that are no bytes: save them as uint8";
                    Cow::Owned(bytes.ok_or_else(|| about(fault.into()))?)
                }
            };
            if pixels.channels == 1 {
                changes.push(Change::Grey);
            }
            if size != (SIDE, SIDE) {
                changes.push(Change::Resized(size.0, size.1));
            }
            self.changes.add(&changes, name);
            planes.extend(pixels.planes(&image));
        }
        if header.kind == 'f' {
            self.report
                .notes
                .push(format!("The pixels of {name} are numbers from 0 to 1; they became the nearest bytes."));
        }
        Ok(planes)
    }

    /// Puts images and labels together.
    fn finish(mut self) -> Result<Import> {
        std::mem::take(&mut self.faults).refusal()?;
        // What no name tells is for training, unless something else is.
        if !self.images.contains_key(&Some(Part::Train)) {
            for arrays in [&mut self.images, &mut self.labels] {
                if let Some(array) = arrays.remove(&None) {
                    arrays.entry(Some(Part::Train)).or_insert(array);
                }
            }
        }
        let train = self.split(Part::Train)?;
        let test = self.split(Part::Test)?;
        let validation = if test.is_empty() { self.split(Part::Validation)? } else { Split::default() };
        let test = if test.is_empty() { validation } else { test };
        for (_, array) in self.images.into_iter().chain(self.labels) {
            report::count(&mut self.report.left_out, "arrays of other parts", &array.name);
        }
        if train.is_empty() {
            return refuse(
                "there are no images to train on: an array of N × 32 × 32 × 3 bytes, named x_train or images",
            );
        }
        let highest = train.labels.iter().chain(&test.labels).max().copied().unwrap_or_default();
        if highest == 0 {
            return refuse("all labels are 0: a network learns to tell classes apart, so give it two");
        }
        let classes = (0..=highest).map(|label| label.to_string()).collect();
        self.report.kind = "NumPy arrays".into();
        self.report.notes.push("Arrays have no names for classes: they are called by their numbers.".into());
        self.changes.tell(&mut self.report);
        let dataset = Dataset { classes, train, test, ..Dataset::default() };
        Ok(Import { dataset, report: self.report })
    }

    fn split(&mut self, part: Part) -> Result<Split> {
        match (self.images.remove(&Some(part)), self.labels.remove(&Some(part))) {
            (None, None) => Ok(Split::default()),
            (Some(images), Some(labels)) if images.bytes.len() == labels.bytes.len() * IMAGE_BYTES => {
                Ok(Split { images: images.bytes, labels: labels.bytes })
            }
            (Some(images), Some(labels)) => refuse(&format!(
                "{} has {} images, but {} has {} labels",
                images.name,
                images.bytes.len() / IMAGE_BYTES,
                labels.name,
                labels.bytes.len()
            )),
            (Some(images), None) => refuse(&format!(
                "{} has images, but there are no labels for them: whole numbers in an array of one dimension, named y_train or labels for the training images and y_test or test_labels for the test images",
                images.name
            )),
            (None, Some(labels)) => refuse(&format!(
                "{} has labels, but there are no images for them: an array of N × 32 × 32 × 3 bytes",
                labels.name
            )),
        }
    }
}

/// The labels of an array.
fn labels(header: &Header, content: &mut dyn Read) -> Result<Vec<u8>, String> {
    let count = header.count().ok_or("has a shape that cannot be")?;
    let expected = count.checked_mul(header.width).filter(|bytes| *bytes < MAX_LABELS).ok_or("has too many labels")?;
    let mut bytes = Vec::new();
    content.take(expected as u64).read_to_end(&mut bytes).map_err(|e| format!("cannot be read: {e}"))?;
    if bytes.len() != expected {
        return Err("was cut short".into());
    }
    let numbers = array::small_numbers(header.kind, header.width, &bytes);
    let labels = match header.shape[..] {
        [_, columns] if columns > 1 => {
            numbers.and_then(|numbers| numbers.chunks_exact(columns).map(only_one).collect())
        }
        _ => numbers,
    };
    labels.ok_or_else(|| "has labels that are not whole numbers from 0 to 255".into())
}

/// Where in a row the only 1 is, all else being 0.
fn only_one(row: &[u8]) -> Option<u8> {
    let at = row.iter().position(|number| *number == 1)?;
    (row.iter().filter(|number| **number != 0).count() == 1).then_some(at as u8)
}

fn refuse<T>(fault: &str) -> Result<T> {
    Err(EngineError::Data(fault.to_owned()))
}

#[cfg(test)]
mod tests;
