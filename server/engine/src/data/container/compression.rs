//! What an archive is compressed with.

use std::io::{self, BufRead, Read};

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::MultiGzDecoder;
use lzma_rust2::XzReader;
use ruzstd::decoding::{
    BlockDecodingStrategy, FrameDecoder,
    errors::{FrameDecoderError, ReadFrameHeaderError},
};

/// What `xz` may keep of what it read, in KiB; `xz -9` asks for 64 MiB. Zstandard's decoder keeps 128 MiB by itself.
const XZ_MEMORY: u32 = 80 << 10;

/// A compression of archives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Gzip,
    Bzip2,
    Xz,
    Zstd,
}

impl Compression {
    /// Tells it by the first bytes.
    pub fn of(head: &[u8]) -> Self {
        [
            (Self::Gzip, &b"\x1f\x8b"[..]),
            (Self::Bzip2, b"BZh"),
            (Self::Xz, b"\xfd7zXZ\0"),
            (Self::Zstd, b"\x28\xb5\x2f\xfd"),
            // A frame to pass over, with which parallel compressors begin.
            (Self::Zstd, b"\x50\x2a\x4d\x18"),
        ]
        .into_iter()
        .find(|(_, mark)| head.starts_with(mark))
        .map_or(Self::None, |(compression, _)| compression)
    }

    /// `, compressed with gzip`
    pub const fn words(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gzip => ", compressed with gzip",
            Self::Bzip2 => ", compressed with bzip2",
            Self::Xz => ", compressed with xz",
            Self::Zstd => ", compressed with zstd",
        }
    }

    /// What `packed` unpacks to.
    pub fn unpack<'a>(self, packed: impl BufRead + 'a) -> Box<dyn Read + 'a> {
        match self {
            Self::None => Box::new(packed),
            Self::Gzip => Box::new(MultiGzDecoder::new(packed)),
            Self::Bzip2 => Box::new(MultiBzDecoder::new(packed)),
            Self::Xz => Box::new(XzReader::new_mem_limit(packed, true, XZ_MEMORY)),
            Self::Zstd => Box::new(Frames { packed, decoder: FrameDecoder::new(), is_inside: false }),
        }
    }
}

/// All frames of a Zstandard stream, one after the other.
struct Frames<R> {
    packed: R,
    decoder: FrameDecoder,
    is_inside: bool,
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.is_inside {
                if self.packed.fill_buf()?.is_empty() {
                    return Ok(0);
                }
                self.begin()?;
                continue;
            }
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                self.decoder
                    .decode_blocks(&mut self.packed, BlockDecodingStrategy::UptoBlocks(1))
                    .map_err(|e| io::Error::other(e.to_string()))?;
            }
            let n = self.decoder.read(buffer)?;
            if n > 0 || buffer.is_empty() {
                return Ok(n);
            }
            let promised = self.decoder.get_checksum_from_data();
            if promised.is_some() && promised != self.decoder.get_calculated_checksum() {
                return Err(io::Error::other("its checksum does not hold"));
            }
            self.is_inside = false;
        }
    }
}

impl<R: BufRead> Frames<R> {
    /// Begins the next frame, or passes over one that is meant to be passed over.
    fn begin(&mut self) -> io::Result<()> {
        match self.decoder.init(&mut self.packed) {
            Ok(()) => self.is_inside = true,
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                io::copy(&mut (&mut self.packed).take(u64::from(length)), &mut io::sink())?;
            }
            Err(e) => return Err(io::Error::other(e.to_string())),
        }
        Ok(())
    }
}
