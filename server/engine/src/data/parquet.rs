//! Images and labels in Parquet files as Hugging Face's datasets have them: a column of encoded images, one of labels, and
//! the names of the classes beside them.

use std::collections::BTreeSet;

use ::parquet::{
    file::{
        metadata::FileMetaData,
        reader::{FileReader, SerializedFileReader},
    },
    record::{Field, Row},
};
use bytes::Bytes;
use rayon::prelude::*;

use super::{
    content::Content,
    dataset::{Dataset, Split},
    images::{Changes, Decoded, Faults, decode},
    import::{Import, check_class_count, named_classes, numbered_classes},
    listing::Listing,
    options::ImportOptions,
    progress::{Progress, Watch},
    report::{self, ImportReport},
    split_name::Part,
};
use crate::{EngineError, Result};

/// Bytes of the largest file that is read; a part of CIFAR-10 takes 120 MB.
const MAX_FILE_BYTES: usize = 2 << 30;
/// Images decoded at once.
const CHUNK: usize = 2_000;
/// Names of the columns of labels, the first that is there.
const LABELS: [&str; 6] = ["label", "labels", "fine_label", "fine_labels", "class", "target"];

/// The numbers of the Parquet files.
pub(super) fn find(listing: &Listing) -> Vec<usize> {
    listing.files().filter(|(.., content)| *content == Content::Parquet).map(|(i, ..)| i).collect()
}

/// Reads the Parquet files of these numbers. A part may be cut into several files; their names say which part they are.
///
/// # Errors
/// When a file is damaged or holds no images and labels, or when an image cannot be taken.
pub(super) fn read(
    listing: &Listing,
    files: &[usize],
    options: &ImportOptions,
    watch: &mut Watch<'_>,
) -> Result<Import> {
    let mut reader = Reader { resize: options.resize, ..Reader::default() };
    reader.lacks_test = options.test_percent.is_none();
    reader.report.kind = "Hugging Face's Parquet files".into();
    let part = |i: usize| Part::mentioned(&listing.entries[i].name());
    let has = |wanted: Part| files.iter().any(|i| part(*i) == Some(wanted));
    let mut files = files.to_vec();
    files.sort_by_key(|i| listing.entries[*i].name());
    let names: Vec<String> = files.iter().map(|i| listing.entries[*i].name()).collect();
    check_shards(&names)?;
    check_configurations(&names)?;
    for i in &files {
        let name = listing.entries[*i].name();
        let place = match part(*i) {
            Some(Part::Train) => 0,
            Some(Part::Test) => 1,
            Some(Part::Validation) if !has(Part::Test) => {
                reader.report.notes.push(format!("The test images were taken from {name}."));
                1
            }
            None if !has(Part::Train) => 0,
            _ => {
                report::count(&mut reader.report.left_out, "Parquet files of other parts", &name);
                continue;
            }
        };
        let bytes = Bytes::from(listing.read_one(*i, MAX_FILE_BYTES, watch)?);
        reader.lacks_test &= place == 0;
        reader.add(&name, bytes, place, watch)?;
    }
    reader.finish()
}

/// Refuses when pieces of a part are missing: a name says how many there are, `train-00000-of-00003.parquet`.
fn check_shards(names: &[String]) -> Result<()> {
    let numbers = |name: &str| -> Option<(String, usize, usize)> {
        let (front, rest) = name.rsplit_once("-of-")?;
        let (front, number) = front.rsplit_once('-')?;
        let all: String = rest.chars().take_while(char::is_ascii_digit).collect();
        Some((front.to_owned(), number.parse().ok()?, all.parse().ok()?))
    };
    let found: Vec<_> = names.iter().filter_map(|name| numbers(name)).collect();
    for (front, _, all) in &found {
        let is_there = |wanted: &usize| found.iter().any(|(own, number, _)| own == front && number == wanted);
        if let Some(missing) = (0..*all).find(|wanted| !is_there(wanted)) {
            return Err(EngineError::Data(format!(
                "{front}-{missing:05}-of-{all:05}.parquet is missing: download it too"
            )));
        }
    }
    Ok(())
}

