//! The form in which the library keeps a dataset: one safetensors file with a description and a checksum.

use std::{
    collections::HashMap,
    fmt::Write,
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

use safetensors::{
    Dtype, SafeTensors,
    tensor::{Metadata, TensorInfo, TensorView},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    dataset::{CHANNELS, Dataset, IMAGE_BYTES, SIDE, Split},
    report::ImportReport,
    samples::{Rows, first_of_each},
};
use crate::{EngineError, Result, folder::write_atomically};

/// The key of the description in the file's metadata.
const KEY: &str = "retort.dataset";
/// A description is some kilobytes.
const MAX_HEADER_BYTES: u64 = 1 << 20;
/// The tensors, in the order in which they enter the checksum.
const TENSORS: [&str; 4] = ["train_images", "train_labels", "test_images", "test_labels"];

/// What a file says of itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Description {
    pub name: String,
    pub title: String,
    pub classes: Vec<String>,
    pub origin: String,
    pub sha256: String,
    /// Nothing in files of before reports were kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<ImportReport>,
}

/// Writes `dataset` to a file at `path`, with the report of its import.
pub(super) fn write(path: &Path, dataset: &Dataset, report: Option<&ImportReport>) -> Result<()> {
    let description = Description {
        name: dataset.name.clone(),
        title: dataset.title.clone(),
        classes: dataset.classes.clone(),
        origin: dataset.origin.clone(),
        sha256: sha256(dataset),
        report: report.cloned(),
    };
    let refuse = |fault: String| EngineError::Data(format!("{} cannot be stored: {fault}", dataset.name));
    let json = serde_json::to_string(&description).map_err(|e| refuse(e.to_string()))?;
    let views = TENSORS
        .into_iter()
        .zip(tensors(dataset))
        .map(|(name, (bytes, shape))| Ok((name, TensorView::new(Dtype::U8, shape, bytes)?)))
        .collect::<std::result::Result<Vec<_>, safetensors::SafeTensorError>>()
        .map_err(|e| refuse(e.to_string()))?;
    let bytes = safetensors::serialize(views, Some(HashMap::from([(KEY.to_owned(), json)])))
        .map_err(|e| refuse(e.to_string()))?;
    write_atomically(path, &bytes)
}

/// Reads the file at `path`, which holds the dataset `name`, and checks all of it.
pub(super) fn read(path: &Path, name: &str) -> Result<Dataset> {
    let bytes = fs::read(path).map_err(|e| EngineError::io(path, e))?;
    parse(&bytes, name).map_err(|fault| damaged(path, name, &fault))
}

/// Reads the description of the file at `path`, and how many images its splits have, but not the images.
pub(super) fn describe(path: &Path, name: &str) -> Result<(Description, [usize; 2])> {
    open(path, name).map(|stored| (stored.description, stored.counts))
}

/// Reads the first training images of each class, and no others, from the file at `path`.
pub(super) fn samples(path: &Path, name: &str) -> Result<Rows> {
    let mut stored = open(path, name)?;
    let classes = stored.description.classes.len();
    let fault = |e: io::Error| damaged(path, name, &format!("its images cannot be read: {e}"));
    let labels = stored.read(TENSORS[1], 0, stored.counts[0]).map_err(fault)?;
    let mut image = |i: usize| stored.read(TENSORS[0], i * IMAGE_BYTES, IMAGE_BYTES).map_err(fault);
    first_of_each(&labels, classes).into_iter().map(|row| row.into_iter().map(&mut image).collect()).collect()
}

/// A file of which the header was read and nothing else.
struct Stored {
    file: File,
    description: Description,
    counts: [usize; 2],
    metadata: Metadata,
    /// Where the tensors begin.
    start: u64,
}

