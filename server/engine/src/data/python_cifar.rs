//! CIFAR as published for Python: pickled dicts with NumPy arrays, which torchvision leaves on disks.

use std::collections::{BTreeSet, HashMap};

use super::{
    content::Content,
    dataset::{Dataset, IMAGE_BYTES, Split},
    import::Import,
    listing::Listing,
    numpy::array::small_numbers,
    official::Checksums,
    progress::Watch,
    report::ImportReport,
};
use crate::{
    EngineError, Result,
    pickle::{
        Pickle, Place,
        numpy::{array, text},
    },
};

/// Bytes of the largest file that is read; the largest official one has 155 MB.
const MAX_FILE_BYTES: usize = 1 << 30;

/// A version for Python of a dataset.
#[derive(Debug)]
pub(super) struct PythonCifar {
    title: &'static str,
    origin: &'static str,
    /// What gets the same images.
    again: &'static str,
    /// The files of the training part and those of the test part, in the order of their images, with their MD5.
    files: [&'static [(&'static str, &'static str)]; 2],
    /// The file that names the classes, and where in it.
    names: (&'static str, &'static str),
    /// Where in a file the labels are.
    labels: &'static str,
    note: Option<&'static str>,
}

static ALL: [PythonCifar; 2] = [
    PythonCifar {
        title: "CIFAR-10",
        origin: "the official files for Python (Krizhevsky 2009), checksums verified",
        again: "download it again, or its binary version with `retort data fetch cifar10`",
        files: [
            &[
                ("data_batch_1", "c99cafc152244af753f735de768cd75f"),
                ("data_batch_2", "d4bba439e000b95fd0a9bffe97cbabec"),
                ("data_batch_3", "54ebc095f3ab1f0389bbae665268c751"),
                ("data_batch_4", "634d18415352ddfa80567beed471001a"),
                ("data_batch_5", "482c414d41f54cd18b22e5b47cb7c3cb"),
            ],
            &[("test_batch", "40351d587109b95175f43aff81a1287e")],
        ],
        names: ("batches.meta", "label_names"),
        labels: "labels",
        note: None,
    },
    PythonCifar {
        title: "CIFAR-100",
        origin: "the official files for Python (Krizhevsky 2009), checksums verified, fine labels",
        again: "download it again, or its binary version with `retort data fetch cifar100`",
        files: [&[("train", "16019d7e3df5f24257cddd939b257f8d")], &[("test", "f0ef6b0ae62326f3e7ffdfab6717acfc")]],
        names: ("meta", "fine_label_names"),
        labels: "fine_labels",
        note: Some("The labels are the fine ones, of 100 classes."),
    },
];

/// Each of them of which pickles lie in a folder of `listing`, with that folder.
pub(super) fn find(listing: &Listing) -> Vec<(&'static PythonCifar, Vec<String>)> {
    let mut found = Vec::new();
    for cifar in &ALL {
        let is_ours = |name: &str| cifar.files().any(|(file, _)| *file == name);
        let there = listing.files().filter(|(_, e, content)| *content == Content::Pickle && is_ours(e.file_name()));
        let folders: BTreeSet<&[String]> = there.map(|(_, entry, _)| entry.folder()).collect();
        found.extend(folders.into_iter().map(|folder| (cifar, folder.to_vec())));
    }
    found
}

impl PythonCifar {
    /// What it is called, in words.
    pub fn words(&self) -> String {
        format!("the files of {} for Python", self.title)
    }

    /// Whether one of its files has this name.
    pub fn has_file(&self, name: &str) -> bool {
        name == self.names.0 || self.files().any(|(file, _)| *file == name)
    }

