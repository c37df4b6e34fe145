//! Images in folders: `train/CLASS/*.jpg`, `*.jpeg` or `*.png`, and `test/CLASS/*`, from a folder or an archive.

use std::{
    collections::BTreeMap,
    fs,
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use rayon::prelude::*;

use super::{
    archive,
    dataset::{Dataset, IMAGE_BYTES, Split},
    image_file::{MAX_FILE_BYTES, decode},
    progress::Progress,
};
use crate::{EngineError, Result};

const SPLITS: [&str; 2] = ["train", "test"];
const LAYOUT: &str = "the layout is train/CLASS/IMAGE.png and test/CLASS/IMAGE.png (.png, .jpg or .jpeg)";
/// Labels are bytes.
const MAX_CLASSES: usize = 256;
/// Images decoded between two reports of progress.
const CHUNK: usize = 2_000;

/// Reads the images of a folder.
pub(super) fn read_folder(dir: &Path, progress: &mut dyn FnMut(Progress)) -> Result<Dataset> {
    let mut listing = Listing::default();
    list(dir, &mut Vec::new(), &mut listing)?;
    listing.decode(progress)
}

/// Reads the images of an archive, without unpacking it to disk.
pub(super) fn read_archive(path: &Path, progress: &mut dyn FnMut(Progress)) -> Result<Dataset> {
    let mut listing = Listing::default();
    archive::walk(path, progress, &mut |member| {
        let place = Place::of(&member.parts, member.is_folder)?;
        if let Place::Image(..) = place {
            let name = member.name();
            let bytes = member.read(MAX_FILE_BYTES)?;
            listing.add(place, Source::Bytes(name, bytes))?;
        } else {
            listing.add(place, Source::Bytes(String::new(), Vec::new()))?;
        }
        Ok(ControlFlow::Continue(()))
    })?;
    listing.decode(progress)
}

/// Whether a member of an archive shows that it holds images in this layout.
pub(super) fn is_in_a_split(parts: &[String]) -> bool {
    parts.len() > 1 && SPLITS.contains(&parts[0].as_str())
}

/// Whether the folder at `dir` is in this layout.
pub(super) fn is_image_folder(dir: &Path) -> bool {
    SPLITS.iter().any(|split| dir.join(split).is_dir())
}

/// Adds what lies in `dir`, which is `parts` below the folder that is read.
fn list(dir: &Path, parts: &mut Vec<String>, listing: &mut Listing) -> Result<()> {
    for entry in fs::read_dir(dir).map_err(|e| EngineError::io(dir, e))? {
        let entry = entry.map_err(|e| EngineError::io(dir, e))?;
        let path = entry.path();
        let kind = entry.file_type().map_err(|e| EngineError::io(&path, e))?;
        let Ok(name) = entry.file_name().into_string() else {
            return Err(EngineError::Data(format!("{}: the name is not UTF-8; rename it", path.display())));
        };
        parts.push(name);
        let place = Place::of(parts, kind.is_dir())?;
        if !matches!(place, Place::Nowhere) && !kind.is_dir() && !kind.is_file() {
            return Err(EngineError::Data(format!("{} is a link or a device: put the file there", path.display())));
        }
        listing.add(place, Source::File(path.clone()))?;
        if kind.is_dir() && (parts.len() > 1 || SPLITS.contains(&parts[0].as_str())) {
            list(&path, parts, listing)?;
        }
        parts.pop();
    }
    Ok(())
}

/// Where in the layout a file or folder belongs.
enum Place {
    /// It is not ours: a hidden file, or something beside `train` and `test`.
    Nowhere,
    /// A split's folder of one class.
    Class(usize, String),
    /// An image: split, class, file name.
    Image(usize, String, String),
}

impl Place {
    fn of(parts: &[String], is_folder: bool) -> Result<Self> {
        let refuse = |fault: &str| Err(EngineError::Data(format!("{} {fault}; {LAYOUT}", parts.join("/"))));
        if parts.iter().any(|part| part.starts_with('.') || part == "__MACOSX") {
            return Ok(Self::Nowhere);
        }
        let Some(split) = SPLITS.iter().position(|split| parts[0] == *split) else {
            return match (parts.len(), is_folder) {
                (1, _) | (_, true) => Ok(Self::Nowhere),
                _ => refuse("lies neither in train nor in test"),
            };
        };
        match (&parts[1..], is_folder) {
            ([], true) => Ok(Self::Nowhere),
            ([class], true) => Ok(Self::Class(split, class.clone())),
            ([class, name], false) => match name.rsplit_once('.').map(|(_, end)| end.to_ascii_lowercase()) {
                Some(end) if ["png", "jpg", "jpeg"].contains(&&*end) => {
                    Ok(Self::Image(split, class.clone(), name.clone()))
                }
                _ => refuse("is not an image by its name"),
            },
            ([_, _, ..], _) => refuse("lies too deep"),
            _ => refuse("lies outside the folders of the classes"),
        }
    }
}

/// Where the bytes of an image are.
enum Source {
    /// In memory, out of an archive in which it had this name.
    Bytes(String, Vec<u8>),
    File(PathBuf),
}

/// The images of each split by class and name; the maps keep both in alphabetical order.
#[derive(Default)]
struct Listing([BTreeMap<String, BTreeMap<String, Source>>; 2]);

impl Listing {
    fn add(&mut self, place: Place, source: Source) -> Result<()> {
        match place {
            Place::Nowhere => {}
            Place::Class(split, class) => {
                self.0[split].entry(class).or_default();
            }
            Place::Image(split, class, name) => {
                let twice = format!("{}/{class}/{name} occurs twice in the archive", SPLITS[split]);
                if self.0[split].entry(class).or_default().insert(name, source).is_some() {
                    return Err(EngineError::Data(twice));
                }
            }
        }
        Ok(())
    }

    /// The names of the classes, which must be the same in both splits and have images in each.
    fn classes(&self) -> Result<Vec<String>> {
        let refuse = |fault: String| Err(EngineError::Data(fault));
        for (i, split) in SPLITS.iter().enumerate() {
            if self.0[i].is_empty() {
                return refuse(format!("there are no images in {split}; {LAYOUT}"));
            }
            if let Some(missing) = self.0[1 - i].keys().find(|class| !self.0[i].contains_key(*class)) {
                let other = SPLITS[1 - i];
                return refuse(format!(
                    "the class “{missing}” is in {other} but not in {split}: both need all classes"
                ));
            }
            if let Some((class, _)) = self.0[i].iter().find(|(_, images)| images.is_empty()) {
                return refuse(format!(
                    "the class “{class}” has no images in {split}: add some, or remove its folders"
                ));
            }
        }
        let classes: Vec<String> = self.0[0].keys().cloned().collect();
        if !(2..=MAX_CLASSES).contains(&classes.len()) {
            return refuse(format!("there are {} classes; 2 to {MAX_CLASSES} are possible", classes.len()));
        }
        Ok(classes)
    }

    /// Decodes all images, on all cores.
    fn decode(self, progress: &mut dyn FnMut(Progress)) -> Result<Dataset> {
        let classes = self.classes()?;
        let total: usize = self.0.iter().flat_map(BTreeMap::values).map(BTreeMap::len).sum();
        let mut done = 0;
        let [train, test] = self.0.map(|by_class| -> Result<Split> {
            let labelled: Vec<(u8, Source)> = (0..=u8::MAX)
                .zip(by_class.into_values())
                .flat_map(|(label, images)| images.into_values().map(move |source| (label, source)))
                .collect();
            let mut split = Split { images: Vec::with_capacity(labelled.len() * IMAGE_BYTES), labels: Vec::new() };
            for chunk in labelled.chunks(CHUNK) {
                let images: Vec<Result<Vec<u8>>> = chunk.par_iter().map(|(_, source)| source.decode()).collect();
                for ((label, _), image) in chunk.iter().zip(images) {
                    split.push(*label, &image?);
                }
                done += chunk.len();
                progress(Progress::images("decoding", done, total));
            }
            Ok(split)
        });
        let (name, title, origin) = (String::new(), String::new(), String::new());
        Ok(Dataset { name, title, classes, origin, train: train?, validation: Split::default(), test: test? })
    }
}

impl Source {
    fn decode(&self) -> Result<Vec<u8>> {
        match self {
            Self::Bytes(name, bytes) => decode(bytes).map_err(|fault| EngineError::Data(format!("{name} {fault}"))),
            Self::File(path) => {
                let bytes = fs::read(path).map_err(|e| EngineError::io(path, e))?;
                decode(&bytes).map_err(|fault| EngineError::Data(format!("{} {fault}", path.display())))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::testing::{image_files, png, tar_gz, write_files};

    type Files = Vec<(String, Vec<u8>)>;

    fn from_folder(files: &Files) -> Result<Dataset> {
        let dir = tempfile::tempdir().unwrap();
        write_files(dir.path(), files);
        read_folder(dir.path(), &mut |_| {})
    }

    fn from_archive(files: &Files) -> Result<Dataset> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("images.tgz");
        fs::write(&path, tar_gz(files)).unwrap();
        read_archive(&path, &mut |_| {})
    }

    /// What both readers say of these files, once they agree.
    fn refusal(files: &Files) -> String {
        let message = from_archive(files).unwrap_err().to_string();
        assert!(from_folder(files).unwrap_err().to_string().ends_with(&message), "{message}");
        message
    }

    fn with(name: &str, bytes: Vec<u8>) -> Files {
        let mut files = image_files();
        files.push((name.to_owned(), bytes));
        files
    }

    #[test]
    fn classes_and_images_come_in_alphabetical_order_as_colour_planes() {
        let dataset = from_folder(&image_files()).unwrap();
        assert_eq!(dataset.classes, ["cat", "dog"]);
        assert_eq!(dataset.train.labels, [0, 0, 1, 1]);
        let planes = |red: u8, green: u8| [[red; 1024], [green; 1024], [7; 1024]].concat();
        assert_eq!(dataset.train.images, [planes(1, 0), planes(1, 1), planes(0, 0), planes(0, 1)].concat());
        assert_eq!(dataset.test.images, [planes(2, 0), planes(2, 1), planes(3, 0), planes(3, 1)].concat());
    }

    #[test]
    fn an_archive_gives_the_same_dataset_as_its_folder() {
        assert_eq!(from_archive(&image_files()).unwrap(), from_folder(&image_files()).unwrap());
    }

    #[test]
    fn hidden_files_and_files_beside_the_splits_are_left_out() {
        let mut files = with("train/cat/._0.png", vec![0]);
        files.extend([(".DS_Store".into(), vec![0]), ("README.md".into(), vec![0]), ("test/.x/1.png".into(), vec![0])]);
        assert_eq!(from_archive(&files).unwrap(), from_folder(&image_files()).unwrap());
        assert_eq!(from_folder(&files).unwrap(), from_folder(&image_files()).unwrap());
    }

    #[test]
    fn the_case_of_an_extension_does_not_matter() {
        assert_eq!(from_archive(&with("train/cat/2.PNG", png(32, [4; 3]))).unwrap().train.len(), 5);
    }

    #[test]
    fn another_size_is_refused_with_the_way_out() {
        let message = refusal(&with("train/cat/big.png", png(33, [0; 3])));
        assert!(message.contains("train/cat/big.png is 33×33") && message.contains("resize"), "{message}");
    }

    #[test]
    fn a_file_that_is_no_image_is_named() {
        let message = refusal(&with("test/dog/bad.png", b"hello".to_vec()));
        assert!(message.contains("test/dog/bad.png is not an image"), "{message}");
        let message = refusal(&with("test/dog/notes.txt", b"hello".to_vec()));
        assert!(message.contains("test/dog/notes.txt is not an image by its name"), "{message}");
    }

    #[test]
    fn a_class_that_one_split_lacks_is_named() {
        let message = refusal(&with("test/fox/1.png", png(32, [0; 3])));
        assert!(message.contains("“fox” is in test but not in train"), "{message}");
    }

    #[test]
    fn an_empty_class_is_named() {
        let dir = tempfile::tempdir().unwrap();
        write_files(dir.path(), &image_files());
        fs::create_dir(dir.path().join("train/fox")).unwrap();
        fs::create_dir(dir.path().join("test/fox")).unwrap();
        let message = read_folder(dir.path(), &mut |_| {}).unwrap_err().to_string();
        assert!(message.contains("“fox” has no images in train"), "{message}");
    }

    #[test]
    fn files_outside_the_layout_are_refused_with_the_layout() {
        for misplaced in ["train/1.png", "train/cat/more/1.png", "data/train/cat/1.png"] {
            let message = from_archive(&with(misplaced, png(32, [0; 3]))).unwrap_err().to_string();
            assert!(message.starts_with(misplaced) && message.contains("train/CLASS/IMAGE.png"), "{message}");
        }
        assert!(from_archive(&vec![]).unwrap_err().to_string().contains("no images in train"));
    }

    #[test]
    fn the_same_name_twice_in_an_archive_is_refused() {
        let message = from_archive(&with("train/cat/1.png", png(32, [0; 3]))).unwrap_err().to_string();
        assert!(message.contains("train/cat/1.png occurs twice"), "{message}");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_in_a_folder_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        write_files(dir.path(), &image_files());
        std::os::unix::fs::symlink("/etc/hostname", dir.path().join("train/cat/9.png")).unwrap();
        let message = read_folder(dir.path(), &mut |_| {}).unwrap_err().to_string();
        assert!(message.contains("9.png is a link"), "{message}");
    }
}
