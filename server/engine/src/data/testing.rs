//! What the tests of this folder are made from.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    ops::ControlFlow,
    path::Path,
};

use flate2::{Compression, write::GzEncoder};

use super::{
    dataset::{Dataset, IMAGE_BYTES, SIDE, Split},
    import::Import,
    options::ImportOptions,
    progress::Progress,
    source::read,
};
use crate::Result;

/// Lets all work go on.
pub fn go_on(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Images that differ from each other: `image[1]` counts them within their class.
fn split(classes: usize, per_class: usize, salt: u8) -> Split {
    let mut split = Split::default();
    for i in 0..per_class {
        for label in 0..classes {
            let mut image = vec![salt; IMAGE_BYTES];
            (image[0], image[1]) = (label as u8, i as u8);
            split.push(label as u8, &image);
        }
    }
    split
}

/// A dataset named `toy` with so many images of each class.
pub fn dataset(classes: usize, train: usize, test: usize) -> Dataset {
    Dataset {
        name: "toy".into(),
        title: "Toy".into(),
        classes: (0..classes).map(|c| format!("class {c}")).collect(),
        origin: "made by a test".into(),
        train: split(classes, train, 100),
        validation: Split::default(),
        test: split(classes, test, 200),
    }
}

/// How many images each class has.
pub fn class_counts(split: &Split) -> Vec<usize> {
    let mut counts = Vec::new();
    for label in split.labels.iter().map(|label| usize::from(*label)) {
        counts.resize(counts.len().max(label + 1), 0);
        counts[label] += 1;
    }
    counts
}

/// A PNG of one colour.
pub fn png(side: u32, colour: [u8; 3]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let image = image::RgbImage::from_pixel(side, side, image::Rgb(colour));
    image.write_to(&mut std::io::Cursor::new(&mut bytes), image::ImageFormat::Png).unwrap();
    bytes
}

/// The files of a small valid image dataset: classes `cat` and `dog`.
pub fn image_files() -> Vec<(String, Vec<u8>)> {
    let side = SIDE as u32;
    let mut files = Vec::new();
    for (i, place) in ["train/dog", "train/cat", "test/cat", "test/dog"].into_iter().enumerate() {
        for n in [1, 0] {
            files.push((format!("{place}/{n}.png"), png(side, [i as u8, n, 7])));
        }
    }
    files
}

/// What these files are imported as, once a folder and an archive of them give the same.
pub fn import_files(files: &[(String, Vec<u8>)]) -> Result<Import> {
    import_files_as(files, &ImportOptions::default())
}

/// Likewise, as these options say.
pub fn import_files_as(files: &[(String, Vec<u8>)], options: &ImportOptions) -> Result<Import> {
    let dir = tempfile::tempdir().unwrap();
    write_files(&dir.path().join("folder"), files);
    fs::write(dir.path().join("archive"), tar_gz(files)).unwrap();
    let options = ImportOptions { source_name: Some("source".into()), ..options.clone() };
    let [folder, archive] =
        ["folder", "archive"].map(|name| read(&dir.path().join(name), "mine", &options, &mut go_on));
    match (&folder, &archive) {
        (Ok(folder), Ok(archive)) => {
            assert_eq!(folder.dataset, archive.dataset);
            assert_eq!(
                (&folder.report.changed, &folder.report.notes),
                (&archive.report.changed, &archive.report.notes)
            );
        }
        (Err(folder), Err(archive)) => assert_eq!(folder.to_string(), archive.to_string()),
        _ => panic!("the folder gives {folder:?}, the archive {archive:?}"),
    }
    folder
}

/// Writes files below `dir`.
pub fn write_files(dir: &Path, files: &[(String, Vec<u8>)]) {
    for (name, bytes) in files {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

/// A `.tar.gz` of these files. Names go into it as they are, however hostile.
pub fn tar_gz(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, bytes) in files {
        append(&mut tar, name, tar::EntryType::Regular, bytes);
    }
    tar.into_inner().unwrap().finish().unwrap()
}

/// Adds one member, its name unchecked.
pub fn append<W: Write>(tar: &mut tar::Builder<W>, name: &str, kind: tar::EntryType, bytes: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    tar.append(&header, bytes).unwrap();
}

/// CIFAR-10's files with `images` images in each binary one.
pub fn cifar10_files(images: usize) -> Vec<(String, Vec<u8>)> {
    let names = (1..=5).map(|i| format!("data_batch_{i}.bin")).chain(["test_batch.bin".to_owned()]);
    let record = |f: usize, i: usize| [vec![(f + i) as u8 % 10], pixels(f, i)].concat();
    let file = |(f, name)| (name, (0..images).flat_map(|i| record(f, i)).collect());
    let mut files: Vec<_> = names.enumerate().map(file).collect();
    let classes = "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n";
    files.push(("batches.meta.txt".into(), classes.into()));
    files
}

/// CIFAR-100's files that are read, with `images` images in each binary one.
pub fn cifar100_files(images: usize) -> Vec<(String, Vec<u8>)> {
    let record = |f: usize, i: usize| [vec![(f + i) as u8 % 20, (95 + f + i) as u8], pixels(f, i)].concat();
    let file = |(f, name): (usize, &str)| (name.to_owned(), (0..images).flat_map(|i| record(f, i)).collect());
    let mut files: Vec<_> = ["train.bin", "test.bin"].into_iter().enumerate().map(file).collect();
    let classes: Vec<_> = (0..100).map(|class| format!("class {class}")).collect();
    files.push(("fine_label_names.txt".into(), classes.join("\n").into()));
    files
}

/// The planes of an image that no other file and place have.
fn pixels(file: usize, i: usize) -> Vec<u8> {
    (0..IMAGE_BYTES).map(|p| (file * 31 + i * 7 + p) as u8).collect()
}

/// STL-10's files that are read: three images to train on, of the values 10, 11 and 12, and two to test on, of 20 and 21.
pub fn stl10_files() -> Vec<(String, Vec<u8>)> {
    let images = |values: &[u8]| values.iter().flat_map(|value| vec![*value; 3 * 96 * 96]).collect();
    let classes = "airplane\nbird\ncar\ncat\ndeer\ndog\nhorse\nmonkey\nship\ntruck\n";
    vec![
        ("train_X.bin".into(), images(&[10, 11, 12])),
        ("train_y.bin".into(), vec![1, 10, 5]),
        ("test_X.bin".into(), images(&[20, 21])),
        ("test_y.bin".into(), vec![3, 2]),
        ("class_names.txt".into(), classes.into()),
    ]
}

/// What a [`Server`] does with a request.
#[derive(Clone, Copy)]
pub enum Reply {
    /// Sends what is asked for.
    Whole,
    /// Sends everything, whatever range is asked for.
    WholeWithoutRanges,
    /// Promises what is asked for and closes the connection after so many bytes.
    CutAfter(usize),
    /// Answers with this status.
    Status(u16),
}

/// A small HTTP server on the loopback address.
pub struct Server {
    /// The address of its one file.
    pub url: String,
    thread: std::thread::JoinHandle<Vec<Option<usize>>>,
}

impl Server {
    /// Where each of its requests asked to start, once all replies were given.
    pub fn ranges(self) -> Vec<Option<usize>> {
        self.thread.join().unwrap()
    }
}

/// Serves `body`, one reply a connection, until the replies are used up.
pub fn serve(body: Vec<u8>, replies: Vec<Reply>) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/file", listener.local_addr().unwrap());
    let answer = move |reply: Reply| {
        let (mut stream, _) = listener.accept().unwrap();
        let mut start = None;
        for line in BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap) {
            if let Some(range) = line.to_lowercase().strip_prefix("range: bytes=") {
                start = Some(range.trim_end_matches('-').parse().unwrap());
            }
            if line.is_empty() {
                break;
            }
        }
        let from = if matches!(reply, Reply::WholeWithoutRanges) { 0 } else { start.unwrap_or(0) };
        let (status, sent) = match reply {
            Reply::Status(status) => (status, 0),
            Reply::CutAfter(sent) => (200, sent),
            _ => (if from > 0 { 206 } else { 200 }, body.len() - from),
        };
        let length = if matches!(reply, Reply::Status(_)) { 0 } else { body.len() - from };
        let last = body.len() - 1;
        let range = format!("Content-Range: bytes {from}-{last}/{}\r\n", body.len());
        let range = if status == 206 { range } else { String::new() };
        write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n{range}Connection: close\r\n\r\n").unwrap();
        stream.write_all(&body[from..from + sent]).unwrap();
        start
    };
    Server { url, thread: std::thread::spawn(move || replies.into_iter().map(answer).collect()) }
}
