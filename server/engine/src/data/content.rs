//! What a file is by its first bytes.

/// Kinds of files that matter to an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// An image of a format that is read.
    Image(image::ImageFormat),
    /// An image of a format that is not read, by its name.
    OtherImage(&'static str),
    Zip,
    Tar,
    /// Something compressed.
    Compressed,
    /// A NumPy array.
    Npy,
    /// A pickle of protocol 2 or later.
    Pickle,
    /// Variables of MATLAB 5 to 7.2.
    Matlab,
    /// Variables of MATLAB 7.3, or another HDF5 file.
    Hdf5,
    Parquet,
    /// An archive of a format that is not read, by its name.
    OtherArchive(&'static str),
    /// Images or labels of MNIST's own format.
    Idx,
    Empty,
    Other,
}

/// What formats begin with, where that is enough to tell them.
const MARKS: [(&[u8], Content); 25] = [
    (b"\x89PNG\r\n\x1a\n", Content::Image(image::ImageFormat::Png)),
    (b"\xff\xd8\xff", Content::Image(image::ImageFormat::Jpeg)),
    (b"GIF87a", Content::Image(image::ImageFormat::Gif)),
    (b"GIF89a", Content::Image(image::ImageFormat::Gif)),
    (b"II*\0", Content::OtherImage("TIFF")),
    (b"MM\0*", Content::OtherImage("TIFF")),
    (b"\0\0\0\x0cjP  \r\n", Content::OtherImage("JPEG 2000")),
    (b"\xff\x4f\xff\x51", Content::OtherImage("JPEG 2000")),
    (b"\xff\x0a", Content::OtherImage("JPEG XL")),
    (b"8BPS", Content::OtherImage("Photoshop")),
    (b"PK\x03\x04", Content::Zip),
    // An empty zip archive.
    (b"PK\x05\x06", Content::Zip),
    (b"\x1f\x8b", Content::Compressed),
    (b"BZh", Content::Compressed),
    (b"\xfd7zXZ\0", Content::Compressed),
    (b"\x28\xb5\x2f\xfd", Content::Compressed),
    (b"\x50\x2a\x4d\x18", Content::Compressed),
    (b"\x93NUMPY", Content::Npy),
    (b"MATLAB 5.0 MAT-file", Content::Matlab),
    (b"MATLAB 7.3 MAT-file", Content::Hdf5),
    (b"\x89HDF\r\n\x1a\n", Content::Hdf5),
    (b"PAR1", Content::Parquet),
    (b"7z\xbc\xaf\x27\x1c", Content::OtherArchive("7z")),
    (b"Rar!\x1a\x07", Content::OtherArchive("RAR")),
    (b"!<arch>\n", Content::OtherArchive("ar")),
];

impl Content {
    /// What begins with these bytes, of which there are [`HEAD`](super::container::HEAD) or all that the file has.
    pub fn of(head: &[u8]) -> Self {
        let at = |offset: usize, mark: &[u8]| head.get(offset..).is_some_and(|rest| rest.starts_with(mark));
        if head.is_empty() {
            return Self::Empty;
        }
        if let Some((_, content)) = MARKS.iter().find(|(mark, _)| head.starts_with(mark)) {
            return *content;
        }
        match head {
            [b'R', b'I', b'F', b'F', ..] if at(8, b"WEBP") => Self::Image(image::ImageFormat::WebP),
            // Two letters alone may begin a text; the length of the second header follows in an image.
            [b'B', b'M', ..] if head.get(14).is_some_and(|size| (12..=124).contains(size)) && at(15, &[0; 3]) => {
                Self::Image(image::ImageFormat::Bmp)
            }
            [b'P', b'1'..=b'6', b' ' | b'\n' | b'\r' | b'\t', ..] => Self::Image(image::ImageFormat::Pnm),
            _ if at(4, b"ftypavif") || at(4, b"ftypheic") || at(4, b"ftypmif1") => Self::OtherImage("HEIF"),
            [0x80, 2..=5, ..] => Self::Pickle,
            // Bytes, in one to four dimensions, of which the first is below 16 million.
            [0, 0, 8, 1..=4, 0, ..] => Self::Idx,
            _ if at(257, b"ustar") || is_old_tar(head) => Self::Tar,
            _ => Self::Other,
        }
    }

    /// Whether it is an image, of whatever format.
    pub const fn is_image(self) -> bool {
        matches!(self, Self::Image(_) | Self::OtherImage(_))
    }

    /// Whether it is an archive or compressed.
    pub const fn is_packed(self) -> bool {
        matches!(self, Self::Zip | Self::Tar | Self::Compressed)
    }
}

/// Tar archives of before 1988 have no mark, but a checksum in octal digits where others have theirs.
fn is_old_tar(head: &[u8]) -> bool {
    let Some(checksum) = head.get(148..156) else { return false };
    let digits = checksum.iter().filter(|b| (b'0'..=b'7').contains(*b)).count();
    digits >= 4
        && head[0] != 0
        && checksum.iter().all(|b| matches!(b, b'0'..=b'7' | b' ' | 0))
        && head[257..].iter().all(|b| *b == 0)
}

/// Whether people would take a file of this name for an image.
pub(super) fn is_named_as_image(name: &str) -> bool {
    const ENDINGS: [&str; 16] = [
        "png", "jpg", "jpeg", "jpe", "gif", "webp", "bmp", "dib", "ppm", "pgm", "pbm", "pnm", "tif", "tiff", "heic",
        "avif",
    ];
    name.rsplit_once('.').is_some_and(|(_, end)| ENDINGS.contains(&end.to_ascii_lowercase().as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_begins_like_an_image_is_none() {
        for text in ["BMW is a class of cars, not an image", "P5", "Package", "GIF animations"] {
            assert_eq!(Content::of(text.as_bytes()), Content::Other, "{text}");
        }
    }

    #[test]
    fn files_are_known_by_their_first_bytes() {
        assert_eq!(Content::of(&crate::data::testing::png(3, [0; 3])), Content::Image(image::ImageFormat::Png));
        assert_eq!(Content::of(b"P6 32 32 255\n"), Content::Image(image::ImageFormat::Pnm));
        assert_eq!(Content::of(b"\x80\x02}q"), Content::Pickle);
        assert_eq!(Content::of(b"\0\0\x08\x03\0\0\xea\x60\0\0\0\x1c"), Content::Idx);
        assert_eq!(Content::of(b"7z\xbc\xaf\x27\x1c\0\x04"), Content::OtherArchive("7z"));
        assert_eq!(Content::of(b""), Content::Empty);
    }
}