impl Stored {
    /// Bytes of a tensor, from its byte `offset` on.
    fn read(&mut self, tensor: &str, offset: usize, count: usize) -> io::Result<Vec<u8>> {
        let tensor = self.metadata.info(tensor).map_or(0, |info| info.data_offsets.0);
        self.file.seek(SeekFrom::Start(self.start + (tensor + offset) as u64))?;
        let mut bytes = vec![0; count];
        self.file.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

fn open(path: &Path, name: &str) -> Result<Stored> {
    let mut file = File::open(path).map_err(|e| EngineError::io(path, e))?;
    let size = file.metadata().map_err(|e| EngineError::io(path, e))?.len();
    let mut length = [0; 8];
    let fault = |fault: &str| damaged(path, name, fault);
    file.read_exact(&mut length).map_err(|_| fault("it is cut short"))?;
    let length = u64::from_le_bytes(length);
    if length > MAX_HEADER_BYTES {
        return Err(fault("its header is too long"));
    }
    let mut header = Vec::new();
    file.by_ref().take(length).read_to_end(&mut header).map_err(|e| EngineError::io(path, e))?;
    let metadata: Metadata =
        serde_json::from_slice(&header).map_err(|e| fault(&format!("its header cannot be read: {e}")))?;
    if size != 8 + length + metadata.data_len() as u64 {
        let expected = 8 + length + metadata.data_len() as u64;
        return Err(fault(&format!("it has {size} bytes, not {expected}")));
    }
    let description = description(&metadata, name).map_err(|e| fault(&e))?;
    let counts = counts(&metadata).map_err(|e| fault(&e))?;
    Ok(Stored { file, description, counts, metadata, start: 8 + length })
}

fn damaged(path: &Path, name: &str, fault: &str) -> EngineError {
    let path = path.display();
    EngineError::Data(format!(
        "the dataset {name} is damaged: {fault}; remove the folder of {path} and import it again"
    ))
}

fn parse(bytes: &[u8], name: &str) -> std::result::Result<Dataset, String> {
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|e| e.to_string())?;
    let description = description(&metadata, name)?;
    let [train, test] = counts(&metadata)?;
    let file = SafeTensors::deserialize(bytes).map_err(|e| e.to_string())?;
    let mut data = Vec::new();
    for tensor in TENSORS {
        data.push(file.tensor(tensor).map_err(|e| e.to_string())?.data());
    }
    let sha256 = checksum(data.iter().copied());
    if sha256 != description.sha256 {
        return Err(format!("its images have the SHA-256 {sha256}, not {}", description.sha256));
    }
    for (labels, count) in [(data[1], train), (data[3], test)] {
        let classes = description.classes.len();
        if let Some(i) = (0..count).find(|i| usize::from(labels[*i]) >= classes) {
            return Err(format!("image {i} has the label {}, but there are {classes} classes", labels[i]));
        }
    }
    let split = |i: usize| Split { images: data[i].to_vec(), labels: data[i + 1].to_vec() };
    let Description { name, title, classes, origin, .. } = description;
    let (train, validation, test) = (split(0), Split::default(), split(2));
    Ok(Dataset { name, title, classes, origin, train, validation, test })
}

fn description(metadata: &Metadata, name: &str) -> std::result::Result<Description, String> {
    let json = metadata.metadata().as_ref().and_then(|map| map.get(KEY)).ok_or("it is not a dataset of Retort")?;
    let description: Description = serde_json::from_str(json).map_err(|e| format!("its description: {e}"))?;
    if description.classes.is_empty() {
        return Err("its description names no class".to_owned());
    }
    if description.name != name {
        return Err(format!("it holds the dataset {}", description.name));
    }
    Ok(description)
}

/// The numbers of training and test images, once all tensors have the types and shapes that they must have.
fn counts(metadata: &Metadata) -> std::result::Result<[usize; 2], String> {
    let info = |name: &str| metadata.info(name).ok_or_else(|| format!("it has no {name}"));
    let count = |images: &str, labels: &str| {
        let (images, labels) = (info(images)?, info(labels)?);
        let count = labels.shape.first().copied().unwrap_or_default();
        let bytes = |info: &TensorInfo| info.data_offsets.1.checked_sub(info.data_offsets.0);
        let right = images.shape == [count, CHANNELS, SIDE, SIDE] && labels.shape == [count] && count > 0;
        let whole = bytes(labels) == Some(count) && bytes(images) == count.checked_mul(IMAGE_BYTES);
        if !right || !whole || images.dtype != Dtype::U8 || labels.dtype != Dtype::U8 {
            return Err("its images and labels are not bytes of N × 3 × 32 × 32 and N".to_owned());
        }
        Ok(count)
    };
    Ok([count(TENSORS[0], TENSORS[1])?, count(TENSORS[2], TENSORS[3])?])
}

/// The bytes and shapes of a dataset's tensors, in the order of [`TENSORS`].
fn tensors(dataset: &Dataset) -> [(&[u8], Vec<usize>); 4] {
    let images = |split: &Split| vec![split.len(), CHANNELS, SIDE, SIDE];
    [
        (&dataset.train.images, images(&dataset.train)),
        (&dataset.train.labels, vec![dataset.train.len()]),
        (&dataset.test.images, images(&dataset.test)),
        (&dataset.test.labels, vec![dataset.test.len()]),
    ]
}

/// The checksum of a dataset's images and labels.
pub(super) fn sha256(dataset: &Dataset) -> String {
    checksum(tensors(dataset).map(|(bytes, _)| bytes))
}

fn checksum<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hash = Sha256::new();
    parts.into_iter().for_each(|part| hash.update(part));
    hex(&hash.finalize())
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{samples::of_split, testing::dataset};