/// Refuses several configurations of a dataset, each in a folder of its own: they may hold the same images.
fn check_configurations(names: &[String]) -> Result<()> {
    let configuration = |name: &String| -> String {
        let folders = name.rsplit_once('/').map_or("", |(folders, _)| folders);
        folders.split('/').filter(|folder| Part::named(folder).is_none()).collect::<Vec<_>>().join("/")
    };
    let all: BTreeSet<String> = names.iter().map(configuration).collect();
    if all.len() < 2 {
        return Ok(());
    }
    let all: Vec<String> =
        all.into_iter().map(|name| if name.is_empty() { "the folder itself".into() } else { name }).collect();
    Err(EngineError::Data(format!(
        "there are Parquet files of several configurations ({}), which may hold the same images: import the folder of the one \
         that is meant",
        all.join("; ")
    )))
}

/// What was read so far.
#[derive(Default)]
struct Reader {
    resize: bool,
    /// Whether there are no test images, nor are any held out.
    lacks_test: bool,
    parts: [Split; 2],
    /// The labels of both parts where they are text.
    names: [Vec<String>; 2],
    /// The column of labels.
    column: Option<String>,
    classes: Option<Vec<String>>,
    faults: Faults,
    changes: Changes,
    report: ImportReport,
}

impl Reader {
    fn add(&mut self, name: &str, bytes: Bytes, place: usize, watch: &mut Watch<'_>) -> Result<()> {
        let about = |fault: &str| EngineError::Data(format!("{name} {fault}"));
        let damaged = |e: ::parquet::errors::ParquetError| about(&format!("cannot be read: {e}"));
        let file = SerializedFileReader::new(bytes).map_err(damaged)?;
        let metadata = file.metadata().file_metadata();
        let total = usize::try_from(metadata.num_rows()).unwrap_or_default();
        let mut rows = file.get_row_iter(None).map_err(damaged)?;
        let mut done = 0;
        loop {
            let mut chunk = Vec::new();
            for row in rows.by_ref().take(CHUNK) {
                let row = row.map_err(damaged)?;
                let (column, label) = label(&row).map_err(|fault| about(&fault))?;
                if self.column.is_none() {
                    self.classes = class_names(metadata, &column);
                    self.report.notes.push(format!("The labels are those of the column {column}."));
                    self.column = Some(column);
                }
                let image = image(&row).ok_or_else(|| about(&without_images(&row)))?;
                chunk.push((label, image));
            }
            if chunk.is_empty() {
                return Ok(());
            }
            self.decode(name, &chunk, place, done);
            done += chunk.len();
            Progress::images("decoding", done, total).tell(watch)?;
        }
    }

    fn decode(&mut self, name: &str, chunk: &[(Label, Vec<u8>)], place: usize, first: usize) {
        let images: Vec<_> = chunk.par_iter().map(|(_, image)| decode(image, self.resize)).collect();
        for (i, ((label, _), image)) in chunk.iter().zip(images).enumerate() {
            let name = format!("{name}, row {}", first + i);
            match image {
                Ok(Decoded { planes, changes }) => {
                    self.changes.add(&changes, &name);
                    match label {
                        Label::Number(number) => self.parts[place].push(*number, &planes),
                        // Its number is known once all names are.
                        Label::Name(name) => {
                            self.names[place].push(name.clone());
                            self.parts[place].images.extend(planes);
                        }
                    }
                }
                Err(fault) => self.faults.add(&name, &fault),
            }
        }
    }