    /// Reads its files in a folder of `listing`; nothing of them is run.
    ///
    /// Files that are not the official ones are read too, with as many images as they have.
    ///
    /// # Errors
    /// When a file is missing or holds something else, or when some files are official and others are not.
    pub fn read(&self, listing: &Listing, folder: &[String], watch: &mut Watch<'_>) -> Result<Import> {
        let there = listing.files().filter(|(_, e, _)| e.folder() == folder && self.has_file(e.file_name()));
        let wanted: Vec<usize> = there.map(|(i, ..)| i).collect();
        let (mut splits, mut classes, mut checksums) = (HashMap::new(), None, Checksums::default());
        listing.read(&wanted, watch, &mut |entries, member| {
            let bytes = member.read(MAX_FILE_BYTES)?;
            for entry in entries {
                let name = listing.entries[*entry].file_name();
                match self.files().find(|(file, _)| *file == name) {
                    None => classes = Some(self.classes(&bytes)),
                    Some((file, md5)) => {
                        checksums.add(name, &bytes, md5, None);
                        splits.insert(*file, self.split(&bytes));
                    }
                }
            }
            Ok(())
        })?;
        let is_official = checksums.are_official(self.title, self.again)?;
        let refuse = |name: &str, fault: String| EngineError::Data(format!("{name} {fault}: {}", self.again));
        let missing = |name: &str| refuse(name, format!("of {} for Python is missing", self.title));
        let mut parts = [Split::default(), Split::default()];
        for (part, files) in parts.iter_mut().zip(self.files) {
            for (name, _) in files {
                let split = splits.remove(name).ok_or_else(|| missing(name))?.map_err(|fault| refuse(name, fault))?;
                part.images.extend(split.images);
                part.labels.extend(split.labels);
            }
        }
        let meta = self.names.0;
        let classes: Vec<String> = classes.ok_or_else(|| missing(meta))?.map_err(|fault| refuse(meta, fault))?;
        for label in parts.iter().flat_map(|part| &part.labels) {
            if usize::from(*label) >= classes.len() {
                let fault = format!("names {} classes, but there is the label {label}", classes.len());
                return Err(refuse(meta, fault));
            }
        }
        let [train, test] = parts;
        let report = ImportReport { kind: self.words(), ..ImportReport::default() };
        let mut import = Import { dataset: Dataset { classes, train, test, ..Dataset::default() }, report };
        import.tell_official(is_official, self.title, self.origin);
        import.report.notes.extend(self.note.map(str::to_owned));
        Ok(import)
    }

    fn files(&self) -> impl Iterator<Item = &'static (&'static str, &'static str)> + use<> {
        self.files.into_iter().flatten()
    }

    /// The images and labels of one file.
    fn split(&self, bytes: &[u8]) -> Result<Split, String> {
        let pickle = Pickle::parse(bytes).map_err(|fault| format!("is no pickle that can be read: it {fault}"))?;
        let data = entry(&pickle, bytes, "data").and_then(|at| array(&pickle, bytes, at));
        let images =
            data.filter(|data| (data.kind, data.width) == ('u', 1) && data.bytes.len().is_multiple_of(IMAGE_BYTES));
        let images = images.ok_or("has no array “data” of bytes, N × 3,072")?.bytes.into_owned();
        let labels = entry(&pickle, bytes, self.labels).and_then(|at| labels(&pickle, bytes, at));
        let labels = labels.ok_or_else(|| format!("has no whole numbers “{}”", self.labels))?;
        if images.len() != labels.len() * IMAGE_BYTES {
            return Err(format!("has {} images and {} labels", images.len() / IMAGE_BYTES, labels.len()));
        }
        Ok(Split { images, labels })
    }

    /// The names of the classes.
    fn classes(&self, bytes: &[u8]) -> Result<Vec<String>, String> {
        let pickle = Pickle::parse(bytes).map_err(|fault| format!("is no pickle that can be read: it {fault}"))?;
        let names = entry(&pickle, bytes, self.names.1).and_then(|at| pickle.sequence(at));
        let names = names.and_then(|n| n.iter().map(|at| text(&pickle, bytes, *at)).collect());
        names.ok_or_else(|| format!("has no list of names “{}”", self.names.1))
    }
}

/// The value under a key of the dict that a pickle is.
fn entry(pickle: &Pickle, bytes: &[u8], key: &str) -> Option<Place> {
    let entries = pickle.dict(pickle.root())?;
    entries.iter().find(|(k, _)| text(pickle, bytes, *k).is_some_and(|k| k == key)).map(|(_, value)| *value)
}

