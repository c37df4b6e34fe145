//! Archives as PyTorch writes them, under names of any length.

use std::io::Write;

use candle_core::DType;

use super::super::{
    contents::{Contents, Format},
    file,
};

/// A dict of one tensor, `w`, with these two numbers in the storage `0`.
const PICKLE: &[u8] = b"\x80\x02}X\x01\x00\x00\x00wctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\n\
    FloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x02tQK\x00K\x02\x85K\x01\x85\x89ccollections\nOrderedDict\n)Rt\
    Rs.";
const NUMBERS: [f32; 2] = [1.5, -2.0];

/// A zip archive in the layout of PyTorch: names under the file's stem, entries at multiples of 64 bytes, nothing packed,
/// and behind the directory the record and the locator of zip64, which the directory's end does not tell of.
fn archive(stem: &str) -> Vec<u8> {
    archive_of(stem, PICKLE)
}

/// The same around another pickle.
pub fn archive_of(stem: &str, pickle: &[u8]) -> Vec<u8> {
    let numbers: Vec<u8> = NUMBERS.iter().flat_map(|n| n.to_le_bytes()).collect();
    let entries = [("data.pkl", pickle), ("byteorder", b"little"), ("data/0", &numbers), ("version", b"3\n")];
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for (name, bytes) in entries {
        let name = format!("{stem}/{name}");
        let (at, size) = (file.len() as u32, bytes.len() as u32);
        let mut crc = flate2::Crc::new();
        crc.update(bytes);
        let about = [&[0; 8][..], &crc.sum().to_le_bytes(), &size.to_le_bytes(), &size.to_le_bytes()].concat();
        let length = (name.len() as u16).to_le_bytes();
        // A field of the kind FB fills up to 64 bytes.
        let padding = (64 - (file.len() + 30 + name.len() + 4) % 64) % 64;
        let extra = [b"FB", &(padding as u16).to_le_bytes()[..], &vec![b'Z'; padding]].concat();
        file.extend([b"PK\x03\x04\0\0", &about[..], &length, &(extra.len() as u16).to_le_bytes()].concat());
        file.extend([name.as_bytes(), &extra, bytes].concat());
        directory.extend(
            [b"PK\x01\x02\0\0\0\0", &about[..], &length, &[0; 12], &at.to_le_bytes(), name.as_bytes()].concat(),
        );
    }
    let (count, start, size) = (entries.len() as u64, file.len() as u64, directory.len() as u64);
    file.extend(directory);
    let end = file.len() as u64;
    let record = [44, 0x1e_03_1e_03, 0, count, count, size, start].map(u64::to_le_bytes);
    file.extend(
        [b"PK\x06\x06", &record[0][..], &record[1][..4], &[0; 8], &record[3], &record[4], &record[5], &record[6]]
            .concat(),
    );
    file.extend([b"PK\x06\x07\0\0\0\0", &end.to_le_bytes()[..], &[1, 0, 0, 0]].concat());
    let count = (count as u16).to_le_bytes();
    let (size, start) = ((size as u32).to_le_bytes(), (start as u32).to_le_bytes());
    file.extend([b"PK\x05\x06\0\0\0\0", &count[..], &count, &size, &start, &[0; 2]].concat());
    file
}

#[test]
fn an_archive_under_a_name_of_any_length_is_read() {
    for length in 1..=120 {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&archive(&"n".repeat(length))).unwrap();
        let (contents, mut source) = file::open(file.path()).unwrap_or_else(|fault| panic!("{length}: {fault}"));
        let tensor = &contents.dictionaries[0].tensors["w"];
        assert_eq!((contents.format, tensor.dtype, tensor.shape.as_slice()), (Format::PyTorch, DType::F32, &[2][..]));
        assert_eq!(source.read(tensor).unwrap().to_vec1::<f32>().unwrap(), NUMBERS, "{length}");
    }
}

/// What is found in a pickle as the pickle of an archive.
fn found(pickle: &[u8]) -> Result<Contents, String> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&archive_of("net", pickle)).unwrap();
    file::open(file.path()).map(|(contents, _)| contents)
}

#[test]
fn a_dict_or_a_list_that_holds_itself_is_looked_into_once() {
    // {"a": itself, "b": [itself, itself]}
    let dict = b"\x80\x02}q\x00(X\x01\x00\x00\x00ah\x00X\x01\x00\x00\x00b](h\x00h\x00eu.";
    assert!(found(dict).unwrap_err().contains("it holds no tensors, but a (a dict), b (a list)"));
    // A module that is its own part.
    let module =
        b"\x80\x02cm\nN\n)\x81q\x00}(X\x0b\x00\x00\x00_parameters}X\x08\x00\x00\x00_buffers}X\x08\x00\x00\x00_modules\
        }X\x01\x00\x00\x00mh\x00sub.";
    assert!(found(module).unwrap_err().contains("an object of m.N, whose code Retort does not run, and no tensors"));
}

#[test]
fn a_file_of_very_many_tensors_or_dictionaries_is_no_network() {
    let tensor = &PICKLE[9..PICKLE.len() - 2];
    let key = |i: usize| [b"J", &(i as u32).to_le_bytes()[..]].concat();
    // One tensor under 30,000 names, then in 10,000 dicts of a list.
    let names: Vec<u8> = (0..30_000).flat_map(|i| [key(i), b"h\x01".to_vec()].concat()).collect();
    let many = [b"\x80\x02", tensor, b"q\x010}(", &names, b"u."].concat();
    let contents = found(&many).unwrap();
    assert_eq!((contents.dictionaries.len(), contents.dictionaries[0].tensors.len()), (1, 20_001));
    let dicts = b"}K\x07h\x01s".repeat(10_000);
    let contents = found(&[b"\x80\x02", tensor, b"q\x010](", &dicts, b"e."].concat()).unwrap();
    assert!(contents.dictionaries.len() <= 32 && contents.together.len() == 1);
}