    fn finish(mut self) -> Result<Import> {
        self.faults.refusal(self.lacks_test)?;
        let [mut train, mut test] = self.parts;
        if self.names.iter().any(|names| !names.is_empty()) {
            if [&train, &test].iter().any(|split| !split.labels.is_empty()) {
                let fault = "some labels are numbers and others text: save all in one way";
                return Err(EngineError::Data(fault.into()));
            }
            let (classes, labels) = named_classes(&self.names)?;
            self.report.notes.push("The labels are text; the classes are in its order.".into());
            let mut labels = labels.into_iter();
            (train.labels, test.labels) = (labels.next().unwrap_or_default(), labels.next().unwrap_or_default());
            self.classes = Some(classes);
        }
        if train.is_empty() {
            return Err(EngineError::Data("there are no images to train on: a file named train-….parquet".into()));
        }
        let classes = if let Some(classes) = self.classes {
            classes
        } else {
            let mut labels = [&mut train, &mut test].map(|split| std::mem::take(&mut split.labels));
            let classes = numbered_classes(&mut labels, &mut self.report.notes)?;
            [train.labels, test.labels] = labels;
            classes
        };
        check_class_count(&classes)?;
        let highest = train.labels.iter().chain(&test.labels).max().copied().unwrap_or_default();
        if classes.len() <= usize::from(highest) {
            let fault = format!("there are {} classes, but the highest label is {highest}", classes.len());
            return Err(EngineError::Data(fault));
        }
        self.changes.tell(&mut self.report);
        Ok(Import { dataset: Dataset { classes, train, test, ..Dataset::default() }, report: self.report })
    }
}

/// The label of a row.
enum Label {
    Number(u8),
    Name(String),
}

/// The name of the column of labels, and the label of a row; or what is wrong with it, in words that follow the file's name.
fn label(row: &Row) -> Result<(String, Label), String> {
    let find = |wanted: &&str| row.get_column_iter().find(|(name, _)| name == wanted);
    let (name, field) = LABELS.iter().find_map(find).ok_or_else(|| {
        let columns: Vec<&str> = row.get_column_iter().map(|(name, _)| name.as_str()).collect();
        format!(
            "has no column of labels: whole numbers from 0 to 255 or text, named label or fine_label; its columns are {}",
            columns.join(", ")
        )
    })?;
    let number = match field {
        Field::Byte(n) => i128::from(*n),
        Field::Short(n) => i128::from(*n),
        Field::Int(n) => i128::from(*n),
        Field::Long(n) => i128::from(*n),
        Field::UByte(n) => i128::from(*n),
        Field::UShort(n) => i128::from(*n),
        Field::UInt(n) => i128::from(*n),
        Field::ULong(n) => i128::from(*n),
        Field::Str(text) if !text.trim().is_empty() => return Ok((name.clone(), Label::Name(text.trim().to_owned()))),
        other => {
            return Err(format!(
                "has {other} in its column {name}, where a label is a whole number from 0 to 255 or text"
            ));
        }
    };
    let hidden = if number < 0 { "; labels that are not published are written so: take this file out" } else { "" };
    let label = u8::try_from(number).map_err(|_| {
        format!("has {number} in its column {name}, where a label is a whole number from 0 to 255{hidden}")
    })?;
    Ok((name.clone(), Label::Number(label)))
}

/// The encoded image of a row: bytes, or bytes beside the name of their file.
fn image(row: &Row) -> Option<Vec<u8>> {
    row.get_column_iter().find_map(|(_, field)| match field {
        Field::Bytes(bytes) => Some(bytes.data().to_vec()),
        Field::Group(group) => image(group),
        _ => None,
    })
}

/// What is wrong with a row that holds no image, in words that follow the file's name.
fn without_images(row: &Row) -> String {
    let is_path = |(_, field): (&String, &Field)| matches!(field, Field::Group(group) if group.get_column_iter().any(|(name, _)| name == "path"));
    if row.get_column_iter().any(|(name, field)| is_path((name, field))) {
        return "names its images and does not hold them: `to_parquet` of Hugging Face's datasets puts them in".into();
    }
    let columns: Vec<&str> = row.get_column_iter().map(|(name, _)| name.as_str()).collect();
    format!("has no column of encoded images, PNG or JPEG; its columns are {}", columns.join(", "))
}

