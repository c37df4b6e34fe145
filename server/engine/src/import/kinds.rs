//! What a file is that holds no weights which can be read, by how it begins, and what to do then.

use super::torch::SAVE;

/// What it is, in words that follow the file's name.
pub fn name(start: &[u8]) -> &'static str {
    kind(start).0
}

/// What to do.
pub fn way_out(start: &[u8]) -> &'static str {
    kind(start).1
}

const DOWNLOAD: &str = "download it again, by its direct link";
const UNPACK: &str = "unpack it, and take the checkpoint inside";
const KNOWN: &str = "take a checkpoint that torch.save wrote (.pt, .pth, .ckpt), or a safetensors file";

fn kind(start: &[u8]) -> (&'static str, &'static str) {
    let text = String::from_utf8_lossy(start).trim_start().to_lowercase();
    match start {
        [] => ("it is empty", "copy or download it again"),
        _ if text.starts_with("version https://git-lfs") => (
            "it is a pointer of Git LFS, not the weights that it stands for",
            "run git lfs pull, and take the file then",
        ),
        _ if text.starts_with("<!doctype") || text.starts_with("<html") || text.contains("<head>") => {
            ("it is a web page, as a download leaves that was refused or wanted a confirmation", DOWNLOAD)
        }
        _ if text.starts_with("<?xml") => ("it is an XML document, as a refused download leaves", DOWNLOAD),
        [b'{' | b'[', ..] => ("it is JSON, not weights", KNOWN),
        [0x80 | b'(' | b'c' | b']' | b'}', ..] if text.contains("numpy") => (
            "it is a pickle of NumPy, and no arrays of numbers in it can be read",
            "in Python, torch.save(torch.utils._pytree.tree_map_only(numpy.ndarray, torch.from_numpy, arrays), path) makes a \
             checkpoint of them, however they are nested",
        ),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => ("it is packed by zstd", UNPACK),
        [0x80 | b'(' | b'c' | b']' | b'}', ..] => ("it is a bare pickle, not what torch.save writes", SAVE),
        [0x1f, 0x8b, ..] => ("it is packed by gzip", UNPACK),
        [b'B', b'Z', b'h', ..] => ("it is packed by bzip2", UNPACK),
        [0xfd, b'7', b'z', b'X', b'Z', ..] => ("it is packed by xz", UNPACK),
        [b'7', b'z', 0xbc, 0xaf, ..] => ("it is a 7z archive", UNPACK),
        [b'R', b'a', b'r', b'!', ..] => ("it is a RAR archive", UNPACK),
        [0x89, b'H', b'D', b'F', ..] => {
            ("it is an HDF5 file, as Keras writes them, not a checkpoint of PyTorch", KNOWN)
        }
        [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => ("it is one array of NumPy, not a checkpoint of PyTorch", KNOWN),
        [b'P', b'K', ..] => ("it is an empty or cut-off zip archive", "copy or download it again"),
        _ if start.get(257..262) == Some(b"ustar") || text.starts_with("sys_info") => (
            "it is a tar archive: perhaps one around a checkpoint, perhaps a checkpoint of before PyTorch 0.1.10",
            "unpack it and take the checkpoint inside; or load it with PyTorch, and save it again by torch.save",
        ),
        _ if start.iter().all(|b| *b == 0) => ("it holds zeros alone", "copy or download it again"),
        _ => ("it is neither a checkpoint that torch.save wrote nor a safetensors file", KNOWN),
    }
}
