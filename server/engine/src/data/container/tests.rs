use std::{fs, io::Write};

use flate2::{Compression as Level, write::GzEncoder};

use super::*;
use crate::data::testing::{append, go_on, tar_gz};

fn names_within(limits: Limits, archive: &[u8]) -> Result<Vec<String>> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.tar.gz");
    fs::write(&path, archive).unwrap();
    let mut names = Vec::new();
    let container = Container { limits, ..Container::open(&path, Links::Refuse)? };
    container.walk("reading", &mut go_on, &mut |member| {
        names.push(member.name());
        member.read(100)?;
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(names)
}

fn names(archive: &[u8]) -> Result<Vec<String>> {
    names_within(LIMITS, archive)
}

fn files(names: &[&str]) -> Vec<(String, Vec<u8>)> {
    names.iter().map(|name| ((*name).to_owned(), vec![1; 10])).collect()
}

fn tar(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut tar = Vec::new();
    flate2::read::MultiGzDecoder::new(&tar_gz(files)[..]).read_to_end(&mut tar).unwrap();
    tar
}

fn zip(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut zip = ::zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        zip.start_file(name.clone(), ::zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// The same files in every form of archive.
fn archives(files: &[(String, Vec<u8>)]) -> Vec<(&'static str, Vec<u8>)> {
    let tar = tar(files);
    let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    bzip2.write_all(&tar).unwrap();
    let zstd = ruzstd::encoding::compress_to_vec(&tar[..], ruzstd::encoding::CompressionLevel::Fastest);
    // Two frames and one to pass over between them.
    let (first, second) = tar.split_at(300);
    let frame = |part: &[u8]| ruzstd::encoding::compress_to_vec(part, ruzstd::encoding::CompressionLevel::Fastest);
    let frames = [&frame(first)[..], b"\x50\x2a\x4d\x18\x03\0\0\0abc", &frame(second)].concat();
    vec![
        ("a tar archive", tar.clone()),
        ("a tar archive, compressed with gzip", tar_gz(files)),
        ("a tar archive, compressed with bzip2", bzip2.finish().unwrap()),
        ("a tar archive, compressed with xz", xz(&tar)),
        ("a tar archive, compressed with zstd", zstd),
        ("a tar archive, compressed with zstd", frames),
        ("a zip archive", zip(files)),
    ]
}

fn xz(content: &[u8]) -> Vec<u8> {
    let mut xz = lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::default()).unwrap();
    xz.write_all(content).unwrap();
    xz.finish().unwrap()
}

#[test]
fn members_are_shown_with_plain_names_whatever_the_archive_is_and_however_it_is_named() {
    let wanted = files(&["./train/cat/1.png", "test/x"]);
    for (kind, archive) in archives(&wanted) {
        assert_eq!(names(&archive).unwrap(), ["train/cat/1.png", "test/x"], "{kind}");
        let dir = tempfile::tempdir().unwrap();
        for name in ["a.zip", "a.tar.bz2", "a"] {
            fs::write(dir.path().join(name), &archive).unwrap();
            assert_eq!(Container::open(&dir.path().join(name), Links::Follow).unwrap().describe(), kind);
        }
    }
}

#[test]
fn a_name_that_leads_out_of_the_archive_is_refused() {
    for hostile in ["../evil", "train/../../evil", "/etc/evil", "train/..", "a\\..\\evil"] {
        for archive in [tar_gz(&files(&["train/ok", hostile])), zip(&files(&["train/ok", hostile]))] {
            let message = names(&archive).unwrap_err().to_string();
            assert!(message.contains("a.tar.gz") && message.contains("leads out"), "{hostile}: {message}");
        }
    }
}

#[test]
fn symbolic_links_and_devices_are_refused_in_words_that_tell_them_apart() {
    let archive = |kind, target: &str| {
        let mut tar = ::tar::Builder::new(Vec::new());
        let mut header = ::tar::Header::new_gnu();
        header.set_path("train/cat/1.png").unwrap();
        header.set_entry_type(kind);
        header.set_link_name(target).unwrap();
        header.set_size(0);
        header.set_cksum();
        tar.append(&header, &b""[..]).unwrap();
        tar.into_inner().unwrap()
    };
    let message = names(&archive(::tar::EntryType::Symlink, "/etc/passwd")).unwrap_err().to_string();
    assert!(message.contains("\"train/cat/1.png\", a symbolic link to \"/etc/passwd\""), "{message}");
    assert!(message.contains("tar --dereference"), "{message}");
    for kind in [::tar::EntryType::Char, ::tar::EntryType::Fifo, ::tar::EntryType::Block] {
        let message = names(&archive(kind, "x")).unwrap_err().to_string();
        assert!(message.contains("\"train/cat/1.png\", which is a device or no plain file"), "{message}");
    }
    let mut zip = ::zip::ZipWriter::new(Cursor::new(Vec::new()));
    zip.add_symlink("train/cat/1.png", "/etc/passwd", ::zip::write::SimpleFileOptions::default()).unwrap();
    let message = names(&zip.finish().unwrap().into_inner()).unwrap_err().to_string();
    assert!(message.contains("\"train/cat/1.png\", a symbolic link"), "{message}");
}

#[test]
fn more_files_or_bytes_than_a_dataset_has_are_refused() {
    for (_, archive) in archives(&files(&["a", "b", "c"])) {
        assert_eq!(names_within(Limits { members: 3, bytes: 30 }, &archive).unwrap().len(), 3);
        let message = names_within(Limits { members: 2, bytes: 30 }, &archive).unwrap_err().to_string();
        assert!(message.contains("more than 2 files"), "{message}");
        let message = names_within(Limits { members: 3, bytes: 29 }, &archive).unwrap_err().to_string();
        assert!(message.contains("more than 29 bytes"), "{message}");
    }
}

#[test]
fn a_huge_member_is_refused_by_its_header_before_it_is_read() {
    let mut header = ::tar::Header::new_gnu();
    header.set_path("train/cat/1.png").unwrap();
    header.set_size(1 << 32);
    header.set_cksum();
    let message = names(header.as_bytes()).unwrap_err().to_string();
    assert!(message.contains("train/cat/1.png has 4294967296 bytes"), "{message}");
}

#[test]
fn a_file_of_a_zip_archive_that_is_longer_than_it_says_is_refused() {
    let mut zip = zip(&files(&["a"]));
    // The unpacked size stands in the directory, 24 bytes behind its mark.
    let at = zip.windows(4).position(|w| w == b"PK\x01\x02").unwrap() + 24;
    zip[at] = 9;
    let message = names(&zip).unwrap_err().to_string();
    assert!(message.contains("a cannot be read"), "{message}");
}

#[test]
fn a_long_name_that_would_fill_the_memory_is_refused() {
    let mut tar = ::tar::Builder::new(GzEncoder::new(Vec::new(), Level::fast()));
    append(&mut tar, "long", ::tar::EntryType::GNULongName, &vec![b'a'; 4 << 20]);
    append(&mut tar, "x", ::tar::EntryType::Regular, b"");
    let message = names(&tar.into_inner().unwrap().finish().unwrap()).unwrap_err().to_string();
    assert!(message.contains("headers are too long"), "{message}");
}

#[test]
fn an_archive_that_was_cut_short_is_refused() {
    for (kind, archive) in archives(&files(&["a", "b"])) {
        for cut in [archive.len() - 4, archive.len() / 2] {
            // Behind the last member of a plain tar archive lies padding only.
            if kind == "a tar archive" && cut > 2_048 {
                continue;
            }
            let message = names(&archive[..cut]).map_or_else(|e| e.to_string(), |names| names.join(" "));
            assert!(message.contains("damaged") || message.contains("cannot be read"), "{kind}: {message}");
        }
    }
}

#[test]
fn a_file_that_is_no_archive_is_shown_as_itself() {
    assert_eq!(names(b"hello").unwrap(), ["a.tar.gz"]);
    assert!(names(&[b"PK\x03\x04", &[7; 2_000][..]].concat()).unwrap_err().to_string().contains("no zip archive"));
    assert!(names(&[b"\x1f\x8b", &[7; 2_000][..]].concat()).unwrap_err().to_string().contains("damaged"));
}