/// The names of the classes of a column of labels, where the file has them as Hugging Face writes them.
fn class_names(metadata: &FileMetaData, column: &str) -> Option<Vec<String>> {
    let entry = metadata.key_value_metadata()?.iter().find(|entry| entry.key == "huggingface")?;
    let json: serde_json::Value = serde_json::from_str(entry.value.as_ref()?).ok()?;
    let names = json.pointer("/info/features")?.get(column)?.get("names")?.as_array()?;
    names.iter().map(|name| name.as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use crate::data::{
        options::ImportOptions,
        testing::{import_files, import_files_as},
    };

    /// What pyarrow wrote, by tools/golden/parquet.py: four rows and two, images of one colour, 60 × their row.
    const TRAIN: &[u8] = include_bytes!("../../golden/parquet/train.parquet");
    const TEST: &[u8] = include_bytes!("../../golden/parquet/test.parquet");
    const PATHS: &[u8] = include_bytes!("../../golden/parquet/paths.parquet");
    const SMALL: &[u8] = include_bytes!("../../golden/parquet/small.parquet");

    fn files(train: &str, test: &str) -> Vec<(String, Vec<u8>)> {
        vec![(train.to_owned(), TRAIN.to_vec()), (test.to_owned(), TEST.to_vec())]
    }

    #[test]
    fn images_labels_and_the_names_of_classes_are_read_under_the_names_that_the_hub_gives() {
        for (train, test) in [
            ("data/train-00000-of-00001.parquet", "data/test-00000-of-00001.parquet"),
            ("plain_text/train/0000.parquet", "plain_text/validation/0000.parquet"),
        ] {
            let import = import_files(&files(train, test)).unwrap();
            assert_eq!(import.dataset.classes, ["cat", "dog", "owl"]);
            assert_eq!(
                (&import.dataset.train.labels[..], &import.dataset.test.labels[..]),
                (&[0, 2, 1, 2][..], &[1, 0][..])
            );
            assert_eq!(import.dataset.train.image(3), [180; 3072]);
            assert_eq!(import.report.kind, "Hugging Face's Parquet files");
        }
    }

    #[test]
    fn a_part_in_several_files_is_read_in_the_order_of_their_names() {
        let mut files = files("train-00001-of-00002.parquet", "test-00000-of-00001.parquet");
        files.push(("train-00000-of-00002.parquet".into(), TEST.to_vec()));
        assert_eq!(import_files(&files).unwrap().dataset.train.labels, [1, 0, 0, 2, 1, 2]);
    }

    #[test]
    fn a_missing_piece_and_several_configurations_are_refused() {
        let message = |files: &[(String, Vec<u8>)]| import_files(files).unwrap_err().to_string();
        let gap = files("data/train-00000-of-00002.parquet", "data/test-00000-of-00001.parquet");
        assert!(message(&gap).contains("data/train-00001-of-00002.parquet is missing"), "{}", message(&gap));
        let mut two = files("full/train-00000-of-00001.parquet", "full/test-00000-of-00001.parquet");
        two.extend(files("small/train-00000-of-00001.parquet", "small/test-00000-of-00001.parquet"));
        assert!(message(&two).contains("several configurations (full; small)"), "{}", message(&two));
    }

    #[test]
    fn rows_that_name_images_and_do_not_hold_them_are_refused_with_what_puts_them_in() {
        let mut without = files("train.parquet", "test.parquet");
        without[0].1 = PATHS.to_vec();
        let message = import_files(&without).unwrap_err().to_string();
        assert!(
            message.contains("train.parquet names its images and does not hold them: `to_parquet` of"),
            "{message}"
        );
    }

    #[test]
    fn other_sizes_are_refused_or_resized_and_a_damaged_file_is_named() {
        let mut wrong = files("train.parquet", "test.parquet");
        wrong[1].1 = SMALL.to_vec();
        let message = import_files(&wrong).unwrap_err().to_string();
        assert!(message.contains("2 of 28×28 (as test.parquet, row 0)"), "{message}");
        let options = ImportOptions { resize: true, ..ImportOptions::default() };
        assert_eq!(import_files_as(&wrong, &options).unwrap().dataset.test.len(), 2);
        wrong[1].1 = TEST[..TEST.len() / 2].to_vec();
        let message = import_files(&wrong).unwrap_err().to_string();
        assert!(message.contains("test.parquet cannot be read"), "{message}");
    }
}