/// Labels in a list or an array.
fn labels(pickle: &Pickle, bytes: &[u8], at: Place) -> Option<Vec<u8>> {
    if let Some(labels) = array(pickle, bytes, at) {
        return small_numbers(labels.kind, labels.width, &labels.bytes);
    }
    pickle.sequence(at)?.iter().map(|at| pickle.count(*at).and_then(|label| u8::try_from(label).ok())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::testing::import_files;

    /// What NumPy and Python wrote, by tools/golden/pickles.py.
    const GOLDEN: [(&str, &[u8]); 6] = [
        ("Python 2", include_bytes!("../../golden/pickles/python2.pickle")),
        ("protocol 2", include_bytes!("../../golden/pickles/protocol2.pickle")),
        ("protocol 3", include_bytes!("../../golden/pickles/protocol3.pickle")),
        ("protocol 4", include_bytes!("../../golden/pickles/protocol4.pickle")),
        ("protocol 5", include_bytes!("../../golden/pickles/protocol5.pickle")),
        ("keys as text", include_bytes!("../../golden/pickles/text_keys.pickle")),
    ];

    /// A dict with one list of texts, as Python 2 writes it.
    fn names(key: &str, names: &[String]) -> Vec<u8> {
        let text = |text: &str| [b"U", &[text.len() as u8][..], text.as_bytes()].concat();
        let names: Vec<u8> = names.iter().flat_map(|name| text(name)).collect();
        [&b"\x80\x02}"[..], &text(key), b"](", &names, b"es."].concat()
    }

    fn cifar10(batch: &[u8]) -> Vec<(String, Vec<u8>)> {
        let batches = (1..=5).map(|i| format!("data_batch_{i}")).chain(["test_batch".to_owned()]);
        let mut files: Vec<_> = batches.map(|name| (format!("cifar-10-batches-py/{name}"), batch.to_vec())).collect();
        let classes: Vec<String> = (0..10).map(|i| format!("class {i}")).collect();
        files.push(("cifar-10-batches-py/batches.meta".into(), names("label_names", &classes)));
        files
    }

    #[test]
    fn files_of_every_protocol_give_the_images_that_numpy_wrote() {
        let image = |i: usize| (0..IMAGE_BYTES).map(|p| (p * 7 + i * 31) as u8).collect::<Vec<u8>>();
        for (kind, batch) in GOLDEN {
            let Import { dataset, report } = import_files(&cifar10(batch)).unwrap_or_else(|e| panic!("{kind}: {e}"));
            assert_eq!((dataset.train.len(), dataset.test.len()), (10, 2), "{kind}");
            assert_eq!(dataset.test.labels, [3, 1], "{kind}");
            assert!(dataset.test.images == [image(0), image(1)].concat(), "{kind}");
            assert_eq!(dataset.classes[3], "class 3");
            assert_eq!(report.kind, "the files of CIFAR-10 for Python");
        }
    }

    #[test]
    fn cifar_100_has_its_fine_labels() {
        let rename = |batch: &[u8]| {
            let at = batch.windows(7).position(|w| w == b"\x06labels").unwrap();
            [&batch[..at], b"\x0bfine_labels", &batch[at + 7..]].concat()
        };
        let classes: Vec<String> = (0..100).map(|i| format!("fine {i}")).collect();
        let batch = rename(GOLDEN[0].1);
        let files = vec![
            ("cifar-100-python/train".to_owned(), batch.clone()),
            ("cifar-100-python/test".to_owned(), batch),
            ("cifar-100-python/meta".to_owned(), names("fine_label_names", &classes)),
        ];
        let import = import_files(&files).unwrap();
        assert_eq!((import.dataset.classes.len(), &import.dataset.test.labels[..]), (100, &[3, 1][..]));
        assert!(import.report.notes.iter().any(|note| note.contains("fine ones, of 100 classes")));
    }

    #[test]
    fn a_missing_or_damaged_file_is_named_and_no_code_in_it_is_run() {
        let mut files = cifar10(GOLDEN[3].1);
        files.remove(2);
        let message = import_files(&files).unwrap_err().to_string();
        assert!(message.contains("data_batch_3 of CIFAR-10 for Python is missing"), "{message}");
        for (content, fault) in [
            (GOLDEN[3].1[..500].to_vec(), "data_batch_2 is no pickle that can be read"),
            (b"\x80\x02cposix\nsystem\nX\x04\x00\x00\x00true\x85R.".to_vec(), "data_batch_2 has no array “data”"),
        ] {
            let mut files = cifar10(GOLDEN[3].1);
            files[1].1 = content;
            let message = import_files(&files).unwrap_err().to_string();
            assert!(message.contains(fault), "{message}");
        }
    }

    #[test]
    fn a_label_without_a_class_is_refused() {
        let mut files = cifar10(GOLDEN[3].1);
        files[6].1 = names("label_names", &["a".into(), "b".into()]);
        let message = import_files(&files).unwrap_err().to_string();
        assert!(message.contains("batches.meta names 2 classes, but there is the label 3"), "{message}");
    }
}