    /// What is said of the stored toy dataset after a change to its bytes, by both readers.
    fn faults(change: impl FnOnce(&mut Vec<u8>)) -> (Option<String>, Option<String>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("dataset.safetensors");
        write(&path, &dataset(3, 4, 2), None).unwrap();
        let mut bytes = fs::read(&path).unwrap();
        change(&mut bytes);
        fs::write(&path, bytes).unwrap();
        let message = |e: EngineError| e.to_string();
        (describe(&path, "toy").err().map(message), read(&path, "toy").err().map(message))
    }

    #[test]
    fn a_stored_dataset_reads_back_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("dataset.safetensors");
        write(&path, &dataset(3, 4, 2), None).unwrap();
        assert_eq!(read(&path, "toy").unwrap(), dataset(3, 4, 2));
        assert_eq!(describe(&path, "toy").unwrap().1, [12, 6]);
    }

    #[test]
    fn a_truncated_file_is_refused_by_both_readers() {
        for keep in [4, 100, 20_000] {
            let (described, read) = faults(|bytes| bytes.truncate(keep));
            assert!(described.unwrap().contains("the dataset toy is damaged"));
            assert!(read.unwrap().contains("the dataset toy is damaged"));
        }
    }

    #[test]
    fn samples_are_the_first_images_of_each_class_and_the_others_are_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("dataset.safetensors");
        let dataset = dataset(3, 15, 2);
        write(&path, &dataset, None).unwrap();
        let rows = samples(&path, "toy").unwrap();
        assert_eq!(rows, of_split(&dataset.train, 3));
        let mut bytes = fs::read(&path).unwrap();
        // The last training image, which is on no sheet: the first byte of its planes is its class, the second 14.
        let last = [&[2, 14], &[100; 62][..]].concat();
        let at = bytes.windows(last.len()).position(|window| window == last).unwrap();
        bytes[at + 5] ^= 1;
        fs::write(&path, &bytes).unwrap();
        assert!(read(&path, "toy").is_err());
        assert_eq!(samples(&path, "toy").unwrap(), rows);
        fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        assert!(samples(&path, "toy").unwrap_err().to_string().contains("the dataset toy is damaged"));
    }

    #[test]
    fn an_altered_image_is_found_by_its_checksum() {
        let (described, read) = faults(|bytes| *bytes.last_mut().unwrap() ^= 1);
        assert_eq!(described, None);
        assert!(read.unwrap().contains("SHA-256"));
    }

    #[test]
    fn a_label_without_a_class_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("dataset.safetensors");
        let mut wrong = dataset(3, 4, 2);
        wrong.train.labels[5] = 3;
        write(&path, &wrong, None).unwrap();
        let message = read(&path, "toy").unwrap_err().to_string();
        assert!(message.contains("image 5 has the label 3, but there are 3 classes"), "{message}");
    }

    #[test]
    fn a_file_under_another_datasets_name_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("dataset.safetensors");
        write(&path, &dataset(3, 4, 2), None).unwrap();
        assert!(read(&path, "cifar10").unwrap_err().to_string().contains("it holds the dataset toy"));
    }

    #[test]
    fn a_missing_image_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("dataset.safetensors");
        let mut wrong = dataset(3, 4, 2);
        wrong.train.labels.pop();
        assert!(write(&path, &wrong, None).is_err());
        assert!(!path.exists());
    }
}
